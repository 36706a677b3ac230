"""A service whose workers do not come up does not start, and says so by their exit status."""

import sys
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import ConfigError, ListenAddress, parse
from dohproxy.supervision import worker_process
from dohproxy.supervision.supervising import leaves_of, supervise
from dohproxy.supervision.supervisor import StartFailed

CONTENT = b"""
[server]
listen = ["127.0.0.1:0"]
workers = 2
[[upstream]]
name = "ns0"
url = "udp://192.0.2.1"
"""


async def test_the_exit_status_of_a_worker_that_does_not_come_up_is_that_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "dohproxy.toml"
    program = "import os, sys; os.fdopen(int(os.environ['DOHPROXY_WORKER']), 'rb').read() and sys.exit(78)"
    monkeypatch.setattr(worker_process, "same_program", lambda: [sys.executable, "-I", "-c", program])
    monkeypatch.setattr("dohproxy.supervision.store_process.find_program", lambda: None)
    announced: list[tuple[str, ...]] = []
    assert await supervise(parse(file, CONTENT), file, CONTENT, 2, announced.append) == 78
    assert announced == []


async def test_an_address_that_cannot_be_had_is_the_operators_to_put_right(tmp_path: Path) -> None:
    file = tmp_path / "dohproxy.toml"
    taken = ListenAddress("tcp", host="192.0.2.1", port=53)
    content = CONTENT.replace(b"127.0.0.1:0", str(taken).encode())
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
        await supervise(parse(file, content), file, content, 2, lambda _: None)


def test_an_error_is_found_however_deep_it_is() -> None:
    failed = StartFailed(1)
    inner: Any = BaseExceptionGroup("", [failed])
    assert leaves_of(BaseExceptionGroup("", [inner])) == [failed]

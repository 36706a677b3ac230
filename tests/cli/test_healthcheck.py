"""Whether a service answers, told by an exit code."""

import re
from pathlib import Path

import pytest

from tests.cli.running import first_line, run, started, write
from tests.e2e.processes import free_port


def test_healthcheck_does_not_read_the_certificate(directory: Path) -> None:
    # it runs as another user, perhaps in another container
    text = f'[server]\nlisten = ["127.0.0.1:{free_port()}"]\n[tls]\ncertificate = "absent.pem"\nkey = "absent.pem"\n'
    ended = run("healthcheck", "--config", write(directory, text))
    assert ended.exit_code == 1
    assert "unhealthy: no answer from 127.0.0.1:" in ended.stderr


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("source", ["connection", "proxy-protocol", "x-forwarded-for"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_healthcheck_tells_a_live_service_from_a_dead_one(directory: Path, tls: bool, source: str, kind: str) -> None:
    listen = f"127.0.0.1:{free_port()}" if kind == "tcp" else f"unix:{directory}/h1.sock"
    text = f'[server]\nlisten = ["{listen}"]\n'
    if source != "connection":
        text += f'[clients]\naddress_from = "{source}"\ntrusted_proxies = ["127.0.0.0/8", "unix"]\n'
    if tls:
        text += '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    file = write(directory, text)
    with started("serve", "--config", file) as process:
        first_line(process)
        alive = run("healthcheck", "--config", file)
        assert alive.exit_code == 0
        assert re.fullmatch(r"healthy: the event loop was at most \d+ ms late\n", alive.output)
    dead = run("healthcheck", "--config", file)
    assert dead.exit_code == 1
    assert dead.stderr.startswith("unhealthy: no answer from ")

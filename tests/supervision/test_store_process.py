"""The store that the service starts for its workers: on a private socket, bounded, and gone with who has started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dohproxy.builders import clock
from dohproxy.supervision.store_process import (
    MAX_MEGABYTES,
    PROGRAMS,
    StoreProcess,
    answers,
    command_of,
    find_program,
    launched,
)
from tests.conftest import FindProgram


@pytest.fixture
def program(find_program: FindProgram) -> str:
    """The program of a store."""
    return find_program("redis-server", "redis-server")


def test_valkey_comes_before_redis() -> None:
    assert find_program(lambda name: f"/usr/bin/{name}") == "/usr/bin/valkey-server"
    assert find_program(lambda name: "/usr/bin/redis-server" if name == PROGRAMS[1] else None) is not None
    assert find_program(lambda _: None) is None


def test_it_listens_at_its_socket_alone_keeps_nothing_and_is_bounded() -> None:
    command = command_of("/usr/bin/store", Path("/run/w"), Path("/run/w/store.sock"))
    settings = dict(zip(command[1::2], command[2::2], strict=True))
    assert settings["--port"] == "0"
    assert settings["--unixsocket"] == "/run/w/store.sock"
    assert settings["--unixsocketperm"] == "700"
    assert (settings["--save"], settings["--appendonly"]) == ("", "no")
    assert settings["--maxmemory"] == f"{MAX_MEGABYTES}mb"


async def test_without_a_program_workers_do_without_and_are_given_no_socket(tmp_path: Path) -> None:
    store = StoreProcess(tmp_path, clock, program="")
    store.program = None
    assert not await store.start()
    assert (store.socket, store.is_up, store.pid) == ("", False, 0)
    await store.keep_forever()
    store.stop()


async def test_it_answers_once_it_is_started_and_writes_nothing(program: str, tmp_path: Path) -> None:
    store = StoreProcess(tmp_path, clock, program)
    assert await store.start()
    try:
        assert store.is_up
        assert store.socket == str(tmp_path / "store.sock")
        assert await answers(store.path)
        assert os.stat(store.path).st_mode & 0o777 == 0o700  # noqa: PTH116 - as above
        assert os.listdir(tmp_path) == ["store.sock"]  # noqa: PTH208 - no harm in a test
    finally:
        pid = store.pid
        store.stop()
    assert pid
    assert store._process is not None
    assert await store._process.wait() == -signal.SIGKILL


async def test_what_is_no_store_is_given_up(tmp_path: Path) -> None:
    store = StoreProcess(tmp_path, clock, "/bin/true")
    assert not await store.start()
    assert not store.is_up
    assert store._process is not None
    await store._process.wait()


def test_it_ends_with_who_has_started_it(program: str, tmp_path: Path) -> None:
    path = tmp_path / "store.sock"
    code = (
        "import os, subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from dohproxy.supervision.store_process import command_of, launched\n"
        f"path = Path({str(path)!r})\n"
        f"child = subprocess.Popen(launched(command_of({program!r}, path.parent, path), os.getpid()),"
        " stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        _wait(lambda: path.exists())
        parent.kill()
    _wait(lambda: not _runs(pid))


def test_a_store_whose_starter_is_gone_already_does_not_begin() -> None:
    run = subprocess.run(launched(["/bin/echo", "begun"], os.getppid()), capture_output=True, text=True, check=False)
    assert run.stdout == ""


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _wait(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)

"""What a worker is handed arrives as it was, and in no child of its own."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import ListenAddress
from dohproxy.workers.division import Place
from dohproxy.workers.handover import (
    VARIABLE,
    HandedSocket,
    HandedSockets,
    Handover,
    admin_socket_of,
    decode,
    encode,
    take_over,
)

HANDOVER = Handover(
    Place(1, 2),
    bytes(range(32)),
    Path("/run/dohproxy/workers"),
    b"[server]\nworkers = 2\n",
    1024,
    tables=-1,
    lifeline=-1,
    sockets=(HandedSocket("server.listen", "127.0.0.1:0", -1),),
    environment={"NOTIFY_SOCKET": "/run/dohproxy/workers/notify-1.sock"},
    strange=(),
    saved={"at": 1.5, "values": {"bans": {"rule": []}}},
    is_replacement=True,
)


def test_a_handover_is_read_as_it_was_written() -> None:
    assert decode(encode(HANDOVER)) == HANDOVER
    assert decode(encode(replace(HANDOVER, saved=None))).saved is None


def test_a_worker_takes_commands_in_the_run_directory() -> None:
    assert HANDOVER.admin_socket == admin_socket_of(HANDOVER.run_directory, 1)
    assert HANDOVER.admin_socket.parent == HANDOVER.run_directory


def test_who_was_handed_nothing_is_no_worker() -> None:
    assert take_over({}, pytest.fail) is None


def _passed(content: bytes) -> dict[str, str]:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return {VARIABLE: str(reading), "PATH": "/bin"}


def test_what_comes_over_the_pipe_is_taken_after_all_is_prepared() -> None:
    strange, own, prepared = os.memfd_create("strange"), os.memfd_create("own"), []
    os.set_inheritable(own, True)
    handed = replace(HANDOVER, sockets=(), tables=own, lifeline=own, strange=(strange,))
    environment = _passed(encode(handed))
    found = take_over(environment, lambda: prepared.append(True))
    assert found == handed
    assert prepared == [True]
    assert environment == {"PATH": "/bin", **HANDOVER.environment}
    assert not os.get_inheritable(own)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(strange)
    os.close(own)


def test_who_stood_by_for_nothing_ends() -> None:
    with pytest.raises(EOFError):
        take_over(_passed(b""), lambda: None)


@pytest.mark.parametrize("content", [b"{}", b"[]", b"nonsense"])
def test_what_is_no_handover_is_no_worker(content: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        take_over(_passed(content), lambda: None)


def test_a_handed_socket_is_taken_once_by_what_the_configuration_says_of_it() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    address = ListenAddress("tcp", host="127.0.0.1", port=0)
    sockets = HandedSockets([HandedSocket("server.listen", str(address), os.dup(listening.fileno()))])
    assert sockets.take("dot.listen", address) is None
    taken = sockets.take("server.listen", address)
    assert taken is not None
    assert taken.getsockname() == listening.getsockname()
    assert sockets.take("server.listen", address) is None
    assert sockets.warnings([]) == ()
    sockets.close()
    assert taken.fileno() >= 0
    taken.close()
    listening.close()


def test_what_nobody_takes_is_closed() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    descriptor = os.dup(listening.fileno())
    HandedSockets([HandedSocket("dot.listen", "127.0.0.1:853", descriptor)]).close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    listening.close()

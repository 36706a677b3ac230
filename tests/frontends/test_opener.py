"""Every listener of a process: inherited or opened here, both get the same bounds."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dohproxy.config import ConfigError, ListenAddress
from dohproxy.frontends.kernel_buffers import SEND_BYTES
from dohproxy.frontends.opener import Opener
from dohproxy.service_manager.activation import InheritedSockets, address_of

LOOPBACK = ListenAddress("tcp", host="127.0.0.1", port=0)


def _options(sock: socket.socket) -> tuple[bool, int, int, int]:
    return (
        sock.getblocking(),
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
    )


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    """What lives as long as the process."""
    with contextlib.ExitStack() as opened:
        yield opened


def _opener(stack: contextlib.ExitStack, *bound: socket.socket) -> Opener:
    inherited = InheritedSockets([("doh", one.dup()) for one in bound])
    stack.callback(inherited.close)
    return Opener(inherited, stack)


def test_what_is_inherited_is_bounded_like_what_is_opened_here() -> None:
    with contextlib.ExitStack() as sockets, socket.create_server(("127.0.0.1", 0)) as bound:
        opener = _opener(sockets, bound)
        taken = opener.open("server.listen", address_of(bound), 10.0)
        opened = opener.open("server.listen", LOOPBACK, 10.0)
        assert taken.getsockname() == bound.getsockname()
        assert _options(taken) == _options(opened) == (False, 2 * SEND_BYTES, 10_000, 1)
        assert [warning.path for warning in opener.warnings()] == ["server.listen"]
        sockets.close()
    assert taken.fileno() == opened.fileno() == -1


@pytest.mark.parametrize("at_the_end", [True, False], ids=["at the end", "when it is told to"])
def test_the_file_of_an_inherited_socket_stays_and_that_of_our_own_goes(tmp_path: Path, at_the_end: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound, contextlib.ExitStack() as sockets:
        bound.bind(str(tmp_path / "inherited.sock"))
        bound.listen()
        opener = _opener(sockets, bound)
        names = ("inherited.sock", "own.sock")
        places = [("server.listen", ListenAddress("unix", path=str(tmp_path / name))) for name in names]
        opened = opener.open_all(places, 10.0)
        assert {path.name for path in tmp_path.iterdir()} == {"inherited.sock", "own.sock"}
        if at_the_end:
            sockets.close()
        else:
            for one in opened.values():
                opener.close(one)
        assert {path.name for path in tmp_path.iterdir()} == {"inherited.sock"}


def test_an_address_that_was_left_can_be_taken_up_again(stack: contextlib.ExitStack) -> None:
    bound = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    opener = _opener(stack, bound)
    first = opener.open("server.listen", address_of(bound), 10.0)
    assert opener.warnings() == ()
    opener.close(first)
    assert "is what no key of the configuration wants" in str(opener.warnings()[0])
    opener.open("server.listen", address_of(bound), 10.0)
    assert opener.warnings() == ()


def test_what_is_used_for_another_key_is_warned_of_under_that_one(stack: contextlib.ExitStack) -> None:
    bound = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    opener = _opener(stack, bound)
    opener.open("server.listen", address_of(bound), 10.0)
    opened = opener.open("server.listen", LOOPBACK, 10.0)
    opener.note_place(opened, ("dot.listen", address_of(opened)))
    assert [warning.path for warning in opener.warnings()] == ["dot.listen"]
    opener.close(opened)
    opener.note_place(opened, ("dot.listen", LOOPBACK))
    assert opener.warnings() == ()


def test_all_are_opened_or_none(stack: contextlib.ExitStack, tmp_path: Path) -> None:
    taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    addresses = [ListenAddress("unix", path=str(tmp_path / "own.sock")), address_of(taken)]
    with pytest.raises(ConfigError, match="in use"):
        _opener(stack).open_all([("server.listen", address) for address in addresses], 10.0)
    assert list(tmp_path.iterdir()) == []

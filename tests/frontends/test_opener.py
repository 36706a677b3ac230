"""Every listener of a process: inherited or opened here, both get the same bounds."""

import contextlib
import socket
from pathlib import Path

from dohproxy.config import ListenAddress
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


def test_what_is_inherited_is_bounded_like_what_is_opened_here() -> None:
    with contextlib.ExitStack() as sockets, socket.create_server(("127.0.0.1", 0)) as bound:
        inherited = InheritedSockets([("doh", bound.dup())])
        sockets.callback(inherited.close)
        open_one = Opener(inherited, sockets, 10.0)
        taken, opened = open_one("server.listen", address_of(bound)), open_one("server.listen", LOOPBACK)
        assert taken.getsockname() == bound.getsockname()
        assert _options(taken) == _options(opened) == (False, 2 * SEND_BYTES, 10_000, 1)
        assert [warning.path for warning in open_one.warnings()] == ["server.listen"]
    assert taken.fileno() == opened.fileno() == -1


def test_the_file_of_an_inherited_socket_stays_and_that_of_our_own_goes(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        bound.bind(str(tmp_path / "inherited.sock"))
        bound.listen()
        with contextlib.ExitStack() as sockets:
            inherited = InheritedSockets([("doh", bound.dup())])
            sockets.callback(inherited.close)
            open_one = Opener(inherited, sockets, 10.0)
            for name in ("inherited.sock", "own.sock"):
                open_one("server.listen", ListenAddress("unix", path=str(tmp_path / name)))
            assert {path.name for path in tmp_path.iterdir()} == {"inherited.sock", "own.sock"}
        assert {path.name for path in tmp_path.iterdir()} == {"inherited.sock"}

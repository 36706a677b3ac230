"""Sockets that listen: what they refuse, what they take over, and what is said when an address cannot be had."""

import select
import socket
from pathlib import Path

import pytest

from dohproxy.config import ConfigError, ListenAddress
from dohproxy.frontends.listening import defer_accepting, open_listener, remover_of_file


def test_a_busy_port_is_told_with_its_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"metrics\.listen cannot listen on 127\.0\.0\.1:{port}.*in use"):
            open_listener(ListenAddress("tcp", host="127.0.0.1", port=port), key="metrics.listen")


@pytest.mark.parametrize(
    ("name", "told"),
    [("absent/h1.sock", "No such file"), ("a" * 200, "too long"), ("plain-file", "in use"), (".", "in use")],
)
def test_a_socket_file_that_cannot_be_had_is_told(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "plain-file").write_text("kept")
    with pytest.raises(ConfigError, match=told):
        open_listener(ListenAddress("unix", path=str(tmp_path / name)))
    assert (tmp_path / "plain-file").read_text() == "kept"


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(ConfigError, match=r"server\.listen cannot listen on 192\.0\.2\.1:0: Cannot assign"):
        open_listener(ListenAddress("tcp", host="192.0.2.1", port=0))


def test_a_socket_file_left_behind_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    address = ListenAddress("unix", path=str(tmp_path / "h1.sock"))
    open_listener(address).close()
    with open_listener(address) as live:
        with pytest.raises(ConfigError, match="in use"):
            open_listener(address)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(address.path))
            live.setblocking(True)
            live.accept()[0].close()
    assert (tmp_path / "h1.sock").stat().st_mode & 0o777 == 0o660


def test_a_socket_file_is_removed_unless_a_successor_has_put_its_own_there(tmp_path: Path) -> None:
    address = ListenAddress("unix", path=str(tmp_path / "h1.sock"))
    with open_listener(address) as first:
        remove = remover_of_file(first)
    with open_listener(address) as second:
        remove()
        assert (tmp_path / "h1.sock").is_socket()
        remover_of_file(second)()
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_file_of_a_tcp_socket_to_remove() -> None:
    with open_listener(ListenAddress("tcp", host="127.0.0.1", port=0)) as opened:
        remover_of_file(opened)()
        assert opened.fileno() >= 0


def test_an_ipv6_listener_takes_no_ipv4() -> None:
    with open_listener(ListenAddress("tcp", host="::", port=0)) as opened:
        assert opened.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


@pytest.mark.skipif(not hasattr(socket, "TCP_DEFER_ACCEPT"), reason="this kernel hands over every connection at once")
def test_who_only_connects_is_kept_by_the_kernel_until_the_first_byte() -> None:
    listening = open_listener(ListenAddress("tcp", host="127.0.0.1", port=0))
    with listening, socket.socket() as client:
        defer_accepting(listening)
        client.connect(listening.getsockname())
        with pytest.raises(BlockingIOError):
            listening.accept()
        client.send(b"x")
        assert select.select([listening], [], [], 5.0)[0]
        listening.accept()[0].close()

"""One set of sockets for each worker: the kernel spreads clients among them, and keeps the queue of one who is gone."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dohproxy.config import Config, ConfigError, DotConfig, ListenAddress, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.service_manager.activation import InheritedSockets
from dohproxy.supervision.listening_sets import ListeningSets

ANYWHERE = ListenAddress("tcp", host="127.0.0.1", port=0)
UPSTREAM = UpstreamConfig("one", UpstreamAddress("udp", "192.0.2.1", 53))


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    """What is opened in a test and closed with it."""
    with contextlib.ExitStack() as opened:
        yield opened


def _sets(
    stack: contextlib.ExitStack, *listen: ListenAddress, inherited: InheritedSockets | None = None
) -> ListeningSets:
    config = Config((UPSTREAM,), server=ServerConfig(listen))
    return ListeningSets(config, 2, inherited or InheritedSockets(()), stack)


def _port(sets: ListeningSets) -> int:
    return int(sets.bound[0].rpartition(":")[2])


def _accepting(sets: ListeningSets, number: int) -> socket.socket:
    [handed] = sets.of(number)
    return socket.socket(fileno=handed.descriptor)


def test_each_worker_has_a_socket_of_its_own_at_one_port(stack: contextlib.ExitStack) -> None:
    sets = _sets(stack, ANYWHERE)
    [one], [other] = sets.of(0), sets.of(1)
    assert one.descriptor != other.descriptor
    assert (one.key, one.address) == ("server.listen", "127.0.0.1:0")
    assert sets.descriptors == {one.descriptor, other.descriptor}
    assert sets.strange_to(0) == (other.descriptor,)
    assert sets.shared == ()


def test_connections_are_spread_over_both(stack: contextlib.ExitStack) -> None:
    sets = _sets(stack, ANYWHERE)
    for _ in range(64):
        stack.enter_context(socket.create_connection(("127.0.0.1", _port(sets))))
    counts = []
    for number in range(2):
        accepting, count = _accepting(sets, number), 0
        with contextlib.suppress(BlockingIOError):
            while True:
                accepting.accept()[0].close()
                count += 1
        accepting.detach()
        counts.append(count)
    assert sum(counts) == 64
    assert min(counts) >= 8


def test_once_a_set_is_let_go_all_new_connections_are_the_others(stack: contextlib.ExitStack) -> None:
    sets = _sets(stack, ANYWHERE)
    sets.let_go(0)
    for _ in range(16):
        stack.enter_context(socket.create_connection(("127.0.0.1", _port(sets))))
    accepting = _accepting(sets, 1)
    for _ in range(16):
        accepting.accept()[0].close()
    accepting.detach()
    assert sets.of(0) == ()


def test_an_address_that_somebody_has_is_refused_though_several_could_share_it(stack: contextlib.ExitStack) -> None:
    sets = _sets(stack, ANYWHERE)
    with pytest.raises(ConfigError, match="in use"):
        _sets(stack, ListenAddress("tcp", host="127.0.0.1", port=_port(sets)))


def test_a_unix_socket_is_one_for_all_and_its_file_goes_in_the_end(stack: contextlib.ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "h1.sock"
    with contextlib.ExitStack() as sockets:
        sets = _sets(sockets, ListenAddress("unix", path=str(path)))
        assert sets.of(0) == sets.of(1)
        assert sets.strange_to(0) == ()
        assert sets.shared == (f"unix:{path}",)
        sets.let_go(0)
        stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
    assert not path.exists()


def test_an_inherited_socket_is_one_for_all(stack: contextlib.ExitStack) -> None:
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = listening.getsockname()[1]
    inherited = InheritedSockets([("doh", listening.dup())])
    stack.callback(inherited.close)
    sets = _sets(stack, ListenAddress("tcp", host="127.0.0.1", port=port), inherited=inherited)
    assert sets.of(0) == sets.of(1)
    assert sets.shared == (f"127.0.0.1:{port}",)
    assert sets.warnings == ()


def test_every_protocol_has_its_sockets(stack: contextlib.ExitStack) -> None:
    config = Config((UPSTREAM,), server=ServerConfig((ANYWHERE,)), dot=DotConfig(listen=(ANYWHERE,)))
    sets = ListeningSets(config, 3, InheritedSockets(()), stack)
    assert [one.key for one in sets.of(2)] == ["server.listen", "dot.listen"]
    assert len(sets.descriptors) == 6
    assert len(sets.bound) == 2

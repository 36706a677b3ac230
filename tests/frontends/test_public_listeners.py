"""Where clients connect: each address once, and those of a reload in place of those before."""

import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import Config, ConfigError, DotConfig, ListenAddress, ServerConfig, UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.frontends.opener import Opener
from dohproxy.frontends.public_listeners import PublicListeners, places
from dohproxy.service_manager.activation import DOT_KEY, SERVER_KEY, InheritedSockets


class Acceptor:
    """Stands for a listener, and knows no frontend."""

    def __init__(self, key: str, listening: socket.socket, accepting: list[socket.socket]) -> None:
        self.key = key
        self.listening = listening
        self.is_stopped = False
        self._accepting = accepting

    async def accept_forever(self) -> None:
        """Note that connections are taken here."""
        self._accepting.append(self.listening)

    def stop(self) -> None:
        """Take nothing new."""
        self.is_stopped = True


class House:
    """Public listeners, and what they let run."""

    def __init__(self, sockets: contextlib.ExitStack) -> None:
        self.accepting: list[socket.socket] = []
        self.made: list[Acceptor] = []
        self.listeners = PublicListeners(Opener(InheritedSockets(()), sockets), self._make, self._begin)
        self.began: Callable[[], None] = lambda: None
        self.stopped_at_begin: list[bool] = []

    def _make(self, key: str, listening: socket.socket) -> Any:
        self.made.append(Acceptor(key, listening, self.accepting))
        return self.made[-1]

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.began()
        with pytest.raises(StopIteration):
            coroutine.send(None)


@pytest.fixture
def house() -> Iterator[House]:
    """Nothing listens yet."""
    with contextlib.ExitStack() as sockets:
        yield House(sockets)


def _file(path: Path, name: str, key: str = SERVER_KEY) -> tuple[str, ListenAddress]:
    return key, ListenAddress("unix", path=str(path / name))


def test_nothing_is_accepted_before_everything_is_ready(house: House, tmp_path: Path) -> None:
    first, second = _file(tmp_path, "first"), _file(tmp_path, "second")
    house.listeners.add(house.listeners.open([first, second], 10.0))
    assert house.listeners.bound == (f"unix:{first[1].path}", f"unix:{second[1].path}")
    assert house.accepting == []
    house.listeners.accept()
    assert house.accepting == [one.listening for one in house.made]


def test_a_port_that_the_system_chooses_is_told(house: House) -> None:
    house.listeners.add(house.listeners.open([(SERVER_KEY, ListenAddress("tcp", host="127.0.0.1", port=0))], 10.0))
    port = house.made[0].listening.getsockname()[1]
    assert port > 0
    assert house.listeners.bound == (f"127.0.0.1:{port}",)


def test_what_stays_is_neither_opened_nor_accepted_again(house: House, tmp_path: Path) -> None:
    stays, goes, comes = _file(tmp_path, "stays"), _file(tmp_path, "goes"), _file(tmp_path, "comes")
    house.listeners.add(house.listeners.open([stays, goes], 10.0))
    house.listeners.accept()
    opened = house.listeners.open([stays, comes], 10.0)
    assert list(opened) == [comes]
    house.listeners.switch([stays, comes], opened)
    kept, gone, new = house.made
    assert house.accepting == [kept.listening, gone.listening, new.listening]
    assert [kept.is_stopped, gone.is_stopped, new.is_stopped] == [False, True, False]
    assert gone.listening.fileno() == -1
    assert house.listeners.bound == (f"unix:{stays[1].path}", f"unix:{comes[1].path}")


def test_where_one_address_cannot_be_had_nothing_changes(house: House, tmp_path: Path) -> None:
    first = _file(tmp_path, "first")
    house.listeners.add(house.listeners.open([first], 10.0))
    with pytest.raises(ConfigError):
        house.listeners.open([_file(tmp_path, "second"), _file(tmp_path / "nowhere", "third")], 10.0)
    assert {path.name for path in tmp_path.iterdir()} == {"first"}
    assert house.listeners.bound == (f"unix:{first[1].path}",)


def test_an_address_goes_from_one_protocol_to_the_other_with_its_socket_and_who_waits_there(
    house: House, tmp_path: Path
) -> None:
    before, after, other = _file(tmp_path, "one"), _file(tmp_path, "one", DOT_KEY), _file(tmp_path, "other")
    house.listeners.add(house.listeners.open([before], 10.0))
    house.listeners.accept()
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(before[1].path)
        house.listeners.switch([other, after], house.listeners.open([other, after], 10.0))
        old, *new = house.made
        assert old.is_stopped
        assert {one.key: one.listening.getsockname() for one in new} == {
            SERVER_KEY: other[1].path,
            DOT_KEY: after[1].path,
        }
        [takes] = (one for one in new if one.key == DOT_KEY)
        assert takes.listening is old.listening
        accepted, _ = takes.listening.accept()
        accepted.close()


def test_who_has_left_an_address_holds_nothing_of_it_when_the_next_one_comes(house: House, tmp_path: Path) -> None:
    place = _file(tmp_path, "one")
    house.listeners.add(house.listeners.open([place], 10.0))
    opened = house.listeners.open([(DOT_KEY, place[1])], 10.0)
    assert not house.made[0].is_stopped
    house.began = lambda: house.stopped_at_begin.append(house.made[0].is_stopped)
    house.listeners.switch([(DOT_KEY, place[1])], opened)
    assert house.stopped_at_begin == [True]


def test_two_protocols_change_places(house: House, tmp_path: Path) -> None:
    one, other = _file(tmp_path, "one"), _file(tmp_path, "other", DOT_KEY)
    house.listeners.add(house.listeners.open([one, other], 10.0))
    wanted = [(SERVER_KEY, other[1]), (DOT_KEY, one[1])]
    house.listeners.switch(wanted, house.listeners.open(wanted, 10.0))
    assert [(new.key, new.listening.getsockname()) for new in house.made[2:]] == [
        (key, address.path) for key, address in wanted
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"one", "other"}


def test_an_address_that_is_written_otherwise_is_the_same(house: House, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    before, after = _file(tmp_path, "one"), _file(tmp_path / "link", "one")
    house.listeners.add(house.listeners.open([before], 10.0))
    house.listeners.switch([after], house.listeners.open([after], 10.0))
    old, new = house.made
    assert new.listening is old.listening
    assert (tmp_path / "one").exists()


def test_where_another_address_cannot_be_had_each_protocol_stays_where_it_is(house: House, tmp_path: Path) -> None:
    place = _file(tmp_path, "one")
    house.listeners.add(house.listeners.open([place], 10.0))
    with pytest.raises(ConfigError):
        house.listeners.open([(DOT_KEY, place[1]), _file(tmp_path / "nowhere", "other")], 10.0)
    [listener] = house.made
    assert not listener.is_stopped
    assert listener.listening.fileno() >= 0
    assert list(house.listeners.by_place) == [place]


def test_at_the_end_nothing_listens(house: House, tmp_path: Path) -> None:
    house.listeners.add(house.listeners.open([_file(tmp_path, "first"), _file(tmp_path, "second")], 10.0))
    house.listeners.stop()
    assert [(one.is_stopped, one.listening.fileno()) for one in house.made] == [(True, -1)] * 2
    assert house.listeners.bound == ()


def test_who_accepts_knows_what_is_spoken_there(house: House, tmp_path: Path) -> None:
    doh, dot = _file(tmp_path, "doh"), _file(tmp_path, "dot", DOT_KEY)
    house.listeners.add(house.listeners.open([doh, dot], 10.0))
    assert [one.key for one in house.made] == [SERVER_KEY, DOT_KEY]


def test_the_places_of_a_configuration_are_those_of_both_protocols() -> None:
    one, other = (ListenAddress("tcp", host="127.0.0.1", port=port) for port in (8443, 8853))
    upstream = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))
    config = Config((upstream,), server=ServerConfig(listen=(one,)), dot=DotConfig(listen=(other,)))
    assert places(config) == ((SERVER_KEY, one), (DOT_KEY, other))

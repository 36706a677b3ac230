"""The client that keeps its connections: how it asks, what it counts, and what it says where that means nothing."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count, repeat
from pathlib import Path

import pytest

from bench.peers import crowd as crowd_module
from bench.peers.asking import CACHED_NAMES, COUNTED_NAMES, KINDS, MISS_SHARE, asking
from bench.peers.clients import Client, Load, LoadFailed, ready_client
from bench.peers.crowd import Crowd
from bench.peers.speakers import Http1Speaker, Prepared
from bench.peers.workloads import FEW
from bench.processes import choose_cores, cpu_seconds
from dohproxy.doh.base64url import decode
from tests.e2e.processes import free_port

FIRST = "www.example.net"


# --- Connections that answer themselves ---


class Echo:
    """A connection whose server answers at once, or never."""

    def __init__(self, *, is_silent: bool = False) -> None:
        self.asked: list[int] = []
        self.answers = 0
        self._silent = is_silent
        self._ours, self._theirs = socket.socketpair()

    def fileno(self) -> int:
        return self._ours.fileno()

    def ask(self, requests: Sequence[Prepared]) -> None:
        self.asked.append(len(requests))
        if not self._silent:
            self._theirs.sendall(b"x" * len(requests))

    def hear(self) -> int:
        heard = len(self._ours.recv(65_536))
        self.answers += heard
        return heard

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


Opener = Callable[..., list[Echo]]


@pytest.fixture
def echoes() -> Iterator[Opener]:
    """What opens connections; they are closed in the end."""
    with ExitStack() as stack:

        def opened(number: int, *, is_silent: bool = False) -> list[Echo]:
            connections = [Echo(is_silent=is_silent) for _ in range(number)]
            for one in connections:
                stack.callback(one.close)
            return connections

        yield opened


def crowd_of(connections: Sequence[Echo], streams: int) -> Crowd:
    """Return a crowd of connections that are none of its own."""
    return Crowd(connections, streams)  # type: ignore[arg-type]


def test_all_requests_are_asked_and_all_responses_counted(echoes: Opener) -> None:
    connections = echoes(3)
    load = crowd_of(connections, 10).ask(iter([(b"",)] * 1_000), 60.0)
    assert load.answered == 1_000
    assert sum(sum(one.asked) for one in connections) == 1_000
    assert all(one.asked[0] == 10 for one in connections)


def test_no_connection_has_more_under_way_than_it_has_streams(echoes: Opener) -> None:
    (connection,) = connections = echoes(1)
    crowd_of(connections, 7).ask(iter([(b"",)] * 100), 60.0)
    assert max(connection.asked) == 7


def test_when_the_time_is_over_nothing_more_is_asked_and_the_last_response_is_waited_for(
    echoes: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    (connection,) = connections = echoes(1)
    crowd = crowd_of(connections, 2)
    ticks = count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    load = crowd.ask(repeat((b"",)), 3.0)
    # The clock is read at the beginning, once after each look at the sockets, and at the end.
    assert connection.asked == [2, 2, 2]
    assert (load.answered, crowd.answers) == (6, 6)
    assert load.seconds == 4.0


def test_a_request_without_an_answer_means_that_the_turn_means_nothing(
    echoes: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd_module, "TIMEOUT_SECONDS", 0.01)
    with pytest.raises(LoadFailed, match="2 requests without an answer"):
        crowd_of(echoes(1, is_silent=True), 2).ask(repeat((b"",)), 1.0)


def test_what_is_not_cached_yet_is_asked_over_few_connections(echoes: Opener) -> None:
    connections = echoes(50)
    assert crowd_of(connections, 10).warm_up(iter([(b"",)] * 500)).answered == 500
    assert sum(bool(one.asked) for one in connections) == FEW


# --- What is asked ---


def names_of(requests: Sequence[Prepared]) -> list[str]:
    """Return the names of GETs over HTTP/1.1."""
    targets = (request[0].split()[1].decode().partition("dns=")[2] for request in requests)
    return [".".join(_labels(decode(target))) for target in targets]


def _labels(message: bytes) -> list[str]:
    labels, at = [], 12
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return labels


SPEAKER = Http1Speaker("GET", FIRST)


@pytest.mark.parametrize(("kind", "names"), [("cached", CACHED_NAMES), ("counted", COUNTED_NAMES)])
def test_cached_names_are_asked_for_one_after_the_other_and_go_on_in_the_next_turn(kind: str, names: int) -> None:
    what = asking(kind, SPEAKER)
    asked = names_of([*what.turn(0, names // 2), *what.turn(1, names)])
    assert len(set(asked[:names])) == names
    assert asked[names:] == asked[: names // 2]
    assert set(names_of(what.warm)) == set(asked)


@pytest.mark.parametrize("kind", ["miss", "fill"])
def test_new_names_are_new_in_every_turn(kind: str) -> None:
    what = asking(kind, SPEAKER)
    asked = names_of([*what.turn(0, 50), *what.turn(1, 50)])
    assert len(set(asked)) == 100
    assert what.warm == ()


def test_a_tenth_of_mixed_names_is_new_and_the_others_are_warm() -> None:
    what = asking("mixed", SPEAKER)
    warm = set(names_of(what.warm))
    asked = names_of(list(what.turn(0, 1_000)))
    assert sum(name not in warm for name in asked) == MISS_SHARE * 1_000
    assert {name for name in names_of(list(what.turn(1, 1_000))) if name not in warm}.isdisjoint(asked)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_as_many_requests_as_are_wanted(kind: str) -> None:
    assert len(list(asking(kind, SPEAKER).turn(0, 25))) == 25


@pytest.mark.parametrize("kind", ["three-bytes", "no-base64", "limited"])
def test_what_is_refused_is_neither_warm_nor_answered(kind: str) -> None:
    what = asking(kind, SPEAKER)
    assert (what.warm, what.is_answered) == ((), False)


# --- The process ---

WORKER = """
import sys
from bench.peers.clients import Load, LoadFailed, serve_turns

def take(number, seconds, most):
    if not most:
        raise LoadFailed("3 responses, 2 with an address")
    return Load(sum(1 for _ in range(most)), seconds + number)

serve_turns(take)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client that counts to what it is told instead of asking, and fails where that is nothing."""
    (tmp_path / "counting_client.py").write_text(WORKER, encoding="ascii")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with ready_client(["counting_client"], choose_cores()[1], tmp_path) as client:
        yield client


def test_a_client_that_cannot_get_ready_says_why(tmp_path: Path) -> None:
    arguments = ["bench.peers.crowd", str(free_port()), "cached", "--frontend=http1"]
    with (
        pytest.raises(LoadFailed, match="Connection refused"),
        ready_client(arguments, choose_cores()[1], tmp_path),
    ):
        pass


def test_a_client_takes_the_turns_it_is_told_to(worker: Client) -> None:
    assert worker.take_turn(0.5, 7) == Load(7, 0.5)
    assert worker.take_turn(0.5, 8) == Load(8, 1.5)


def test_a_turn_that_means_nothing_ends_the_client_with_its_sentence(worker: Client) -> None:
    for _ in range(2):
        with pytest.raises(LoadFailed, match=r"^3 responses, 2 with an address$"):
            worker.take_turn(1.0)


def test_the_cpu_clock_of_a_process_sees_what_it_works(worker: Client) -> None:
    clocks = []
    for most in (1, 1, 1_000_000):
        worker.take_turn(0.0, most)
        clocks.append(cpu_seconds(worker.process.pid))
    assert 0 < clocks[1] - clocks[0] < clocks[2] - clocks[1]

"""Handshakes are worked at in slices, members' first, and strangers' within their share of a core."""

from collections.abc import Callable

import pytest

from dohproxy.frontends.handshake_scheduler import CREDIT_SECONDS, SLICE_SECONDS, HandshakeScheduler

DEAR = 0.008
CHEAP = 0.0003


class Loop:
    """Time, and what is to be called in the next turn or later."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.next: list[Callable[[], None]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.next.append(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        assert delay > 0
        self.later.append((self.now + delay, callback))

    def turn(self) -> float:
        """Run one turn, after sleeping if there is nothing else to do; return the seconds of work in it."""
        if not self.next and self.later:
            self.now = max(self.now, min(at for at, _ in self.later))
        due = [one for at, one in self.later if at <= self.now] + self.next
        self.later = [(at, one) for at, one in self.later if at > self.now]
        self.next = []
        began = self.now
        for callback in due:
            callback()
        return self.now - began


class One:
    """A handshake that takes its time."""

    def __init__(self, loop: Loop, seconds: float, done: list[str], name: str) -> None:
        self._loop, self._seconds, self._done, self._name = loop, seconds, done, name

    def go_on(self) -> None:
        self._loop.now += self._seconds
        self._done.append(self._name)


class Scheduling:
    """A pace, and those who come to it."""

    def __init__(self, percent: float = 50) -> None:
        self.loop = Loop()
        self.scheduler = HandshakeScheduler(self.loop.call_soon, self.loop.call_later, percent, lambda: self.loop.now)
        self.done: list[str] = []

    def come(self, name: str, seconds: float = DEAR) -> One:
        """Somebody whose message is there: a member if the name says so."""
        one = One(self.loop, seconds, self.done, name)
        self.scheduler.take(one, is_stranger=name != "member")
        return one


def test_a_handshake_that_comes_alone_goes_on_at_once() -> None:
    frontend = Scheduling()
    for _ in range(3):
        frontend.come("stranger", CHEAP)
        frontend.loop.turn()
    assert (frontend.done, frontend.scheduler.waiting) == (["stranger"] * 3, 0)
    frontend.loop.turn()
    assert (frontend.loop.next, frontend.loop.later) == ([], [])


@pytest.mark.parametrize("seconds", [CHEAP, DEAR])
def test_no_turn_has_more_than_a_slice_and_one_handshake(seconds: float) -> None:
    frontend = Scheduling(percent=100)
    for _ in range(200):
        frontend.come("stranger", seconds)
    assert len(frontend.done) * seconds <= SLICE_SECONDS + seconds
    while frontend.scheduler.waiting:
        assert frontend.loop.turn() <= SLICE_SECONDS + seconds
    assert len(frontend.done) == 200


def test_strangers_take_no_more_of_a_core_than_their_share() -> None:
    frontend = Scheduling(percent=25)
    began = frontend.loop.now
    for _ in range(100):
        frontend.come("stranger")
    while frontend.scheduler.waiting:
        frontend.loop.turn()
    assert 100 * DEAR / (frontend.loop.now - began) == pytest.approx(0.25, rel=0.05)


def test_what_is_saved_up_is_bounded() -> None:
    frontend = Scheduling(percent=10)
    frontend.loop.now += 1_000
    for _ in range(100):
        frontend.come("stranger", CHEAP)
    spent = 0.0
    while not frontend.loop.later:
        spent += frontend.loop.turn()
    assert len(frontend.done) * CHEAP == pytest.approx(CREDIT_SECONDS * 0.1 / 0.9, abs=2 * CHEAP)


def test_members_go_before_strangers_however_long_these_have_waited() -> None:
    frontend = Scheduling()
    for name in ("stranger", "stranger", "stranger", "member", "member"):
        frontend.come(name)
    while frontend.scheduler.waiting:
        frontend.loop.turn()
    assert frontend.done == ["stranger", "member", "member", "stranger", "stranger"]


def test_what_has_been_begun_goes_before_what_has_not() -> None:
    frontend = Scheduling()
    for name in ("stranger", "stranger", "stranger"):
        frontend.come(name)
    begun = [One(frontend.loop, CHEAP, frontend.done, f"begun {number}") for number in range(2)]
    for one in begun:
        frontend.scheduler.take(one, is_stranger=True, is_begun=True)
    frontend.come("member")
    frontend.scheduler.leave(begun[1])
    assert frontend.scheduler.waiting == 4
    while frontend.scheduler.waiting:
        frontend.loop.turn()
    assert frontend.done == ["stranger", "member", "begun 0", "stranger", "stranger"]


def test_a_burst_of_dear_handshakes_comes_to_an_end_in_time() -> None:
    frontend = Scheduling()
    ends: list[float] = []

    class Whole:
        """Its second message is there in the turn after its first was answered."""

        is_begun = False

        def go_on(self) -> None:
            frontend.loop.now += CHEAP if self.is_begun else DEAR
            if self.is_begun:
                ends.append(frontend.loop.now)
            else:
                self.is_begun = True
                frontend.loop.call_soon(lambda: frontend.scheduler.take(self, is_stranger=True, is_begun=True))

    began = frontend.loop.now
    for _ in range(100):
        frontend.scheduler.take(Whole(), is_stranger=True)
    while len(ends) < 100:
        frontend.loop.turn()
    # One after the other, and not all at the end.
    assert sum(ends) / 100 - began == pytest.approx((ends[-1] - began) / 2, rel=0.1)


def test_members_do_not_wait_for_the_share_of_strangers() -> None:
    frontend = Scheduling(percent=1)
    for _ in range(3):
        frontend.come("stranger")
    while not frontend.loop.later:
        frontend.loop.turn()
    waiting = frontend.scheduler.waiting
    assert waiting > 0
    frontend.come("member")
    assert frontend.done[-1] == "member"
    frontend.come("member")
    frontend.loop.turn()
    assert frontend.done[-2:] == ["member", "member"]
    assert frontend.scheduler.waiting == waiting


def test_who_goes_while_waiting_takes_no_turn() -> None:
    frontend = Scheduling()
    frontend.come("first")
    gone = frontend.come("gone")
    frontend.come("last")
    frontend.scheduler.leave(gone)
    frontend.scheduler.leave(gone)
    while frontend.scheduler.waiting:
        frontend.loop.turn()
    assert frontend.done == ["first", "last"]


def test_a_bug_in_one_handshake_keeps_no_other_from_its_turn() -> None:
    frontend = Scheduling()

    class Bug:
        def go_on(self) -> None:
            raise ZeroDivisionError

    frontend.come("first")
    frontend.scheduler.take(Bug(), is_stranger=False)
    frontend.come("last")
    with pytest.raises(ZeroDivisionError):
        frontend.loop.turn()
    while frontend.scheduler.waiting:
        frontend.loop.turn()
    assert frontend.done == ["first", "last"]

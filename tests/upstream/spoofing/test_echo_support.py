"""What it takes to rely on an echo, and what to stop relying on it."""

import pytest

from dohproxy.saved import UnfitState
from dohproxy.upstream.spoofing.echo_support import PAUSE_SECONDS, EchoState, EchoSupport
from tests.fakes.restarts import BOOTED, after, written

UNKNOWN, ESTABLISHED, GIVEN_UP = EchoState


def _shown(times: int) -> EchoSupport:
    echo_support = EchoSupport()
    for _ in range(times):
        echo_support.shown(0.0)
    return echo_support


def _miss(echo_support: EchoSupport, times: int, *, answers_between: int = 0) -> None:
    for number in range(times):
        for _ in range(answers_between):
            echo_support.shown(0.0)
        echo_support.missed(b"\x04name%d\x00" % number, 0.0)


@pytest.mark.parametrize(("times", "state"), [(0, UNKNOWN), (2, UNKNOWN), (3, ESTABLISHED), (1000, ESTABLISHED)])
def test_three_proofs_establish_it(times: int, state: EchoState) -> None:
    assert _shown(times).state(0.0) is state


def test_the_proofs_must_come_in_a_row() -> None:
    echo_support = _shown(2)
    echo_support.lacked(0.0)
    echo_support.shown(0.0)
    assert echo_support.state(0.0) is UNKNOWN
    echo_support.shown(0.0)
    echo_support.shown(0.0)
    assert echo_support.state(0.0) is ESTABLISHED


def test_once_it_is_established_a_reply_without_it_does_not_undo_that() -> None:
    echo_support = _shown(3)
    echo_support.lacked(0.0)
    assert echo_support.state(0.0) is ESTABLISHED


@pytest.mark.parametrize(
    ("times", "answers_between", "state"),
    [
        pytest.param(3, 0, ESTABLISHED, id="three waits in vain are not enough"),
        pytest.param(4, 0, GIVEN_UP, id="four are"),
        pytest.param(5, 8, ESTABLISHED, id="replies between them count"),
        pytest.param(8, 8, GIVEN_UP, id="but one wait in nine cannot go on"),
        pytest.param(1000, 16, ESTABLISHED, id="one in seventeen can, for ever"),
    ],
)
def test_waits_in_vain_end_it(times: int, answers_between: int, state: EchoState) -> None:
    echo_support = _shown(3)
    _miss(echo_support, times, answers_between=answers_between)
    assert echo_support.state(0.0) is state


def test_the_same_name_again_and_again_says_nothing_new() -> None:
    echo_support = _shown(3)
    for _ in range(100):
        echo_support.missed(b"\x04same\x00", 0.0)
    assert echo_support.state(0.0) is ESTABLISHED


def test_before_it_is_established_one_wait_in_vain_ends_it() -> None:
    echo_support = _shown(2)
    _miss(echo_support, 1)
    assert echo_support.state(0.0) is GIVEN_UP


def test_what_was_given_up_is_looked_for_again_and_from_the_beginning() -> None:
    echo_support = _shown(3)
    _miss(echo_support, 4)
    assert echo_support.state(PAUSE_SECONDS - 1) is GIVEN_UP
    assert echo_support.state(PAUSE_SECONDS) is UNKNOWN
    for _ in range(2):
        echo_support.shown(PAUSE_SECONDS)
    assert echo_support.state(PAUSE_SECONDS) is UNKNOWN
    echo_support.shown(PAUSE_SECONDS)
    _miss(echo_support, 3)
    assert echo_support.state(PAUSE_SECONDS) is ESTABLISHED


def test_nothing_that_still_comes_in_changes_what_was_given_up() -> None:
    echo_support = EchoSupport()
    echo_support.give_up(0.0)
    for _ in range(5):
        echo_support.shown(1.0)
        echo_support.lacked(1.0)
        echo_support.missed(b"\x04name\x00", 1.0)
    assert echo_support.state(PAUSE_SECONDS - 0.1) is GIVEN_UP
    assert echo_support.state(PAUSE_SECONDS) is UNKNOWN
    for _ in range(2):
        echo_support.shown(PAUSE_SECONDS)
    assert echo_support.state(PAUSE_SECONDS) is UNKNOWN


class TestAfterARestart:
    def test_what_was_established_is(self) -> None:
        again = EchoSupport()
        again.restore(written(_shown(3).export(0.0)), after(86_400.0))
        assert again.state(BOOTED) is ESTABLISHED

    def test_what_was_given_up_is_until_its_pause_is_over(self) -> None:
        before, again = EchoSupport(), EchoSupport()
        before.give_up(0.0)
        again.restore(written(before.export(0.0)), after(60.0))
        assert again.state(BOOTED + PAUSE_SECONDS - 61.0) is GIVEN_UP
        assert again.state(BOOTED + PAUSE_SECONDS - 60.0) is UNKNOWN

    def test_no_name_is_handed_over(self) -> None:
        before = _shown(3)
        _miss(before, 1)
        assert "name" not in str(before.export(0.0))

    def test_what_is_unfit_changes_nothing(self) -> None:
        again = EchoSupport()
        with pytest.raises(UnfitState):
            again.restore({"proofs": 99, "suspicion": 0, "given_up_until": None}, after(0.0))
        assert again.state(0.0) is UNKNOWN

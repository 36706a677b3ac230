"""Networks counted by several nodes together."""

import random

import pytest

from dohproxy.policy.shared_visitors import AWAY_SECONDS, SharedVisitors

WALL = 86_400.0 * 20_000
DRAW = random.Random(7)  # noqa: S311 - no secret


def hashes(first: int, last: int) -> list[int]:
    """Return keyed hashes of networks."""
    return [random.Random(number).getrandbits(64) for number in range(first, last)]  # noqa: S311 - no secret


def visitors(seed: int = 1) -> SharedVisitors:
    """Return one node's, with salts of its own."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    return SharedVisitors(lambda: draw.getrandbits(64), WALL)


def agree(*nodes: SharedVisitors) -> None:
    """Have nodes take the first one's salts."""
    for period, salt in nodes[0].proposals().items():
        for node in nodes:
            node.agree(period, salt)


def exchange(one: SharedVisitors, other: SharedVisitors, now: float) -> None:
    """Have both know what each has counted."""
    for first, second in ((one, other), (other, one)):
        for period, registers in first.shared().items():
            second.merge(period, registers, now)


def test_both_count_what_either_has_seen_once() -> None:
    a, b = visitors(1), visitors(2)
    agree(a, b)
    for hashed in hashes(0, 1_000):
        a.note(hashed)
    for hashed in hashes(500, 1_500):
        b.note(hashed)
    exchange(a, b, 0.0)
    for node in (a, b):
        assert node.statistics().hour == pytest.approx(1_500, rel=0.05)
        assert node.statistics().day == pytest.approx(1_500, rel=0.05)


def test_what_others_had_seen_before_we_met_is_no_news_and_what_they_see_after_it_is() -> None:
    a, b = visitors(1), visitors(2)
    agree(a, b)
    for hashed in hashes(0, 1_000):
        a.note(hashed)
    exchange(a, b, 0.0)
    assert b.statistics().newcomers == 0
    for hashed in hashes(1_000, 1_200):
        a.note(hashed)
    exchange(a, b, 60.0)
    assert b.statistics().newcomers == pytest.approx(200, abs=60)
    # Who was away for longer has missed what was told then.
    for hashed in hashes(2_000, 3_000):
        a.note(hashed)
    before = b.statistics().newcomers
    exchange(a, b, 61.0 + AWAY_SECONDS)
    assert b.statistics().newcomers == before


def test_nothing_is_told_before_there_is_a_common_salt_and_another_one_begins_anew() -> None:
    a = visitors()
    assert a.shared() == {}
    for hashed in hashes(0, 100):
        a.note(hashed)
    periods = a.proposals()
    for period, salt in periods.items():
        assert not a.agree(period, salt)
    assert a.proposals() == {}
    assert a.statistics().hour == pytest.approx(100, rel=0.1)
    b = visitors(2)
    for hashed in hashes(0, 100):
        b.note(hashed)
    for period, salt in periods.items():
        assert b.agree(period, salt), "what was counted under another salt is lost"
    assert b.statistics().hour == 0
    assert b.statistics().newcomers == pytest.approx(100, rel=0.1), "what was told stays"
    assert not b.agree("another period", 7)


def test_hours_and_days_begin_by_the_clock_on_the_wall() -> None:
    a = visitors()
    agree(a)
    for hashed in hashes(0, 500):
        a.note(hashed)
    assert not a.turn(WALL + 3_599)
    assert a.turn(WALL + 3_600)
    assert a.statistics().hour == pytest.approx(500, rel=0.05), "the hour before had more"
    assert a.turn(WALL + 7_200)
    assert a.statistics().hour == 0
    agree(a)
    assert a.turn(WALL + 86_400)
    before = a.statistics().newcomers
    for hashed in hashes(0, 500):
        a.note(hashed)
    assert a.statistics().newcomers == before, "they were here yesterday"
    assert a.statistics().day == pytest.approx(500, rel=0.05)
    assert len(a.proposals()) == 2, "yesterday's salt is agreed upon already"


def test_after_more_than_a_day_everybody_is_new() -> None:
    a = visitors()
    for hashed in hashes(0, 500):
        a.note(hashed)
    a.turn(WALL + 3 * 86_400)
    before = a.statistics().newcomers
    for hashed in hashes(0, 500):
        a.note(hashed)
    assert a.statistics().newcomers == pytest.approx(before + 500, rel=0.1)

import math
import mmap
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.policy.gcra import CLOCK_SKEW_SECONDS, SETTLED_AT_ONCE, SLOT_BYTES, Gcra, GcraTable

KEY = (3, 4)
NEIGHBOUR_OF_ONE_SLOT = (3, 5)
STRANGER = (6, 7)


def slots_of(count: int) -> memoryview:
    return memoryview(bytearray(count * SLOT_BYTES))


def table(per_second: float = 2.0, burst: float = 10.0, *, slots: memoryview | None = None) -> GcraTable:
    return GcraTable(slots_of(16) if slots is None else slots, per_second=per_second, burst=burst)


def take(limiter: GcraTable, now: float, hashes: tuple[int, int] = KEY, cost: float = 1.0) -> bool:
    if limiter.wait(hashes, now, cost):
        return False
    limiter.charge(hashes, now, cost)
    return True


@pytest.mark.parametrize("now", [0.0, 1.0, 1234.5678, 3.2e7], ids=["boot", "one second", "minutes", "a year"])
@pytest.mark.parametrize(("per_second", "burst"), [(20.0, 200), (5.0, 100), (0.3, 1), (160.0, 1600), (3.0, 7)], ids=str)
def test_an_idle_key_may_send_exactly_its_burst_at_one_instant(now: float, per_second: float, burst: int) -> None:
    limiter = table(per_second, burst)
    assert sum(take(limiter, now) for _ in range(3 * burst)) == burst


def test_after_its_burst_a_key_may_send_at_the_rate() -> None:
    limiter = table(per_second=2.0, burst=10.0)
    while take(limiter, 100.0):
        pass
    allowed = sum(take(limiter, 100.0 + tick / 100) for tick in range(1, 1001))
    assert allowed == 20


def test_a_key_idle_long_enough_has_its_whole_burst_again_and_no_more() -> None:
    limiter = table(per_second=2.0, burst=10.0)
    while take(limiter, 100.0):
        pass
    assert sum(take(limiter, 105.0) for _ in range(30)) == 10
    assert sum(take(limiter, 10_000.0) for _ in range(30)) == 10


@settings(deadline=None)
@given(
    now=st.floats(0, 1e8),
    per_second=st.floats(0.01, 1e4),
    burst=st.integers(1, 50),
    cost=st.floats(0.5, 60),
    sent=st.integers(0, 120),
)
def test_who_waits_as_long_as_told_is_allowed_and_not_much_earlier(
    now: float, per_second: float, burst: int, cost: float, sent: int
) -> None:
    limiter = table(per_second, burst)
    for _ in range(sent):
        limiter.charge(KEY, now)
    wait = limiter.wait(KEY, now, cost)
    assert 0.0 <= wait <= burst / per_second + 1e-6
    assert limiter.wait(KEY, now + wait, cost) == 0.0
    if wait > 0.1 / per_second and wait > 1e-6:
        assert limiter.wait(KEY, now + wait * 0.9 - 0.02 / per_second, cost) > 0.0


def test_asking_how_long_to_wait_changes_nothing() -> None:
    slots = slots_of(16)
    limiter = table(slots=slots)
    limiter.charge(KEY, 1.0)
    before = bytes(slots)
    limiter.wait(KEY, 1.0)
    limiter.wait(STRANGER, 1.0)
    assert bytes(slots) == before


def test_a_request_of_cost_five_takes_the_room_of_five() -> None:
    limiter = table(per_second=2.0, burst=10.0)
    assert [take(limiter, 1.0, cost=5.0) for _ in range(3)] == [True, True, False]


def test_a_cost_beyond_the_burst_passes_an_idle_bucket_and_fills_it() -> None:
    limiter = table(per_second=2.0, burst=10.0)
    assert take(limiter, 1.0, cost=50.0)
    assert limiter.wait(KEY, 1.0) == pytest.approx(0.5)


def test_charging_an_over_limit_key_keeps_it_full_but_does_not_lock_it_out() -> None:
    limiter = table(per_second=2.0, burst=10.0)
    for _ in range(10_000):
        limiter.charge(KEY, 1.0)
    assert limiter.wait(KEY, 1.0) == pytest.approx(0.5)


def test_a_key_is_limited_only_if_both_its_slots_are_full() -> None:
    limiter = table()
    while take(limiter, 1.0):
        pass
    assert limiter.wait(KEY, 1.0) > 0.0
    assert limiter.wait(NEIGHBOUR_OF_ONE_SLOT, 1.0) == 0.0


@given(
    slots=st.lists(st.floats(-5.0, 40.0), min_size=8, max_size=8),
    now=st.floats(0.0, 20.0),
    cost=st.sampled_from([0.25, 1.0, 4.0, 10.0, 25.0]),
)
def test_a_charge_tells_what_the_wait_before_it_would_have_said(slots: list[float], now: float, cost: float) -> None:
    buffer = slots_of(8)
    buffer.cast("d")[:] = memoryview(array("d", slots))
    limiter = table(slots=buffer)
    had_room = limiter.wait(KEY, now, cost) == 0.0
    assert limiter.charge(KEY, now, cost) is had_room


def test_a_charge_raises_a_strangers_slot_no_further_than_the_keys_own_count() -> None:
    slots = slots_of(16)
    limiter = table(per_second=2.0, burst=10.0, slots=slots)
    for _ in range(8):
        limiter.charge(KEY, 1.0)
    limiter.charge(NEIGHBOUR_OF_ONE_SLOT, 1.0)
    arrival = slots.cast("B").cast("d")
    assert (arrival[3], arrival[4], arrival[5]) == pytest.approx((5.0, 5.0, 1.5))


def test_a_key_whose_hashes_meet_still_has_two_slots() -> None:
    slots = slots_of(4)
    limiter = table(slots=slots)
    limiter.charge((3, 7), 1.0)
    arrival = slots.cast("B").cast("d")
    assert [index for index in range(4) if arrival[index]] == [0, 3]
    assert sum(take(limiter, 1.0, (3, 7)) for _ in range(30)) == 9
    arrival[0] = 0.0
    assert limiter.wait((3, 7), 1.0) == 0.0


@pytest.mark.parametrize(
    "garbage",
    [math.nan, math.inf, -math.inf, -5.0, 1e300, 100.0 + 5.0 + CLOCK_SKEW_SECONDS + 0.1],
    ids=["nan", "inf", "minus inf", "negative", "absurd", "just beyond what a table writes"],
)
def test_garbage_in_a_slot_reads_as_idle_and_is_overwritten(garbage: float) -> None:
    slots = slots_of(16)
    arrival = slots.cast("B").cast("d")
    arrival[3] = arrival[4] = garbage
    limiter = table(per_second=2.0, burst=10.0, slots=slots)
    assert limiter.wait(KEY, 100.0) == 0.0
    assert sum(take(limiter, 100.0) for _ in range(30)) == 10
    assert (arrival[3], arrival[4]) == pytest.approx((105.0, 105.0))


def test_a_clock_that_goes_far_back_frees_everybody() -> None:
    limiter = table(per_second=2.0, burst=10.0)
    while take(limiter, 100_000.0):
        pass
    assert sum(take(limiter, 50.0) for _ in range(30)) == 10


def test_a_clock_that_goes_a_little_back_makes_nobody_wait_longer_than_that() -> None:
    limiter = table(per_second=2.0, burst=10.0)
    while take(limiter, 100.0):
        pass
    assert limiter.wait(KEY, 99.5) == pytest.approx(0.5 + 0.5)


def test_fill_is_the_share_of_slots_in_use_at_that_time() -> None:
    limiter = table(per_second=2.0, burst=10.0)
    assert limiter.fill(1.0) == 0.0
    limiter.charge(KEY, 1.0)
    limiter.charge(STRANGER, 1.0)
    assert limiter.fill(1.0) == 4 / 16
    assert limiter.fill(2.0) == 0.0


@pytest.mark.parametrize("count", [2, 1023, 1024, 1025, 100_000], ids=str)
def test_fill_of_a_table_filled_to_the_last_slot_is_one(count: int) -> None:
    slots = slots_of(count)
    arrival = slots.cast("B").cast("d")
    for index in range(count):
        arrival[index] = 2.0
    assert table(slots=slots).fill(1.0) == 1.0


def test_workers_that_map_the_same_memory_share_one_limit(tmp_path: Path) -> None:
    file = tmp_path / "slots"
    file.write_bytes(bytes(16 * SLOT_BYTES))
    with file.open("r+b") as opened:
        one, other = (table(slots=memoryview(mmap.mmap(opened.fileno(), 0))) for _ in range(2))
    while take(one, 1.0):
        pass
    assert other.wait(KEY, 1.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("per_second", "burst"),
    [(0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (math.inf, 1.0), (1.0, 0.5), (1.0, math.nan), (1.0, math.inf)],
    ids=str,
)
def test_numbers_that_make_no_limit_are_refused(per_second: float, burst: float) -> None:
    with pytest.raises(ValueError, match=r"per_second|burst"):
        table(per_second, burst)
    with pytest.raises(ValueError, match=r"per_second|burst"):
        Gcra(slots_of(1), per_second=per_second, burst=burst)


@pytest.mark.parametrize(
    "buffer",
    [
        memoryview(bytes(64)),
        memoryview(bytearray(8)),
        memoryview(bytearray(17)),
        memoryview(bytearray(64))[::2],
    ],
    ids=["read-only", "one slot", "half a slot", "not in one piece"],
)
def test_a_buffer_that_cannot_hold_a_table_is_refused(buffer: memoryview) -> None:
    with pytest.raises(ValueError, match="buffer"):
        table(slots=buffer)


def test_a_buffer_already_cast_to_doubles_is_accepted() -> None:
    assert take(GcraTable(slots_of(4).cast("d"), per_second=1.0, burst=1.0), 1.0)  # type: ignore[arg-type]


def test_the_single_bucket_lets_its_burst_through_and_then_the_rate() -> None:
    bucket = Gcra(slots_of(1), per_second=4.0, burst=3.0)
    outcomes = []
    for now in (10.0, 10.0, 10.0, 10.0, 10.25, 10.25):
        wait = bucket.wait(now)
        if not wait:
            bucket.charge(now)
        outcomes.append(wait)
    assert outcomes == pytest.approx([0.0, 0.0, 0.0, 0.25, 0.0, 0.25])


def test_the_single_bucket_knows_how_full_it_is() -> None:
    bucket = Gcra(slots_of(1), per_second=4.0, burst=4.0)
    assert bucket.fill(10.0) == 0.0
    bucket.charge(10.0, cost=2.0)
    assert bucket.fill(10.0) == pytest.approx(0.5)
    bucket.charge(10.0, cost=100.0)
    assert bucket.fill(10.0) == 1.0
    assert bucket.fill(11.0) == 0.0


@pytest.mark.parametrize("garbage", [math.nan, math.inf, 1e9], ids=["nan", "inf", "far future"])
def test_the_single_bucket_overwrites_garbage(garbage: float) -> None:
    slots = slots_of(1)
    slots.cast("d")[0] = garbage
    bucket = Gcra(slots, per_second=4.0, burst=4.0)
    assert bucket.wait(10.0) == 0.0
    bucket.charge(10.0)
    assert slots.cast("d")[0] == pytest.approx(10.25)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0.0, 3.0)), max_size=60),
    st.sampled_from([(1.0, 1.0), (3.0, 7.0), (0.5, 2.5)]),
)
def test_taking_is_waiting_and_charging(steps: list[tuple[int, float]], rate: tuple[float, float]) -> None:
    """Clients that share slots, at odd intervals: both ways have the same say and leave the same table."""
    per_second, burst = rate
    keys = [(0, 1), (1, 2), (5, 5), (2, 7)]
    one, other = (
        GcraTable(memoryview(bytearray(8 * SLOT_BYTES)), per_second=per_second, burst=burst) for _ in range(2)
    )
    now = 1000.0
    for key, pause in steps:
        now += pause
        wait = other.wait(keys[key], now)
        if not wait:
            other.charge(keys[key], now)
        assert one.take(keys[key], now) == wait
        assert [one.wait(known, now) for known in keys] == [other.wait(known, now) for known in keys]


def test_what_was_taken_can_be_given_back() -> None:
    table = GcraTable(memoryview(bytearray(8 * SLOT_BYTES)), per_second=1.0, burst=2.0)
    assert [table.take((0, 1), 10.0) for _ in range(2)] == [0.0, 0.0]
    table.give_back()
    assert [table.take((0, 1), 10.0) for _ in range(2)] == [0.0, 1.0]


@given(st.lists(st.floats(0.0, 3.0), max_size=60))
def test_taking_from_one_bucket_is_waiting_and_charging(pauses: list[float]) -> None:
    one, other = (Gcra(memoryview(bytearray(SLOT_BYTES)), per_second=1.0, burst=3.0) for _ in range(2))
    now = 1000.0
    for pause in pauses:
        now += pause
        wait = other.wait(now)
        if not wait:
            other.charge(now)
        assert one.take(now) == wait


def _left(table: GcraTable, hashes: tuple[int, int], now: float) -> int:
    """Return how many requests are let through at once."""
    count = 0
    while not table.take(hashes, now):
        count += 1
    return count


@pytest.mark.parametrize("used", [0, 3, 10])
@pytest.mark.parametrize(("per_second", "burst"), [(10.0, 10.0), (0.5, 10.0), (200.0, 10.0), (10.0, 4.0), (2.0, 30.0)])
def test_a_bucket_keeps_what_is_in_it_under_another_rate(used: int, per_second: float, burst: float) -> None:
    table = GcraTable(memoryview(bytearray(64 * 8)), per_second=10.0, burst=10.0)
    for _ in range(used):
        table.take((1, 2), 1_000.0)
    table.adopt(per_second, burst, 1_000.0)
    assert _left(table, (1, 2), 1_000.0) == max(0, burst - used)
    assert _left(table, (5, 6), 1_000.0) == burst


def test_the_one_bucket_of_all_keeps_what_is_in_it_too() -> None:
    bucket = Gcra(memoryview(bytearray(8)), per_second=10.0, burst=10.0)
    for _ in range(10):
        assert not bucket.take(1_000.0)
    bucket.adopt(1.0, 12.0, 1_000.0)
    assert [bool(bucket.take(1_000.0)) for _ in range(3)] == [False, False, True]
    assert bucket.fill(1_000.0) == pytest.approx(1.0)


def test_another_rate_is_taken_without_writing_every_slot_and_a_few_more_are_with_each_request() -> None:
    slots = slots_of(1_024)
    arrival = slots.cast("B").cast("d")
    limiter = table(per_second=2.0, burst=10.0, slots=slots)
    for index in range(1_024):
        arrival[index] = 1_004.0
    before = bytes(slots)
    limiter.adopt(4.0, 10.0, 1_000.0)
    assert bytes(slots) == before
    changed = []
    for _ in range(1_024 // SETTLED_AT_ONCE):
        limiter.wait((500, 900), 1_000.0)
        changed.append(sum(tat == 1_002.0 for tat in arrival))
    assert changed[0] == SETTLED_AT_ONCE + 2
    assert changed[-1] == 1_024


def test_how_full_a_table_is_is_seen_under_the_rate_that_holds() -> None:
    slots = slots_of(4_096)
    arrival = slots.cast("B").cast("d")
    limiter = table(per_second=1.0, burst=1_000.0, slots=slots)
    for index in range(4_096):
        arrival[index] = 1_900.0
    limiter.adopt(100.0, 10.0, 1_000.0)
    assert limiter.fill(1_000.05) == 1.0
    assert limiter.fill(1_000.2) == 0.0


def test_more_changes_than_a_slot_can_tell_apart_are_made_all_the_same() -> None:
    limiter = table(per_second=1.0, burst=512.0, slots=slots_of(256))
    for _ in range(256):
        limiter.take((1, 2), 1_000.0)
    for turn in range(600):
        limiter.adopt(2.0 if turn % 2 else 4.0, 512.0, 1_000.0)
    assert _left(limiter, (1, 2), 1_000.0) == 256


KEYS = st.tuples(st.integers(0, 2**50), st.integers(0, 2**50))
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 4), st.sampled_from([0.5, 1.0, 3.0])),
    st.tuples(st.just("adopt"), st.sampled_from([0.5, 2.0, 8.0]), st.sampled_from([1.0, 5.0, 20.0])),
    st.tuples(st.just("pass"), st.sampled_from([0.25, 1.0]), st.none()),
)


@given(keys=st.lists(KEYS, min_size=5, max_size=5), steps=st.lists(STEPS, max_size=60))
def test_whoever_looks_meets_what_changing_all_over_at_once_would_have_left(
    keys: list[tuple[int, int]], steps: list[tuple[str, float, float | None]]
) -> None:
    later, at_once = (table(slots=slots_of(16 * SETTLED_AT_ONCE)) for _ in range(2))
    now = 1_000.0
    for what, one, other in steps:
        if what == "pass":
            now += one
        elif what == "adopt":
            for limiter in (later, at_once):
                limiter.adopt(one, other or 1.0, now)
            # Until all have been changed over.
            for _ in range(16):
                at_once.wait((7, 8), now)
        else:
            key, cost = keys[int(one)], other or 1.0
            assert later.wait(key, now, cost) == at_once.wait(key, now, cost)
            assert later.take(key, now) == at_once.take(key, now)
            assert later.charge(key, now, cost) == at_once.charge(key, now, cost)
            later.pay(key, now, 0.5)
            at_once.pay(key, now, 0.5)

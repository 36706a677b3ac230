"""Who has been here how long: remembered in a table that does not grow, and that newcomers cannot empty."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.policy.gcra import Hashes, keyed_hashes
from dohproxy.policy.seniority import (
    FORGOTTEN_SECONDS,
    LEVELS,
    PROVIDER_PART,
    SETTLED_SECONDS,
    SITE_SLOTS,
    SLOT_BYTES,
    UNIT_SECONDS,
    Seniority,
)

HOUR = 3_600
DAY = 86_400
START = 1_000_000 * UNIT_SECONDS
"""The first instant of a unit, so that an hour is not rounded away."""
TAG = 40
"""The bits of the first hash from here on tell networks apart."""


def _seniority(slots: int = 1_024) -> Seniority:
    return Seniority(memoryview(bytearray(slots * SLOT_BYTES)))


def _network(number: int, first: int | None = None, second: int | None = None) -> tuple[Hashes, ...]:
    """Hashes of a network; where it matters, with the two slots it may have."""
    one = (number + 1) << TAG | (number * 7 if first is None else first), number * 13 if second is None else second
    return (one,)


def _whole_units(seconds: float) -> float:
    """So much later, and a unit more, as a part of one is not counted."""
    return seconds + UNIT_SECONDS


class TestLevels:
    def test_a_stranger_is_new(self) -> None:
        seniority = _seniority()
        assert [seniority.meet(_network(1), START) for _ in range(3)] == [0, 0, 0]

    @pytest.mark.parametrize(
        ("hours", "level"), [(0.9, 0), (1, 1), (2, 2), (4, 3), (8, 4), (16, 5), (32, 6), (64, 7), (128, 8), (1_000, 8)]
    )
    def test_seniority_doubles_from_level_to_level(self, hours: float, level: int) -> None:
        seniority = _seniority()
        now = START
        while now < START + hours * HOUR:
            seniority.meet(_network(1), now)
            now += DAY
        assert seniority.meet(_network(1), START + _whole_units(hours * HOUR)) == level <= LEVELS

    @pytest.mark.parametrize(("hours", "level"), [(2, 1), (4, 2), (128, 7)])
    def test_just_before_it_is_the_level_below(self, hours: int, level: int) -> None:
        seniority = _seniority()
        seniority.meet(_network(1), START)
        assert seniority.meet(_network(1), START + hours * HOUR - UNIT_SECONDS) == level

    def test_networks_are_told_apart(self) -> None:
        seniority = _seniority()
        seniority.meet(_network(1), START)
        later = START + _whole_units(2 * HOUR)
        assert [seniority.meet(_network(number), later) for number in (1, 2)] == [2, 0]

    def test_two_that_share_both_slots_are_told_apart_by_their_tag(self) -> None:
        seniority = _seniority(2)
        seniority.meet(_network(1, 0, 1), START)
        seniority.meet(_network(2, 0, 1), START)
        later = START + _whole_units(2 * HOUR)
        assert [seniority.meet(_network(number, 0, 1), later) for number in (1, 2, 3)] == [2, 2, 0]

    def test_a_network_whose_two_slots_are_one_is_remembered_too(self) -> None:
        seniority = _seniority()
        seniority.meet(_network(1, 5, 5), START)
        assert seniority.meet(_network(1, 5, 5), START + _whole_units(HOUR)) == 1

    def test_the_very_first_seconds_of_a_machine_count(self) -> None:
        seniority = _seniority()
        seniority.meet(_network(1), 0.0)
        assert seniority.meet(_network(1), _whole_units(HOUR)) == 1


class TestForgetting:
    def test_who_stays_away_for_more_than_eight_days_is_a_stranger_again(self) -> None:
        seniority = _seniority()
        seniority.meet(_network(1), START)
        assert seniority.meet(_network(1), START + FORGOTTEN_SECONDS + UNIT_SECONDS) == 0
        assert seniority.meet(_network(1), START + FORGOTTEN_SECONDS + 2 * UNIT_SECONDS + HOUR) == 1

    def test_who_comes_once_a_week_is_known(self) -> None:
        seniority = _seniority()
        levels = [seniority.meet(_network(1), START + week * 7 * DAY) for week in range(4)]
        assert levels == [0, LEVELS, LEVELS, LEVELS]

    def test_a_clock_that_was_read_a_moment_earlier_forgets_nobody(self) -> None:
        seniority = _seniority()
        seniority.meet(_network(1), START)
        seniority.meet(_network(1), START + DAY)
        assert seniority.meet(_network(1), START + DAY - 0.01) > 0
        assert seniority.meet(_network(1), START + DAY) > 0

    @pytest.mark.parametrize("back", [3 * UNIT_SECONDS, HOUR, 30 * DAY], ids=["minutes", "an hour", "a month"])
    def test_a_clock_that_begins_anew_makes_everybody_new(self, back: int) -> None:
        seniority = _seniority()
        seniority.meet(_network(1), START)
        seniority.meet(_network(1), START + 40 * DAY)
        assert seniority.meet(_network(1), START + 40 * DAY - back) == 0
        assert seniority.meet(_network(1), START + 40 * DAY - back + _whole_units(HOUR)) == 1

    def test_in_a_table_that_a_restart_of_the_clock_left_full_there_is_room(self) -> None:
        seniority = _seniority(2)
        _settle_both(seniority)
        assert seniority.fill(100.0) == 0.0
        seniority.meet(_network(7, 0, 1), 100.0)
        assert seniority.meet(_network(7, 0, 1), 100.0 + _whole_units(HOUR)) == 1

    def test_a_stray_write_makes_nobody_senior(self) -> None:
        buffer = bytearray(2 * SLOT_BYTES)
        unit = START // UNIT_SECONDS + 1
        slot = 7 << TAG | (unit + 500) << 24 | unit
        buffer[:] = slot.to_bytes(8, "little") * 2
        assert Seniority(memoryview(buffer)).meet(((7 << TAG, 1),), START) == 0


def _settle_both(seniority: Seniority) -> None:
    """Give both slots of a small table to the networks 0 and 1, for good."""
    for now in (START, START + _whole_units(SETTLED_SECONDS)):
        for number in range(2):
            seniority.meet(_network(number, 0, 1), now)


class TestATableThatIsFull:
    def test_the_newcomer_takes_the_slot_that_has_been_silent_longer(self) -> None:
        seniority = _seniority(2)
        seniority.meet(_network(1, 0, 1), START)
        seniority.meet(_network(2, 0, 1), START + UNIT_SECONDS)
        seniority.meet(_network(3, 0, 1), START + 2 * UNIT_SECONDS)
        later = START + 3 * HOUR
        assert [seniority.meet(_network(number, 0, 1), later) for number in (2, 3)] == [2, 2]
        assert seniority.meet(_network(1, 0, 1), later) == 0

    def test_who_has_asked_for_an_hour_keeps_the_slot(self) -> None:
        seniority = _seniority(2)
        _settle_both(seniority)
        for number in range(2, 200):
            assert seniority.meet(_network(number, 0, 1), START + 2 * HOUR) == 0
        later = START + 3 * HOUR
        assert [seniority.meet(_network(number, 0, 1), later) for number in range(2)] == [2, 2]

    def test_after_eight_days_of_silence_the_slot_can_be_had(self) -> None:
        seniority = _seniority(2)
        _settle_both(seniority)
        later = START + 2 * HOUR + FORGOTTEN_SECONDS
        seniority.meet(_network(5, 0, 1), later)
        assert seniority.meet(_network(5, 0, 1), later + _whole_units(HOUR)) == 1

    @pytest.mark.parametrize(("networks", "fill"), [(0, 0.0), (1, 0.25), (4, 1.0)])
    def test_how_full_it_is_can_be_seen(self, networks: int, fill: float) -> None:
        seniority = _seniority(4)
        for number in range(networks):
            seniority.meet(_network(number, number, number), START)
        assert seniority.fill(START) == fill
        assert seniority.fill(START + FORGOTTEN_SECONDS + UNIT_SECONDS) == 0.0

    @pytest.mark.parametrize("slots", [1_024, 1_025, 4_096, 10_000])
    def test_a_large_table_is_judged_by_a_sample(self, slots: int) -> None:
        seniority = _seniority(slots)
        for number in range(0, slots, 2):
            seniority.meet(_network(number, number, number), START)
        assert 0.0 <= seniority.fill(START) <= 1.0


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(0, 2 * HOUR), st.integers(2, 1_000), st.integers(0, 3), st.integers(0, 3)), max_size=200
    )
)
def test_no_newcomer_ever_displaces_somebody_settled(newcomers: list[tuple[float, int, int, int]]) -> None:
    seniority = _seniority(4)
    settled = _network(0, 1, 2)
    now = float(START)
    seniority.meet(settled, now)
    now += _whole_units(SETTLED_SECONDS)
    assert seniority.meet(settled, now) == 1
    came_back_at = now
    for seconds, number, first, second in newcomers:
        now += seconds
        seniority.meet(_network(number, first, second), now)
        if now - came_back_at > FORGOTTEN_SECONDS - DAY:
            assert seniority.meet(settled, now) > 0
            came_back_at = now
    whole_hours = int(now - START) // UNIT_SECONDS * UNIT_SECONDS // HOUR
    assert seniority.meet(settled, now) == min(LEVELS, whole_hours.bit_length())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 3 * DAY), st.integers(0, 5)), max_size=100))
def test_a_level_never_says_more_than_the_time_that_has_passed(visits: list[tuple[float, int]]) -> None:
    seniority = _seniority(4)
    now = float(START)
    first_seen: dict[int, float] = {}
    for seconds, number in visits:
        now += seconds
        level = seniority.meet(_network(number), now)
        first_seen.setdefault(number, now)
        hours = (now - first_seen[number] + UNIT_SECONDS) / HOUR
        assert level == 0 or hours >= 2 ** (level - 1)


@pytest.mark.parametrize(
    "buffer",
    [
        pytest.param(memoryview(bytes(64)), id="read-only"),
        pytest.param(memoryview(bytearray(8)), id="one slot"),
        pytest.param(memoryview(bytearray(20)), id="no whole number of slots"),
        pytest.param(memoryview(bytearray(64))[::2], id="in pieces"),
    ],
)
def test_a_buffer_that_makes_no_table_is_refused(buffer: memoryview) -> None:
    with pytest.raises(ValueError, match="the table must be one writable piece"):
        Seniority(buffer)


class TestAfterARestart:
    BOOTED = 5.0

    def _again(self, before: Seniority, now: float, *, seconds: float, slots: int = 1_024) -> Seniority:
        again = _seniority(slots)
        again.go_on(before.clock(now), self.BOOTED - seconds)
        content, _ = before.export(0, slots, now)
        again.restore(0, content)
        return again

    def _settled(self, now: float = START, hours: int = 16) -> tuple[Seniority, float]:
        before = _seniority()
        before.meet(_network(1), now)
        now = _whole_units(now + hours * HOUR)
        assert before.meet(_network(1), now) == 5
        return before, now

    @pytest.mark.parametrize(("pause_hours", "level"), [(0, 5), (15, 5), (17, 6), (7 * 24, 8), (9 * 24, 0)])
    def test_a_network_is_as_old_as_the_wall_clock_says(self, pause_hours: float, level: int) -> None:
        before, now = self._settled()
        again = self._again(before, now, seconds=pause_hours * HOUR)
        assert again.meet(_network(1), self.BOOTED) == level
        assert again.meet(_network(2), self.BOOTED) == 0

    def test_restart_after_restart_nothing_is_lost(self) -> None:
        before, now = self._settled()
        for _ in range(20):
            before, now = self._again(before, now, seconds=6 * 60.0), self.BOOTED
            assert before.meet(_network(1), now) >= 5
        assert before.meet(_network(1), now) == 5

    def test_who_is_forgotten_is_not_written_and_the_others_are_counted(self) -> None:
        before, now = self._settled()
        before.meet(_network(2), now - FORGOTTEN_SECONDS - HOUR)
        content, used = before.export(0, 1_024, now)
        assert used == 1
        assert content.count(0) >= len(content) - SLOT_BYTES
        assert before.export(0, 1_024, now + 2 * FORGOTTEN_SECONDS) == (bytes(len(content)), 0)

    def test_a_part_has_its_place_and_no_part_goes_beyond_the_table(self) -> None:
        before = _seniority()
        before.meet(_network(0, first=700), START)
        content, used = before.export(512, 512, START)
        assert (used, before.export(0, 512, START)[1], len(content)) == (1, 0, 512 * SLOT_BYTES)
        again = _seniority()
        again.restore(512, content)
        assert again.export(512, 512, START) == (content, 1)
        with pytest.raises(ValueError, match="not so many"):
            again.restore(1_000, content)


class TestNesting:
    """A network of IPv6 has its slots within those of its site, and this within those of its provider."""

    SLOTS = 131_072

    @staticmethod
    def _settled_sites(prefixes: list[tuple[Hashes, ...]]) -> Seniority:
        seniority = _seniority(TestNesting.SLOTS)
        for now in (START, START + 2 * HOUR):
            for one in prefixes:
                seniority.meet(one, now)
        return seniority

    @staticmethod
    def _prefixes(provider: int, site: int, network: int) -> tuple[Hashes, ...]:
        def hashed(*key: int) -> Hashes:
            return keyed_hashes(bytes(16), bytes(key))

        return hashed(network, 1), hashed(provider, site, network), hashed(provider, site), hashed(provider)

    def test_one_site_settles_in_no_more_slots_than_a_sites(self) -> None:
        seniority = self._settled_sites([self._prefixes(1, 1, network) for network in range(256)])
        used = sum(slot != 0 for slot in seniority._slots)
        assert 0 < used <= 2 * SITE_SLOTS

    def test_one_provider_settles_in_no_more_slots_than_a_providers(self) -> None:
        seniority = self._settled_sites(
            [self._prefixes(1, site, network) for site in range(256) for network in range(32)]
        )
        used = sum(slot != 0 for slot in seniority._slots)
        assert 2_000 < used <= 2 * (self.SLOTS // PROVIDER_PART + SITE_SLOTS)

    def test_a_household_is_known_beside_a_provider_that_sends_all_it_has(self) -> None:
        households = [self._prefixes(provider, 1, 1) for provider in range(2, 102)]
        seniority = self._settled_sites(households)
        for site in range(256):
            for network in range(32):
                seniority.meet(self._prefixes(1, site, network), START + 2 * HOUR)
        assert sum(seniority.level(one, START + 2 * HOUR) > 0 for one in households) == 100


def test_to_look_changes_nothing() -> None:
    seniority = _seniority()
    seniority.level(_network(1), START)
    assert seniority.fill(START) == 0.0
    assert seniority.newcomers == 0
    seniority.meet(_network(1), START)
    assert seniority.newcomers == 1
    seniority.level(_network(1), START + 7 * DAY)
    assert seniority.level(_network(1), START + 9 * DAY) == 0

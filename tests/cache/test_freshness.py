"""How long answers may be used: every row of the table in the module, and what pressure makes of it."""

from dataclasses import replace

import pytest

from dohproxy.cache.entry import Entry, Span, make_entry
from dohproxy.cache.freshness import Freshness, floor_under, freshness, lifetime, span_of
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.query import parse_query
from tests.wire import messages as m

RULES = CacheConfig(
    minimum_ttl_seconds=60,
    minimum_ttl_under_pressure_seconds=1_800,
    maximum_ttl_seconds=86_400,
    negative_ttl_max_seconds=900,
    stale_keep_seconds=3_600,
)
NO_SUCH_NAME = m.QR | m.RD | m.RA | 3
NS = m.record(m.NS, m.name("ns.example"))


def parsed(wire: bytes) -> Answer:
    return parse_answer(wire, parse_query(m.query()))


def negative(*, ttl: int, minimum: int, flags: int = NO_SUCH_NAME) -> bytes:
    return m.answer(authority=(m.soa(ttl=ttl, minimum=minimum),), flags=flags)


def kept(wire: bytes, seconds: int) -> Entry:
    return make_entry(b"key", parsed(wire), 1_000.0, Span(seconds, 0, 86_400, less=0, refresh_age=seconds))


@pytest.mark.parametrize(
    ("wire", "seconds"),
    [
        pytest.param(m.answer(m.record(ttl=300)), 300, id="a positive answer is kept as long as its TTL"),
        pytest.param(m.answer(m.record(ttl=59)), 60, id="a short TTL is raised to the floor"),
        pytest.param(m.answer(m.record(ttl=0)), 60, id="a TTL of 0 is raised too"),
        pytest.param(m.answer(m.record(ttl=0xFFFF_FFFF)), 60, id="a TTL with its sign bit set counts as 0"),
        pytest.param(m.answer(m.record(ttl=86_401)), 86_400, id="a long TTL is cut to the ceiling"),
        pytest.param(m.answer(m.record(ttl=900), m.record(ttl=100)), 100, id="the smallest TTL counts"),
        pytest.param(
            m.answer(m.record(ttl=900), additional=(m.record(ttl=70),)), 70, id="the smallest TTL of any section counts"
        ),
        pytest.param(negative(ttl=500, minimum=700), 500, id="NXDOMAIN is kept no longer than the SOA's TTL"),
        pytest.param(negative(ttl=700, minimum=500), 500, id="NXDOMAIN is kept no longer than the SOA's MINIMUM"),
        pytest.param(
            negative(ttl=9_000, minimum=9_000), 900, id="NXDOMAIN is kept no longer than the negative ceiling"
        ),
        pytest.param(negative(ttl=5, minimum=9_000), 5, id="NXDOMAIN has no floor"),
        pytest.param(negative(ttl=300, minimum=0), 0, id="NXDOMAIN with a MINIMUM of 0 is not kept"),
        pytest.param(negative(ttl=300, minimum=7, flags=m.QR), 7, id="NODATA has no floor"),
        pytest.param(negative(ttl=9_000, minimum=9_000, flags=m.QR), 900, id="NODATA ends at the negative ceiling"),
        pytest.param(m.answer(flags=NO_SUCH_NAME), 0, id="NXDOMAIN without SOA is not kept"),
        pytest.param(m.answer(), 0, id="NODATA without SOA is not kept"),
        pytest.param(m.answer(authority=(NS,)), 0, id="a referral is not kept"),
        pytest.param(m.answer(m.record(), flags=m.QR | 2), 0, id="SERVFAIL is not kept"),
        pytest.param(m.answer(authority=(m.soa(),), flags=m.QR | 5), 0, id="REFUSED with an SOA is not kept"),
    ],
)
def test_an_answer_is_kept_as_its_kind_allows(wire: bytes, seconds: int) -> None:
    assert lifetime(parsed(wire), RULES) == seconds


def test_a_failure_is_not_kept_whatever_ttl_it_claims() -> None:
    assert lifetime(replace(parsed(m.answer(flags=m.QR | 2)), ttl=300), RULES) == 0


def test_without_a_floor_an_answer_for_this_instant_is_not_kept() -> None:
    assert lifetime(parsed(m.answer(m.record(ttl=0))), CacheConfig(minimum_ttl_seconds=0)) == 0


ALMOST_ONE = 1 - 2**-53
"""The largest number that is drawn."""


@pytest.mark.parametrize(
    ("wire", "drawn", "seconds"),
    [
        (m.answer(m.record(ttl=1_000)), 0.0, 1_000),
        (m.answer(m.record(ttl=1_000)), 0.5, 975),
        (m.answer(m.record(ttl=1_000)), ALMOST_ONE, 951),
        (m.answer(m.record(ttl=61)), ALMOST_ONE, 60),
        (m.answer(m.record(ttl=5)), ALMOST_ONE, 60),
        (m.answer(m.record(ttl=86_400)), ALMOST_ONE, 82_081),
        (negative(ttl=800, minimum=800), ALMOST_ONE, 800),
        (negative(ttl=800, minimum=800, flags=m.QR), ALMOST_ONE, 800),
    ],
    ids=[
        "nothing at the other end of chance",
        "half of a twentieth",
        "nearly a twentieth",
        "no more than down to the floor",
        "nothing at the floor",
        "of the ceiling too",
        "nothing of NXDOMAIN",
        "nothing of NODATA",
    ],
)
def test_chance_takes_a_little_off_a_positive_lifetime(wire: bytes, drawn: float, seconds: int) -> None:
    span = span_of(parsed(wire), RULES, drawn)
    assert span is not None
    assert span.lifetime == seconds


def test_without_jitter_nothing_is_left_to_chance() -> None:
    span = span_of(parsed(m.answer(m.record(ttl=1_000))), replace(RULES, jitter_percent=0), ALMOST_ONE)
    assert span is not None
    assert span.lifetime == 1_000


def test_what_chance_takes_off_is_taken_off_what_clients_are_told() -> None:
    span = span_of(parsed(m.answer(m.record(ttl=1_000))), RULES, 0.5)
    assert span is not None
    assert (span.floor, span.ceiling, span.less) == (60, 86_400, 25)


def test_a_floor_above_the_ceiling_lengthens_nothing() -> None:
    rules = CacheConfig(minimum_ttl_seconds=3_600, maximum_ttl_seconds=60)
    span = span_of(parsed(m.answer(m.record(ttl=1_000))), rules, 0.5)
    assert span is not None
    assert (span.lifetime, span.less) == (60, 0)


def test_what_is_not_kept_has_no_span() -> None:
    assert span_of(parsed(m.answer()), RULES, 0.5) is None


@pytest.mark.parametrize(
    ("wire", "percent", "age"),
    [
        (m.answer(m.record(ttl=300)), 10, 270),
        (m.answer(m.record(ttl=300)), 50, 150),
        (m.answer(m.record(ttl=300)), 0, 300),
        (negative(ttl=300, minimum=300, flags=m.QR), 10, 270),
        (negative(ttl=300, minimum=300), 10, 300),
    ],
    ids=["in its last tenth", "in its last half", "never while fresh", "NODATA too", "NXDOMAIN never while fresh"],
)
def test_an_answer_may_be_asked_for_again_near_its_end(wire: bytes, percent: int, age: float) -> None:
    span = span_of(parsed(wire), replace(RULES, prefetch_percent=percent), 0.0)
    assert span is not None
    assert span.refresh_age == age


@pytest.mark.parametrize(("pressure", "floor"), [(0.0, 60), (0.5, 930), (1.0, 1_800)], ids=["none", "half", "full"])
def test_the_floor_rises_with_the_pressure(pressure: float, floor: float) -> None:
    assert floor_under(pressure, RULES) == floor


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (0.0, Freshness.FRESH),
        (299.999, Freshness.FRESH),
        (300.0, Freshness.STALE),
        (3_899.999, Freshness.STALE),
        (3_900.0, Freshness.DEAD),
    ],
    ids=["new", "until its lifetime ends", "then stale", "until the stale time ends", "then dead"],
)
def test_an_entry_is_fresh_then_stale_then_dead(age: float, state: Freshness) -> None:
    entry = kept(m.answer(m.record(ttl=300)), 300)
    assert freshness(entry, 1_000.0 + age, 0.0, RULES) is state


def test_pressure_keeps_a_positive_entry_in_use_up_to_the_floor() -> None:
    entry = kept(m.answer(m.record(ttl=300)), 300)
    assert freshness(entry, 1_000.0 + 299.0, 1_800.0, RULES) is Freshness.FRESH
    assert freshness(entry, 1_000.0 + 1_799.0, 1_800.0, RULES) is Freshness.KEPT
    assert freshness(entry, 1_000.0 + 1_800.0, 1_800.0, RULES) is Freshness.STALE


def test_pressure_shortens_nothing() -> None:
    entry = kept(m.answer(m.record(ttl=7_200)), 7_200)
    assert freshness(entry, 1_000.0 + 7_199.0, 1_800.0, RULES) is Freshness.FRESH


@pytest.mark.parametrize("flags", [NO_SUCH_NAME, m.QR], ids=["NXDOMAIN", "NODATA"])
def test_pressure_lengthens_no_negative_entry(flags: int) -> None:
    entry = kept(negative(ttl=300, minimum=300, flags=flags), 300)
    assert freshness(entry, 1_000.0 + 300.0, 1_800.0, RULES) is Freshness.STALE


def test_without_stale_time_an_entry_dies_when_its_lifetime_ends() -> None:
    rules = CacheConfig(stale_keep_seconds=0)
    entry = kept(m.answer(m.record(ttl=300)), 300)
    assert freshness(entry, 1_299.0, 0.0, rules) is Freshness.FRESH
    assert freshness(entry, 1_300.0, 0.0, rules) is Freshness.DEAD

"""One answer from node to node: what is read back is what was written, no older and no younger than it is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache import Cache, Freshness, RememberedFailure
from dohproxy.cache.failures import LONGEST_SECONDS
from dohproxy.config import CacheConfig, UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.sharing.shared_answers import (
    MOST_BYTES,
    PADDING_BYTES,
    FailedElsewhere,
    Incoming,
    KeptElsewhere,
    Outgoing,
    name_of,
    pack_answer,
    pack_failure,
    read_answer,
    read_failure,
    route_name,
)
from dohproxy.wire.query import Query
from tests.cache.answers import ask, kept, negative, positive
from tests.wire import messages as m
from tests.wire.strategies import deterministic

NOW = 1_000.0
"""On the clock of whoever does something."""
WALL = 1_800_000_000.0
STALE = 86_400
FAILURE = RememberedFailure(2, (22, 23), NOW + 5, 5)


def packed(query: Query, ttl: int = 300, *, age: float = 0.0, wall_now: float = WALL) -> Outgoing:
    outgoing = pack_answer(
        query.key, kept(query, positive(query, ttl=ttl), NOW - age), now=NOW, wall_now=wall_now, stale_seconds=STALE
    )
    assert outgoing is not None
    return outgoing


def after(outgoing: Outgoing, seconds: float) -> Incoming:
    """What the store gives so long after it was stored, by its own clock."""
    return Incoming(outgoing.clear, outgoing.plain, outgoing.milliseconds - int(seconds * 1000))


def read(query: Query, incoming: Incoming, *, wall_now: float = WALL) -> KeptElsewhere:
    found = read_answer(query.key, incoming, now=NOW, wall_now=wall_now)
    assert found is not None
    return found


def test_an_answer_is_read_as_it_was_kept() -> None:
    query = ask(dnssec_ok=True)
    found = read(query, after(packed(query), 0))
    assert found == KeptElsewhere(positive(query), 300, NOW)


def test_a_denial_is_read_as_it_was_kept() -> None:
    query = ask()
    outgoing = pack_answer(query.key, kept(query, negative(query), NOW), now=NOW, wall_now=WALL, stale_seconds=STALE)
    assert outgoing is not None
    assert read(query, after(outgoing, 10), wall_now=WALL + 10) == KeptElsewhere(negative(query), 300, NOW - 10)


def test_the_store_keeps_it_for_its_life_and_as_long_as_it_may_be_stale() -> None:
    assert packed(ask(), ttl=300).milliseconds == (300 + STALE) * 1000
    assert packed(ask(), ttl=300, age=100).milliseconds == (200 + STALE) * 1000


def test_the_store_is_told_how_much_of_that_is_stale() -> None:
    assert int.from_bytes(packed(ask()).clear) == STALE * 1000


@pytest.mark.parametrize(
    ("writer", "reader", "passed", "age"),
    [
        (0, 0, 60, 60),
        (0, 0, 0, 0),
        (600, 0, 60, 60),
        (86_400, 0, 200, 200),
        (-600, 0, 60, 660),
        (0, 600, 60, 660),
        (0, -600, 60, 60),
        (600, 600, 60, 60),
    ],
    ids=[
        "both clocks right",
        "at once",
        "written in what is the future here",
        "written a day ahead",
        "written by a clock that is behind",
        "read by a clock that is ahead",
        "read by a clock that is behind",
        "both equally wrong",
    ],
)
def test_no_clock_that_is_off_makes_an_answer_younger(writer: float, reader: float, passed: float, age: float) -> None:
    query = ask()
    incoming = after(packed(query, wall_now=WALL + writer), passed)
    found = read(query, incoming, wall_now=WALL + passed + reader)
    assert NOW - found.stored_at == pytest.approx(age, abs=0.002)


@pytest.mark.parametrize("step", [-7200, 7200], ids=["back", "ahead"])
def test_no_step_of_the_stores_clock_makes_an_answer_younger(step: int) -> None:
    query = ask()
    outgoing = packed(query)
    incoming = Incoming(outgoing.clear, outgoing.plain, outgoing.milliseconds - 60_000 - step * 1000)
    assert NOW - read(query, incoming, wall_now=WALL + 60).stored_at >= 60


@given(
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e5),
    st.integers(1, 86_400),
    st.floats(0, 1).map(lambda x: x),
)
@deterministic
def test_nothing_lives_longer_than_it_was_stored_for(
    writer: float, reader: float, passed: float, ttl: int, spent: float
) -> None:
    query = ask()
    age = spent * ttl * 0.9
    outgoing = pack_answer(
        query.key,
        kept(query, positive(query, ttl=max(ttl, 60)), NOW - age),
        now=NOW,
        wall_now=WALL + writer,
        stale_seconds=STALE,
    )
    if outgoing is None:
        return
    incoming = after(outgoing, passed)
    if incoming.left <= 0:
        return
    found = read(query, incoming, wall_now=WALL + passed + reader)
    assert NOW - found.stored_at >= age + passed - 0.002


def test_what_the_store_would_keep_for_ever_is_dead() -> None:
    query = ask()
    outgoing = packed(query)
    found = read(query, Incoming(outgoing.clear, outgoing.plain, -1))
    cache = Cache(CacheConfig())
    cache.receive(query.key, found.answer, found.lifetime, found.stored_at, NOW)
    assert cache.lookup(query.key, NOW, 0.0) == (None, Freshness.DEAD)


def test_an_answer_to_another_question_is_none() -> None:
    outgoing = packed(ask("www.example.net"))
    assert read_answer(ask("www.example.org").key, after(outgoing, 0), now=NOW, wall_now=WALL) is None


@pytest.mark.parametrize("at", [0, 1], ids=["form", "kind"])
def test_what_is_of_another_form_or_kind_is_none(at: int) -> None:
    query = ask()
    outgoing = packed(query)
    plain = bytearray(outgoing.plain)
    plain[at] += 1
    assert read_answer(query.key, Incoming(outgoing.clear, bytes(plain), 1000), now=NOW, wall_now=WALL) is None


@given(st.binary(max_size=400), st.integers(0, 2))
@deterministic
def test_no_bytes_raise(data: bytes, keep: int) -> None:
    """Whoever writes them has the key; still nothing may end the service."""
    query = ask()
    plain = packed(query).plain[: keep * 10] + data
    for incoming in (Incoming(bytes(4), plain, 1000), Incoming(bytes(4), bytes([1, 2]) + bytes(8) + data, 1000)):
        read_answer(query.key, incoming, now=NOW, wall_now=WALL)
        read_failure(incoming, now=NOW, wall_now=WALL)


@given(st.data())
@deterministic
def test_what_is_cut_anywhere_is_none_or_what_it_was(data: st.DataObject) -> None:
    query = ask()
    outgoing = packed(query)
    cut = outgoing.plain[: data.draw(st.integers(0, len(outgoing.plain) - 1))]
    found = read_answer(query.key, Incoming(outgoing.clear, cut, outgoing.milliseconds), now=NOW, wall_now=WALL)
    assert found in (None, KeptElsewhere(positive(query), 300, NOW))


def test_lengths_tell_little() -> None:
    lengths = {len(packed(ask(f"{'x' * length}.example.net")).plain) for length in range(1, 60)}
    assert len(lengths) == 1
    assert all(length % PADDING_BYTES == 0 for length in lengths)


def test_what_is_too_large_or_over_is_not_written() -> None:
    query = ask(qtype=m.TXT)
    rules = replace(CacheConfig(), max_entry_bytes=65_535)
    large = Cache(rules).store(query.key, positive(query, size=MOST_BYTES), NOW)
    assert large is not None
    assert pack_answer(query.key, large, now=NOW, wall_now=WALL, stale_seconds=STALE) is None
    over = kept(query, positive(query), NOW - 300)
    assert pack_answer(query.key, over, now=NOW, wall_now=WALL, stale_seconds=STALE) is None


# --- Failures ---


def test_a_failure_is_read_as_it_is_remembered() -> None:
    outgoing = pack_failure(FAILURE, now=NOW, wall_now=WALL)
    assert outgoing is not None
    assert outgoing.milliseconds == 5_000
    found = read_failure(after(outgoing, 2), now=NOW, wall_now=WALL + 2)
    assert found == FailedElsewhere(replace(FAILURE, until=NOW + 3), NOW - 2)


def test_a_failure_forbids_nothing_beyond_its_pause_whatever_the_clocks() -> None:
    outgoing = pack_failure(FAILURE, now=NOW, wall_now=WALL + 600)
    assert outgoing is not None
    assert read_failure(after(outgoing, 5), now=NOW, wall_now=WALL) is None
    assert read_failure(after(outgoing, 0), now=NOW, wall_now=WALL + 606) is None


def test_a_pause_beside_a_stale_answer_is_told_as_that_of_a_failure() -> None:
    outgoing = pack_failure(RememberedFailure(2, (), NOW + 3600, 3600), now=NOW, wall_now=WALL)
    assert outgoing is not None
    found = read_failure(after(outgoing, 0), now=NOW, wall_now=WALL)
    assert found is not None
    assert (found.failure.until, found.failure.seconds) == (NOW + LONGEST_SECONDS, LONGEST_SECONDS)


def test_a_failure_that_is_over_is_not_written() -> None:
    assert pack_failure(replace(FAILURE, until=NOW), now=NOW, wall_now=WALL) is None


def test_a_failure_is_no_answer_and_an_answer_no_failure() -> None:
    query = ask()
    failure = pack_failure(FAILURE, now=NOW, wall_now=WALL)
    assert failure is not None
    assert read_answer(query.key, after(failure, 0), now=NOW, wall_now=WALL) is None
    assert read_failure(after(packed(query), 0), now=NOW, wall_now=WALL) is None


# --- Names ---


def upstreams(*hosts: str) -> list[UpstreamConfig]:
    return [
        UpstreamConfig(name=f"ns{number}", url=UpstreamAddress("udp", host, 53)) for number, host in enumerate(hosts)
    ]


def test_each_question_of_each_route_has_a_name_of_its_own() -> None:
    keys = [ask().key, ask(qtype=m.HTTPS).key, ask(dnssec_ok=True).key, ask("www.example.org").key]
    names = {name_of(route, key) for route in (b"", b"lan", b"lan\n") for key in keys}
    assert len(names) == 12


def test_the_route_of_all_names_is_called_the_same_whoever_is_asked() -> None:
    assert route_name((), upstreams("9.9.9.9")) == route_name((), upstreams("127.0.0.1")) == b""


def test_a_route_is_shared_among_those_who_ask_the_same_for_it() -> None:
    name = route_name(("b.example", "a.example"), upstreams("9.9.9.9", "1.1.1.1"))
    assert name
    assert name == route_name(("a.example", "b.example"), upstreams("1.1.1.1", "9.9.9.9"))
    assert name != route_name(("a.example", "b.example"), upstreams("1.1.1.1"))
    assert name != route_name(("a.example",), upstreams("1.1.1.1", "9.9.9.9"))


@pytest.mark.parametrize("host", ["192.168.1.1", "127.0.0.1", "fe80::1%eth0", "fd00::1", "100.64.0.1"])
def test_a_route_to_an_address_that_is_another_server_elsewhere_is_not_shared(host: str) -> None:
    assert route_name(("lan.example",), upstreams("9.9.9.9", host)) is None

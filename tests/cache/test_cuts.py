"""What a denial cuts off, what it does not, and that the index never says more than the table it leads to."""

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache import Cache, Entry, Freshness
from dohproxy.cache.cuts import MOST_DELEGATIONS, Cuts
from dohproxy.cache.snapshot import SnapshotWriter, read_snapshot
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer, Kind, parse_answer
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import write_reply
from tests.wire import messages as m
from tests.wire.strategies import deterministic

Make = Callable[[Query], Answer]

NOW = 1_000.0
SMALL = CacheConfig(max_megabytes=1)
NO_SUCH_NAME = m.QR | m.RD | m.RA | m.AD | 3
UNVALIDATED = m.QR | m.RD | m.RA | 3
ZONE = m.name("example.net")
ALIAS = m.record(m.CNAME, m.name("other.example"))
BLOCKED = m.opt(m.option(m.EXTENDED_ERROR, b"\x00\x0f"))


def ask(name: str | bytes, qtype: int = m.A, *, flags: int = m.RD, dnssec_ok: bool = False) -> Query:
    qname = m.name(name) if isinstance(name, str) else name
    additional = (m.opt(dnssec_ok=True),) if dnssec_ok else ()
    return parse_query(m.query(m.question(qname, qtype), *additional, flags=flags))


def soa(zone: bytes, ttl: int = 300) -> bytes:
    return m.record(m.SOA, m.ROOT + m.ROOT + struct.pack("!5I", 1, 2, 3, 4, ttl), ttl=ttl, owner=zone)


def denial(
    query: Query,
    zone: bytes = ZONE,
    *,
    ttl: int = 300,
    answers: tuple[bytes, ...] = (),
    authority: tuple[bytes, ...] = (),
    additional: tuple[bytes, ...] = (),
    flags: int = NO_SUCH_NAME,
) -> Answer:
    wire = m.answer(
        *answers,
        authority=authority or (soa(zone, ttl),),
        additional=additional,
        asked=query.question,
        flags=flags,
    )
    return parse_answer(wire, query)


def address(query: Query) -> Answer:
    return parse_answer(m.answer(m.record(query.qtype), asked=query.question), query)


def nothing_of_the_type(query: Query) -> Answer:
    return denial(query, flags=m.QR | m.RA)


def store(cache: Cache, query: Query, answer: Answer, now: float = NOW) -> Entry:
    entry = cache.store(query.key, answer, now)
    assert entry is not None
    return entry


def cache_after(query: Query, answer: Answer) -> Cache:
    cache = Cache(SMALL)
    cache.store(query.key, answer, NOW)
    return cache


def is_denied(cache: Cache, query: Query, now: float = NOW) -> bool:
    entry, state = cache.lookup(query.key, now, 0.0)
    return entry is not None and entry.kind is Kind.NXDOMAIN and state is Freshness.FRESH


GONE = ask("gone.example.net")
DENIED = denial(GONE)


# ---------------------------------------------------------------- what is cut off


@pytest.mark.parametrize(
    "below",
    [
        ask("gone.example.net"),
        ask("gone.example.net", m.HTTPS),
        ask("www.gone.example.net"),
        ask("a.b.c.d.e.f.GONE.example.net", m.TXT),
        ask(b"\x03\x00.\xff" + m.name("gone.example.net")),
        ask(b"\x01a" * 118 + m.name("gone.example.net")),
    ],
    ids=["the name", "its other types", "a name below", "one far below", "any bytes in a label", "the longest name"],
)
def test_a_denial_answers_for_its_name_and_all_below(below: Query) -> None:
    cache = cache_after(GONE, DENIED)
    entry, state = cache.lookup(below.key, NOW + 100.5, 0.0)
    assert entry is not None
    assert state is Freshness.FRESH
    reply = dns.message.from_wire(write_reply(below, entry.content(NOW + 100.5)))
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert reply.question == dns.message.from_wire(m.query(below.question)).question
    assert reply.authority == dns.message.from_wire(m.answer(authority=(soa(ZONE),))).authority
    assert reply.authority[0].ttl == entry.max_age(NOW + 100.5) == 200


@pytest.mark.parametrize(
    "other",
    [
        ask("example.net"),
        ask("here.example.net"),
        ask("not-gone.example.net"),
        ask("gone.example.org"),
        ask(b"\x12" + m.name("gone.example.net")[:-1] + b"!\x00"),
        ask(b"\x13a" + m.name("gone.example.net") + m.name("org")),
        ask("www.gone.example.net", flags=m.RD | m.CD),
        ask("www.gone.example.net", dnssec_ok=True),
        ask(m.ROOT),
    ],
    ids=[
        "the name above",
        "a name beside",
        "a longer label",
        "the same labels elsewhere",
        "its bytes within a label",
        "its bytes at the end of a label",
        "CD",
        "DO",
        "the root",
    ],
)
def test_a_denial_says_nothing_of_other_names_and_bits(other: Query) -> None:
    assert not is_denied(cache_after(GONE, DENIED), other)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (GONE, denial(GONE, authority=(m.record(m.NS, m.ROOT),))),
        (GONE, denial(GONE, answers=(ALIAS,))),
        (GONE, denial(GONE, additional=(BLOCKED,))),
        (GONE, denial(GONE, m.name("gone.example.net"))),
        (GONE, denial(GONE, m.name("blocked.example.org"))),
        (GONE, denial(GONE, b"\x03ple\x03net\x00")),
        (GONE, denial(GONE, authority=(soa(ZONE), m.record(m.TXT, b"\x00")))),
        (GONE, denial(GONE, ttl=0)),
        (GONE, nothing_of_the_type(GONE)),
        (ask(m.ROOT), denial(ask(m.ROOT), m.ROOT)),
    ],
    ids=[
        "without SOA",
        "of an alias's target",
        "that explains itself",
        "by a zone of the very name",
        "by another zone",
        "by what is no name above it",
        "with records that cannot be moved",
        "for this instant",
        "NODATA",
        "of the root itself",
    ],
)
def test_a_denial_cuts_nothing(query: Query, answer: Answer) -> None:
    cache = cache_after(query, answer)
    assert cache.statistics().cuts == 0
    assert not is_denied(cache, ask("www.gone.example.net"))


def test_with_the_switch_off_nothing_is_cut() -> None:
    cache = Cache(replace(SMALL, cut_below_nxdomain="never"))
    store(cache, GONE, DENIED)
    assert is_denied(cache, GONE)
    assert not is_denied(cache, ask("gone.example.net", m.HTTPS))
    assert not is_denied(cache, ask("www.gone.example.net"))


def test_a_denial_that_nobody_has_validated_answers_for_all_types_of_its_name_and_for_nothing_below() -> None:
    """Servers that deny empty non-terminals are many: one question would take all that is below from everybody."""
    cache = cache_after(GONE, denial(GONE, flags=UNVALIDATED))
    assert is_denied(cache, ask("gone.example.net", m.HTTPS))
    assert not is_denied(cache, ask("www.gone.example.net"))
    assert not is_denied(cache, ask("gone.example.net", m.HTTPS, dnssec_ok=True))
    store(cache, ask("gone.example.net", m.TXT), address(ask("gone.example.net", m.TXT)))
    assert not is_denied(cache, ask("gone.example.net", m.HTTPS))


BITS = [(0, False), (0, True), (m.CD, False), (m.CD, True)]


@pytest.mark.parametrize("rule", ["validated", "always"])
@pytest.mark.parametrize("flags", [NO_SUCH_NAME, UNVALIDATED], ids=["validated", "not validated"])
@pytest.mark.parametrize("held_for", [100, 5_000], ids=["fresh", "stale"])
@pytest.mark.parametrize("qtype", [m.A, 28, m.TXT, m.NS], ids=["A", "AAAA", "TXT", "NS"])
def test_a_denial_of_one_type_takes_nothing_else_of_a_name_that_is_held(
    qtype: int, held_for: int, flags: int, rule: Literal["validated", "always"]
) -> None:
    """Broken servers deny HTTPS with NXDOMAIN where there is an address."""
    cache = Cache(replace(SMALL, cut_below_nxdomain=rule))
    held, https = ask("gone.example.net", qtype), ask("gone.example.net", m.HTTPS)
    store(cache, held, address(held))
    later = NOW + held_for
    store(cache, https, denial(https, flags=flags), later)
    assert is_denied(cache, https, later)
    assert cache.lookup(held.key, later, 0.0)[1] is (Freshness.FRESH if held_for < 300 else Freshness.STALE)
    assert not is_denied(cache, ask("gone.example.net", m.SOA), later)
    assert not is_denied(cache, ask("www.gone.example.net"), later)


@pytest.mark.parametrize(("flags", "dnssec_ok"), BITS)
def test_it_makes_no_difference_for_whom_the_name_was_seen(flags: int, *, dnssec_ok: bool) -> None:
    cache = Cache(SMALL)
    held = ask("gone.example.net", flags=flags, dnssec_ok=dnssec_ok)
    store(cache, held, address(held))
    store(cache, ask("gone.example.net", m.HTTPS), denial(ask("gone.example.net", m.HTTPS)))
    assert not is_denied(cache, ask("gone.example.net", 28))


def test_an_old_answer_is_asked_for_again_though_its_name_is_denied_meanwhile() -> None:
    """Its type is one that nobody looks for when a name is denied."""
    cache = Cache(SMALL)
    held = ask("gone.example.net", 65_280)
    entry = store(cache, held, address(held))
    store(cache, GONE, DENIED, NOW + 200)
    assert is_denied(cache, ask("gone.example.net", m.HTTPS), NOW + 300)
    assert cache.lookup(held.key, NOW + 300, 0.0) == (entry, Freshness.STALE)
    store(cache, ask("example.net"), denial(ask("example.net"), m.name("net")), NOW + 300)
    assert is_denied(cache, held, NOW + 300)


def test_a_denial_of_what_was_held_itself_is_one_of_the_name() -> None:
    cache = Cache(SMALL)
    store(cache, GONE, address(GONE))
    store(cache, GONE, denial(GONE))
    assert is_denied(cache, ask("gone.example.net", m.HTTPS))


def test_where_the_operator_believes_every_denial_it_answers_for_names_below() -> None:
    cache = Cache(replace(SMALL, cut_below_nxdomain="always"))
    store(cache, GONE, denial(GONE, flags=UNVALIDATED))
    assert is_denied(cache, ask("www.gone.example.net"))


@pytest.mark.parametrize("flags", [NO_SUCH_NAME, UNVALIDATED], ids=["validated", "not validated"])
@pytest.mark.parametrize("query", [ask("a.b.c.lan"), ask("lan")], ids=["far below", "the domain itself"])
def test_what_the_root_denies_is_denied_from_the_top_level_domain_down(query: Query, flags: int) -> None:
    cache = cache_after(query, denial(query, m.ROOT, flags=flags))
    assert all(is_denied(cache, ask(name)) for name in ("lan", "x.lan", "b.c.lan"))
    assert not is_denied(cache, ask("an"))
    assert not is_denied(cache, ask("xlan"))


@pytest.mark.parametrize("exists", [address, nothing_of_the_type], ids=["an address", "NODATA"])
@pytest.mark.parametrize("first", [True, False], ids=["known before", "learnt later"])
def test_an_soa_of_the_root_takes_no_top_level_domain_in_which_a_name_exists(exists: Make, *, first: bool) -> None:
    """A filter that invents one would otherwise take all of .net from everybody."""
    cache = Cache(SMALL)
    if first:
        store(cache, ask("www.example.net"), exists(ask("www.example.net")))
    store(cache, GONE, denial(GONE, m.ROOT))
    if not first:
        store(cache, ask("www.example.net"), exists(ask("www.example.net")))
    assert is_denied(cache, GONE)
    assert not is_denied(cache, ask("example.net"))
    assert not is_denied(cache, ask("www.gone.example.net"))
    assert cache.statistics().delegations == 1


LISTED = frozenset({m.name("museum"), m.name("co.uk")})


@pytest.mark.parametrize(
    ("denied", "zone"),
    [("zz.museum", m.ROOT), ("museum", m.ROOT), ("co.uk", m.name("uk"))],
    ids=["a name under a listed domain", "a listed domain", "a listed suffix"],
)
@pytest.mark.parametrize("rule", ["validated", "always"])
def test_a_denial_that_nobody_has_validated_cuts_nothing_that_is_listed(
    denied: str, zone: bytes, rule: Literal["validated", "always"]
) -> None:
    """One forged packet would take all of .museum from everybody."""
    query = ask(denied)
    cache = Cache(replace(SMALL, cut_below_nxdomain=rule), is_listed=LISTED.__contains__)
    store(cache, query, denial(query, zone, flags=UNVALIDATED))
    assert is_denied(cache, query)
    others = ("museum", "www.museum", "co.uk", "www.co.uk", f"x.{denied}")
    assert [name for name in others if name != denied and is_denied(cache, ask(name))] == []
    assert not is_denied(cache, ask(denied, m.HTTPS))
    assert len(cache._cuts) == 0


def test_what_is_validated_counts_for_more_than_a_list() -> None:
    cache = Cache(SMALL, is_listed=LISTED.__contains__)
    store(cache, ask("zz.museum"), denial(ask("zz.museum"), m.ROOT))
    assert is_denied(cache, ask("www.museum"))


def test_what_no_list_has_is_denied_by_the_root_as_before() -> None:
    cache = Cache(SMALL, is_listed=LISTED.__contains__)
    store(cache, ask("x.lan"), denial(ask("x.lan"), m.ROOT, flags=UNVALIDATED))
    assert is_denied(cache, ask("printer.lan"))


@pytest.mark.parametrize(
    "answer",
    [address(GONE), nothing_of_the_type(GONE), denial(GONE, answers=(ALIAS,))],
    ids=["an address", "NODATA", "an alias to what does not exist"],
)
def test_a_name_that_exists_ends_the_cuts_above_it(answer: Answer) -> None:
    cache = Cache(SMALL)
    store(cache, ask("example.net"), denial(ask("example.net"), m.name("net")))
    cache.store(GONE.key, answer, NOW)
    assert not is_denied(cache, ask("www.example.net"))
    assert is_denied(cache, ask("example.net"))


def test_a_signed_denial_answers_with_its_proof_for_those_who_asked_for_proofs() -> None:
    gone, below = ask("gone.example.net", dnssec_ok=True), ask("www.gone.example.net", dnssec_ok=True)
    proof = m.record(47, m.name("here.example.net") + b"\x00\x01\x40", owner=m.name("example.net"))
    cache = cache_after(gone, denial(gone, authority=(soa(ZONE), proof), flags=NO_SUCH_NAME))
    entry, _ = cache.lookup(below.key, NOW, 0.0)
    assert entry is not None
    content = entry.content(NOW)
    assert content.authentic
    assert content.records.endswith(proof)
    assert not is_denied(cache, ask("www.gone.example.net"))


# ---------------------------------------------------------------- for how long


def test_a_stale_denial_cuts_nothing() -> None:
    cache = cache_after(GONE, DENIED)
    assert is_denied(cache, ask("www.gone.example.net"), NOW + 299.9)
    assert cache.lookup(ask("www.gone.example.net").key, NOW + 300, 1.0) == (None, Freshness.DEAD)
    assert cache.lookup(GONE.key, NOW + 300, 0.0)[1] is Freshness.STALE


def test_what_is_fresh_of_the_question_itself_goes_before_a_denial_from_above() -> None:
    www = ask("www.gone.example.net")
    cache = Cache(SMALL)
    known = store(cache, www, address(www))
    store(cache, GONE, DENIED, NOW + 250)
    assert cache.lookup(www.key, NOW + 299, 0.0) == (known, Freshness.FRESH)
    assert cache.statistics().cut_hits == 0


@pytest.mark.parametrize("pressure", [0.0, 1.0], ids=["no pressure", "full pressure"])
@pytest.mark.parametrize("age", [400, 200_000], ids=["stale", "dead"])
def test_a_fresh_denial_from_above_goes_before_what_is_no_longer_fresh(age: float, pressure: float) -> None:
    www = ask("www.gone.example.net")
    cache = Cache(SMALL)
    store(cache, www, address(www))
    store(cache, GONE, DENIED, NOW + age)
    assert cache.lookup(www.key, NOW + age, pressure)[0] == cache.peek(GONE.key)
    assert cache.statistics().cut_hits == 1


@pytest.mark.parametrize("make", [address, nothing_of_the_type, denial], ids=["an address", "NODATA", "a new denial"])
def test_a_new_answer_to_the_question_takes_the_old_ones_cut_away(make: Make) -> None:
    cache = cache_after(GONE, DENIED)
    cache.store(GONE.key, make(GONE), NOW + 200)
    assert is_denied(cache, ask("www.gone.example.net"), NOW + 400) == (make is denial)
    assert cache.statistics().cuts == (make is denial)


def test_an_answer_that_is_not_kept_takes_the_old_ones_cut_away() -> None:
    cache = cache_after(GONE, DENIED)
    assert cache.store(GONE.key, denial(GONE, ttl=0), NOW) is None
    assert cache.statistics().cuts == 0


def test_of_two_denials_of_one_place_the_newer_counts_and_the_older_goes_without_it() -> None:
    cache = Cache(SMALL)
    one, two = ask("one.lan"), ask("two.lan")
    store(cache, one, denial(one, m.ROOT))
    newer = store(cache, two, denial(two, m.ROOT), NOW + 100)
    cache.store(one.key, denial(one, ttl=0), NOW + 100)
    assert cache.lookup(ask("three.lan").key, NOW + 100, 0.0) == (newer, Freshness.FRESH)


# ---------------------------------------------------------------- restarts


def restore(cache: Cache, query: Query, answer: Answer, stored_at: float = NOW) -> Entry | None:
    return cache.restore(query.key, answer, 300, stored_at, NOW + 100)


def test_a_denial_from_before_a_restart_cuts_for_the_rest_of_its_time() -> None:
    writer = SnapshotWriter(wall_now=0.0, now=NOW)
    writer.add(GONE.key, store(Cache(SMALL), GONE, DENIED))
    (saved,) = read_snapshot(writer.finish())
    cache = Cache(SMALL)
    assert restore(cache, GONE, saved.answer()) is not None
    assert is_denied(cache, ask("www.gone.example.net"), NOW + 299)
    assert not is_denied(cache, ask("www.gone.example.net"), NOW + 300)


def test_a_denial_from_before_a_restart_takes_no_newer_ones_place() -> None:
    one, two = ask("one.lan"), ask("two.lan")
    cache = Cache(SMALL)
    newer = store(cache, one, denial(one, m.ROOT), NOW + 100)
    assert restore(cache, two, denial(two, m.ROOT)) is not None
    assert cache.lookup(ask("three.lan").key, NOW + 350, 0.0) == (newer, Freshness.FRESH)


def test_a_top_level_domain_that_existed_before_a_restart_still_does() -> None:
    cache = Cache(SMALL)
    store(cache, GONE, DENIED, NOW + 100)
    assert restore(cache, ask("www.example.net"), address(ask("www.example.net"))) is not None
    assert is_denied(cache, ask("www.gone.example.net"), NOW + 100)
    assert cache.statistics().delegations == 1


# ---------------------------------------------------------------- bounds


def test_a_flood_of_denials_leaves_no_cut_without_its_entry_and_a_used_one_stays() -> None:
    cache = cache_after(ask("x.lan"), denial(ask("x.lan"), m.ROOT))
    for number in range(1_500):
        query = ask(f"{number}.example.net")
        store(cache, query, denial(query))
        assert is_denied(cache, ask(f"{number}.lan"))
    statistics = cache.statistics()
    assert statistics.evictions > 500
    assert statistics.cuts == statistics.negative_entries
    assert statistics.negative_bytes <= statistics.negative_max_bytes
    assert statistics.cut_hits == 1_500


def test_no_more_top_level_domains_are_noted_than_the_limit() -> None:
    cuts = Cuts()
    for number in range(MOST_DELEGATIONS + 10):
        cuts.note_existence(ask(f"www.tld{number}").key)
    assert cuts.delegations == MOST_DELEGATIONS


def test_without_cuts_a_name_is_not_looked_through() -> None:
    assert list(Cuts().above(b"no name at all")) == []


names = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join)
zones = st.sampled_from([m.ROOT, m.name("a"), m.name("b"), m.name("a.b")])
steps = st.lists(st.tuples(names, zones, st.sampled_from(["denial", "address", "nodata", "look"])), max_size=60)


@given(steps, st.integers(0, 3))
@deterministic
def test_nothing_is_denied_but_by_a_fresh_denial_of_a_name_above(
    todo: list[tuple[str, bytes, str]], seconds: int
) -> None:
    cache = Cache(replace(SMALL, negative_share_percent=1))
    denied_until: dict[str, float] = {}
    now = NOW
    for name, zone, what in todo:
        now += seconds
        query = ask(name)
        if what == "denial":
            cache.store(query.key, denial(query, zone, ttl=20), now)
            top = name.rpartition(".")[2] if zone == m.ROOT else name
            denied_until[top] = denied_until[name] = now + 20
        elif what != "look":
            cache.store(query.key, address(query) if what == "address" else nothing_of_the_type(query), now)
        elif is_denied(cache, query, now):
            labels = name.split(".")
            above = [".".join(labels[start:]) for start in range(len(labels))]
            assert any(denied_until.get(one, 0.0) > now for one in above)
        assert cache.statistics().cuts <= cache.statistics().negative_entries

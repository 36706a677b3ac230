"""A snapshot's bytes: what was written is read, and whatever else is read is refused in one way."""

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache import Entry
from dohproxy.cache.entry import Span, make_entry
from dohproxy.cache.snapshot import DamagedSnapshot, SavedEntry, SnapshotWriter, read_snapshot
from dohproxy.wire.answer import Answer, Kind, parse_answer
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.query import Query, parse_query
from fuzz.snapshot_invariants import check_snapshot, seal
from tests.cache.answers import ask, kept, negative, positive
from tests.wire import messages as m
from tests.wire.strategies import answers, damaged, deterministic, qnames, qtypes

WRITTEN_AT = 1_800_000_000.75
NOW = 1_000.0


def entry(query: Query, answer: Answer | None = None, *, stored_at: float = NOW) -> Entry:
    return kept(query, positive(query) if answer is None else answer, stored_at)


def written(*entries: tuple[Query, Entry]) -> bytes:
    writer = SnapshotWriter(wall_now=WRITTEN_AT, now=NOW)
    assert all(writer.add(query.key, known) for query, known in entries)
    content = writer.finish()
    assert (len(content), writer.entries) == (writer.size, len(entries))
    return content


def read_back(query: Query, known: Entry) -> SavedEntry:
    (saved,) = read_snapshot(written((query, known)))
    return saved


def fault_of(data: bytes) -> str:
    with pytest.raises(DamagedSnapshot) as caught:
        read_snapshot(data)
    return str(caught.value)


# --- What is written is read ---


def test_an_empty_cache_is_a_snapshot_too() -> None:
    snapshot = read_snapshot(written())
    assert (list(snapshot), snapshot.written_at) == ([], 1_800_000_000)


def test_entries_are_read_in_the_order_written() -> None:
    queries = [ask(f"{number}.example.net") for number in range(20)]
    snapshot = read_snapshot(written(*((query, entry(query)) for query in queries)))
    assert [saved.key for saved in snapshot] == [query.key for query in queries]


@pytest.mark.parametrize(
    "query",
    [ask("."), ask(qtype=m.HTTPS), ask(dnssec_ok=True), ask(flags=m.CD), ask("x" * 63 + ".Net", 0x4142)],
    ids=["the root", "a type that looks like a letter", "DO", "CD", "a long label and capital type"],
)
def test_every_key_of_a_query_is_read(query: Query) -> None:
    assert read_back(query, entry(query)).key == query.key


@pytest.mark.parametrize("flags", [0, m.AA, m.AD, m.AA | m.AD])
@pytest.mark.parametrize("errors", [(), (3,), (3, 19, 0xFFFF)], ids=str)
def test_an_answer_is_read_as_it_was(flags: int, errors: tuple[int, ...]) -> None:
    query = ask(dnssec_ok=True)
    options = b"".join(m.option(m.EXTENDED_ERROR, struct.pack("!H", code)) for code in errors)
    wire = m.answer(
        m.record(ttl=100),
        authority=(m.record(m.NS, m.name("ns.example.net"), ttl=200),),
        additional=(m.record(owner=m.name("ns.example.net"), ttl=300), m.opt(options)),
        asked=query.question,
        flags=m.QR | m.RA | flags,
    )
    answer = parse_answer(wire, query)
    saved = read_back(query, entry(query, answer))
    assert saved.answer() == replace(answer, errors=errors)
    assert saved.lifetime == 100


def test_a_negative_answer_is_read_as_it_was() -> None:
    query = ask()
    saved = read_back(query, entry(query, negative(query, ttl=900, minimum=50)))
    assert saved.answer() == negative(query, ttl=50, minimum=50)
    assert (saved.answer().kind, saved.lifetime) == (Kind.NXDOMAIN, 50)


@pytest.mark.parametrize(
    ("stored_at", "age"),
    [(NOW, 0), (NOW - 0.1, 1), (NOW - 60, 60), (NOW - 5_000, 5_000), (NOW + 3, 0)],
    ids=["now", "a moment ago", "a minute ago", "before this clock began", "while the snapshot was made"],
)
def test_ages_are_rounded_up_and_never_below_zero(stored_at: float, age: int) -> None:
    assert read_back(ask(), entry(ask(), stored_at=stored_at)).age == age


def test_a_wall_clock_before_its_own_beginning_is_its_beginning() -> None:
    assert read_snapshot(SnapshotWriter(wall_now=-5.0, now=NOW).finish()).written_at == 0


@given(answers(), st.booleans(), st.booleans())
@deterministic
def test_whatever_an_upstream_said_is_read_as_it_was_kept(wire: bytes, dnssec_ok: bool, unchecked: bool) -> None:
    query = _query_of(wire, dnssec_ok=dnssec_ok, unchecked=unchecked)
    try:
        answer = parse_answer(wire, query)
    except Malformed:
        return
    if answer.ttl is None or answer.kind not in (Kind.POSITIVE, Kind.NODATA, Kind.NXDOMAIN):
        return
    # As it came: under other TTLs the owner names of some of these are others.
    known = make_entry(query.key, answer, NOW, Span(300, floor=0, ceiling=300, less=0, refresh_age=270))
    known.page.memory[known.length - len(answer.records) :] = answer.records
    saved = read_back(query, known)
    assert saved.key == query.key
    # What stood behind the OPT went with it, and so did its TTLs.
    assert saved.answer() == replace(answer, ttl=saved.answer().ttl)
    assert (saved.answer().ttl or 0) >= answer.ttl


def _query_of(wire: bytes, *, dnssec_ok: bool, unchecked: bool) -> Query:
    end = 12
    while wire[end]:
        end += wire[end] + 1
    flags, additional = m.RD | unchecked * m.CD, (m.opt(dnssec_ok=True),) if dnssec_ok else ()
    return parse_query(m.query(wire[12 : end + 5], *additional, flags=flags))


# --- Bounds ---


def test_a_snapshot_ends_at_its_most_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dohproxy.cache.snapshot.MOST_ENTRIES", 3)
    writer = SnapshotWriter(wall_now=WRITTEN_AT, now=NOW)
    assert [writer.add(ask().key, entry(ask())) for _ in range(5)] == [True, True, True, False, False]
    assert len(list(read_snapshot(writer.finish()))) == 3


def test_a_snapshot_ends_at_its_most_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    three = len(written(*[(ask(), entry(ask()))] * 3))
    monkeypatch.setattr("dohproxy.cache.snapshot.MOST_BYTES", three)
    writer = SnapshotWriter(wall_now=WRITTEN_AT, now=NOW)
    assert [writer.add(ask().key, entry(ask())) for _ in range(5)] == [True, True, True, False, False]
    assert len(writer.finish()) == three


def test_a_snapshot_can_be_taken_in_pieces() -> None:
    queries = [ask(f"{number}.example.net") for number in range(5)]
    writer = SnapshotWriter(wall_now=WRITTEN_AT, now=NOW)
    pieces = []
    for query in queries:
        writer.add(query.key, entry(query))
        pieces.append(writer.take())
    assert b"".join([*pieces, writer.finish()]) == written(*((query, entry(query)) for query in queries))
    assert all(pieces)


def test_more_entries_or_bytes_than_are_ever_written_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(*[(ask(), entry(ask()))] * 4)
    monkeypatch.setattr("dohproxy.cache.snapshot.MOST_ENTRIES", 3)
    assert fault_of(content) == "holds more than 3 entries"
    monkeypatch.setattr("dohproxy.cache.snapshot.MOST_BYTES", len(content) - 1)
    assert "is longer than" in fault_of(content)


# --- What is refused ---

GOOD = written((ask("one.example.net"), entry(ask("one.example.net"))), (ask(), entry(ask())))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "is empty"),
        (b"\0" * 100, "is not a cache snapshot"),
        (b"-----BEGIN CERTIFICATE-----", "is not a cache snapshot"),
        (b"dohcach", "is not a cache snapshot"),
        (b"dohcache", "is cut short"),
        (GOOD[:40], "is cut short"),
        (GOOD[:-1], "is damaged or cut short: its checksum is wrong"),
        (GOOD + b"\0", "is damaged or cut short: its checksum is wrong"),
        (GOOD[:60] + b"?" + GOOD[61:], "is damaged or cut short: its checksum is wrong"),
        (GOOD[:-40], "is damaged or cut short: its checksum is wrong"),
        (seal(b"", 0, version=2), "is a snapshot of version 2, and this program reads version 1"),
        (seal(b"", 0, version=0), "is a snapshot of version 0, and this program reads version 1"),
        (GOOD[:8] + b"\xff\xff" + GOOD[10:], "is a snapshot of version 65535, and this program reads version 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(data: bytes, fault: str) -> None:
    assert fault_of(data) == fault


KEY = ask().key
RECORD = m.record()


def body(
    key: bytes = KEY,
    records: bytes = RECORD,
    *,
    flags: int = 0,
    counts: tuple[int, int, int] = (1, 0, 0),
    errors: tuple[int, ...] = (),
    **lies: Any,
) -> bytes:
    """One entry; `lies` are lengths that are not those of what follows."""
    lengths = {"key_bytes": len(key), "record_bytes": len(records), "error_count": len(errors), **lies}
    head = struct.pack(
        "!6HBII", lengths["key_bytes"], lengths["record_bytes"], flags, *counts, lengths["error_count"], 5, 300
    )
    return head + struct.pack(f"!{len(errors)}H", *errors) + key + records


def test_the_entry_of_these_tests_is_a_good_one() -> None:
    (saved,) = read_snapshot(seal(body(errors=(3,)), 1))
    assert saved.answer().kind is Kind.POSITIVE
    assert (saved.age, saved.lifetime, saved.errors) == (5, 300, (3,))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (body()[:10], "breaks off within the entry at byte 18"),
        (body() + b"\0", f"breaks off within the entry at byte {18 + len(body())}"),
        (body(record_bytes=len(RECORD) + 1), "breaks off within the entry at byte 18"),
        (body(record_bytes=0xFFFF), "breaks off within the entry at byte 18"),
        (body(key_bytes=0xFFFF), "breaks off within the entry at byte 18"),
        (body(record_bytes=len(RECORD) - 1), f"breaks off within the entry at byte {17 + len(body())}"),
        (body(error_count=3), "breaks off within the entry at byte 18"),
        (body(error_count=4), "has an impossible entry at byte 18"),
        (body(error_count=255), "has an impossible entry at byte 18"),
        (body(flags=m.QR), "has an impossible entry at byte 18"),
        (body(flags=m.TC), "has an impossible entry at byte 18"),
        (body(flags=0x0800), "has an impossible entry at byte 18"),
        (body(b""), "has an entry for no question at byte 18"),
        (body(b"\0\1"), "has an entry for no question at byte 18"),
        (body(b"\0\1\0"), "has an entry for no question at byte 18"),
        (body(KEY[1:]), "has an entry for no question at byte 18"),
        (body(KEY[:-1]), "has an entry for no question at byte 18"),
        (body(KEY + b"\0"), "has an entry for no question at byte 18"),
        (body(KEY.replace(b"www", b"wWw")), "has an entry for no question at byte 18"),
        (body(KEY[:-1] + b"\x04"), "has an entry for no question at byte 18"),
        (body(m.pointer(12) + KEY[-3:]), "has an entry for no question at byte 18"),
        (body(m.name(".".join(["x" * 63] * 4)) + KEY[-3:]), "has an entry for no question at byte 18"),
        (body(key_bytes=len(KEY) - 1), "has an entry for no question at byte 18"),
    ],
)
def test_a_checksum_makes_no_entry_right(content: bytes, fault: str) -> None:
    assert fault_of(seal(content, 1)) == fault


@pytest.mark.parametrize("count", [0, 1, 3, 0xFFFF_FFFF])
def test_the_number_of_entries_must_be_right(count: int) -> None:
    assert fault_of(seal(body() * 2, count)) == f"holds 2 entries and announces {count}"


@pytest.mark.parametrize(
    "content",
    [
        body(counts=(2, 0, 0)),
        body(counts=(0xFFFF, 0xFFFF, 0xFFFF)),
        body(records=RECORD[:-1]),
        body(records=b""),
        body(records=m.record(owner=m.pointer(0x3FFF))),
        body(records=m.record(owner=b"\x40")),
        body(records=m.opt()),
    ],
    ids=[
        "a record too few",
        "too many to read",
        "cut short",
        "none",
        "a wild pointer",
        "a bad label",
        "an OPT",
    ],
)
def test_records_are_read_as_those_of_an_upstream(content: bytes) -> None:
    (saved,) = read_snapshot(seal(content, 1))
    with pytest.raises(Malformed):
        saved.answer()


def test_what_an_older_release_kept_and_this_one_does_not_is_left_out() -> None:
    stray = m.record(owner=m.name("other.example"))
    (saved,) = read_snapshot(seal(body(counts=(2, 0, 0), records=RECORD + stray), 1))
    assert saved.answer().counts == (1, 0, 0)


# --- Any bytes whatever ---

keys = st.builds(
    lambda name, qtype, bits: name.lower() + struct.pack("!HB", qtype, bits), qnames(), qtypes, st.integers(0, 3)
)
sealed = st.builds(
    seal,
    st.lists(
        st.builds(
            body,
            keys,
            st.binary(max_size=60) | st.just(RECORD) | st.just(m.soa()),
            flags=st.sampled_from([0, 3, m.AA, m.AD | 3]),
            counts=st.sampled_from([(1, 0, 0), (0, 1, 0), (0, 0, 0)]),
            errors=st.lists(st.integers(0, 0xFFFF), max_size=3).map(tuple),
        ),
        max_size=4,
    ).map(b"".join),
    st.integers(0, 4),
)


@given(st.binary(max_size=300) | sealed | damaged(sealed) | sealed.map(lambda data: data[18:-36]))
@deterministic
def test_any_bytes_are_refused_in_one_way_or_do_no_harm(data: bytes) -> None:
    check_snapshot(data)
    check_snapshot(b"\1" + data)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@deterministic
def test_no_changed_byte_is_overlooked(place: int, change: int) -> None:
    assert fault_of(GOOD[:place] + bytes([GOOD[place] ^ change]) + GOOD[place + 1 :])


@given(st.integers(0, len(GOOD) - 1))
@deterministic
def test_no_cut_is_overlooked(length: int) -> None:
    assert fault_of(GOOD[:length])


def test_a_good_snapshot_passes_the_same_checks() -> None:
    query = ask("gone.example.net")
    check_snapshot(written((ask(), entry(ask())), (query, entry(query, negative(query)))))

"""Names on the wire: how far they reach, what they may contain, what they may cost."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.name import (
    COMPRESSION_BUDGET,
    MOST_HOPS,
    STEPS_OF_A_POINTER,
    NameWalker,
    from_text,
    label_offsets,
    labels,
    letters_in,
    question_name_end,
    spell_out,
    suffixes,
    vary_case,
    written_end,
)
from tests.wire import messages as m
from tests.wire.strategies import deterministic, qnames

HEADER = bytes(12)


def fault_of(call: object, *arguments: object) -> Fault:
    assert callable(call)
    with pytest.raises(Malformed) as refusal:
        call(*arguments)
    return refusal.value.fault


@pytest.mark.parametrize(
    "name",
    [
        m.ROOT,
        m.name("a"),
        m.name("www.example.net"),
        b"\x3f" + b"a" * 63 + m.ROOT,
        b"\x01a" * 127 + m.ROOT,
        b"\x01\x00\x00",
    ],
    ids=["the root", "one label", "three labels", "the longest label", "the longest name", "a zero byte in a label"],
)
def test_a_questions_name_ends_behind_its_root(name: bytes) -> None:
    assert question_name_end(HEADER + name + b"tail") == 12 + len(name)
    assert NameWalker(HEADER + name + b"tail").skip(12) == 12 + len(name)


def test_a_name_of_255_bytes_passes_and_one_of_256_does_not() -> None:
    longest = b"\x01a" * 127 + m.ROOT
    longer = b"\x02aa" + b"\x01a" * 126 + m.ROOT
    last_label_too_long = b"\x01a" * 126 + b"\x03aaa" + m.ROOT
    assert (len(longest), len(longer)) == (255, 256)
    assert question_name_end(HEADER + longest) == 12 + 255
    assert fault_of(question_name_end, HEADER + longer) is Fault.NAME_TOO_LONG
    assert fault_of(NameWalker(HEADER + longer).skip, 12) is Fault.NAME_TOO_LONG
    assert fault_of(question_name_end, HEADER + last_label_too_long) is Fault.NAME_TOO_LONG


@pytest.mark.parametrize(("own", "fault"), [(126, None), (127, Fault.NAME_TOO_LONG)], ids=["255 bytes", "257 bytes"])
def test_a_name_is_measured_with_its_pointers_followed(own: int, fault: Fault | None) -> None:
    wire = HEADER + b"\x01b\x00" + b"\x01a" * own + m.pointer(12)
    if fault is None:
        assert NameWalker(wire).skip(15) == len(wire)
    else:
        assert fault_of(NameWalker(wire).skip, 15) is fault


@pytest.mark.parametrize(
    ("owners", "last_is_too_long"),
    [
        ([m.pointer(13), m.pointer(13)], False),
        ([m.pointer(13), b"\x01b" + m.pointer(13)], True),
        ([b"\x01b" + m.pointer(15), b"\x01b" + m.pointer(15)], False),
        ([b"\x01b" + m.pointer(15), b"\x02bb" + m.pointer(15)], True),
        ([b"\x02bb" + m.pointer(15)], True),
    ],
    ids=[
        "all of a full name",
        "a label before a full name",
        "a label instead of a full name's first",
        "a longer label instead of a full name's first",
        "the same in a new place",
    ],
)
def test_a_name_through_a_place_seen_before_is_measured_as_if_it_were_new(
    owners: list[bytes], last_is_too_long: bool
) -> None:
    start = 12 + 1 + 255
    wire = HEADER + m.ROOT + b"\x01a" * 127 + m.ROOT + b"".join(owners)
    walker = NameWalker(wire)
    for owner in owners[:-1]:
        start = walker.skip(start)
        assert wire[:start].endswith(owner)
    if last_is_too_long:
        assert fault_of(walker.skip, start) is Fault.NAME_TOO_LONG
    else:
        assert walker.skip(start) == len(wire)


@pytest.mark.parametrize(
    ("wire", "fault"),
    [
        (m.pointer(13), Fault.POINTER),
        (m.pointer(20), Fault.POINTER),
        (m.pointer(0), Fault.POINTER),
        (m.pointer(11), Fault.POINTER),
        (b"\x01a" + m.pointer(13), Fault.POINTER),
        (b"\x01a" + m.pointer(15), Fault.POINTER),
        (b"\x01a" + b"\xc0", Fault.CUT_SHORT),
        (b"\x05abcd", Fault.CUT_SHORT),
        (b"", Fault.CUT_SHORT),
        (b"\x40" + bytes(70), Fault.LABEL),
        (b"\xbf" + bytes(70), Fault.LABEL),
    ],
    ids=[
        "to itself",
        "forwards",
        "to the ID",
        "to the header's last byte",
        "to its own name's start",
        "to its own place",
        "half a pointer",
        "a label over the end",
        "nothing",
        "label type 0x40",
        "label type 0x80",
    ],
)
def test_an_owner_that_would_lead_nowhere_is_refused_and_not_spelled_out(wire: bytes, fault: Fault) -> None:
    assert fault_of(NameWalker(HEADER + m.ROOT + wire).skip, 13) is fault
    assert fault_of(spell_out, HEADER + m.ROOT + wire, 13) is fault


def test_a_pointer_behind_a_pointer_must_lead_before_it() -> None:
    wire = HEADER + m.ROOT + b"\x01a" + m.pointer(13) + m.pointer(13)
    assert fault_of(NameWalker(wire).skip, 17) is Fault.POINTER


def test_a_chain_of_pointers_is_paid_once_however_many_names_enter_it() -> None:
    links = COMPRESSION_BUDGET // STEPS_OF_A_POINTER // 2
    chain = m.ROOT + b"".join(m.pointer(12 if i == 0 else 13 + 2 * (i - 1)) for i in range(links))
    end = 12 + len(chain)
    wire = HEADER + chain + m.pointer(end - 2)
    walker = NameWalker(wire)
    for _ in range(1_000):
        assert walker.skip(end) == end + 2


def test_the_budget_is_for_all_names_of_a_message_together() -> None:
    name = b"\x01a" * 15 + m.ROOT
    count = COMPRESSION_BUDGET // 16
    walker = NameWalker(HEADER + name * (count + 1))
    for i in range(count):
        walker.skip(12 + i * len(name))
    assert fault_of(walker.skip, 12 + count * len(name)) is Fault.COMPRESSION_WORK


def test_a_pointer_to_the_question_costs_nothing() -> None:
    walker = NameWalker(HEADER + m.name("example.net") + m.QNAME)
    for _ in range(COMPRESSION_BUDGET + 1):
        assert walker.skip(25) == 27


@pytest.mark.parametrize(
    ("rest", "name", "after"),
    [
        (m.ROOT, m.ROOT, 26),
        (m.QNAME, m.name("example.net"), 27),
        (b"\x03www" + m.QNAME, m.name("www.example.net"), 31),
        (b"\x03WWW" + m.pointer(20), m.name("WWW.net"), 31),
        (b"\x02\x00\xc0" + m.pointer(24), b"\x02\x00\xc0\x00", 30),
    ],
    ids=["the root", "a pointer alone", "a label before a pointer", "a pointer into a name", "any bytes in a label"],
)
def test_a_name_is_spelled_out_and_its_end_known(rest: bytes, name: bytes, after: int) -> None:
    wire = HEADER + m.name("example.net") + rest + b"tail"
    assert spell_out(wire, 25) == (name, after)
    assert written_end(wire, 25) == after


def test_the_longest_name_is_spelled_out_and_a_longer_one_is_not() -> None:
    wire = HEADER + b"\x01a" * 126 + m.ROOT
    assert spell_out(wire + b"\x01b" + m.QNAME, len(wire))[0] == b"\x01b" + b"\x01a" * 126 + m.ROOT
    assert fault_of(spell_out, wire + b"\x02bb" + m.QNAME, len(wire)) is Fault.NAME_TOO_LONG


def test_a_chain_of_pointers_is_followed_so_far_and_no_farther() -> None:
    chain = HEADER + m.ROOT + b"".join(m.pointer(12 if i == 0 else 11 + 2 * i) for i in range(MOST_HOPS + 1))
    assert spell_out(chain, 11 + 2 * MOST_HOPS) == (m.ROOT, 13 + 2 * MOST_HOPS)
    assert fault_of(spell_out, chain, 13 + 2 * MOST_HOPS) is Fault.COMPRESSION_WORK


@pytest.mark.parametrize(
    ("qname", "expected"),
    [
        (m.ROOT, []),
        (m.name("net"), [m.name("net")]),
        (m.name("www.example.net"), [m.name("www.example.net"), m.name("example.net"), m.name("net")]),
        (b"\x04\x03net\x03org\x00", [b"\x04\x03net\x03org\x00", m.name("org")]),
    ],
    ids=["the root has none", "one label", "three labels", "bytes in a label are no label"],
)
def test_a_name_has_the_names_above_it(qname: bytes, expected: list[bytes]) -> None:
    assert suffixes(qname) == expected


@pytest.mark.parametrize(
    ("text", "wire", "parts"),
    [
        ("Example.NET.", b"\x07example\x03net\x00", [b"example", b"net"]),
        ("example.net", b"\x07example\x03net\x00", [b"example", b"net"]),
        (".", b"\x00", []),
    ],
    ids=["with a final dot and capitals", "without a final dot", "the root"],
)
def test_a_constant_name_becomes_lower_case_labels(text: str, wire: bytes, parts: list[bytes]) -> None:
    assert from_text(text) == wire
    assert labels(wire) == parts


@pytest.mark.parametrize(
    ("wire", "offsets"),
    [
        (m.ROOT, []),
        (m.name("a.bc.def"), [0, 2, 5]),
        (b"\x03a\x01b\x00", [0]),
        (b"\x01a" * 127 + m.ROOT, [*range(0, 254, 2)]),
    ],
    ids=["the root", "three labels", "a length inside a label", "the most labels"],
)
def test_labels_begin_where_the_lengths_say(wire: bytes, offsets: list[int]) -> None:
    assert label_offsets(wire) == offsets


def test_pointers_reach_as_far_as_fourteen_bits() -> None:
    wire = HEADER + bytes(0x3FFF - 12) + b"\x01a\x00" + struct.pack("!H", 0xFFFF)
    assert NameWalker(wire).skip(0x4002) == 0x4004


@pytest.mark.parametrize(
    ("qname", "noise", "expected"),
    [
        (m.name("www"), b"\xff" * 5, m.name("WWW")),
        (m.name("www"), b"\xdf" * 5, m.name("www")),
        (m.name("abc"), b"\x00\x20\x00\x20\x20", m.name("AbC")),
        (m.name("a-1_z"), b"\x20" * 7, m.name("A-1_Z")),
        (b"\x02`{\x00", b"\xff" * 4, b"\x02`{\x00"),
        (b"\x02\xe4a\x00", b"\xff" * 4, b"\x02\xe4A\x00"),
        (b"\x3f" + b"a" * 63 + b"\x00", b"\xff" * 65, b"\x3f" + b"A" * 63 + b"\x00"),
        (m.ROOT, b"\xff", m.ROOT),
    ],
    ids=[
        "every letter that is drawn",
        "no letter that is not",
        "letter by letter",
        "nothing but letters",
        "nothing beside the alphabet",
        "no byte beyond ASCII",
        "no length byte, not even the longest",
        "nothing of the root",
    ],
)
def test_the_case_of_letters_follows_the_noise(qname: bytes, noise: bytes, expected: bytes) -> None:
    assert vary_case(qname, noise) == expected


@deterministic
@given(qnames(), st.binary(min_size=255, max_size=255))
def test_a_name_in_another_case_is_the_same_name(qname: bytes, noise: bytes) -> None:
    lower = qname.lower()
    varied = vary_case(lower, noise[: len(lower)])
    assert varied.lower() == lower
    assert letters_in(lower) == sum(byte in b"abcdefghijklmnopqrstuvwxyz" for byte in lower)

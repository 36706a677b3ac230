"""Rdata: each known type is what its RFC says, and reads the same with its names spelled out."""

import struct

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.name import NameWalker
from dohproxy.wire.rdata import MOST_PARAMETERS, check_rdata, parameters, spell_out_rdata
from tests.wire import messages as m
from tests.wire.strategies import deterministic

HEAD = bytes(12) + m.name("www.example.net")
"""What stands before the rdata: names that it may point to."""
EXAMPLE = m.pointer(16)
NUMBERS = struct.pack("!5I", 1, 2, 3, 4, 5)
SIGNED = struct.pack("!HBBIIIH", m.A, 13, 2, 9, 9, 1, 7)
TYPES = b"\x00\x06\x40\x00\x00\x00\x00\x02"
HASHED = b"\x01\x01\x00\x00\x02\xab\xcd\x14" + bytes(20)


def parameter(key: int, value: bytes) -> bytes:
    return struct.pack("!HH", key, len(value)) + value


RIGHT = {
    "A": (1, b"\xc0\x00\x02\x01"),
    "AAAA": (28, bytes(16)),
    "NS": (2, m.name("ns.example")),
    "NS, compressed": (2, b"\x02ns" + EXAMPLE),
    "CNAME": (5, m.pointer(12)),
    "PTR to the root": (12, m.ROOT),
    "SOA": (6, b"\x02ns" + EXAMPLE + m.pointer(12) + NUMBERS),
    "MX": (15, b"\x00\x0a\x04mail" + EXAMPLE),
    "MX of nothing": (15, b"\x00\x00\x00"),
    "TXT": (16, b"\x04text\x00\x03and"),
    "an empty string of TXT": (16, b"\x00"),
    "HINFO of RFC 8482": (13, b"\x07RFC8482\x00"),
    "RP": (17, EXAMPLE + m.ROOT),
    "SRV": (33, bytes(6) + m.name("host.example")),
    "SRV, compressed as some do": (33, bytes(6) + EXAMPLE),
    "NAPTR": (35, b"\x00\x01\x00\x02\x01u\x07E2U+sip\x01!" + m.ROOT),
    "NAPTR with a replacement": (35, b"\x00\x01\x00\x02\x01s\x00\x00" + b"\x04_sip" + EXAMPLE),
    "DNAME": (39, m.name("elsewhere.example")),
    "DS": (43, b"\x00\x07\x0d\x02" + bytes(32)),
    "a DS that takes itself back": (59, bytes(5)),
    "DNSKEY": (48, b"\x01\x00\x03\x0d" + bytes(64)),
    "RRSIG": (46, SIGNED + m.name("example.net") + bytes(64)),
    "NSEC": (47, m.name("next.example.net") + TYPES),
    "NSEC3": (50, HASHED + TYPES),
    "NSEC3 without types": (50, HASHED),
    "NSEC3 without salt": (50, b"\x01\x00\x00\x00\x00\x14" + bytes(20) + TYPES),
    "NSEC3PARAM": (51, b"\x01\x00\x00\x0a\x02\xab\xcd"),
    "TLSA": (52, b"\x03\x01\x01" + bytes(32)),
    "CAA": (257, b"\x00\x05issueca.example"),
    "CAA without a value": (257, b"\x80\x05issue"),
    "an alias of a service": (65, b"\x00\x00" + m.name("other.example")),
    "a service": (
        65,
        b"\x00\x01\x00"
        + parameter(0, b"\x00\x01")
        + parameter(1, b"\x02h2\x02h3")
        + parameter(2, b"")
        + parameter(3, b"\x01\xbb")
        + parameter(4, bytes(8))
        + parameter(5, b"\x00\x08\xfe\x0d\x00\x04echo")
        + parameter(6, bytes(32))
        + parameter(7, b"/dns-query{?dns}")
        + parameter(65_280, b""),
    ),
    "LOC": (29, b"\x00\x12\x16\x13" + b"\x80\x00\x00\x00" * 2 + b"\x00\x98\x96\x80"),
    "URI": (256, b"\x00\x0a\x00\x01ftp://a"),
    "a type that nobody knows": (65_280, b"\xc0\xff anything"),
}

WRONG = {
    "an address of three bytes": (1, bytes(3)),
    "an address of five bytes": (1, bytes(5)),
    "an address without bytes": (1, b""),
    "an IPv6 address of four bytes": (28, bytes(4)),
    "an MX of one byte": (15, b"\x00"),
    "an MX without a name": (15, b"\x00\x0a"),
    "an MX with something behind its name": (15, b"\x00\x0a\x00\x00"),
    "an alias of nothing": (5, b""),
    "an alias with something behind it": (5, m.ROOT + m.ROOT),
    "a name that ends behind its record": (2, b"\x02ns"),
    "an SOA of 21 bytes": (6, bytes(21)),
    "an SOA of 23 bytes": (6, bytes(23)),
    "a text of no string": (16, b""),
    "a string that runs over its record": (16, b"\x05text"),
    "a HINFO of one string": (13, b"\x07RFC8482"),
    "a HINFO of three strings": (13, b"\x00\x00\x00"),
    "an SRV without a target": (33, bytes(6)),
    "a NAPTR without a replacement": (35, bytes(7)),
    "a NAPTR whose strings run over": (35, b"\x00\x01\x00\x02\x01u\x09E2U"),
    "a DS without a digest": (43, bytes(4)),
    "a key without its head": (48, bytes(3)),
    "a signature that is cut": (46, bytes(17)),
    "a signature without a signer": (46, bytes(18)),
    "a signature without itself": (46, bytes(19)),
    "an empty window of types": (47, b"\x00\x00\x00"),
    "a window of 33 bytes": (47, b"\x00\x00\x21" + bytes(33)),
    "windows in disorder": (47, b"\x00\x01\x01\x01\x00\x01\x01"),
    "a window that runs over": (47, b"\x00\x00\x02\x01"),
    "an NSEC3 without a hash": (50, b"\x01\x01\x00\x00\x00\x00\x00"),
    "an NSEC3 whose salt runs over": (50, b"\x01\x01\x00\x00\x09\xab\xcd"),
    "an NSEC3PARAM with something behind its salt": (51, b"\x01\x00\x00\x0a\x01\xab\xcd"),
    "a CAA without a tag": (257, b"\x00\x00ca"),
    "a CAA whose tag runs over": (257, b"\x00\x09ca"),
    "a service that is cut in its head": (65, b"\x00"),
    "a service that is cut in a parameter": (65, b"\x00\x01\x00\x00\x03\x00\x02\x01"),
    "a service that is cut in a parameter's head": (65, b"\x00\x01\x00\x00\x03\x00"),
    "parameters in disorder": (65, b"\x00\x01\x00" + parameter(3, b"\x01\xbb") + parameter(1, b"\x02h2")),
    "one parameter twice": (65, b"\x00\x01\x00" + parameter(3, b"\x01\xbb") * 2),
    "a port of three bytes": (65, b"\x00\x01\x00" + parameter(3, b"\x01\xbb\x00")),
    "a list of no protocols": (65, b"\x00\x01\x00" + parameter(1, b"")),
    "a protocol without a name": (65, b"\x00\x01\x00" + parameter(1, b"\x00")),
    "protocols that run over": (65, b"\x00\x01\x00" + parameter(1, b"\x03h2")),
    "no-default-alpn with a value": (65, b"\x00\x01\x00" + parameter(2, b"1")),
    "half an IPv4 hint": (65, b"\x00\x01\x00" + parameter(4, bytes(6))),
    "an empty IPv4 hint": (65, b"\x00\x01\x00" + parameter(4, b"")),
    "half an IPv6 hint": (65, b"\x00\x01\x00" + parameter(6, bytes(24))),
    "half a mandatory key": (65, b"\x00\x01\x00" + parameter(0, bytes(3))),
    "more parameters than there are keys": (
        64, b"\x00\x01\x00" + b"".join(parameter(key, b"") for key in range(7, 8 + MOST_PARAMETERS)),
    ),
}  # fmt: skip

FAR_AWAY = {
    "a pointer out of the message": (5, m.pointer(0x3FFF)),
    "a pointer to itself": (5, m.pointer(len(HEAD))),
    "a pointer into the header": (2, m.pointer(4)),
    "a pointer forwards in an SOA": (6, m.ROOT + m.pointer(200) + NUMBERS),
    "a pointer out of the message in a service": (65, b"\x00\x01" + m.pointer(0x3FFF)),
    "a pointer out of the message in a signature": (46, SIGNED + m.pointer(0x3FFF) + b"s"),
}


def check(rtype: int, rdata: bytes, behind: bytes = b"") -> None:
    wire = HEAD + rdata + behind
    check_rdata(NameWalker(wire), wire, rtype, len(HEAD), len(HEAD) + len(rdata))


@pytest.mark.parametrize(("rtype", "rdata"), RIGHT.values(), ids=list(RIGHT))
def test_what_a_type_may_say_passes(rtype: int, rdata: bytes) -> None:
    check(rtype, rdata)


@pytest.mark.parametrize(("rtype", "rdata"), WRONG.values(), ids=list(WRONG))
def test_what_no_rdata_of_its_type_can_be_is_refused(rtype: int, rdata: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        # Whatever the next record brings does not belong to this one.
        check(rtype, rdata, behind=bytes(300))
    assert refusal.value.fault is Fault.RDATA


@pytest.mark.parametrize(("rtype", "rdata"), FAR_AWAY.values(), ids=list(FAR_AWAY))
def test_no_pointer_in_rdata_leaves_its_message(rtype: int, rdata: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        check(rtype, rdata, behind=bytes(300))
    assert refusal.value.fault is Fault.POINTER


@pytest.mark.parametrize(
    ("rtype", "rdata"),
    [
        (16, bytes(5_000)),
        (65, b"\x00\x01\x00" + parameter(1, b"\x01h" * 5_000)),
        (65, b"\x00\x01\x00" + parameter(4, b"\x08\x08\x08\x08" * 5_000)),
    ],
    ids=["strings", "protocols", "addresses"],
)
def test_what_has_to_be_walked_costs_steps(rtype: int, rdata: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        check(rtype, rdata)
    assert refusal.value.fault is Fault.COMPRESSION_WORK


@pytest.mark.parametrize(("rtype", "rdata"), RIGHT.values(), ids=list(RIGHT))
def test_spelled_out_it_reads_the_same_to_dnspython(rtype: int, rdata: bytes) -> None:
    wire = HEAD + rdata
    spelled = spell_out_rdata(wire, rtype, len(HEAD), len(wire))
    before = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType(rtype), wire, len(HEAD), len(rdata))
    after = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType(rtype), spelled, 0, len(spelled))
    assert before == after
    assert b"\xc0" not in spelled or rtype in (1, 65_280)


def test_the_parameters_of_a_service_are_found() -> None:
    wire = parameter(3, b"\x01\xbb") + parameter(4, bytes(4))
    assert parameters(wire, 0, len(wire)) == [(3, 4, 6), (4, 10, 14)]


LOOSER = frozenset({29, 43, 59, 256})
"""Types of which dnspython checks values too: LOC's sizes, a digest's length by its kind, a URI's target."""


@deterministic
@given(st.sampled_from(sorted({rtype for rtype, _ in RIGHT.values()})), st.binary(max_size=80))
def test_noise_that_passes_is_read_by_dnspython_too(rtype: int, rdata: bytes) -> None:
    try:
        check(rtype, rdata)
    except Malformed:
        return
    if rtype not in LOOSER:
        wire = HEAD + rdata
        dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType(rtype), wire, len(HEAD), len(rdata))

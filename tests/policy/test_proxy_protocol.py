import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.policy.proxy_protocol import (
    MAXIMUM_V1_BYTES,
    MAXIMUM_V2_BYTES,
    BadHeader,
    Defect,
    Header,
    local_header,
    read_header,
)

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
CLIENT = ip_address("192.0.2.7").packed
CLIENT6 = ip_address("2001:db8::7").packed
SERVER = ip_address("203.0.113.1").packed
SERVER6 = ip_address("2001:db8:ffff::1").packed
PORTS = bytes.fromhex("dc0401bb")
BLOCK4 = CLIENT + SERVER + PORTS
BLOCK6 = CLIENT6 + SERVER6 + PORTS
TLV_ALPN = bytes.fromhex("010002") + b"h2"
TLV_CRC32C = bytes.fromhex("030004deadbeef")
LONGEST_V6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"


def v2(command: int, family: int, block: bytes, *, length: int | None = None) -> bytes:
    size = len(block) if length is None else length
    return SIGNATURE + bytes((command, family)) + size.to_bytes(2, "big") + block


GOOD: dict[str, tuple[bytes, bytes | None]] = {
    "v1 TCP4": (b"PROXY TCP4 192.0.2.7 203.0.113.1 56324 443\r\n", CLIENT),
    "v1 TCP4, longest": (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", b"\xff" * 4),
    "v1 TCP6": (b"PROXY TCP6 2001:db8::7 2001:db8:ffff::1 56324 443\r\n", CLIENT6),
    "v1 TCP6, longest": (f"PROXY TCP6 {LONGEST_V6} {LONGEST_V6} 65535 65535\r\n".encode(), b"\xff" * 16),
    "v1 TCP6, IPv4-mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:203.0.113.1 1 0\r\n", CLIENT),
    "v1 UNKNOWN, short": (b"PROXY UNKNOWN\r\n", None),
    "v1 UNKNOWN, the longest line there is": (
        f"PROXY UNKNOWN {LONGEST_V6} {LONGEST_V6} 65535 65535\r\n".encode(),
        None,
    ),
    "v1 UNKNOWN, anything up to CRLF": (b"PROXY UNKNOWN \x00\xff\n what ever\r\n", None),
    "v2 TCP4": (v2(0x21, 0x11, BLOCK4), CLIENT),
    "v2 TCP6": (v2(0x21, 0x21, BLOCK6), CLIENT6),
    "v2 TCP6, IPv4-mapped": (v2(0x21, 0x21, bytes(10) + b"\xff\xff" + CLIENT + SERVER6 + PORTS), CLIENT),
    "v2 TCP4 with TLVs": (v2(0x21, 0x11, BLOCK4 + TLV_ALPN + TLV_CRC32C), CLIENT),
    "v2 TCP4 with TLVs that overrun": (v2(0x21, 0x11, BLOCK4 + bytes.fromhex("01ffff")), CLIENT),
    "v2 TCP6, as long as we read": (v2(0x21, 0x21, BLOCK6 + bytes(MAXIMUM_V2_BYTES - 16 - 36)), CLIENT6),
    "v2 Unix stream": (v2(0x21, 0x31, bytes(216)), None),
    "v2 UNSPEC": (v2(0x21, 0x00, b""), None),
    "v2 UNSPEC with TLVs": (v2(0x21, 0x00, TLV_ALPN), None),
    "v2 LOCAL": (v2(0x20, 0x00, b""), None),
    "v2 LOCAL with an address to ignore": (v2(0x20, 0x11, BLOCK4), None),
    "v2 LOCAL of an unassigned family": (v2(0x20, 0xFF, b"abc"), None),
}

BAD: dict[str, tuple[bytes, Defect]] = {
    "a TLS ClientHello": (bytes.fromhex("1603010200010001fc0303"), Defect.NOT_PROXY),
    "an HTTP/1.1 GET": (b"GET /dns-query?dns=AAAB HTTP/1.1\r\n", Defect.NOT_PROXY),
    "an HTTP/1.1 POST": (b"POST /dns-query HTTP/1.1\r\n", Defect.NOT_PROXY),
    "PROPFIND": (b"PROPFIND / HTTP/1.1\r\n", Defect.NOT_PROXY),
    "a method that starts like it": (b"PROXYING / HTTP/1.1\r\n", Defect.NOT_PROXY),
    "the HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Defect.NOT_PROXY),
    "empty lines before a request": (b"\r\n\r\nGET / HTTP/1.1\r\n", Defect.NOT_PROXY),
    "v1 in small letters": (b"proxy TCP4 192.0.2.7 203.0.113.1 1 2\r\n", Defect.NOT_PROXY),
    "v1 never ending": (b"PROXY UNKNOWN " + b"x" * 200, Defect.TOO_LONG),
    "v1 ending one byte late": (
        b"PROXY UNKNOWN ".ljust(MAXIMUM_V1_BYTES - 1, b"x") + b"\r\n",
        Defect.TOO_LONG,
    ),
    "v1 ending in LF": (b"PROXY TCP4 192.0.2.7 203.0.113.1 1 2\n".ljust(200, b"x"), Defect.TOO_LONG),
    "v1 without anything": (b"PROXY \r\n", Defect.BAD_LINE),
    "v1 of an unknown family": (b"PROXY UDP4 192.0.2.7 203.0.113.1 1 2\r\n", Defect.BAD_LINE),
    "v1 UNKNOWN run together": (b"PROXY UNKNOWNS\r\n", Defect.BAD_LINE),
    "v1 IPv6 as TCP4": (b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", Defect.BAD_LINE),
    "v1 IPv4 as TCP6": (b"PROXY TCP6 192.0.2.7 203.0.113.1 1 2\r\n", Defect.BAD_LINE),
    "v1 one port": (b"PROXY TCP4 192.0.2.7 203.0.113.1 1\r\n", Defect.BAD_LINE),
    "v1 three ports": (b"PROXY TCP4 192.0.2.7 203.0.113.1 1 2 3\r\n", Defect.BAD_LINE),
    "v1 port beyond 65535": (b"PROXY TCP4 192.0.2.7 203.0.113.1 1 65536\r\n", Defect.BAD_LINE),
    "v1 port with a zero in front": (b"PROXY TCP4 192.0.2.7 203.0.113.1 01 2\r\n", Defect.BAD_LINE),
    "v1 negative port": (b"PROXY TCP4 192.0.2.7 203.0.113.1 -1 2\r\n", Defect.BAD_LINE),
    "v1 octal address": (b"PROXY TCP4 192.0.02.7 203.0.113.1 1 2\r\n", Defect.BAD_LINE),
    "v1 address part beyond 255": (b"PROXY TCP4 192.0.2.256 203.0.113.1 1 2\r\n", Defect.BAD_LINE),
    "v1 destination that is none": (b"PROXY TCP4 192.0.2.7 203.0.113.256 1 2\r\n", Defect.BAD_LINE),
    "v1 TCP6 destination that is none": (b"PROXY TCP6 2001:db8::7 1::2::3 1 2\r\n", Defect.BAD_LINE),
    "v1 two blanks": (b"PROXY TCP4  192.0.2.7 203.0.113.1 1 2\r\n", Defect.BAD_LINE),
    "v1 blank at the end": (b"PROXY TCP4 192.0.2.7 203.0.113.1 1 2 \r\n", Defect.BAD_LINE),
    "v1 LF in the line": (b"PROXY TCP4 192.0.2.7 203.0.113.1 1 2\n\r\n", Defect.BAD_LINE),
    "v1 with a zone": (b"PROXY TCP6 fe80::1%1 2001:db8::1 1 2\r\n", Defect.BAD_LINE),
    "v2 of version 1": (v2(0x11, 0x11, BLOCK4), Defect.BAD_COMMAND),
    "v2 of version 3": (v2(0x31, 0x11, BLOCK4), Defect.BAD_COMMAND),
    "v2 command 2": (v2(0x22, 0x11, BLOCK4), Defect.BAD_COMMAND),
    "v2 UDP over IPv4": (v2(0x21, 0x12, BLOCK4), Defect.BAD_FAMILY),
    "v2 UDP over IPv6": (v2(0x21, 0x22, BLOCK6), Defect.BAD_FAMILY),
    "v2 Unix datagram": (v2(0x21, 0x32, bytes(216)), Defect.BAD_FAMILY),
    "v2 IPv4 without transport": (v2(0x21, 0x10, BLOCK4), Defect.BAD_FAMILY),
    "v2 family 4": (v2(0x21, 0x41, BLOCK4), Defect.BAD_FAMILY),
    "v2 transport 3": (v2(0x21, 0x13, BLOCK4), Defect.BAD_FAMILY),
    "v2 TCP4 with 11 bytes": (v2(0x21, 0x11, BLOCK4[:11]), Defect.TOO_SHORT),
    "v2 TCP6 with an IPv4 block": (v2(0x21, 0x21, BLOCK4), Defect.TOO_SHORT),
    "v2 Unix with 215 bytes": (v2(0x21, 0x31, bytes(215)), Defect.TOO_SHORT),
    "v2 one byte beyond 512": (v2(0x21, 0x11, BLOCK4, length=497), Defect.TOO_LONG),
    "v2 of 64 KiB": (v2(0x21, 0x11, BLOCK4, length=65535), Defect.TOO_LONG),
    "v2 LOCAL of 64 KiB": (v2(0x20, 0x00, b"", length=65535), Defect.TOO_LONG),
}


def outcome(data: bytes) -> Header | Defect | None:
    try:
        return read_header(data)
    except BadHeader as bad:
        return bad.defect


def outcome_byte_by_byte(data: bytes) -> Header | Defect | None:
    result: Header | Defect | None = None
    for end in range(len(data) + 1):
        result = outcome(data[:end])
        if result is not None:
            return result
    return result


@pytest.mark.parametrize(("data", "source"), list(GOOD.values()), ids=list(GOOD))
@pytest.mark.parametrize("after", [b"", b"\x16\x03\x01", b"\r\n"], ids=["alone", "then TLS", "then CRLF"])
def test_a_header_gives_the_source_and_where_it_ends(data: bytes, source: bytes | None, after: bytes) -> None:
    assert read_header(data + after) == Header(source, len(data))


@pytest.mark.parametrize(("data", "defect"), list(BAD.values()), ids=list(BAD))
def test_what_is_no_header_is_refused_for_its_reason(data: bytes, defect: Defect) -> None:
    with pytest.raises(BadHeader) as refused:
        read_header(data)
    assert refused.value.defect is defect


@pytest.mark.parametrize("data", [good for good, _ in GOOD.values()], ids=list(GOOD))
def test_every_part_of_a_header_asks_for_more(data: bytes) -> None:
    assert {read_header(data[:end]) for end in range(len(data))} == {None}


@pytest.mark.parametrize("data", [data for data, _ in [*GOOD.values(), *BAD.values()]], ids=[*GOOD, *BAD])
def test_byte_by_byte_ends_as_at_once(data: bytes) -> None:
    assert outcome_byte_by_byte(data) == outcome(data)


MUTATED = st.one_of(
    st.binary(max_size=40),
    st.tuples(
        st.sampled_from([data for data, _ in [*GOOD.values(), *BAD.values()]]),
        st.integers(0, 60),
        st.binary(max_size=3),
    ).map(lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]),
)


@settings(deadline=None)
@given(data=MUTATED)
def test_any_bytes_end_the_same_way_however_they_arrive(data: bytes) -> None:
    assert outcome_byte_by_byte(data) == outcome(data)


@settings(deadline=None)
@given(data=st.binary(min_size=MAXIMUM_V2_BYTES, max_size=MAXIMUM_V2_BYTES), start=st.sampled_from(list(GOOD)))
def test_nobody_is_asked_for_more_than_512_bytes(data: bytes, start: str) -> None:
    with contextlib.suppress(BadHeader):
        assert read_header((GOOD[start][0][:16] + data)[:MAXIMUM_V2_BYTES]) is not None


@pytest.mark.parametrize("first", [first for first in range(256) if first not in (ord("P"), ord("\r"))][::9])
def test_only_two_first_bytes_can_start_a_header(first: int) -> None:
    assert outcome(bytes((first,))) is Defect.NOT_PROXY


def test_the_header_of_our_own_health_check_is_local() -> None:
    assert local_header() == v2(0x20, 0x00, b"")
    assert read_header(local_header()) == Header(None, 16)

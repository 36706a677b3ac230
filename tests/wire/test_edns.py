"""EDNS: what a client's OPT is read as, and the OPT records we write."""

import struct

import pytest

from dohproxy.wire.edns import ClientEdns, option, padding_bytes, read_opt, read_options, reply_opt, write_opt
from dohproxy.wire.malformed import Fault, Malformed
from tests.wire import messages as m

PLAIN = ClientEdns(version=0, dnssec_ok=False, wants_padding=False, subnet=None)
PADDED = ClientEdns(version=0, dnssec_ok=False, wants_padding=True, subnet=None)


def test_an_opt_says_version_do_padding_and_subnet() -> None:
    options = m.option(m.COOKIE, b"12345678") + m.option(m.PADDING, b"whatever") + m.subnet()
    edns, end = read_opt(m.opt(options, dnssec_ok=True) + b"tail", 0)
    assert edns == ClientEdns(0, dnssec_ok=True, wants_padding=True, subnet=m.subnet()[4:])
    assert end == 11 + len(options)


def test_options_of_another_version_are_not_read_so_that_it_gets_badvers() -> None:
    edns, _ = read_opt(m.opt(b"\xff\xff\xff", version=1, dnssec_ok=True), 0)
    assert edns == ClientEdns(1, dnssec_ok=True, wants_padding=False, subnet=None)


def test_sixteen_options_are_read_and_seventeen_refused() -> None:
    assert len(read_options(m.option(m.COOKIE) * 16, 0, 64)) == 16
    with pytest.raises(Malformed, match=Fault.TOO_MANY_OPTIONS):
        read_options(m.option(m.COOKIE) * 17, 0, 68)


@pytest.mark.parametrize(
    "subnet",
    [
        m.subnet(),
        m.subnet(1, 0, 0, b""),
        m.subnet(2, 0, 0, b""),
        m.subnet(0, 0, 0, b""),
        m.subnet(1, 32, 0, b"\xc6\x33\x64\x01"),
        m.subnet(1, 20, 0, b"\xc6\x33\x60"),
        m.subnet(2, 56, 0, bytes(7)),
        m.subnet(2, 128, 0, bytes(16)),
    ],
    ids=[
        "a /24",
        "the opt-out of IPv4",
        "the opt-out of IPv6",
        "the opt-out of no family",
        "a whole IPv4 address",
        "a /20 with its spare bits zero",
        "a /56",
        "a whole IPv6 address",
    ],
)
def test_a_right_subnet_is_kept_as_sent(subnet: bytes) -> None:
    assert read_opt(m.opt(subnet), 0)[0].subnet == subnet[4:]


@pytest.mark.parametrize(
    "subnet",
    [
        m.subnet(3),
        m.subnet(0, 1, 0, b"\x80"),
        m.subnet(1, 33, 0, bytes(5)),
        m.subnet(2, 129, 0, bytes(17)),
        m.subnet(scope=24),
        m.subnet(address=b"\xc6\x33"),
        m.subnet(address=b"\xc6\x33\x64\x00"),
        m.subnet(1, 20, 0, b"\xc6\x33\x6f"),
        m.option(m.CLIENT_SUBNET, b"\x00\x01\x00"),
        m.option(m.CLIENT_SUBNET),
    ],
    ids=[
        "an unknown family",
        "no family with a prefix",
        "an IPv4 prefix over 32",
        "an IPv6 prefix over 128",
        "a scope in a query",
        "too few address bytes",
        "too many address bytes",
        "spare bits that are not zero",
        "three bytes",
        "no bytes",
    ],
)
def test_a_wrong_subnet_is_refused(subnet: bytes) -> None:
    with pytest.raises(Malformed, match=Fault.CLIENT_SUBNET):
        read_opt(m.opt(subnet), 0)


def test_one_wrong_subnet_among_right_ones_is_refused() -> None:
    with pytest.raises(Malformed, match=Fault.CLIENT_SUBNET):
        read_opt(m.opt(m.subnet(scope=1) + m.subnet()), 0)


@pytest.mark.parametrize(("rcode", "upper"), [(0, 0), (5, 0), (16, 1), (0xFFF, 0xFF)], ids=str)
def test_an_opt_we_write_holds_the_upper_eight_bits_of_the_rcode(rcode: int, upper: int) -> None:
    wire = write_opt(b"", dnssec_ok=True, rcode=rcode)
    assert wire == struct.pack("!BHHBBHH", 0, 41, 1232, upper, 0, 0x8000, 0)


def test_errors_stand_in_the_reply_without_text() -> None:
    wire = reply_opt(PLAIN, unpadded_bytes=100, rcode=2, errors=(22, 23))
    assert wire == m.opt(option(15, b"\x00\x16") + option(15, b"\x00\x17"))


def test_a_text_goes_with_each_error_and_is_padded_over_like_all_else() -> None:
    wire = reply_opt(PLAIN, unpadded_bytes=100, rcode=5, errors=(15, 16), error_text="böse".encode())
    options = read_options(wire, 11, len(wire))
    assert options == [(15, b"\x00\x0fb\xc3\xb6se"), (15, b"\x00\x10b\xc3\xb6se")]
    padded = reply_opt(PADDED, unpadded_bytes=100, rcode=5, errors=(15,), error_text=b"x" * 160)
    assert (100 + len(padded)) % 468 == 0


def test_a_subnet_is_echoed_with_scope_zero() -> None:
    edns = ClientEdns(0, dnssec_ok=False, wants_padding=False, subnet=m.subnet()[4:])
    assert reply_opt(edns, unpadded_bytes=100, rcode=0, errors=()) == m.opt(m.subnet())


@pytest.mark.parametrize("unpadded", [17, 452, 453, 454, 468, 1_000, 3_000, 3_744 - 15], ids=str)
def test_a_reply_is_padded_to_a_multiple_of_468(unpadded: int) -> None:
    wire = reply_opt(PADDED, unpadded_bytes=unpadded, rcode=0, errors=())
    assert (unpadded + len(wire)) % 468 == 0
    assert wire[15:] == bytes(len(wire) - 15)


@pytest.mark.parametrize(
    ("without", "size"),
    [
        (3_740, 3_744),
        (3_741, 4_096),
        (4_092, 4_096),
        (4_093, 4_093),
        (4_096, 4_096),
        (4_097, 4_212),
        (65_520, 65_520 + 15),
        (65_532, 65_532),
        (65_535, 65_535),
    ],
    ids=[
        "up to the last step below",
        "a step too far ends at 4,096",
        "room for an empty option only",
        "no room for an option: none",
        "exactly 4,096: none",
        "one that is longer anyway goes on by 468",
        "up to the largest message",
        "no room below the largest message: none",
        "the largest message: none",
    ],
)
def test_padding_alone_pushes_no_reply_over_a_limit(without: int, size: int) -> None:
    """dnscrypt-proxy discards what is longer than 4,096 bytes; nobody can read more than 65,535."""
    wire = reply_opt(PADDED, unpadded_bytes=without - 11, rcode=0, errors=())
    assert without - 11 + len(wire) == size


@pytest.mark.parametrize(("size", "block", "padding"), [(0, 128, 0), (1, 128, 127), (128, 128, 0), (129, 128, 127)])
def test_padding_reaches_the_next_block(size: int, block: int, padding: int) -> None:
    assert padding_bytes(size, block) == padding

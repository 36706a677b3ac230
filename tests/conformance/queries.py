"""Queries as real clients shape them."""

import struct

import dns.edns
import dns.flags
import dns.message

PADDING = 12
CLIENT_SUBNET = 8
COOKIE = 10
EXTENDED_ERROR = 15


def query(
    name: str,
    rdtype: str = "A",
    *options: dns.edns.Option,
    identifier: int = 0,
    edns: int | None = 4096,
    dnssec_ok: bool = False,
    pad_to: int = 0,
    authentic: bool = False,
) -> bytes:
    """A query with RD; `edns` is the payload size it announces, None for no EDNS; `pad_to` a block size."""
    message = dns.message.make_query(
        name,
        rdtype,
        use_edns=False if edns is None else 0,
        want_dnssec=dnssec_ok,
        payload=edns,
        options=list(options) or None,
        pad=pad_to,
        id=identifier,
    )
    if authentic:
        message.flags |= dns.flags.AD
    return message.to_wire()


def option(code: int, data: bytes = b"") -> dns.edns.Option:
    """An EDNS option as bytes."""
    return dns.edns.GenericOption(dns.edns.OptionType.make(code), data)


NO_SUBNET = option(CLIENT_SUBNET, b"\x00\x01\x00\x00")
"""ECS with source /0: the client asks for none to be sent (RFC 7871 section 7.1.2)."""
SUBNET = option(CLIENT_SUBNET, b"\x00\x01\x18\x00\xc0\x00\x02")
"""ECS with a client's /24."""
CLIENT_COOKIE = option(COOKIE, b"\x01\x23\x45\x67\x89\xab\xcd\xef")
"""RFC 7873, as dig sends it."""
EMPTY_ERROR = option(EXTENDED_ERROR)
"""An EDE option without content, as newer Chromium sends it."""


def options_of(wire: bytes) -> set[int] | None:
    """The codes of a query's EDNS options, None without EDNS; for what dnspython will not read."""
    if not wire[11]:
        return None
    place = 12
    while wire[place]:
        place += wire[place] + 1
    place += 1 + 4 + 1 + 2 + 2 + 4 + 2  # name, question, the OPT's owner, type, class, TTL and length
    codes = set()
    while place < len(wire):
        code, length = struct.unpack_from("!HH", wire, place)
        codes.add(code)
        place += 4 + length
    return codes

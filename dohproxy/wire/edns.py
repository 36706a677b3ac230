"""EDNS (RFC 6891): what a client's OPT asks for, and the OPT records that we write.

An OPT is hop by hop. So nothing of a client's OPT goes upstream and nothing of the upstream's goes back;
both sides get a record built from scratch (option smuggling: CVE-2026-42004).
"""

import struct
from collections.abc import Sequence
from typing import Final

from dohproxy.value import value
from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.numbers import DO, LARGEST_MESSAGE_BYTES, UDP_PAYLOAD_BYTES, OptionCode, Qtype

MOST_OPTIONS: Final = 16
"""Real clients send at most four; a list of thousands costs milliseconds to walk (CVE-2026-41292)."""
OPT_FIXED_BYTES: Final = 11
"""Root owner, type, class, TTL and RDLENGTH."""
REPLY_PADDING_BLOCK: Final = 468
"""RFC 8467 section 4.1, for replies."""
QUERY_PADDING_BLOCK: Final = 128
"""RFC 8467 section 4.1, for queries to an encrypted upstream."""
LARGEST_PADDED_REPLY: Final = 4_096
"""dnscrypt-proxy throws away anything longer, so padding alone must not push a reply over it. (Longer ones may
grow to the largest message there is.)"""

_HEAD = struct.Struct("!BHHBBHH")
_OPTION = struct.Struct("!HH")
_SUBNET_WIDTHS: Final = {0: 0, 1: 32, 2: 128}


@value
class ClientEdns:
    """What one client's OPT says, as far as it concerns us."""

    version: int
    dnssec_ok: bool
    wants_padding: bool
    subnet: bytes | None
    """The ECS option's data as sent, checked; never forwarded, only echoed with scope 0."""
    wants_keepalive: bool = False
    """It asks how long its connection may be idle (RFC 7828); only a transport with connections of its own answers."""


@value
class UpstreamEdns:
    """What one upstream's OPT says to us alone; nothing of it goes on to anybody, its ECS least of all."""

    payload_bytes: int
    cookie: bytes | None
    """The COOKIE option's data as received, the first one's if there are several (RFC 7873 section 5.3)."""
    padding: int | None
    """Bytes of its padding option; None: there is none."""


def read_upstream_opt(payload_bytes: int, options: Sequence[tuple[int, bytes]]) -> UpstreamEdns:
    """Return what these options of an upstream's OPT say; `payload_bytes` is the record's class."""
    cookies = [data for code, data in options if code == OptionCode.COOKIE]
    paddings = [len(data) for code, data in options if code == OptionCode.PADDING]
    return UpstreamEdns(
        payload_bytes, cookie=cookies[0] if cookies else None, padding=paddings[0] if paddings else None
    )


def read_opt(wire: bytes, offset: int) -> tuple[ClientEdns, int]:
    """Read the OPT at `offset` of a query; return it and the offset after it.

    Raises Malformed: CUT_SHORT, OPTION, TOO_MANY_OPTIONS, CLIENT_SUBNET.
    """
    if offset + OPT_FIXED_BYTES > len(wire):
        raise Malformed(Fault.CUT_SHORT)
    _, _, _, _, version, flags, rdlength = _HEAD.unpack_from(wire, offset)
    start = offset + OPT_FIXED_BYTES
    end = start + rdlength
    if end > len(wire):
        raise Malformed(Fault.CUT_SHORT)
    wants_padding = wants_keepalive = False
    subnet: bytes | None = None
    if version:
        # Whatever another version holds here, the answer is BADVERS (RFC 6891 section 6.1.3).
        return ClientEdns(version, bool(flags & DO), wants_padding, subnet), end
    for code, data in read_options(wire, start, end):
        if code == OptionCode.PADDING:
            wants_padding = True
        elif code == OptionCode.CLIENT_SUBNET:
            _check_subnet(data)
            subnet = data
        elif code == OptionCode.TCP_KEEPALIVE:
            wants_keepalive = True
    return ClientEdns(version, bool(flags & DO), wants_padding, subnet, wants_keepalive), end


def read_options(wire: bytes, start: int, end: int) -> list[tuple[int, bytes]]:
    """Return the (code, data) pairs of the OPT rdata at `start` to `end`.

    Raises Malformed: OPTION, TOO_MANY_OPTIONS.
    """
    options: list[tuple[int, bytes]] = []
    while start < end:
        if start + 4 > end:
            raise Malformed(Fault.OPTION)
        code, length = _OPTION.unpack_from(wire, start)
        start += 4
        if start + length > end:
            raise Malformed(Fault.OPTION)
        if len(options) == MOST_OPTIONS:
            raise Malformed(Fault.TOO_MANY_OPTIONS)
        options.append((code, wire[start : start + length]))
        start += length
    return options


def _check_subnet(data: bytes) -> None:
    """Hold one ECS option of a query against RFC 7871 sections 6 and 7.1.2."""
    if len(data) < 4:
        raise Malformed(Fault.CLIENT_SUBNET)
    family = data[0] << 8 | data[1]
    source, scope, address = data[2], data[3], data[4:]
    if source > _SUBNET_WIDTHS.get(family, -1) or scope != 0 or len(address) != (source + 7) // 8:
        raise Malformed(Fault.CLIENT_SUBNET)
    spare_bits = -source % 8
    if spare_bits and address[-1] & ((1 << spare_bits) - 1):
        raise Malformed(Fault.CLIENT_SUBNET)


def option(code: int, data: bytes) -> bytes:
    """Return one encoded option."""
    return _OPTION.pack(code, len(data)) + data


def write_opt(options: bytes, *, dnssec_ok: bool, rcode: int = 0, version: int = 0) -> bytes:
    """Return an OPT record with these encoded options and the upper eight bits of a 12-bit rcode."""
    flags = DO if dnssec_ok else 0
    head = _HEAD.pack(0, Qtype.OPT, UDP_PAYLOAD_BYTES, rcode >> 4, version, flags, len(options))
    return head + options


def reply_opt(
    edns: ClientEdns,
    *,
    unpadded_bytes: int,
    rcode: int,
    errors: Sequence[int],
    error_text: bytes = b"",
    keepalive: int | None = None,
) -> bytes:
    """Return the OPT for a reply to a client that sent one.

    `unpadded_bytes` is the reply's size without this record; `errors` are EDE info codes, and `error_text` what is said
    to each of them, in UTF-8 (RFC 8914 section 2). `keepalive`: how long its connection may be idle, in tenths of a
    second, for who asks (RFC 7828 section 3.3.2); None where that is not DNS's to say.
    """
    options = b"".join(option(OptionCode.EXTENDED_ERROR, code.to_bytes(2) + error_text) for code in errors)
    if edns.subnet is not None:
        # Scope 0: our answers are the same for everybody (RFC 7871 section 7.2.1).
        options += option(OptionCode.CLIENT_SUBNET, edns.subnet[:3] + b"\x00" + edns.subnet[4:])
    if edns.wants_keepalive and keepalive is not None:
        options += option(OptionCode.TCP_KEEPALIVE, keepalive.to_bytes(2))
    if edns.wants_padding:
        options += _reply_padding(unpadded_bytes + OPT_FIXED_BYTES + len(options))
    return write_opt(options, dnssec_ok=edns.dnssec_ok, rcode=rcode)


def _reply_padding(unpadded: int) -> bytes:
    """Return the padding option for a reply of so many bytes; nothing where not even an empty one fits."""
    size = unpadded + _OPTION.size
    ceiling = LARGEST_PADDED_REPLY if unpadded <= LARGEST_PADDED_REPLY else LARGEST_MESSAGE_BYTES
    if size > ceiling:
        return b""
    return option(OptionCode.PADDING, bytes(min(padding_bytes(size, REPLY_PADDING_BLOCK), ceiling - size)))


def padding_bytes(size: int, block: int) -> int:
    """Return how many bytes bring `size` to a multiple of `block`."""
    return -size % block

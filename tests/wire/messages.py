"""Builds DNS messages byte by byte, right and wrong ones, without any code of the package under test."""

import struct

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
A, NS, CNAME, SOA, TXT, OPT, HTTPS, ANY = 1, 2, 5, 6, 16, 41, 65, 255
PADDING, CLIENT_SUBNET, COOKIE, EXTENDED_ERROR = 12, 8, 10, 15
ROOT = b"\x00"


def name(text: str) -> bytes:
    """Return the wire form of "www.example.net", case kept."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + ROOT


def pointer(target: int) -> bytes:
    """Return a compression pointer."""
    return struct.pack("!H", 0xC000 | target)


QNAME = pointer(12)
"""How nearly every owner is written: a pointer to the question."""


def question(qname: bytes = name("www.Example.net"), qtype: int = A, qclass: int = 1) -> bytes:
    """Return a question."""
    return qname + struct.pack("!HH", qtype, qclass)


RDATA = {
    A: b"\xc0\x00\x02\x01", NS: name("ns.example.net"), CNAME: name("target.example"), TXT: b"\x04text",
    28: bytes(16), 64: b"\x00\x01\x00", HTTPS: b"\x00\x01\x00",
}  # fmt: skip
"""What a record says whose rdata is nobody's concern."""


def text(size: int) -> bytes:
    """Return the rdata of a TXT record, so many bytes and at least one."""
    whole, rest = divmod(size, 256)
    return (b"\xff" + bytes(255)) * whole + (bytes([rest - 1]) + bytes(rest - 1) if rest else b"")


def record(
    rtype: int = A, rdata: bytes | None = None, *, ttl: int = 300, owner: bytes = QNAME, rclass: int = 1
) -> bytes:
    """Return a resource record."""
    if rdata is None:
        rdata = RDATA.get(rtype, b"\xc0\x00\x02\x01")
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, len(rdata)) + rdata


def soa(*, ttl: int = 900, minimum: int = 600) -> bytes:
    """Return an SOA record of the question's name."""
    return record(SOA, ROOT + ROOT + struct.pack("!5I", 1, 2, 3, 4, minimum), ttl=ttl)


def option(code: int, data: bytes = b"") -> bytes:
    """Return an EDNS option."""
    return struct.pack("!HH", code, len(data)) + data


def subnet(family: int = 1, source: int = 24, scope: int = 0, address: bytes = b"\xc6\x33\x64") -> bytes:
    """Return an ECS option."""
    return option(CLIENT_SUBNET, struct.pack("!HBB", family, source, scope) + address)


def opt(
    options: bytes = b"", *, version: int = 0, dnssec_ok: bool = False, rcode: int = 0, owner: bytes = ROOT
) -> bytes:
    """Return an OPT record; `rcode` is the whole one, of which it holds the upper eight bits."""
    ttl = rcode >> 4 << 24 | version << 16 | dnssec_ok << 15
    return owner + struct.pack("!HHIH", OPT, 1232, ttl, len(options)) + options


def message(flags: int, questions: list[bytes], *sections: list[bytes], identifier: int = 0x1234) -> bytes:
    """Return a message whose counts tell the truth."""
    lists = [questions, *sections, [], [], []][:4]
    head = struct.pack("!6H", identifier, flags, *(len(records) for records in lists))
    return head + b"".join(part for records in lists for part in records)


def query(asked: bytes = question(), *additional: bytes, flags: int = RD, identifier: int = 0x1234) -> bytes:
    """Return a query for `asked` with these additional records."""
    return message(flags, [asked], [], [], list(additional), identifier=identifier)


def answer(
    *records: bytes,
    authority: tuple[bytes, ...] = (),
    additional: tuple[bytes, ...] = (),
    asked: bytes = question(),
    flags: int = QR | RD | RA,
) -> bytes:
    """Return an upstream's answer."""
    return message(flags, [asked], list(records), list(authority), list(additional))

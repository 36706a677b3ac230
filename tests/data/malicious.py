"""Queries that somebody would send who means harm, each named by what is wrong, with what is to be made of it.

"accepted" ones are harmless: what we do not read may say what it likes.
"""

import struct
from typing import Final

from tests.wire import messages as m

_ASKED: Final = m.question()


def _with_options(*options: bytes) -> bytes:
    return m.query(_ASKED, m.opt(b"".join(options)))


def _with_opt_of(length: int, options: bytes) -> bytes:
    """An OPT that says another length than its options have."""
    return m.query(_ASKED, m.ROOT + struct.pack("!HHIH", m.OPT, 1232, 0, length) + options)


def _chain_of_pointers(depth: int) -> bytes:
    """A record whose owner is so many pointers long, in a record of NULL."""
    start = 12 + len(_ASKED) + 11
    links = b"".join(m.pointer(start + 2 * max(number - 1, 0)) for number in range(depth))
    links = b"\xc0\x0c" + links[2:]
    last = m.pointer(start + 2 * (depth - 1))
    return m.message(m.RD, [_ASKED], [m.record(10, links, owner=m.ROOT), m.record(owner=last)])


_COOKIE: Final = m.option(m.COOKIE, b"12345678")
_NAMED: Final = tuple(m.option(code) for code in (1, 2, 3, 5, 6, 7, 9, 10, 12))

QUERIES: Final = {
    "a subnet of a family that is none": (_with_options(m.subnet(family=3)), "client_subnet"),
    "a subnet longer than an IPv4 address": (_with_options(m.subnet(source=33, address=bytes(5))), "client_subnet"),
    "a subnet longer than an IPv6 address": (_with_options(m.subnet(2, 129, 0, bytes(17))), "client_subnet"),
    "a subnet that claims a scope": (_with_options(m.subnet(scope=24)), "client_subnet"),
    "a subnet with fewer bytes than its prefix": (_with_options(m.subnet(address=b"\xc6\x33")), "client_subnet"),
    "a subnet with more bytes than its prefix": (_with_options(m.subnet(address=bytes(4))), "client_subnet"),
    "a subnet with bits behind it": (_with_options(m.subnet(source=20, address=b"\xc6\x33\x6f")), "client_subnet"),
    "a subnet without its head": (_with_options(m.option(m.CLIENT_SUBNET, b"\x00\x01\x18")), "client_subnet"),
    "a subnet of nothing at all": (_with_options(m.option(m.CLIENT_SUBNET)), "client_subnet"),
    "text under the code of a subnet": (_with_options(m.option(m.CLIENT_SUBNET, b"not a subnet")), "client_subnet"),
    "two subnets of which the second is wrong": (_with_options(m.subnet(), m.subnet(family=9)), "client_subnet"),
    "two subnets of which the first is wrong": (_with_options(m.subnet(family=9), m.subnet()), "client_subnet"),
    "a private subnet": (_with_options(m.subnet(address=b"\xc0\xa8\x01")), "accepted"),
    "the same subnet twice": (_with_options(m.subnet(), m.subnet()), "accepted"),
    "an option longer than its OPT": (_with_options(b"\x00\x0a\x00\x64" + bytes(10)), "option"),
    "an option that says nothing and is followed by data": (_with_options(m.option(11), b"\x01"), "option"),
    "half an option's head": (_with_options(b"\x00\x0a\x00"), "option"),
    "an option of 65,535 bytes that is not there": (_with_options(b"\x00\x0a\xff\xff"), "option"),
    "seventeen options": (_with_options(*(_COOKIE for _ in range(17))), "too_many_options"),
    "sixteen options": (_with_options(*(_COOKIE for _ in range(16))), "accepted"),
    "options in descending order": (_with_options(*(m.option(code, b"\x00") for code in (15, 12, 11, 3))), "accepted"),
    "every code that has a name": (_with_options(*_NAMED), "accepted"),
    "a cookie of one byte": (_with_options(m.option(m.COOKIE, b"1")), "accepted"),
    "a cookie of 41 bytes": (_with_options(m.option(m.COOKIE, bytes(41))), "accepted"),
    "padding that is not zeroes": (_with_options(m.option(m.PADDING, b"\xff" * 20)), "accepted"),
    "padding before other options": (_with_options(m.option(m.PADDING, bytes(20)), _COOKIE), "accepted"),
    "padding of half a kilobyte": (_with_options(m.option(m.PADDING, bytes(512))), "accepted"),
    "an error that a client reports": (_with_options(m.option(m.EXTENDED_ERROR, b"\x00\x00ha")), "accepted"),
    "a request to keep a connection that is not TCP": (_with_options(m.option(11, b"\x00\x64")), "accepted"),
    "version 255 of EDNS": (m.query(_ASKED, m.opt(version=255)), "accepted"),
    "version 1 of EDNS with broken options": (m.query(_ASKED, m.opt(b"\x00\x0a\xff", version=1)), "accepted"),
    "an OPT with an rcode": (m.query(_ASKED, m.opt(rcode=0xFF0)), "accepted"),
    "an OPT that says it is longer": (_with_opt_of(100, _COOKIE), "cut_short"),
    "an OPT that says it is shorter": (_with_opt_of(10, _COOKIE), "option"),
    "an OPT that says it is empty": (_with_opt_of(0, _COOKIE), "trailing_bytes"),
    "an OPT of 65,535 bytes that are not there": (_with_opt_of(0xFFFF, b""), "cut_short"),
    "an OPT under a name": (m.query(_ASKED, m.opt(owner=m.name("opt.example"))), "opt_owner"),
    "an OPT under a pointer": (m.query(_ASKED, m.opt(owner=m.QNAME)), "opt_owner"),
    "an OPT under a label that is none": (m.query(_ASKED, m.opt(owner=b"\x7fa\x00")), "records_in_query"),
    "two OPT": (m.query(_ASKED, m.opt(), m.opt()), "two_opt"),
    "an OPT among the answers": (m.message(m.RD, [_ASKED], [m.opt()]), "records_in_query"),
    "an OPT among the authority's records": (m.message(m.RD, [_ASKED], [], [m.opt()]), "records_in_query"),
    "a key and no signature": (m.query(_ASKED, m.record(249, owner=m.ROOT)), "records_in_query"),
    "an answer in a query": (m.message(m.RD, [_ASKED], [m.record()]), "records_in_query"),
    "two hundred pointers one after another": (_chain_of_pointers(200), "records_in_query"),
    "a record whose owner points to itself": (
        m.message(m.RD, [_ASKED], [m.record(owner=m.pointer(12 + len(_ASKED)))]), "records_in_query"
    ),
    "a question that points to itself": (m.query(m.question(m.pointer(12))), "pointer_in_question"),
    "a question that points to the header": (m.query(m.question(b"\x01a" + m.pointer(0))), "pointer_in_question"),
    "a question that points behind the end": (m.query(m.question(m.pointer(0x3FFF))), "pointer_in_question"),
    "a question of an obsolete label type": (m.query(m.question(b"\x41\x08" + bytes(5))), "label"),
    "a question of a reserved label type": (m.query(m.question(b"\x80" + bytes(5))), "label"),
    "a name of 256 bytes": (m.query(m.question(b"\x01a" * 126 + b"\x02aa\x00")), "name_too_long"),
    "a name of 255 bytes": (m.query(m.question(b"\x01a" * 127 + m.ROOT)), "accepted"),
    "a name without an end": (m.query(b"\x3f" + b"a" * 63), "cut_short"),
    "a name with bytes that are no letters": (m.query(m.question(b"\x04\x00\xff./\x03a\\b\x00")), "accepted"),
    "two questions": (m.message(m.RD, [_ASKED, _ASKED]), "question_count"),
    "no question": (m.message(m.RD, [], [], [], [m.opt()]), "question_count"),
    "a question of half a class": (m.query(_ASKED[:-1]), "cut_short"),
    "a length as over TCP before a query": (struct.pack("!H", len(m.query())) + m.query(), "length_prefix"),
    "an answer sent as a query": (m.answer(m.record()), "response"),
    "a zone transfer": (m.query(m.question(qtype=252)), "accepted"),
    "an update": (m.query(flags=5 << 11), "opcode"),
    "a notification": (m.query(flags=4 << 11), "opcode"),
    "a query that is followed by another": (m.query() + m.query(), "trailing_bytes"),
}  # fmt: skip

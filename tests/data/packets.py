"""Packets by the project's own builders, each named by what it is: well-formed, malicious and damaged ones.

They stand where foreign corpora would, so that every reader is tried on a breadth of bytes wherever the project is.
"""

import struct
from functools import cache
from typing import Final

from tests.data.faults import damaged
from tests.data.malicious import QUERIES as MALICIOUS
from tests.data.names import asked_names
from tests.data.records import COMPRESSED, RECORDS
from tests.wire import messages as m

_BY_CLIENTS: Final = (
    ("without EDNS", ()),
    ("with EDNS", (m.opt(),)),
    ("that wants DNSSEC", (m.opt(dnssec_ok=True),)),
    ("with padding", (m.opt(m.option(m.PADDING, bytes(60))),)),
    ("with a cookie", (m.opt(m.option(m.COOKIE, b"12345678")),)),
    ("with a subnet", (m.opt(m.subnet()),)),
    ("that wants no subnet sent", (m.opt(m.subnet(source=0, address=b"")),)),
)
_ANSWERED: Final = m.QR | m.RD | m.RA
_ELSEWHERE: Final = m.name("other.example.net")
_ROOT_SOA: Final = m.record(m.SOA, m.ROOT + m.ROOT + struct.pack("!5I", 1, 2, 3, 4, 86_400), owner=m.ROOT)
_TYPES_OF_PROOF: Final = b"\x00\x06\x40\x00\x00\x00\x00\x03"


@cache
def all_packets() -> dict[str, bytes]:
    """Return every packet by its name."""
    malicious = {name: wire for name, (wire, _) in MALICIOUS.items()}
    damages = {**damaged("a query", _WHOLE_QUERY), **damaged("an answer", _WHOLE_ANSWER)}
    parts = (well_formed(), _wrong_lengths(), _wrong_places(), _names(), malicious, damages)
    packets = {name: wire for part in parts for name, wire in part.items()}
    assert len(packets) == sum(len(part) for part in parts), "two packets have one name"
    return packets


def well_formed() -> dict[str, bytes]:
    """Return those that nothing is wrong with."""
    return {**_queries(), **_answers_of_types(), **_answers()}


def _queries() -> dict[str, bytes]:
    """A query for every type, each for a name of another kind, by clients of all manners."""
    names = asked_names(len(RECORDS))
    packets = {}
    for number, ((what, (qtype, _)), name) in enumerate(zip(RECORDS.items(), names, strict=True)):
        manner, additional = _BY_CLIENTS[number % len(_BY_CLIENTS)]
        packets[f"a query for {what} {manner}"] = m.query(m.question(m.name(name), qtype), *additional)
    packets["a query for ANY"] = m.query(m.question(qtype=m.ANY))
    packets["a query for the root's servers"] = m.query(m.question(m.ROOT, m.NS))
    packets["a query for the server's version in class CH"] = m.query(m.question(m.name("version.bind"), m.TXT, 3))
    return packets


def _answers_of_types() -> dict[str, bytes]:
    packets = {}
    for spelling, records in (("", RECORDS), (", compressed", COMPRESSED)):
        for what, (rtype, rdata) in records.items():
            record = m.record(rtype, rdata)
            packets[f"an answer of {what}{spelling}"] = m.answer(record, asked=m.question(qtype=rtype))
            beside = m.record(rtype, rdata, ttl=59, owner=_ELSEWHERE)
            packets[f"an answer beside which there is {what}{spelling}"] = m.answer(
                m.record(), additional=(beside, m.opt())
            )
    return packets


def _wrong_lengths() -> dict[str, bytes]:
    """Answers whose rdata is a byte longer or shorter than what it says: wrong in some types, and right in others."""
    packets = {}
    for what, (rtype, rdata) in RECORDS.items():
        for wrong, said in (("a byte less", rdata[:-1]), ("a byte more", rdata + b"\x00")):
            packets[f"an answer of {what}, {wrong}"] = m.answer(m.record(rtype, said), asked=m.question(qtype=rtype))
    return packets


def _wrong_places() -> dict[str, bytes]:
    """Answers whose OPT is not where an OPT belongs."""
    return {
        "an OPT among the records of an answer": m.answer(m.record(), m.opt()),
        "an OPT among the authority's records of an answer": m.answer(m.record(), authority=(m.opt(),)),
        "two OPT in an answer": m.answer(m.record(), additional=(m.opt(), m.opt())),
        "an OPT under a name in an answer": m.answer(m.record(), additional=(m.opt(owner=m.QNAME),)),
    }


def _answers() -> dict[str, bytes]:
    signature = m.record(*RECORDS["RRSIG"])
    alias = m.record(m.CNAME, _ELSEWHERE)
    proof = m.record(47, m.name("z.example.net") + _TYPES_OF_PROOF, owner=m.name("a.example.net"))
    hashed = m.record(*RECORDS["NSEC3"], owner=m.name("ck0pojmg874ljref7efn8430qvit8bsm.example.net"))
    substitute = m.record(39, m.name("example.org"), owner=m.name("example.net"))
    reasons = (b"\x00\x16at delegation example.net", b"\x00\x17")
    errors = m.opt(b"".join(m.option(m.EXTENDED_ERROR, reason) for reason in reasons))
    address = m.record(owner=_ELSEWHERE)
    proven = (m.soa(), signature, proof)
    transaction = m.record(250, m.ROOT + bytes(16))
    return {
        "an answer of several addresses with several TTLs": m.answer(*(m.record(ttl=ttl) for ttl in (0, 59, 300))),
        "an answer with TTLs that read as negative": m.answer(m.record(ttl=0xFFFF_FFFF), m.record(ttl=0x8000_0000)),
        "a signed answer": m.answer(m.record(), signature, additional=(m.opt(dnssec_ok=True),), flags=_ANSWERED | m.AD),
        "an alias and what it leads to": m.answer(alias, address),
        "an alias behind what it leads to": m.answer(address, alias),
        "an alias of nothing": m.answer(alias, authority=(m.soa(),), flags=_ANSWERED | 3),
        "an alias of itself": m.answer(m.record(m.CNAME, m.QNAME)),
        "an answer by substitution": m.answer(
            substitute, m.record(m.CNAME, m.name("www.example.org")), m.record(owner=m.name("www.example.org"))
        ),
        "a name that does not exist": m.answer(authority=(m.soa(),), flags=_ANSWERED | 3),
        "a name that does not exist, says the root": m.answer(authority=(_ROOT_SOA,), flags=_ANSWERED | 3),
        "a name that does not exist, without an SOA": m.answer(flags=_ANSWERED | 3),
        "a name that provably does not exist": m.answer(authority=proven, flags=_ANSWERED | m.AD | 3),
        "a name that does not exist by hashes": m.answer(authority=(m.soa(), hashed, signature), flags=_ANSWERED | 3),
        "a type that does not exist": m.answer(authority=(m.soa(),)),
        "a type that does not exist, without an SOA": m.answer(),
        "a referral": m.answer(
            authority=(m.record(m.NS, m.name("a.servers.example"), owner=m.name("net")),),
            additional=(m.record(owner=m.name("a.servers.example")),),
        ),
        "a failure that says why": m.answer(additional=(errors,), flags=_ANSWERED | 2),
        "a refusal": m.answer(flags=_ANSWERED | 5),
        "a refusal without a question": m.message(m.QR | 5, []),
        "an unknown version of EDNS": m.answer(additional=(m.opt(rcode=16),)),
        "a bad cookie": m.answer(additional=(m.opt(m.option(m.COOKIE, bytes(24)), rcode=23),), flags=_ANSWERED | 7),
        "a truncated answer": m.answer(flags=_ANSWERED | m.TC),
        "an authority's own answer": m.answer(m.record(), flags=m.QR | m.AA),
        "an answer for another class": m.answer(
            m.record(m.TXT, rclass=3), asked=m.question(m.name("version.bind"), m.TXT, 3)
        ),
        "an answer as large as can be": m.answer(
            *(m.record(m.TXT, m.text(4_000)) for _ in range(16)), asked=m.question(qtype=m.TXT)
        ),
        "an answer with an OPT between other records": m.answer(m.record(), additional=(address, m.opt(), address)),
        "an answer with a signature of the transaction": m.answer(m.record(), additional=(transaction,)),
    }  # fmt: skip


def _names() -> dict[str, bytes]:
    """Names alone, as they stand on the wire: nothing that could be a message."""
    names = asked_names(40)
    return {
        **{f"the name {name} alone": m.name(name) for name in names},
        "the root alone": m.ROOT,
        "a pointer alone": m.pointer(0),
        "a label that is longer than what there is": b"\x3fshort",
        "no bytes": b"",
        "a pointer cut in half": b"\xc0",
    }


_WHOLE_QUERY: Final = m.query(
    m.question(), m.opt(m.option(m.PADDING, bytes(4)) + m.subnet() + m.option(m.COOKIE, b"12345678"))
)
_WHOLE_ANSWER: Final = m.answer(
    m.record(m.CNAME, b"\x05other" + m.QNAME),
    m.record(15, b"\x00\x0a\x04mail" + m.QNAME, owner=b"\x05other" + m.QNAME),
    m.record(m.TXT, b"\x04text\x00", owner=b"\x05other" + m.QNAME),
    authority=(m.soa(), m.record(m.NS, b"\x02ns" + m.QNAME)),
    additional=(m.record(28, owner=b"\x02ns" + m.QNAME), m.opt(m.option(m.EXTENDED_ERROR, b"\x00\x16"))),
)

"""Questions and answers for the cache: a name, and what an upstream says to it."""

from dohproxy.cache import Cache, Entry
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.query import Query, parse_query
from tests.wire import messages as m

NO_SUCH_NAME = m.QR | m.RD | m.RA | 3


def ask(name: str = "www.example.net", qtype: int = m.A, *, flags: int = m.RD, dnssec_ok: bool | None = None) -> Query:
    """Return the query for a name, with an OPT if `dnssec_ok` says so or not so."""
    additional = () if dnssec_ok is None else (m.opt(dnssec_ok=dnssec_ok),)
    return parse_query(m.query(m.question(m.name(name), qtype), *additional, flags=flags))


def positive(query: Query, *, ttl: int = 300, size: int = 0) -> Answer:
    """Return an answer of one record; one of TXT may have so many bytes of rdata."""
    rdata = m.text(size) if size else None
    return parse_answer(m.answer(m.record(query.qtype, rdata, ttl=ttl), asked=query.question), query)


def negative(query: Query, *, ttl: int = 300, minimum: int = 300) -> Answer:
    """Return an NXDOMAIN with its SOA."""
    wire = m.answer(authority=(m.soa(ttl=ttl, minimum=minimum),), asked=query.question, flags=NO_SUCH_NAME)
    return parse_answer(wire, query)


def kept(query: Query, answer: Answer, now: float) -> Entry:
    """Return the entry that a cache makes of an answer."""
    entry = Cache(CacheConfig()).store(query.key, answer, now)
    assert entry is not None
    return entry

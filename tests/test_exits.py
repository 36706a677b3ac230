"""The ways out of the walk: what is said again to the very same request, while nothing is read and all is judged."""

import dns.message
import pytest

from dohproxy.cache.entry import POPULAR_HITS
from dohproxy.config import CacheConfig
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.exits import Miss
from dohproxy.outcomes import Frontend, Purpose, Reason
from dohproxy.parsed_request import ParsedRequest
from dohproxy.policy.probes import ProbeKind
from dohproxy.wire.numbers import Qtype
from dohproxy.wire.query import parse_query
from tests.fakes.walk import CLIENT, NEIGHBOUR, Limits, Walk, address_of, ask_for, post
from tests.wire import messages as m

NAME = "www.example.net"
MALFORMED = b"\x00" * 40


def _parsed(walk: Walk, wire: bytes) -> ParsedRequest:
    return walk.service.read(post(wire), Frontend.HTTP1)


async def _known(walk: Walk, name: str = NAME, ttl: int = 300) -> ParsedRequest:
    """The parsed request of a question whose answer is in the cache, given once."""
    walk.resolver.script = lambda query: address_of(query, ttl=ttl)
    await walk.ask(ask_for(name))
    parsed = _parsed(walk, ask_for(name))
    walk.repeat(parsed)
    return parsed


async def test_the_same_response_is_given_within_the_second() -> None:
    walk = Walk()
    parsed = await _known(walk)
    first = walk.repeat(parsed)
    assert walk.repeat(parsed, NEIGHBOUR) is first
    assert [outcome.reason for outcome in walk.outcomes[1:]] == [Reason.CACHED] * 3


async def test_ttls_age_all_the_same() -> None:
    walk = Walk()
    parsed = await _known(walk)
    ttls = []
    for _ in range(4):
        response = walk.repeat(parsed)
        assert isinstance(response, HttpResponse)
        ttls.append(dns.message.from_wire(response.body).answer[0].ttl)
        walk.clock.pass_by(0.5)
    assert ttls == [300, 300, 299, 299]


@pytest.mark.parametrize(
    "additional",
    [(), (m.opt(),), (m.opt(m.option(m.PADDING, bytes(20)), dnssec_ok=True),)],
    ids=["bare", "EDNS", "padded"],
)
async def test_an_aged_answer_is_what_would_be_said_anew(additional: tuple[bytes, ...]) -> None:
    walk = Walk()
    wire = m.query(m.question(m.name(NAME)), *additional)
    await walk.ask(wire)
    parsed = _parsed(walk, wire)
    for _ in range(3):
        again = walk.repeat(parsed)
        assert again == walk.begin(post(wire))
        walk.clock.pass_by(7.7)
    assert {outcome.reason for outcome in walk.outcomes[1:]} == {Reason.CACHED}


async def test_an_answer_that_is_used_to_its_end_is_asked_for_before_it() -> None:
    walk = Walk()
    parsed = await _known(walk)
    for _ in range(4):
        walk.clock.pass_by(74)
        walk.repeat(parsed)
    assert [purpose for _, purpose in walk.resolver.refreshed] == [Purpose.PREFETCH]


def test_what_http_refuses_is_charged_and_counted_each_time() -> None:
    walk = Walk()
    parsed = walk.service.read(HttpRequest("GET", "/elsewhere"), Frontend.HTTP1)
    first = [walk.repeat(parsed, client) for client in (CLIENT, NEIGHBOUR, CLIENT)]
    assert all(response is first[0] for response in first)
    assert [outcome.reason for outcome in walk.outcomes] == [Reason.WRONG_PATH] * 3
    assert walk.charged == 3


def test_each_client_over_its_limit_is_told_its_own_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = Walk()
    parsed = _parsed(walk, ask_for(NAME))
    waits = [0.2, 0.9, 3.1, 0.2]
    told = []
    for wait in waits:
        monkeypatch.setattr(walk.request_limiter, "admit_request", lambda _client, _now, wait=wait: wait)
        response = walk.repeat(parsed)
        assert isinstance(response, HttpResponse)
        told.append(dict(response.fields)["retry-after"])
    assert told == ["1", "1", "4", "1"]
    assert [outcome.reason for outcome in walk.outcomes] == [Reason.CLIENT_LIMIT] * 4


async def test_an_answer_that_has_ended_is_not_given_again() -> None:
    walk = Walk(rules=CacheConfig(minimum_ttl_seconds=0))
    parsed = await _known(walk, ttl=1)
    walk.clock.pass_by(1.0)
    found = walk.repeat(parsed)
    assert isinstance(found, Miss)
    found.slot.give_back()


async def test_a_newer_answer_is_given_at_once() -> None:
    walk = Walk()
    parsed = await _known(walk)
    query = parse_query(ask_for(NAME))
    walk.cache.store(query.key, address_of(query, ttl=77), walk.clock())
    response = walk.repeat(parsed)
    assert isinstance(response, HttpResponse)
    assert dns.message.from_wire(response.body).answer[0].ttl == 77


async def test_the_client_s_limit_is_kept() -> None:
    walk = Walk(limits=Limits(requests=4))
    parsed = await _known(walk)
    statuses = []
    for _ in range(4):
        response = walk.repeat(parsed)
        assert isinstance(response, HttpResponse)
        statuses.append(response.status)
    assert statuses == [200, 200, 429, 429]


async def test_each_one_is_a_use_of_the_entry() -> None:
    walk = Walk()
    parsed = await _known(walk)
    entry, _ = walk.cache.lookup(parse_query(ask_for(NAME)).key, walk.clock(), 0.0)
    assert entry is not None
    hits = [entry.hits]
    for _ in range(5):
        walk.repeat(parsed)
        hits.append(entry.hits)
    assert hits == [1, 2, 3, POPULAR_HITS, POPULAR_HITS, POPULAR_HITS]


def test_a_question_that_is_answered_here_is_looked_at_again_after_a_second() -> None:
    walk = Walk()
    parsed = _parsed(walk, ask_for("localhost"))
    first = walk.repeat(parsed)
    assert walk.repeat(parsed) is first
    walk.clock.pass_by(1.0)
    assert walk.repeat(parsed) is not first


async def test_a_probe_is_counted_each_time() -> None:
    walk = Walk()
    wire = m.query(m.question(b"\x00", Qtype.NS), m.opt())
    await walk.ask(wire)
    parsed = _parsed(walk, wire)
    for _ in range(3):
        walk.repeat(parsed)
    assert walk.pipeline._names.probes.statistics()[ProbeKind.DNSCRYPT_ROOT] == 4


@pytest.mark.parametrize("wire", [MALFORMED, b"\x00" * 12], ids=["a reply with an rcode", "no reply"])
def test_what_cannot_be_read_is_refused_each_time(wire: bytes) -> None:
    walk = Walk()
    parsed = _parsed(walk, wire)
    first = walk.repeat(parsed)
    assert isinstance(first, HttpResponse)
    walk.clock.pass_by(1_000)
    assert walk.repeat(parsed) is first
    assert len(walk.outcomes) == 2
    assert walk.outcomes[0] == walk.outcomes[1]

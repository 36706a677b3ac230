"""The walk: who ends it where, what a miss holds, and what goes out instead of an answer that does not come."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import dns.message
import dns.rcode
import pytest

from dohproxy.cache import RememberedFailure
from dohproxy.config import CacheConfig, NamesConfig
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.exits import HITS_PER_NOTE, Miss
from dohproxy.outcomes import OUTCOMES, Frontend, Outcome, Purpose, Reason, Refused, Reply
from dohproxy.parsed_request import ParsedRequest
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.numbers import ExtendedError, Qtype, Rcode
from dohproxy.wire.query import Query, parse_query
from tests.fakes.resolver import Script
from tests.fakes.walk import (
    CLIENT,
    MEMBER,
    NEIGHBOUR,
    NO_DOMAIN_LIMITS,
    Limits,
    Walk,
    address_of,
    ask_for,
    client_of,
    errors_in,
    post,
)
from tests.wire import messages as m

NAME = "www.example.net"
MALFORMED = b"\x00" * 40
UNDELEGATED = "printer.lan"
TRANSFER = 252
NOBODY_THERE = UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)
NO_TIME_LEFT = UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
NO_BUDGET = UpstreamFailure(Reason.BUDGET_SPENT)
ONE_MISS = replace(NO_DOMAIN_LIMITS, domain_misses_per_second=1, domain_misses_burst=1)


def rcode_of(query: Query, rcode: int, *additional: bytes) -> Answer:
    return parse_answer(m.answer(asked=query.question, additional=additional, flags=m.QR | m.RD | m.RA | rcode), query)


def denial(query: Query) -> Answer:
    """That the name does not exist: said by the top-level domain above it, validated."""
    above = m.record(m.SOA, m.soa()[-22:], ttl=900, owner=query.qname[query.qname.rindex(b"\x03net") :])
    return parse_answer(m.answer(authority=(above,), asked=query.question, flags=m.QR | m.RA | m.AD | 3), query)


def ttls_of(reply: dns.message.Message) -> list[int]:
    return [rrset.ttl for section in reply.sections[1:] for rrset in section]


def max_age_of(response: HttpResponse) -> int:
    return int(dict(response.fields)["cache-control"].removeprefix("max-age="))


async def walk_with_stale_entry(limits: Limits | None = None, about_names: NamesConfig = NO_DOMAIN_LIMITS) -> Walk:
    """A walk that knows an answer which is no longer fresh, and whose books are empty."""
    walk = Walk(limits or Limits(), about_names=about_names)
    await walk.ask(ask_for(NAME), NEIGHBOUR)
    walk.clock.pass_by(301)
    walk.outcomes.clear()
    walk.resolver.asked.clear()
    return walk


# ---------------------------------------------------------------- the order of the stages


def exhausted(stages: frozenset[str]) -> Walk:
    """A walk in which the stages named would end every request that comes to them."""
    walk = Walk(Limits(slots=0 if "service" in stages else 1), about_names=ONE_MISS, may_deny=True)
    while "client" in stages and not walk.request_limiter.admit_request(CLIENT, walk.clock()):
        pass
    while "miss" in stages and not walk.request_limiter.admit_miss(CLIENT, walk.clock()):
        pass
    for name, qtype in ((NAME, m.A), (NAME, m.ANY), (NAME, TRANSFER), ("localhost", m.A), (UNDELEGATED, m.A)):
        query = parse_query(ask_for(name, qtype))
        if "domain" in stages:
            walk.names.domains.charge(query.qname, walk.clock(), failed=False)
        if "cache" in stages:
            walk.cache.store(query.key, address_of(parse_query(ask_for(name))), walk.clock())
        if "failure" in stages:
            walk.cache.remember_failure(query.key, Rcode.SERVFAIL, (), walk.clock())
    return walk


@pytest.mark.parametrize(
    ("request_", "also", "reason"),
    [
        pytest.param(
            HttpRequest("GET", "/elsewhere?dns=%%%"), {"client"}, Reason.WRONG_PATH, id="the path before anything"
        ),
        pytest.param(HttpRequest("GET", "/dns-query?dns=!!!"), {"client"}, Reason.BASE64, id="HTTP before the limit"),
        pytest.param(post(MALFORMED), {"client"}, Reason.CLIENT_LIMIT, id="the client's limit before the message"),
        pytest.param(
            post(ask_for(NAME)), {"client", "cache"}, Reason.CLIENT_LIMIT, id="the client's limit before the cache"
        ),
        pytest.param(post(MALFORMED), set(), Reason.FORMAT_ERROR, id="the message's form"),
        pytest.param(
            post(ask_for("localhost", TRANSFER)),
            {"cache", "miss"},
            Reason.TYPE_REFUSED,
            id="refused types before local answers and the cache",
        ),
        pytest.param(
            post(ask_for(NAME, flags=0)), {"cache"}, Reason.RECURSION_NOT_DESIRED, id="cache snooping before the cache"
        ),
        pytest.param(
            post(ask_for("localhost")), {"cache", "failure", "miss"}, Reason.LOCAL, id="local names before the cache"
        ),
        pytest.param(post(ask_for(NAME, m.ANY)), {"cache", "miss"}, Reason.MINIMAL_ANY, id="ANY before the cache"),
        pytest.param(
            post(ask_for(NAME)),
            {"cache", "failure", "miss", "service"},
            Reason.CACHED,
            id="the cache before failures and the limits of misses",
        ),
        pytest.param(
            post(ask_for(NAME)),
            {"failure", "domain", "miss", "service"},
            Reason.FAILURE_REMEMBERED,
            id="remembered failures before the limits of misses",
        ),
        pytest.param(
            post(ask_for(UNDELEGATED)), {"cache"}, Reason.CACHED, id="the cache before names that do not exist"
        ),
        pytest.param(
            post(ask_for(UNDELEGATED)),
            {"failure", "domain", "miss", "service"},
            Reason.UNDELEGATED,
            id="names that do not exist before failures and the limits of misses",
        ),
        pytest.param(
            post(ask_for(NAME)), {"domain", "miss", "service"}, Reason.DOMAIN_LIMIT, id="the domain before the client"
        ),
        pytest.param(
            post(ask_for(NAME)), {"miss", "service"}, Reason.MISS_LIMIT, id="the client's misses before the service's"
        ),
        pytest.param(post(ask_for(NAME)), {"service"}, Reason.SERVICE_LIMIT, id="the service's limit before upstream"),
        pytest.param(post(ask_for(NAME)), set(), Reason.FORWARDED, id="the upstream last of all"),
    ],
)
async def test_stages_come_in_order(request_: HttpRequest, also: set[str], reason: Reason) -> None:
    walk = exhausted(frozenset(also))
    await walk.send(request_)
    assert walk.reason is reason
    assert walk.slots_taken == 0
    assert len(walk.resolver.asked) == (reason is Reason.FORWARDED)


async def test_a_request_that_http_refuses_is_not_parsed() -> None:
    walk = Walk()
    response = await walk.send(post(MALFORMED, path="/elsewhere"))
    assert (response.status, response.body) == (404, b"")
    assert walk.outcomes[0].fault is None


@pytest.mark.parametrize(
    ("request_", "charged"),
    [
        (post(b"", path="/elsewhere"), 1),
        (HttpRequest("BREW", "/dns-query"), 1),
        (HttpRequest("GET", "/dns-query?dns=!!!"), 1),
        (post(b""), 1),
        (post(MALFORMED), 0),
        (post(b"\x00" * 5), 0),
        (post(ask_for(NAME)), 0),
    ],
    ids=["404", "501", "base64", "no body", "FORMERR", "unreadable", "a good one"],
)
async def test_a_refusal_before_the_limit_counts_against_its_client(request_: HttpRequest, charged: int) -> None:
    walk = Walk()
    await walk.send(request_)
    assert walk.charged == charged


async def test_refusals_use_up_the_clients_limit_and_nobody_elses() -> None:
    walk = Walk(Limits(requests=3))
    for _ in range(3):
        await walk.send(post(b"", path="/elsewhere"))
    assert (await walk.send(post(ask_for(NAME)))).status == 429
    assert (await walk.send(post(ask_for(NAME)), NEIGHBOUR)).status == 200


async def test_a_client_over_its_limit_is_told_when_to_return() -> None:
    walk = Walk(Limits(requests=1))
    await walk.send(post(ask_for("localhost")))
    response = await walk.send(post(MALFORMED))
    assert (response.status, response.body, dict(response.fields)["retry-after"]) == (429, b"", "1")
    assert (walk.reason, walk.outcomes[-1].fault) == (Reason.CLIENT_LIMIT, None)
    walk.clock.pass_by(1)
    assert (await walk.send(post(ask_for("localhost")))).status == 200


def test_who_is_over_the_limit_is_turned_away_before_anything_is_read() -> None:
    walk = Walk(Limits(requests=2))
    early = walk.pipeline.turn_away_early
    for _ in range(3):  # Asking costs nothing.
        assert early(CLIENT, Frontend.HTTP1, walk.clock()) is None
    for _ in range(2):
        walk.begin(post(ask_for("localhost")))
    refused = early(CLIENT, Frontend.HTTP2, walk.clock())
    assert refused is not None
    assert (refused.reason, refused.retry_seconds) == (Reason.CLIENT_LIMIT, 1)
    assert walk.outcomes[-1] == Outcome(Reason.CLIENT_LIMIT, Frontend.HTTP2, "other", "other")
    assert walk.request_limiter.statistics(walk.clock()).requests.widths[0].limited == 1
    assert early(NEIGHBOUR, Frontend.HTTP1, walk.clock()) is None
    walk.clock.pass_by(1.0)
    assert early(CLIENT, Frontend.HTTP1, walk.clock()) is None


async def test_a_connection_that_never_became_a_request_is_in_the_books_and_counts() -> None:
    walk = Walk()
    refused = walk.pipeline.turn_away(Reason.BAD_HTTP, CLIENT, Frontend.HTTP1, walk.clock())
    assert (refused.reason, refused.retry_seconds) == (Reason.BAD_HTTP, 0)
    assert [(outcome.reason, outcome.variant) for outcome in walk.outcomes] == [(Reason.BAD_HTTP, "other")]
    assert walk.charged == 1


# ---------------------------------------------------------------- without any transport


def from_anywhere(wire: bytes) -> ParsedRequest:
    """A DNS message that has come without HTTP."""
    return ParsedRequest(Frontend.HTTP1, 1, wire=wire)


def test_a_dns_message_is_answered_with_a_dns_message() -> None:
    walk = Walk()
    reply = walk.pipeline.begin(from_anywhere(ask_for("localhost")), CLIENT, walk.clock())
    assert isinstance(reply, Reply)
    assert dns.message.from_wire(reply.wire).rcode() == dns.rcode.NOERROR
    assert (reply.reason, walk.outcomes[-1].variant) == (Reason.LOCAL, "other")


def test_one_for_the_upstream_is_a_miss_and_ends_as_a_dns_message() -> None:
    walk = Walk()
    miss = walk.pipeline.begin(from_anywhere(ask_for(NAME)), CLIENT, walk.clock())
    assert isinstance(miss, Miss)
    reply = walk.pipeline.conclude(miss, address_of(miss.query))
    assert isinstance(reply, Reply)
    assert (reply.reason, reply.max_age) == (Reason.FORWARDED, 300)


def test_one_that_cannot_be_answered_is_refused_in_no_transport_s_terms() -> None:
    walk = Walk()
    refused = walk.pipeline.begin(from_anywhere(b"\x00" * 5), CLIENT, walk.clock())
    assert isinstance(refused, Refused)
    assert (refused.reason, OUTCOMES[refused.reason].closes) == (Reason.UNREADABLE, True)


def test_one_over_the_limit_is_refused_with_the_time_to_wait() -> None:
    walk = Walk(Limits(requests=1))
    found = [walk.pipeline.begin(from_anywhere(ask_for("localhost")), CLIENT, walk.clock()) for _ in range(2)]
    refused = found[1]
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.retry_seconds) == (Reason.CLIENT_LIMIT, 1)
    assert OUTCOMES[refused.reason].rcode is Rcode.REFUSED


# ---------------------------------------------------------------- replies


async def test_a_miss_becomes_a_hit_and_both_say_the_same() -> None:
    walk = Walk(script=lambda query: address_of(query, ttl=10))
    first = await walk.send(post(ask_for(NAME)))
    second = await walk.send(post(ask_for(NAME)))
    assert first.body == second.body
    assert (max_age_of(first), max_age_of(second)) == (60, 60)
    assert [outcome.reason for outcome in walk.outcomes] == [Reason.FORWARDED, Reason.CACHED]
    assert len(walk.resolver.asked) == 1


async def test_a_hit_ages_with_its_max_age() -> None:
    walk = Walk()
    await walk.ask(ask_for(NAME))
    walk.clock.pass_by(100.5)
    response = await walk.send(post(ask_for(NAME)))
    assert ttls_of(dns.message.from_wire(response.body)) == [200]
    assert max_age_of(response) == 200


async def test_the_question_comes_back_as_sent_from_the_upstream_and_from_the_cache() -> None:
    walk = Walk()
    for name in ("wWw.Example.NET", "WwW.eXAMPLE.net"):
        response = await walk.send(post(ask_for(name)))
        assert response.body[12:].startswith(m.name(name))
    assert walk.reason is Reason.CACHED


@pytest.mark.parametrize(
    ("second", "asked"),
    [
        (ask_for(NAME), 1),
        (ask_for(NAME.upper()), 1),
        (ask_for(NAME, flags=m.RD | m.AD), 1),
        (ask_for(NAME, edns=False), 1),
        (ask_for(NAME, flags=m.RD | m.CD), 2),
        (ask_for(NAME, dnssec_ok=True), 2),
        (ask_for(NAME, m.HTTPS), 2),
    ],
    ids=["the same", "other letters", "AD", "no EDNS", "CD", "DO", "another type"],
)
async def test_only_an_equal_question_spares_the_upstream(second: bytes, asked: int) -> None:
    walk = Walk()
    await walk.ask(ask_for(NAME))
    await walk.ask(second)
    assert len(walk.resolver.asked) == asked


async def test_nobody_elses_authority_is_passed_on() -> None:
    def authoritative(query: Query) -> Answer:
        return parse_answer(m.answer(m.record(), asked=query.question, flags=m.QR | m.AA | m.RA), query)

    walk = Walk(script=authoritative)
    replies = [await walk.ask(ask_for(NAME)) for _ in range(2)]
    assert [bool(reply.flags & m.AA) for reply in replies] == [False, False]


@pytest.mark.parametrize("kind", ["without SOA", "too large", "for this instant"])
async def test_an_answer_that_is_not_kept_is_passed_on_as_it_is(kind: str) -> None:
    def unkept(query: Query) -> Answer:
        records = {
            "without SOA": (),
            "too large": (m.record(m.TXT, m.text(17_000), ttl=5),),
            "for this instant": (m.record(ttl=0),),
        }[kind]
        return parse_answer(m.answer(*records, asked=query.question), query)

    walk = Walk(rules=CacheConfig(minimum_ttl_seconds=0), script=unkept)
    for _ in range(2):
        response = await walk.send(post(ask_for(NAME, m.TXT if kind == "too large" else m.A)))
        reply = dns.message.from_wire(response.body)
        assert (reply.rcode(), walk.reason) == (dns.rcode.NOERROR, Reason.FORWARDED)
        assert max_age_of(response) == min(ttls_of(reply), default=0)
    assert len(walk.resolver.asked) == 2


async def test_a_newer_answer_that_is_not_kept_displaces_an_old_one() -> None:
    walk = await walk_with_stale_entry()
    walk.resolver.script = lambda query: rcode_of(query, Rcode.NOERROR)
    await walk.ask(ask_for(NAME))
    walk.resolver.script = lambda _: NOBODY_THERE
    reply = await walk.ask(ask_for(NAME))
    assert (reply.rcode(), walk.reason) == (dns.rcode.SERVFAIL, Reason.UPSTREAM_UNREACHABLE)


async def test_a_name_that_does_not_exist_answers_for_those_below_it_and_its_other_types() -> None:
    walk = Walk(script=denial)
    await walk.ask(ask_for("example.net"))
    walk.clock.pass_by(100)
    for query in (ask_for("example.net", m.HTTPS), ask_for("a.b.example.net"), ask_for("wWw.Example.net", edns=False)):
        response = await walk.send(post(query))
        reply = dns.message.from_wire(response.body)
        assert (reply.rcode(), walk.reason) == (dns.rcode.NXDOMAIN, Reason.CACHED)
        assert (ttls_of(reply), max_age_of(response)) == ([500], 500)
    assert len(walk.resolver.asked) == 1
    await walk.ask(ask_for("a.b.example.net", dnssec_ok=True))
    assert len(walk.resolver.asked) == 2


async def test_an_address_is_asked_for_again_though_another_type_of_its_name_is_denied() -> None:
    walk = Walk()
    await walk.ask(ask_for("example.net"))
    walk.resolver.script = denial
    assert (await walk.ask(ask_for("example.net", m.HTTPS))).rcode() == dns.rcode.NXDOMAIN
    walk.clock.pass_by(400)
    walk.resolver.script = address_of
    assert (await walk.ask(ask_for("example.net"))).rcode() == dns.rcode.NOERROR
    assert (walk.reason, len(walk.resolver.asked)) == (Reason.FORWARDED, 3)


async def test_one_forged_denial_does_not_take_a_top_level_domain_from_everybody() -> None:
    def forged(query: Query) -> Answer:
        root = m.record(m.SOA, m.ROOT + m.ROOT + bytes(16) + b"\x00\x01\x51\x80", owner=m.ROOT)
        return parse_answer(m.answer(authority=(root,), asked=query.question, flags=m.QR | m.RA | 3), query)

    walk = Walk(script=forged)
    await walk.ask(ask_for("zz.info"))
    walk.resolver.script = address_of
    assert (await walk.ask(ask_for("www.info"))).rcode() == dns.rcode.NOERROR


async def test_a_name_that_turns_out_not_to_exist_meanwhile_is_not_asked_for() -> None:
    walk = Walk(script=denial)
    late = walk.begin(post(ask_for("a.b.example.net")))
    assert isinstance(late, Miss)
    await walk.ask(ask_for("example.net"))
    response = walk.resolve(late)
    assert dns.message.from_wire(response.body).rcode() == dns.rcode.NXDOMAIN
    assert (walk.reason, len(walk.resolver.asked)) == (Reason.CACHED, 1)


async def test_an_answer_that_is_not_kept_is_passed_on_though_a_name_above_is_denied() -> None:
    walk = Walk()
    late = walk.begin(post(ask_for("a.b.example.net")))
    assert isinstance(late, Miss)

    def meanwhile(query: Query) -> Answer:
        above = parse_query(ask_for("example.net"))
        walk.cache.store(above.key, denial(above), walk.clock())
        return rcode_of(query, Rcode.NXDOMAIN)

    walk.resolver.script = meanwhile
    response = walk.resolve(late)
    reply = dns.message.from_wire(response.body)
    assert (reply.rcode(), reply.authority, max_age_of(response)) == (dns.rcode.NXDOMAIN, [], 0)
    assert walk.reason is Reason.FORWARDED


async def test_under_pressure_an_answer_past_its_ttl_spares_the_upstream() -> None:
    walk = await walk_with_stale_entry()
    walk.resolver.scarcity = 1.0
    response = await walk.send(post(ask_for(NAME)))
    assert (walk.reason, walk.resolver.asked, max_age_of(response)) == (Reason.STALE, [], 30)


# ---------------------------------------------------------------- places


async def test_a_hit_takes_no_place() -> None:
    walk = Walk(Limits(slots=1))
    await walk.ask(ask_for(NAME))
    assert isinstance(walk.begin(post(ask_for("other.example.net"))), Miss)
    assert walk.slots_taken == 1
    assert isinstance(walk.begin(post(ask_for(NAME))), HttpResponse)
    assert walk.reason is Reason.CACHED
    assert walk.slots_taken == 1


@pytest.mark.parametrize(
    "found", [None, NOBODY_THERE, NO_BUDGET, NO_TIME_LEFT], ids=["an answer", "unreachable", "no budget", "too late"]
)
async def test_a_miss_takes_one_place_and_gives_it_back(found: UpstreamFailure | None) -> None:
    walk = Walk(script=lambda query: found or address_of(query))
    miss = walk.begin(post(ask_for(NAME)))
    assert isinstance(miss, Miss)
    assert walk.slots_taken == 1
    walk.resolve(miss)
    assert walk.slots_taken == 0


async def test_a_miss_that_meets_a_bug_gives_its_place_back() -> None:
    walk = Walk(script=lambda _: RuntimeError("a bug"))
    miss = walk.begin(post(ask_for(NAME)))
    assert isinstance(miss, Miss)
    with pytest.raises(RuntimeError, match="a bug"):
        walk.resolve(miss)
    assert (walk.slots_taken, walk.outcomes) == (0, [])


async def test_a_miss_whose_client_hangs_up_gives_its_place_back() -> None:
    walk = Walk()
    walk.resolver.is_silent = True
    miss = walk.begin(post(ask_for(NAME)))
    assert isinstance(miss, Miss)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(walk.service.resolve(miss))
        await asyncio.sleep(0)
        assert (len(walk.resolver.asked), walk.slots_taken) == (1, 1)
        task.cancel()
    assert (walk.slots_taken, walk.outcomes) == (0, [])


async def test_a_miss_that_is_abandoned_gives_its_place_back_and_asks_nobody() -> None:
    walk = Walk()
    miss = walk.begin(post(ask_for(NAME)))
    assert isinstance(miss, Miss)
    miss.slot.give_back()
    assert (walk.slots_taken, walk.resolver.asked) == (0, [])


async def test_a_miss_that_somebody_else_has_had_answered_meanwhile_asks_nobody() -> None:
    walk = Walk()
    late = walk.begin(post(ask_for(NAME)))
    assert isinstance(late, Miss)
    await walk.ask(ask_for(NAME))
    response = walk.resolve(late)
    assert (response.status, walk.reason, len(walk.resolver.asked)) == (200, Reason.CACHED, 1)
    assert walk.slots_taken == 0


async def test_when_all_places_are_taken_a_miss_is_turned_away_until_one_is_free() -> None:
    walk = Walk(Limits(slots=2))
    misses = [walk.begin(post(ask_for(f"{number}.example.net"))) for number in range(2)]
    response = await walk.send(post(ask_for(NAME)))
    assert (response.status, walk.reason) == (503, Reason.SERVICE_LIMIT)
    assert dict(response.fields)["retry-after"] == "1"
    assert isinstance(misses[0], Miss)
    misses[0].slot.give_back()
    assert (await walk.send(post(ask_for(NAME)))).status == 200


# ---------------------------------------------------------------- stale answers


def assert_stale(walk: Walk, reply: dns.message.Message, *, asked: int) -> None:
    assert walk.reason is Reason.STALE
    assert (ttls_of(reply), errors_in(reply)) == ([30], [ExtendedError.STALE_ANSWER])
    assert len(walk.resolver.asked) == asked
    assert walk.slots_taken == 0


async def test_the_upstream_is_asked_first_and_waited_for_within_the_patience_of_the_standard() -> None:
    walk = await walk_with_stale_entry()
    reply = await walk.ask(ask_for(NAME))
    assert (walk.reason, ttls_of(reply)) == (Reason.FORWARDED, [300])
    assert [(asked.deadline, asked.patience) for asked in walk.resolver.asked] == [(walk.clock() + 5.0, 1.8)]


async def test_the_deadline_counts_from_when_the_request_was_complete() -> None:
    walk = Walk()
    miss = walk.begin(post(ask_for(NAME)))
    assert isinstance(miss, Miss)
    complete = walk.clock()
    walk.clock.pass_by(2)
    walk.resolve(miss)
    assert [asked.deadline for asked in walk.resolver.asked] == [complete + 5.0]


async def test_without_a_stale_entry_there_is_no_end_to_patience_but_the_deadline() -> None:
    walk = Walk()
    await walk.ask(ask_for(NAME))
    assert [asked.patience for asked in walk.resolver.asked] == [None]


@pytest.mark.parametrize(
    "found",
    [None, NOBODY_THERE, NO_TIME_LEFT, NO_BUDGET],
    ids=["out of patience", "unreachable", "too late", "no budget"],
)
async def test_a_stale_answer_goes_out_when_no_new_one_comes(found: UpstreamFailure | None) -> None:
    walk = await walk_with_stale_entry()
    walk.resolver.script = lambda _: found
    response = await walk.send(post(ask_for(NAME)))
    assert_stale(walk, dns.message.from_wire(response.body), asked=1)
    assert max_age_of(response) == 30


async def test_a_stale_nxdomain_says_so() -> None:
    walk = Walk(script=denial)
    await walk.ask(ask_for(NAME))
    walk.clock.pass_by(700)
    walk.resolver.script = lambda _: NOBODY_THERE
    reply = await walk.ask(ask_for(NAME))
    assert (reply.rcode(), errors_in(reply)) == (dns.rcode.NXDOMAIN, [ExtendedError.STALE_NXDOMAIN])
    assert ttls_of(reply) == [30]


async def test_after_a_failure_the_stale_answer_goes_out_at_once_for_thirty_seconds() -> None:
    walk = await walk_with_stale_entry()
    walk.resolver.script = lambda _: NOBODY_THERE
    await walk.ask(ask_for(NAME))
    walk.clock.pass_by(29.9)
    assert_stale(walk, await walk.ask(ask_for(NAME)), asked=1)
    walk.clock.pass_by(0.1)
    assert_stale(walk, await walk.ask(ask_for(NAME)), asked=2)


async def test_a_client_over_its_miss_limit_gets_the_stale_answer() -> None:
    walk = await walk_with_stale_entry(Limits(misses=1))
    await walk.ask(ask_for("other.example.net"))
    assert_stale(walk, await walk.ask(ask_for(NAME)), asked=1)


class Endless:
    """A question that nobody answers."""

    def __init__(self) -> None:
        self.is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True


async def test_a_miss_makes_room_for_a_members_and_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    walk, asked = Walk(Limits(slots=1)), Endless()
    monkeypatch.setattr(walk.resolver, "ask", lambda *_, **__: asked)
    held = walk.begin(post(ask_for("held.example.net")), NEIGHBOUR)
    assert isinstance(held, Miss)
    told: list[HttpResponse] = []
    assert walk.service.pursue(held, told.append) is asked
    theirs = walk.begin(post(ask_for("member.example.net")), MEMBER)
    assert isinstance(theirs, Miss)
    assert [response.status for response in told] == [503]
    assert (walk.slots_taken, walk.reason, asked.is_stopped) == (1, Reason.SERVICE_LIMIT, True)
    assert isinstance(walk.begin(post(ask_for("other.example.net")), CLIENT), HttpResponse)
    theirs.slot.give_back()
    assert walk.slots_taken == 0


async def test_a_miss_that_lost_its_slot_before_it_was_asked_is_never_asked() -> None:
    walk = Walk(Limits(slots=1))
    held = walk.begin(post(ask_for("held.example.net")), NEIGHBOUR)
    assert isinstance(held, Miss)
    assert isinstance(walk.begin(post(ask_for("member.example.net")), MEMBER), Miss)
    told: list[HttpResponse] = []
    assert walk.service.pursue(held, told.append) is None
    assert [response.status for response in told] == [503]
    assert walk.resolver.asked == []


async def test_hits_make_senior_and_refusals_do_not() -> None:
    walk = Walk()
    await walk.ask(ask_for(NAME))
    seniority, begun = walk.request_limiter.seniority, walk.clock.now
    for answered in (True, False):
        client = client_of(bytes((192, 0, 9, answered)), (901, 902), ((answered + 1) << 40 | 903, 904))
        parsed = walk.service.read(post(ask_for(NAME) if answered else b"not DNS"), Frontend.HTTP1)
        for _ in range(2 * HITS_PER_NOTE):
            walk.repeat(parsed, client)
        assert (seniority.level(client.prefixes, begun + 7_200) > 0) is answered
    for _ in range(2 * HITS_PER_NOTE):
        walk.begin(post(ask_for(NAME)), NEIGHBOUR)
    assert seniority.level(NEIGHBOUR.prefixes, begun + 7_200) > 0


@pytest.mark.parametrize("limits", [Limits(slots=1), Limits(total=3)], ids=["no place left", "too many requests"])
async def test_a_service_over_its_limit_gives_stale_answers_and_fresh_ones(limits: Limits) -> None:
    walk = await walk_with_stale_entry(limits)
    await walk.ask(ask_for("fresh.example.net"))
    walk.resolver.asked.clear()
    held = walk.begin(post(ask_for("held.example.net")), NEIGHBOUR)
    assert isinstance(held, Miss)
    response = await walk.send(post(ask_for(NAME)))
    assert (walk.reason, max_age_of(response)) == (Reason.STALE, 30)
    await walk.ask(ask_for("fresh.example.net"))
    assert walk.reason is Reason.CACHED
    assert (await walk.send(post(ask_for("new.example.net")))).status == 503
    assert walk.resolver.asked == []


async def test_too_many_requests_altogether_are_told_how_long_to_wait() -> None:
    walk = Walk(Limits(total=1))
    await walk.ask(ask_for("localhost"))
    response = await walk.send(post(ask_for(NAME)))
    assert (response.status, dict(response.fields)["retry-after"]) == (503, "1")
    assert walk.slots_taken == 0
    walk.clock.pass_by(1)
    assert (await walk.send(post(ask_for(NAME)))).status == 200


@pytest.mark.parametrize("waits", [400, 100], ids=["old", "fresh"])
async def test_who_asks_with_do_gets_what_was_given_without_it_rather_than_a_failure(waits: int) -> None:
    walk = Walk(script=lambda query: replace(address_of(query), authentic=True))
    await walk.ask(ask_for(NAME))
    walk.clock.pass_by(waits)
    walk.resolver.script = lambda _: NOBODY_THERE
    for _ in range(2):
        response = await walk.send(post(ask_for(NAME, dnssec_ok=True)))
        reply = dns.message.from_wire(response.body)
        assert (reply.rcode(), len(reply.answer), walk.reason) == (dns.rcode.NOERROR, 1, Reason.STALE)
        assert (max_age_of(response), ttls_of(reply)) == (30, [30])
        assert not reply.flags & m.AD
        assert errors_in(reply) == ([ExtendedError.STALE_ANSWER] if waits == 400 else [])
    assert len(walk.resolver.asked) == 2


async def test_what_was_given_unchecked_is_for_nobody_who_relies_on_a_check() -> None:
    walk = Walk()
    await walk.ask(ask_for(NAME, flags=m.RD | m.CD))
    walk.resolver.script = lambda _: NOBODY_THERE
    assert (await walk.ask(ask_for(NAME))).rcode() == dns.rcode.SERVFAIL


CROWDED = UpstreamFailure(Reason.SERVICE_LIMIT)
"""What one of too many is told who wait for the same answer."""


async def test_one_of_too_many_who_wait_for_an_answer_is_told_to_come_back() -> None:
    walk = Walk(script=lambda _: CROWDED)
    walk.resolver.learn = lambda *_: None  # No fetch has ended.
    response = await walk.send(post(ask_for(NAME)))
    assert (response.status, dict(response.fields)["retry-after"], walk.reason) == (503, "1", Reason.SERVICE_LIMIT)
    assert walk.slots_taken == 0
    walk.resolver.script = address_of
    assert (await walk.ask(ask_for(NAME))).rcode() == dns.rcode.NOERROR


async def test_one_of_too_many_gets_the_stale_answer() -> None:
    walk = await walk_with_stale_entry()
    walk.resolver.learn = lambda *_: None  # No fetch has ended.
    walk.resolver.script = lambda _: CROWDED
    assert_stale(walk, await walk.ask(ask_for(NAME)), asked=1)


async def test_without_stale_time_an_old_answer_is_no_answer() -> None:
    walk = Walk(rules=CacheConfig(stale_keep_seconds=0))
    await walk.ask(ask_for(NAME))
    walk.clock.pass_by(300)
    walk.resolver.script = lambda _: NOBODY_THERE
    assert (await walk.ask(ask_for(NAME))).rcode() == dns.rcode.SERVFAIL


# ---------------------------------------------------------------- asked again with nobody waiting


async def walk_with_entry_near_its_end(limits: Limits | None = None, rules: CacheConfig | None = None) -> Walk:
    """A walk that knows an answer with 10 seconds of 300 left, given twice so far."""
    walk = Walk(limits or Limits(), rules or CacheConfig())
    for _ in range(3):
        await walk.ask(ask_for(NAME), NEIGHBOUR)
    walk.clock.pass_by(290)
    assert walk.resolver.refreshed == []
    return walk


def refreshed(walk: Walk) -> list[Purpose]:
    return [purpose for _, purpose in walk.resolver.refreshed]


async def test_a_popular_answer_is_asked_for_again_once_before_its_end() -> None:
    walk = await walk_with_entry_near_its_end()
    for _ in range(5):
        reply = await walk.ask(ask_for(NAME))
        walk.clock.pass_by(1.5)
        assert (walk.reason, ttls_of(reply)[0] <= 10) == (Reason.CACHED, True)
    assert [(query.qname, purpose) for query, purpose in walk.resolver.refreshed] == [(m.name(NAME), Purpose.PREFETCH)]


async def test_what_replaces_a_popular_answer_must_become_popular_by_itself() -> None:
    walk = await walk_with_entry_near_its_end()
    await walk.ask(ask_for(NAME))
    query, _ = walk.resolver.refreshed[0]
    walk.cache.store(query.key, address_of(query), walk.clock())
    walk.clock.pass_by(290)
    for times in (1, 1, 2):
        await walk.ask(ask_for(NAME))
        assert len(walk.resolver.refreshed) == times


@pytest.mark.parametrize(
    ("rules", "age"), [(CacheConfig(prefetch_percent=0), 299), (CacheConfig(), 269)], ids=["turned off", "too early"]
)
async def test_a_popular_answer_is_otherwise_left_alone(rules: CacheConfig, age: float) -> None:
    walk = Walk(rules=rules)
    await walk.ask(ask_for(NAME))
    walk.clock.pass_by(age)
    for _ in range(9):
        await walk.ask(ask_for(NAME))
    assert walk.resolver.refreshed == []


async def test_a_name_that_does_not_exist_is_not_asked_for_before_its_end() -> None:
    walk = Walk(script=denial)
    await walk.ask(ask_for(NAME))
    walk.clock.pass_by(599)
    for _ in range(9):
        await walk.ask(ask_for(f"below.{NAME}"))
    assert (walk.reason, walk.resolver.refreshed) == (Reason.CACHED, [])


async def test_without_room_in_the_budget_it_is_tried_again_a_second_later_and_costs_nobody_a_miss() -> None:
    walk = await walk_with_entry_near_its_end(Limits(misses=1))
    walk.resolver.has_room = False
    for _ in range(5):
        await walk.ask(ask_for(NAME))
    walk.resolver.has_room = True
    await walk.ask(ask_for(NAME))
    assert walk.resolver.refreshed == []
    walk.clock.pass_by(1)
    await walk.ask(ask_for(NAME))
    assert refreshed(walk) == [Purpose.PREFETCH]


async def test_asking_again_is_a_miss_of_the_client_that_made_it_necessary() -> None:
    walk = await walk_with_entry_near_its_end(Limits(misses=1))
    await walk.ask(ask_for(NAME))
    assert refreshed(walk) == [Purpose.PREFETCH]
    await walk.ask(ask_for("other.example.net"))
    assert walk.reason is Reason.MISS_LIMIT


async def test_a_client_over_its_miss_limit_has_nothing_asked_for_again() -> None:
    walk = await walk_with_entry_near_its_end(Limits(misses=1))
    await walk.ask(ask_for("other.example.net"))
    await walk.ask(ask_for(NAME))
    assert (walk.reason, walk.resolver.refreshed) == (Reason.CACHED, [])
    await walk.ask(ask_for(NAME), NEIGHBOUR)
    assert refreshed(walk) == [Purpose.PREFETCH]


async def test_what_is_given_beyond_its_time_under_pressure_is_asked_for_again_once_a_second() -> None:
    walk = await walk_with_stale_entry()
    walk.resolver.scarcity = 1.0
    for _ in range(3):
        await walk.ask(ask_for(NAME))
        assert walk.reason is Reason.STALE
    assert refreshed(walk) == [Purpose.REVALIDATION]
    walk.clock.pass_by(1)
    await walk.ask(ask_for(NAME))
    assert refreshed(walk) == [Purpose.REVALIDATION] * 2
    assert walk.resolver.asked == []


async def test_a_service_over_its_limit_asks_again_for_what_it_gives_stale() -> None:
    walk = await walk_with_stale_entry(Limits(total=1))
    await walk.ask(ask_for("localhost"))
    await walk.ask(ask_for(NAME))
    assert (walk.reason, refreshed(walk)) == (Reason.STALE, [Purpose.REVALIDATION])
    assert (await walk.send(post(ask_for("new.example.net")))).status == 503
    assert len(walk.resolver.refreshed) == 1


@pytest.mark.parametrize("scarcity", [0.0, 1.0], ids=["no pressure", "full pressure"])
@pytest.mark.parametrize("why_not", ["the client's limit", "the domain's limit", "a failure"])
async def test_a_stale_answer_is_not_asked_for_again_where_a_miss_would_not_be(why_not: str, scarcity: float) -> None:
    walk = await walk_with_stale_entry(Limits(misses=1), about_names=ONE_MISS)
    query = parse_query(ask_for(NAME))
    match why_not:
        case "a failure":
            walk.cache.remember_failure(query.key, Rcode.SERVFAIL, (), walk.clock())
        case "the domain's limit":
            walk.names.domains.charge(query.qname, walk.clock(), failed=False)
        case _:
            await walk.ask(ask_for("www.example.org"))
    walk.resolver.scarcity = scarcity
    await walk.ask(ask_for(NAME))
    assert (walk.reason, walk.resolver.refreshed) == (Reason.STALE, [])


async def test_what_is_asked_again_has_as_long_as_a_miss() -> None:
    walk = await walk_with_entry_near_its_end()
    await walk.ask(ask_for(NAME))
    assert walk.resolver.refresh_deadlines == [walk.clock() + 5.0]


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize("reason", [Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_REFUSED])
async def test_a_failure_is_told_and_remembered(reason: Reason) -> None:
    walk = Walk(script=lambda _: UpstreamFailure(reason))
    first = await walk.send(post(ask_for(NAME)))
    reply = dns.message.from_wire(first.body)
    assert (reply.rcode(), errors_in(reply)) == (dns.rcode.SERVFAIL, list(OUTCOMES[reason].errors))
    assert (walk.reason, max_age_of(first)) == (reason, 0)
    second = await walk.ask(ask_for(NAME), NEIGHBOUR)
    assert (second.rcode(), walk.reason) == (dns.rcode.SERVFAIL, Reason.FAILURE_REMEMBERED)
    assert errors_in(second) == [*OUTCOMES[reason].errors, ExtendedError.CACHED_ERROR]
    assert len(walk.resolver.asked) == 1


async def test_a_remembered_failure_costs_its_client_no_miss() -> None:
    walk = Walk(Limits(misses=1), script=lambda _: NOBODY_THERE)
    for _ in range(3):
        await walk.ask(ask_for(NAME))
    assert walk.reason is Reason.FAILURE_REMEMBERED


async def test_after_the_pause_the_upstream_is_asked_again_and_an_answer_ends_the_matter() -> None:
    walk = Walk(script=lambda _: NOBODY_THERE)
    await walk.ask(ask_for(NAME))
    walk.clock.pass_by(5)
    walk.resolver.script = address_of
    assert (await walk.ask(ask_for(NAME))).rcode() == dns.rcode.NOERROR
    await walk.ask(ask_for(NAME))
    assert walk.reason is Reason.CACHED


async def test_a_spent_budget_is_told_and_not_remembered() -> None:
    walk = Walk(script=lambda _: NO_BUDGET)
    reply = await walk.ask(ask_for(NAME))
    assert (reply.rcode(), errors_in(reply)) == (dns.rcode.SERVFAIL, [ExtendedError.NOT_READY])
    walk.resolver.script = address_of
    await walk.ask(ask_for(NAME))
    assert (walk.reason, len(walk.resolver.asked)) == (Reason.FORWARDED, 2)


@pytest.mark.parametrize(
    ("rcode", "told"),
    [(Rcode.SERVFAIL, Rcode.SERVFAIL), (Rcode.REFUSED, Rcode.REFUSED), (9, 9), (Rcode.BADVERS, Rcode.SERVFAIL)],
    ids=["SERVFAIL", "REFUSED", "NOTAUTH", "an rcode of EDNS"],
)
async def test_the_upstreams_own_words_for_a_failure_are_passed_on_and_remembered(rcode: int, told: int) -> None:
    def failure(query: Query) -> UpstreamFailure:
        explained = m.opt(m.option(m.EXTENDED_ERROR, b"\x00\x06"), rcode=rcode)
        return UpstreamFailure(Reason.UPSTREAM_REFUSED, rcode_of(query, rcode & 0xF, explained))

    walk = Walk(script=failure)
    replies = [await walk.ask(ask_for(NAME)) for _ in range(2)]
    own = [int(code) for code in OUTCOMES[Reason.UPSTREAM_REFUSED].errors]
    errors = own if rcode == Rcode.BADVERS else [6]
    assert [reply.rcode() for reply in replies] == [told, told]
    assert [errors_in(reply) for reply in replies] == [errors, [*errors, ExtendedError.CACHED_ERROR]]


@pytest.mark.parametrize(
    ("qtype", "said", "told"),
    [
        (Qtype.HTTPS, Rcode.NOTIMP, Rcode.NOTIMP),
        (Qtype.HTTPS, Rcode.FORMERR, Rcode.NOTIMP),
        (Qtype.HTTPS, Rcode.REFUSED, Rcode.REFUSED),
        (Qtype.HTTPS, Rcode.SERVFAIL, Rcode.SERVFAIL),
        (Qtype.A, Rcode.REFUSED, Rcode.SERVFAIL),
    ],
)
async def test_a_bare_failure_is_told_for_what_it_is_and_nothing_is_added(qtype: int, said: Rcode, told: Rcode) -> None:
    walk = Walk(script=lambda query: UpstreamFailure(Reason.UPSTREAM_REFUSED, rcode_of(query, said)))
    replies = [await walk.ask(ask_for(NAME, qtype)) for _ in range(2)]
    assert [int(reply.rcode()) for reply in replies] == [told, told]
    assert [errors_in(reply) for reply in replies] == [[], [ExtendedError.CACHED_ERROR]]


async def test_a_referral_is_no_answer() -> None:
    def referral(query: Query) -> UpstreamFailure:
        wire = m.answer(authority=(m.record(m.NS, m.ROOT),), asked=query.question)
        return UpstreamFailure(Reason.UPSTREAM_REFUSED, parse_answer(wire, query))

    reply = await Walk(script=referral).ask(ask_for(NAME))
    assert (reply.rcode(), reply.authority) == (dns.rcode.SERVFAIL, [])


async def test_running_out_of_patience_with_nothing_stale_is_a_timeout() -> None:
    walk = Walk(script=lambda _: None)
    assert (await walk.ask(ask_for(NAME))).rcode() == dns.rcode.SERVFAIL
    assert walk.reason is Reason.UPSTREAM_TIMEOUT


async def test_a_client_over_its_miss_limit_is_told_by_dns() -> None:
    walk = Walk(Limits(misses=1))
    await walk.ask(ask_for("other.example.net"))
    reply = await walk.ask(ask_for(NAME))
    assert (reply.rcode(), errors_in(reply)) == (dns.rcode.REFUSED, [ExtendedError.PROHIBITED])
    assert (await walk.ask(ask_for(NAME), NEIGHBOUR)).rcode() == dns.rcode.NOERROR


# ---------------------------------------------------------------- the books


async def test_an_outcome_has_what_the_books_need_and_no_more() -> None:
    walk = Walk()
    found = walk.begin(post(ask_for(NAME)))
    assert isinstance(found, Miss)
    walk.clock.pass_by(0.25)
    walk.resolve(found)
    outcome = walk.outcomes[0]
    assert (outcome.frontend, outcome.variant, outcome.dialect) == (Frontend.HTTP1, "POST", "rfc-post")
    assert (walk.seconds[-1], outcome.answered_rcode, outcome.fault) == (0.25, 0, None)


async def test_an_unknown_method_does_not_become_a_label() -> None:
    walk = Walk()
    await walk.send(HttpRequest("BREW", "/dns-query"))
    assert walk.outcomes[0].variant == "other"


async def test_a_fault_is_named_in_the_books() -> None:
    walk = Walk()
    response = await walk.send(post(ask_for(NAME) + b"trailing"))
    assert response.status == 200
    outcome = walk.outcomes[0]
    assert (outcome.fault, outcome.answered_rcode) == ("trailing_bytes", Rcode.FORMERR)


class TestPriorities:
    async def test_a_question_goes_to_the_upstreams_with_its_network_s_seniority(self) -> None:
        walk = Walk()
        await walk.ask(ask_for("one.example"), MEMBER)
        await walk.ask(ask_for("two.example"), CLIENT)
        member, stranger = (asked.priority for asked in walk.resolver.asked)
        assert member.rank == 0 < stranger.rank
        assert member.reserve == 0.0 < stranger.reserve
        assert stranger.path == CLIENT.path[:1]

    async def test_who_has_asked_more_than_a_fair_share_stands_behind_those_who_have_not(self) -> None:
        walk = Walk(limits=Limits(fair_share=3))
        for number in range(4):
            await walk.ask(ask_for(f"name{number}.example"))
        await walk.ask(ask_for("other.example"), NEIGHBOUR)
        ranks = [asked.priority.rank for asked in walk.resolver.asked]
        assert ranks[0] == ranks[1] == ranks[2] == ranks[4] < ranks[3]

    async def test_a_hit_costs_no_share(self) -> None:
        walk = Walk(limits=Limits(fair_share=1))
        for _ in range(5):
            await walk.ask(ask_for("name.example"))
        assert walk.request_limiter.statistics(walk.clock()).priorities.greedy == 0


# --- Pages ---


async def test_a_page_view_is_a_request_of_its_client_and_of_no_other_limit() -> None:
    walk = Walk(Limits(requests=3))
    see = walk.pipeline.admit_page_view
    assert [see(CLIENT, Frontend.HTTP1, walk.clock()) for _ in range(3)] == [None] * 3
    refused = see(CLIENT, Frontend.HTTP1, walk.clock())
    assert refused is not None
    assert (refused.reason, refused.retry_seconds) == (Reason.CLIENT_LIMIT, 1)
    assert see(NEIGHBOUR, Frontend.HTTP1, walk.clock()) is None
    # What is shown is in books of its own.
    assert [outcome.reason for outcome in walk.outcomes] == [Reason.CLIENT_LIMIT]
    assert (await walk.send(post(ask_for(NAME)))).status == 429


async def test_a_page_is_shown_when_every_limit_on_what_costs_more_is_reached() -> None:
    walk = exhausted(frozenset({"service", "miss", "domain"}))
    walk.pipeline.restrict(members_only=True, stubs_away=True, spare_strangers=True)
    assert walk.pipeline.admit_page_view(CLIENT, Frontend.HTTP2, walk.clock()) is None


# ---------------------------------------------------------------- what another node has told meanwhile


def told(walk: Walk, tell: Callable[[Query, float], None]) -> Script:
    """Upstreams that have another node's knowledge put into the cache, and say no more than that."""

    def script(query: Query) -> None:
        tell(query, walk.clock())

    return script


async def test_an_answer_of_another_node_is_given_with_what_is_left_of_its_time() -> None:
    walk = Walk()
    walk.resolver.script = told(
        walk, lambda query, now: walk.cache.receive(query.key, address_of(query), 300, now - 100, now)
    )
    response = await walk.send(post(ask_for(NAME)))
    assert (ttls_of(dns.message.from_wire(response.body)), max_age_of(response)) == ([200], 200)
    assert walk.reason is Reason.CACHED


async def test_a_stale_answer_of_another_node_is_given_as_one_of_our_own() -> None:
    walk = Walk()
    walk.resolver.script = told(
        walk, lambda query, now: walk.cache.receive(query.key, address_of(query), 300, now - 301, now)
    )
    assert_stale(walk, await walk.ask(ask_for(NAME)), asked=1)


async def test_a_stale_answer_of_another_node_is_given_where_the_upstream_fails_then() -> None:
    walk = Walk()

    def script(query: Query) -> UpstreamFailure:
        walk.cache.receive(query.key, address_of(query), 300, walk.clock() - 301, walk.clock())
        return NOBODY_THERE

    walk.resolver.script = script
    assert_stale(walk, await walk.ask(ask_for(NAME)), asked=1)


async def test_a_failure_that_another_node_remembers_is_told_as_remembered() -> None:
    walk = Walk()
    walk.resolver.script = told(
        walk,
        lambda query, now: walk.cache.receive_failure(
            query.key, RememberedFailure(Rcode.SERVFAIL, (ExtendedError.NETWORK_ERROR,), now + 5, 5)
        ),
    )
    reply = await walk.ask(ask_for(NAME))
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert errors_in(reply) == [ExtendedError.NETWORK_ERROR, ExtendedError.CACHED_ERROR]
    assert walk.reason is Reason.FAILURE_REMEMBERED
    await walk.ask(ask_for(NAME))
    assert len(walk.resolver.asked) == 1

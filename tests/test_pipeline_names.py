"""The walk by names: top-level domains that do not exist, domains that cost too much, and nobody else's harm."""

from dataclasses import replace

import dns.message
import dns.rcode
import pytest

from dohproxy.config import CacheConfig, NamesConfig
from dohproxy.exits import Miss
from dohproxy.outcomes import Client, Reason
from dohproxy.policy.domains import DomainBound
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.numbers import ExtendedError, Rcode
from dohproxy.wire.query import Query
from tests.fakes.resolver import Script
from tests.fakes.walk import (
    CLIENT,
    NEIGHBOUR,
    NO_DOMAIN_LIMITS,
    TELLING,
    Limits,
    Walk,
    address_of,
    ask_for,
    client_of,
    errors_in,
    post,
)
from tests.wire import messages as m

RANDOM = "abcdefghijklmnop.test.dnscrypt"
FEW = NamesConfig(
    domain_misses_per_second=1, domain_misses_burst=6, domain_failures_per_second=1, domain_failures_burst=2
)


def no_such_name(query: Query) -> Answer:
    """NXDOMAIN with an SOA."""
    wire = m.answer(authority=(m.soa(),), asked=query.question, flags=m.QR | m.RD | m.RA | Rcode.NXDOMAIN)
    return parse_answer(wire, query)


def no_such_type(query: Query) -> Answer:
    return parse_answer(m.answer(authority=(m.soa(),), asked=query.question), query)


def failing(rcode: Rcode) -> Script:
    def fail(query: Query) -> UpstreamFailure:
        wire = m.answer(asked=query.question, flags=m.QR | m.RD | m.RA | rcode)
        return UpstreamFailure(Reason.UPSTREAM_REFUSED, parse_answer(wire, query))

    return fail


def stranger(number: int) -> Client:
    return client_of(number.to_bytes(4), (number * 0x9E3779B97F4A7C15, number * 0xC2B2AE3D27D4EB4F))


async def flood(walk: Walk, attempts: int, domain: str = "example.net") -> int:
    """Ask for random names, each by another client; return how many the upstreams were asked for."""
    before = len(walk.resolver.asked)
    for number in range(attempts):
        await walk.ask(ask_for(f"r{number}.{domain}"), stranger(number + 1))
    return len(walk.resolver.asked) - before


# ---------------------------------------------------------------- top-level domains that do not exist


@pytest.mark.parametrize("name", [RANDOM, "qkwbvzrdsz", "printer.lan"])
async def test_a_name_that_cannot_exist_costs_nothing(name: str) -> None:
    walk = Walk(Limits(misses=1, slots=0), may_deny=True)
    for _ in range(3):
        response = await walk.send(post(ask_for(name, m.NS)))
        reply = dns.message.from_wire(response.body)
        assert (reply.rcode(), walk.reason) == (dns.rcode.NXDOMAIN, Reason.UNDELEGATED)
        assert dict(response.fields)["cache-control"] == "max-age=900"
        assert [rrset.ttl for rrset in reply.authority] == [900]
    assert walk.resolver.asked == []


async def test_the_id_and_the_question_come_back_as_sent() -> None:
    wire = b"\xca\xfe" + ask_for(RANDOM.upper(), m.NS)[2:]
    response = await Walk(may_deny=True).send(post(wire))
    assert response.body[:2] == b"\xca\xfe"
    assert response.body[12:].startswith(m.question(m.name(RANDOM.upper()), m.NS))


@pytest.mark.parametrize(
    "wire",
    [ask_for(RANDOM, dnssec_ok=True), ask_for(RANDOM, flags=m.RD | m.CD), ask_for("www.example.net"), ask_for(".")],
    ids=["DO", "CD", "a top-level domain that exists", "the root"],
)
async def test_whoever_validates_and_whatever_may_exist_goes_the_ordinary_way(wire: bytes) -> None:
    walk = Walk(may_deny=True)
    await walk.ask(wire)
    assert (walk.reason, len(walk.resolver.asked)) == (Reason.FORWARDED, 1)


async def test_special_names_are_answered_first_and_any_too() -> None:
    walk = Walk(may_deny=True)
    for name, qtype, reason in (
        ("a.onion", m.A, Reason.LOCAL),
        ("localhost", m.A, Reason.LOCAL),
        (RANDOM, m.ANY, Reason.MINIMAL_ANY),
    ):
        await walk.ask(ask_for(name, qtype))
        assert walk.reason is reason


async def test_nothing_is_denied_by_a_list_that_is_not_good_for_it() -> None:
    walk = Walk()
    await walk.ask(ask_for(RANDOM))
    assert walk.reason is Reason.FORWARDED


# ---------------------------------------------------------------- domains


async def test_a_flood_of_random_names_is_cut_off_and_told_by_dns() -> None:
    walk = Walk(about_names=FEW, script=no_such_name)
    assert await flood(walk, 20) == 2
    reply = await walk.ask(ask_for("new.example.net"))
    assert (reply.rcode(), errors_in(reply)) == (dns.rcode.REFUSED, [ExtendedError.PROHIBITED])
    assert walk.reason is Reason.DOMAIN_LIMIT


async def test_a_domain_with_real_names_goes_on_longer() -> None:
    assert await flood(Walk(about_names=FEW), 20) == 6


async def test_names_outside_the_domain_and_cached_ones_inside_go_on() -> None:
    walk = Walk(about_names=FEW)
    await walk.ask(ask_for("known.example.net"))
    walk.resolver.script = no_such_name
    await flood(walk, 20)
    walk.resolver.script = address_of
    walk.outcomes.clear()
    for name in ("known.example.net", "r0.example.net", "www.example.com"):
        await walk.ask(ask_for(name))
    assert [outcome.reason for outcome in walk.outcomes] == [Reason.CACHED, Reason.CACHED, Reason.FORWARDED]


async def test_a_name_that_was_known_is_answered_stale() -> None:
    walk = Walk(about_names=FEW)
    await walk.ask(ask_for("known.example.net"))
    walk.clock.pass_by(301)
    walk.resolver.script = no_such_name
    await flood(walk, 20)
    asked = len(walk.resolver.asked)
    reply = await walk.ask(ask_for("known.example.net"))
    assert (walk.reason, errors_in(reply)) == (Reason.STALE, [ExtendedError.STALE_ANSWER])
    assert len(walk.resolver.asked) == asked


async def test_a_name_refused_for_its_domain_costs_the_client_no_miss() -> None:
    walk = Walk(Limits(misses=1), about_names=FEW, script=no_such_name)
    await flood(walk, 2)
    for number in range(5):
        await walk.ask(ask_for(f"refused{number}.example.net"))
        assert walk.reason is Reason.DOMAIN_LIMIT
    await walk.ask(ask_for("www.example.com"))
    assert walk.reason is Reason.FORWARDED


async def test_a_client_over_its_own_limit_uses_up_no_domain() -> None:
    walk = Walk(Limits(misses=1), about_names=FEW)
    for number in range(20):
        await walk.ask(ask_for(f"r{number}.example.net"))
    assert walk.reason is Reason.MISS_LIMIT
    assert await flood(walk, 20) == 5


async def test_many_who_wait_for_one_name_are_let_through_as_its_domain_pays_for_fetches_alone() -> None:
    walk = Walk(about_names=FEW)
    misses = [walk.begin(post(ask_for("new.example.net")), stranger(number)) for number in range(1, 30)]
    assert all(isinstance(miss, Miss) for miss in misses)
    assert walk.names.domains.statistics(walk.clock()).fetches == 0


@pytest.mark.parametrize(
    ("script", "most"),
    [
        (no_such_name, 2),
        (failing(Rcode.SERVFAIL), 2),
        (lambda _: UpstreamFailure(Reason.UPSTREAM_TIMEOUT), 2),
        (address_of, 6),
        (no_such_type, 6),
        (failing(Rcode.REFUSED), 6),
        (lambda _: UpstreamFailure(Reason.UPSTREAM_UNREACHABLE), 6),
        (lambda _: UpstreamFailure(Reason.BUDGET_SPENT), 20),
    ],
    ids=[
        *("NXDOMAIN", "SERVFAIL", "silence", "an address", "NODATA", "REFUSED, which is about us"),
        *("an upstream that is away, which is not the domain's doing", "a spent budget, which costs nobody anything"),
    ],
)
async def test_what_a_domain_is_blamed_for(script: Script, most: int) -> None:
    assert await flood(Walk(about_names=FEW, script=script), 20) == most


async def test_the_first_client_to_hang_up_does_not_make_it_free() -> None:
    walk = Walk(about_names=FEW, script=no_such_name)
    for number in range(20):
        miss = walk.begin(post(ask_for(f"r{number}.example.net")), stranger(number + 1))
        if isinstance(miss, Miss):
            # What the resolver does when a fetch ends that nobody waits for any more.
            miss.slot.give_back()
            walk.resolver.learn(miss.query, no_such_name(miss.query))
    assert walk.names.domains.statistics(walk.clock()).fetches == 2
    assert walk.names.domains.statistics(walk.clock()).refused[DomainBound.FAILURES] == 18


async def test_a_domain_is_open_again_after_the_flood() -> None:
    walk = Walk(about_names=FEW, script=no_such_name)
    await flood(walk, 20)
    walk.clock.pass_by(1)
    walk.resolver.script = address_of
    await walk.ask(ask_for("www.example.net"), NEIGHBOUR)
    assert walk.reason is Reason.FORWARDED


async def test_random_names_under_no_top_level_domain_are_limited_for_those_who_validate() -> None:
    walk = Walk(about_names=FEW, may_deny=True, script=no_such_name)
    for number in range(20):
        await walk.ask(ask_for(f"r{number}", dnssec_ok=True), stranger(number + 1))
    assert (len(walk.resolver.asked), walk.reason) == (2, Reason.DOMAIN_LIMIT)
    await walk.ask(ask_for("r21"), CLIENT)
    assert walk.reason is Reason.UNDELEGATED


WITHHOLDING = replace(
    NO_DOMAIN_LIMITS, withhold_private_addresses=True, private_address_domains=("intern.example.org",)
)


def rebound(query: Query, *, ttl: int = 300) -> Answer:
    """What somebody says of a name who wants to reach into the asker's network."""
    return parse_answer(m.answer(m.record(rdata=b"\xc0\xa8\x01\x01", ttl=ttl), asked=query.question), query)


@pytest.mark.parametrize("about_names", [NO_DOMAIN_LIMITS, WITHHOLDING], ids=["as it comes", "withheld"])
async def test_a_private_address_of_a_public_name_is_withheld_if_that_is_wanted(about_names: NamesConfig) -> None:
    walk = Walk(about_names=about_names, script=rebound)
    for reason in (Reason.FORWARDED, Reason.CACHED):
        reply = await walk.ask(ask_for("www.example.net"))
        is_withheld = about_names is WITHHOLDING
        assert (reply.rcode(), len(reply.answer), walk.reason) == (dns.rcode.NOERROR, not is_withheld, reason)
        assert errors_in(reply) == ([ExtendedError.BLOCKED] if is_withheld else [])
    assert len(walk.resolver.asked) == 1


async def test_domains_of_ones_own_may_have_private_addresses() -> None:
    walk = Walk(about_names=WITHHOLDING, script=rebound)
    assert len((await walk.ask(ask_for("nas.intern.example.org"))).answer) == 1


async def test_what_goes_a_route_of_its_own_is_not_withheld() -> None:
    walk = Walk(about_names=WITHHOLDING, routed=("home.example.net",))
    walk.home.script = rebound
    assert len((await walk.ask(ask_for("nas.home.example.net"))).answer) == 1


async def test_what_is_not_kept_is_withheld_all_the_same() -> None:
    walk = Walk(rules=CacheConfig(negative_ttl_max_seconds=0), about_names=WITHHOLDING, script=rebound)
    for _ in range(2):
        assert (await walk.ask(ask_for("www.example.net"))).answer == []
        assert walk.reason is Reason.FORWARDED


async def test_what_fails_for_a_member_is_counted_apart_from_what_fails_for_strangers() -> None:
    walk = Walk(script=no_such_name, about_names=replace(FEW, domain_misses_burst=100, domain_failures_burst=20))
    member = client_of(b"\xc0\x00\x03\x01", (1 << 40, 12), (2 << 40, 14), member=True)
    assert await flood(walk, 40) == 20
    reasons = []
    for number in range(40):
        await walk.ask(ask_for(f"m{number}.example.net"), member)
        reasons.append(walk.reason)
    assert reasons[:10] == [Reason.FORWARDED] * 10
    assert reasons[-1] is Reason.DOMAIN_LIMIT


# ---------------------------------------------------------------- what the service says of itself

SVCB, RESINFO = 64, 261


@pytest.mark.parametrize(
    ("name", "qtype"),
    [
        ("_dns.resolver.arpa", SVCB),
        ("_dns.doh.example.net", SVCB),
        ("resolver.arpa", RESINFO),
        ("doh.example.net", RESINFO),
    ],
)
@pytest.mark.parametrize("flags", [m.RD, 0], ids=["with RD", "without RD"])
async def test_what_the_service_says_of_itself_is_said_at_once_whoever_has_the_name(
    name: str, qtype: int, flags: int
) -> None:
    walk = Walk(Limits(misses=1, slots=0), routed=("example.net",))
    walk.names.discovery.adopt(TELLING)
    for _ in range(3):
        response = await walk.send(post(ask_for(name, qtype, flags=flags)))
        reply = dns.message.from_wire(response.body)
        assert (reply.rcode(), len(reply.answer), walk.reason) == (dns.rcode.NOERROR, 1, Reason.LOCAL)
        assert dict(response.fields)["cache-control"] == "max-age=3600"
    assert walk.resolver.asked == walk.home.asked == []


async def test_who_validates_gets_what_is_published_of_the_service() -> None:
    walk = Walk()
    walk.names.discovery.adopt(TELLING)
    await walk.send(post(ask_for("_dns.doh.example.net", SVCB, dnssec_ok=True)))
    assert (walk.reason, len(walk.resolver.asked)) == (Reason.FORWARDED, 1)


@pytest.mark.parametrize(
    ("name", "flags", "reason"),
    [
        ("resolver.arpa", m.RD, Reason.LOCAL),
        ("resolver.arpa", 0, Reason.RECURSION_NOT_DESIRED),
        ("doh.example.net", m.RD, Reason.FORWARDED),
    ],
)
async def test_a_service_that_tells_nothing_of_itself_is_one_like_any(name: str, flags: int, reason: Reason) -> None:
    walk = Walk()
    response = await walk.send(post(ask_for(name, RESINFO, flags=flags)))
    assert walk.reason is reason
    count = response.body[6:8]
    assert count == (b"\x00\x01" if reason is Reason.FORWARDED else b"\x00\x00")

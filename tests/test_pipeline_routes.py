"""Names that have a resolver of their own, on their way through the walk."""

import struct
from dataclasses import replace

import dns.rcode
import pytest

from dohproxy.outcomes import Reason
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query
from tests.fakes.walk import NO_DOMAIN_LIMITS, Limits, Walk, address_of, ask_for
from tests.wire import messages as m

PRIVATE = ("10.in-addr.arpa", "168.192.in-addr.arpa", "home.arpa", "internal", "local", "lan", "intern.example.org")
ONE_MISS = replace(NO_DOMAIN_LIMITS, domain_misses_per_second=1, domain_misses_burst=1)
DS = 43


def no_such_name(query: Query) -> Answer:
    """A denial with the SOA of the root: all below the top-level domain is denied."""
    soa = m.record(m.SOA, m.ROOT + m.ROOT + struct.pack("!5I", 1, 2, 3, 4, 600), owner=m.ROOT)
    wire = m.answer(authority=(soa,), asked=query.question, flags=m.QR | m.RD | m.RA | Rcode.NXDOMAIN)
    return parse_answer(wire, query)


@pytest.mark.parametrize(
    "name",
    ["1.0.0.10.in-addr.arpa", "1.1.168.192.in-addr.arpa", "nas.home.arpa", "a.internal", "printer.local", "nas.lan"],
)
async def test_a_private_name_goes_to_the_resolver_that_knows_it_and_to_no_other(name: str) -> None:
    walk = Walk(routed=PRIVATE, may_deny=True)
    reply = await walk.ask(ask_for(name))
    assert (reply.rcode(), len(reply.answer), walk.reason) == (dns.rcode.NOERROR, 1, Reason.FORWARDED)
    assert ([asked.query.qname[-6:] for asked in walk.home.asked] != [], walk.resolver.asked) == (True, [])
    await walk.ask(ask_for(name))
    assert (walk.reason, len(walk.home.asked)) == (Reason.CACHED, 1)


@pytest.mark.parametrize("name", ["1.0.0.10.in-addr.arpa", "nas.home.arpa", "a.internal", "printer.local", "nas.lan"])
async def test_without_a_route_it_is_denied_here(name: str) -> None:
    walk = Walk(may_deny=True)
    reply = await walk.ask(ask_for(name))
    assert (reply.rcode(), walk.resolver.asked, walk.home.asked) == (dns.rcode.NXDOMAIN, [], [])


async def test_what_the_world_says_of_a_name_is_not_what_its_own_resolver_says() -> None:
    walk = Walk(routed=("intern.example.org", "nas.lan"), script=no_such_name)
    walk.home.script = address_of
    # A client that validates asks the parent; its denial is of the name and of all below it.
    await walk.ask(ask_for("intern.example.org", DS))
    await walk.ask(ask_for("other.lan"))
    assert (len(walk.resolver.asked), walk.home.asked) == (2, [])
    for name in ("www.intern.example.org", "intern.example.org", "nas.lan"):
        await walk.ask(ask_for(name))
        assert walk.reason is Reason.FORWARDED, name
    assert len(walk.home.asked) == 3


async def test_other_names_never_go_to_it() -> None:
    walk = Walk(routed=PRIVATE)
    for name in ("example.org", "www.example.com", "a.onion", "localhost", "."):
        await walk.ask(ask_for(name))
    assert walk.home.asked == []


async def test_any_is_answered_here_for_every_name() -> None:
    walk = Walk(routed=PRIVATE)
    await walk.ask(ask_for("nas.home.arpa", m.ANY))
    assert (walk.reason, walk.home.asked) == (Reason.MINIMAL_ANY, [])


@pytest.mark.parametrize("shared", [False, True], ids=["a budget of its own", "a budget shared with the others"])
async def test_the_limits_on_domains_hold_where_the_budget_is_shared(shared: bool) -> None:
    walk = Walk(routed=PRIVATE, about_names=ONE_MISS, routes_limit_domains=shared)
    for number in range(3):
        await walk.ask(ask_for(f"n{number}.intern.example.org"))
    assert len(walk.home.asked) == (1 if shared else 3)
    assert walk.reason is (Reason.DOMAIN_LIMIT if shared else Reason.FORWARDED)


async def test_the_clients_limits_hold_for_it_too() -> None:
    walk = Walk(Limits(misses=1), routed=PRIVATE)
    for number in range(2):
        await walk.ask(ask_for(f"n{number}.home.arpa"))
    assert (len(walk.home.asked), walk.reason) == (1, Reason.MISS_LIMIT)


async def test_its_failure_is_remembered_and_does_not_touch_the_others() -> None:
    walk = Walk(routed=PRIVATE)
    walk.home.script = lambda _: UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
    for _ in range(2):
        reply = await walk.ask(ask_for("nas.home.arpa"))
        assert reply.rcode() == dns.rcode.SERVFAIL
    assert (len(walk.home.asked), walk.reason) == (1, Reason.FAILURE_REMEMBERED)
    await walk.ask(ask_for("www.example.org"))
    assert walk.reason is Reason.FORWARDED


async def test_an_old_answer_is_renewed_where_it_came_from() -> None:
    walk = Walk(routed=PRIVATE)
    await walk.ask(ask_for("nas.home.arpa"))
    walk.clock.pass_by(400)
    walk.home.script = lambda _: None
    await walk.ask(ask_for("nas.home.arpa"))
    assert (walk.reason, walk.resolver.asked, walk.resolver.refreshed) == (Reason.STALE, [], [])


async def test_its_scarcity_is_its_own() -> None:
    walk = Walk(routed=PRIVATE)
    await walk.ask(ask_for("www.example.org"))
    walk.clock.pass_by(400)
    walk.home.scarcity = 1.0
    await walk.ask(ask_for("www.example.org"))
    assert (walk.reason, len(walk.resolver.asked)) == (Reason.FORWARDED, 2)

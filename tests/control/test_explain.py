"""What would happen to a question: the same as then happens, and nothing by being asked."""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest

from dohproxy.config import BansConfig, BlocklistConfig, CacheConfig, RulesConfig
from dohproxy.control import explain as module
from dohproxy.control.explain import Owners, explain, make_query, rcode_name, upstream_says, walk
from dohproxy.jobs.blocklist_watch import BlocklistWatch
from dohproxy.outcomes import Client, Reason
from dohproxy.policy.blocklists.by_hand import HandEntry
from dohproxy.policy.mode import Trial
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.upstream.resolver import UpstreamFailure
from dohproxy.upstream.statistics import Foreseen
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.name import from_text
from dohproxy.wire.query import Query
from tests.control.command_samples import FakeService
from tests.fakes.walk import (
    CLIENT,
    MEMBER,
    NEIGHBOUR,
    NO_DOMAIN_LIMITS,
    TELLING,
    Limits,
    Walk,
    address_of,
    ask_for,
    post,
)
from tests.wire import messages as m

NAME = "www.example.net"
BANNED = "429 over DoH, REFUSED over DoT"
EXEMPT = replace(CLIENT, exempt=True)


def denied(query: Query) -> Answer:
    wire = m.answer(authority=(m.soa(ttl=300),), asked=query.question, flags=m.QR | m.RD | m.RA | 3)
    return parse_answer(wire, query)


def as_asked(query: Query) -> Answer:
    return address_of(replace(query, question=query.qname + query.question[-4:]))


def failing(_: Query) -> UpstreamFailure:
    return UpstreamFailure(Reason.UPSTREAM_TIMEOUT)


def owners_of(one: Walk) -> Owners:
    """Return whom a walk asks."""
    return Owners(one.request_limiter, one.names, one.routes, one.pipeline, one.penalties.bans, switches=one.switches)


def everything(one: Walk) -> tuple[Any, ...]:
    """Return all that could change."""
    now = one.clock()
    cache = one.cache
    keys = list(cache.by_recency(1_000))
    return (
        asdict(cache.statistics()),
        keys,
        [(entry.hits, entry.refresh_at) for key in keys if (entry := cache.peek(key)) is not None],
        list(cache._failures._known),
        asdict(one.request_limiter.statistics(now)),
        [one.request_limiter.wait_for_request(client, now) for client in (CLIENT, NEIGHBOUR)],
        asdict(one.names.domains.statistics(now)),
        bytes(one.names.domains._failures._slots),
        bytes(one.names.domains._misses._slots),
        dict(one.names.probes.statistics()),
        len(one.resolver.asked),
        len(one.resolver.refreshed),
        len(one.outcomes),
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A state, a question, and how it ends."""

    make: Callable[[], Walk]
    before: Callable[[Walk], Awaitable[None]] | None
    reason: Reason
    stage: str
    name: str = NAME
    qtype: int = m.A
    client: Client = CLIENT


def then(*names: str, after: float = 0.0, script: Any = None) -> Callable[[Walk], Awaitable[None]]:
    """Ask these names, let so many seconds pass, and have the upstream say something else from then on."""

    async def before(one: Walk) -> None:
        for name in names:
            await one.send(post(ask_for(name, edns=False)))
        one.clock.now += after
        if script is not None:
            one.resolver.script = script

    return before


def lists(one: Walk, *configs: BlocklistConfig) -> None:
    """Let the walk have these lists."""
    BlocklistWatch(configs, one.names.blocklists, one.pipeline.rules_changed, 0.0)


async def listed(one: Walk) -> None:
    lists(one, BlocklistConfig("court", names=(NAME,), reason="law", reference="27/1"))


async def telling(one: Walk) -> None:
    one.names.discovery.adopt(TELLING)


async def listed_and_let_through(one: Walk) -> None:
    await listed(one)
    one.names.blocklists.by_hand.put(HandEntry(from_text(NAME), False, False, math.inf))


async def blocked_by_hand(one: Walk) -> None:
    one.names.blocklists.by_hand.put(HandEntry(from_text(NAME), True, False, math.inf))
    one.names.blocklists.changed_by_hand(0.0)


async def client_listed(one: Walk) -> None:
    lists(one, BlocklistConfig("home", networks=(ip_network("192.0.2.0/24"),)))


async def full(one: Walk) -> None:
    while one.request_limiter.take_slot(MEMBER, one.clock.now) is not None:
        pass


async def alone(one: Walk) -> None:
    one.pipeline.restrict(members_only=True, stubs_away=False, spare_strangers=False)


async def spared(one: Walk) -> None:
    await then(NAME, after=400)(one)
    one.pipeline.restrict(members_only=False, stubs_away=False, spare_strangers=True)


async def scarce(one: Walk) -> None:
    await then(NAME, after=400)(one)
    one.resolver.scarcity = 1.0


ELASTIC = CacheConfig(minimum_ttl_under_pressure_seconds=1_800)
ONE_FAILURE = replace(NO_DOMAIN_LIMITS, domain_failures_per_second=0.1, domain_failures_burst=1)
CASES = {
    "the client is over its limit": Case(
        lambda: Walk(Limits(requests=1)), then(NAME), Reason.CLIENT_LIMIT, "client's limit"
    ),
    "an exempt client is never over its limit": Case(
        lambda: Walk(Limits(requests=1)), then(NAME), Reason.CACHED, "cache", client=EXEMPT
    ),
    "members alone are served": Case(Walk, alone, Reason.MEMBERS_ONLY, "mode"),
    "an exempt client is served as a member is": Case(Walk, alone, Reason.FORWARDED, "upstream", client=EXEMPT),
    "a stranger who is to spare the upstreams": Case(lambda: Walk(rules=ELASTIC), spared, Reason.STALE, "cache"),
    "the type is refused": Case(Walk, None, Reason.TYPE_REFUSED, "question", qtype=252),
    "the name is special": Case(Walk, None, Reason.LOCAL, "local answers", name="printer.local"),
    "ANY": Case(Walk, None, Reason.MINIMAL_ANY, "local answers", qtype=255),
    "the service itself": Case(Walk, telling, Reason.LOCAL, "local answers", name="_dns.doh.example.net", qtype=64),
    "a listed name": Case(Walk, listed, Reason.CENSORED, "blocklists"),
    "a name that is blocked by hand": Case(Walk, blocked_by_hand, Reason.BLOCKED, "blocklists"),
    "a listed name that is let through": Case(Walk, listed_and_let_through, Reason.FORWARDED, "upstream"),
    "a listed client": Case(Walk, client_listed, Reason.PROHIBITED, "client's network"),
    "a member of a listed network": Case(
        Walk, client_listed, Reason.FORWARDED, "upstream", client=replace(CLIENT, member=True)
    ),
    "an exempt client of a listed network": Case(Walk, client_listed, Reason.FORWARDED, "upstream", client=EXEMPT),
    "a client of no listed network": Case(Walk, client_listed, Reason.FORWARDED, "upstream", client=NEIGHBOUR),
    "a fresh answer": Case(Walk, then(NAME, after=10), Reason.CACHED, "cache"),
    "a fresh denial": Case(lambda: Walk(script=denied), then(NAME, after=10), Reason.CACHED, "cache"),
    "an answer that is kept under pressure": Case(lambda: Walk(rules=ELASTIC), scarce, Reason.STALE, "cache"),
    "a probe of Android": Case(
        lambda: Walk(script=as_asked),
        then("abcdef-dnsohttps-ds.metric.gstatic.com"),
        Reason.CACHED,
        "cache",
        name="ghijkl-dnsohttps-ds.metric.gstatic.com",
    ),
    "no such top-level domain": Case(
        lambda: Walk(may_deny=True), None, Reason.UNDELEGATED, "undelegated names", name="a.nowhere"
    ),
    "a remembered failure": Case(
        lambda: Walk(script=failing), then(NAME, after=1), Reason.FAILURE_REMEMBERED, "remembered failure"
    ),
    "a remembered failure with an old answer": Case(
        Walk, then(NAME, after=400), Reason.STALE, "remembered failure", name="old.example.net"
    ),
    "the service is over its limit": Case(
        lambda: Walk(Limits(total=1)), then("a.example.net"), Reason.SERVICE_LIMIT, "service's limit"
    ),
    "the domain is over its limit": Case(
        lambda: Walk(about_names=ONE_FAILURE, script=denied),
        then("a.example.net", "b.example.net"),
        Reason.DOMAIN_LIMIT,
        "domain's limit",
    ),
    "the client is over its miss limit": Case(
        lambda: Walk(Limits(misses=1)), then("a.example.net"), Reason.MISS_LIMIT, "client's miss limit"
    ),
    "all places are taken": Case(Walk, full, Reason.SERVICE_LIMIT, "places for misses"),
    "nothing is known": Case(Walk, None, Reason.FORWARDED, "upstream"),
    "an old answer and an upstream that may be asked": Case(Walk, then(NAME, after=400), Reason.FORWARDED, "upstream"),
    "a route of its own": Case(lambda: Walk(routed=("example.net",)), None, Reason.FORWARDED, "upstream"),
}


async def fail_once_more(one: Walk) -> None:
    """Have an old answer, and a failure to renew it."""
    await then("old.example.net", after=400, script=failing)(one)
    await one.send(post(ask_for("old.example.net", edns=False)))


CASES["a remembered failure with an old answer"] = replace(
    CASES["a remembered failure with an old answer"], before=fail_once_more
)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_what_is_foretold_happens_and_the_telling_changes_nothing(case: Case) -> None:
    one = case.make()
    if case.before is not None:
        await case.before(one)
    before = everything(one)
    query = make_query(case.name, case.qtype, dnssec_ok=False)
    stages = list(walk(owners_of(one), query, case.client, one.clock()))
    assert everything(one) == before
    last = stages[-1]
    assert (last.name, last.ends) == (case.stage, True), [(stage.name, stage.says) for stage in stages]
    assert all(not stage.ends for stage in stages[:-1])
    await one.send(post(ask_for(case.name, case.qtype, edns=False)), case.client)
    assert one.reason is case.reason
    assert last.reason is (None if case.reason is Reason.FORWARDED else case.reason)


async def test_what_withholds_a_name_is_told_with_what_clients_are_told() -> None:
    one = Walk()
    await listed(one)
    before = [each.hits for each in one.names.blocklists.lists]
    last = list(walk(owners_of(one), make_query(NAME, m.A, dnssec_ok=False), None, one.clock()))[-1]
    assert last.says == 'the list court withholds it: REFUSED, EDE 16, "court: 27/1"'
    assert [each.hits for each in one.names.blocklists.lists] == before == [0]


async def test_without_a_client_no_limit_of_clients_is_looked_at() -> None:
    one = Walk(Limits(requests=1, misses=1))
    await then(NAME)(one)
    stages = list(walk(owners_of(one), make_query("other.example.net", m.A, dnssec_ok=False), None, one.clock()))
    assert [stage.says for stage in stages[:2]] == [
        "not looked at: no client was named",
        "is not looked at: no client was named",
    ]
    assert stages[-1].name == "upstream"
    assert "client's miss limit" not in {stage.name for stage in stages}


@pytest.mark.parametrize(("number", "name"), [(0, "NOERROR"), (3, "NXDOMAIN"), (3_841, "rcode 3841")])
def test_an_rcode_has_its_name_or_its_number(number: int, name: str) -> None:
    assert rcode_name(number) == name


@pytest.mark.parametrize("dnssec_ok", [False, True])
def test_the_question_is_what_a_stub_would_send(dnssec_ok: bool) -> None:
    query = make_query(NAME, m.A, dnssec_ok=dnssec_ok)
    assert (query.qname, query.qtype, query.dnssec_ok, query.recursion_desired) == (
        *(from_text(NAME), m.A, dnssec_ok, True),
    )


@pytest.mark.parametrize(
    ("foreseen", "told"),
    [
        (Foreseen(True, None, 0.0, 0.0), "an equal question is under way"),
        (Foreseen(False, "ns0", 12.7, 0.0), "ns0 is asked, whose budget allows 13 queries now"),
        (Foreseen(False, None, 0.0, float("inf")), "nobody can be asked"),
        (Foreseen(False, None, 0.0, 0.25), "waits for its turn, 0.2 s or more"),
    ],
    ids=["joined", "asked", "nobody", "waiting"],
)
def test_what_upstream_would_be_asked_is_said_with_its_budget(foreseen: Foreseen, told: str) -> None:
    assert told in upstream_says(foreseen)


async def test_the_command_says_how_it_ends_first() -> None:
    one = Walk()
    one.clock.now = time.monotonic()
    await then(NAME)(one)
    service = FakeService()
    service.walked = owners_of(one)
    given = {"name": NAME, "type": "A", "client": "192.0.2.1", "dnssec": False}
    result = await explain(service, given)
    assert result.sentence.startswith(f"{NAME} A for 192.0.2.1: was answered ")
    assert (result.figures["ends_at"], result.figures["reason"]) == ("cache", "cached")
    assert result.lines[:2] == ["bans: the client is not banned", "client's limit: the client is within it"]
    assert module.ARGUMENTS[0].is_private


@pytest.mark.parametrize(
    ("mode", "says", "ends"),
    [
        (
            "enforce",
            f"the client is banned by rule for 60 s more (base64): closed, or behind a front proxy {BANNED}",
            True,
        ),
        ("shadow", "the client would be banned by rule for 60 s more (base64), but bans.mode is shadow", False),
    ],
)
async def test_a_ban_is_told_first(mode: Any, says: str, ends: bool) -> None:
    one = Walk(ban_rules=BansConfig(mode=mode))
    one.penalties.bans.ban_by_rule(CLIENT, 0, "base64", one.clock())
    found = list(walk(owners_of(one), make_query(NAME, 1, dnssec_ok=False), CLIENT, one.clock()))
    assert (found[0].name, found[0].says, found[0].ends, len(found) == 1) == ("bans", says, ends, ends)
    assert one.penalties.bans.statistics().in_shadow == 0


async def test_who_is_let_in_by_command_is_told() -> None:
    one = Walk()
    one.penalties.bans.unban(parse_prefix("192.0.2.0/23"), 30.0, one.clock())
    found = next(iter(walk(owners_of(one), make_query(NAME, 1, dnssec_ok=False), CLIENT, one.clock())))
    assert found.says == "the client is let in by command for 30 s more"


@pytest.mark.parametrize("is_banned", [False, True], ids=["in peace", "banned by rule"])
async def test_an_address_from_which_a_token_came_is_told_to_be_known(is_banned: bool) -> None:
    one = Walk(ban_rules=BansConfig())
    if is_banned:
        one.penalties.bans.ban_by_rule(CLIENT, 0, "base64", one.clock())
    known = replace(owners_of(one), knows=lambda client, _: client is CLIENT)
    address, ban, *_ = walk(known, make_query(NAME, 1, dnssec_ok=False), CLIENT, one.clock())
    assert (address.name, address.ends) == ("address", False)
    assert address.says.startswith("a member's token has come from it lately")
    says = f"the client is banned by rule for 60 s more (base64): {BANNED}, and with the token it is served"
    assert ban.says == (says if is_banned else "the client is not banned")
    neighbour = next(walk(known, make_query(NAME, 1, dnssec_ok=False), NEIGHBOUR, one.clock()))
    assert neighbour.name == "bans"


# ---------------------------------------------------------------- rules that do not act


def use_up_requests(one: Walk) -> None:
    one.request_limiter.admit_request(CLIENT, one.clock())


def use_up_misses(one: Walk) -> None:
    one.request_limiter.admit_miss(CLIENT, one.clock())


def use_up_service(one: Walk) -> None:
    for _ in range(4):
        one.request_limiter.admit_to_service(one.clock())


def use_up_domain(one: Walk) -> None:
    one.names.domains.charge(from_text(NAME), one.clock(), failed=False)


def would_be_alone(one: Walk) -> None:
    trial = Trial(members_only=True, spares_strangers=True, rule=one.switches[Rule.LISTED_REACTION])
    one.pipeline.restrict(members_only=False, stubs_away=False, spare_strangers=False, trial=trial)


NARROW = replace(NO_DOMAIN_LIMITS, domain_misses_per_second=1, domain_misses_burst=1)


@pytest.mark.parametrize(
    ("rule", "stage", "settings", "prepare", "name"),
    [
        (Rule.CLIENT_LIMIT, "client's limit", {"limits": Limits(requests=1)}, use_up_requests, NAME),
        (Rule.MISS_LIMIT, "client's miss limit", {"limits": Limits(misses=1)}, use_up_misses, NAME),
        (Rule.SERVICE_LIMIT, "service's limit", {"limits": Limits(total=4)}, use_up_service, NAME),
        (Rule.DOMAIN_LIMIT, "domain's limit", {"about_names": NARROW}, use_up_domain, NAME),
        (Rule.UNDELEGATED, "undelegated names", {"may_deny": True}, lambda _: None, "www.example.de"),
        (Rule.LISTED_REACTION, "mode", {}, would_be_alone, NAME),
    ],
)
@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_rule_that_does_not_act_is_told_and_the_walk_goes_on(
    rule: Rule, stage: str, settings: Any, prepare: Callable[[Walk], None], name: str, mode: Any
) -> None:
    one = Walk(switches=RuleSwitches(RulesConfig(**{rule.value: mode})), **settings)
    prepare(one)
    before = everything(one), one.switches.statistics()
    found = list(walk(owners_of(one), make_query(name, 1, dnssec_ok=False), CLIENT, one.clock()))
    [told] = [one.says for one in found if one.name == stage]
    says = f"; but rules.{rule} is shadow, so that is only counted" if mode == "shadow" else f"(rules.{rule} is off)"
    assert says in told
    assert found[-1].name == "upstream"
    assert (everything(one), one.switches.statistics()) == before


def test_a_mode_that_an_operator_tries_is_told() -> None:
    one = Walk()
    rule = one.switches[Rule.MEMBERS_ONLY]
    rule.adopt("shadow", 0.0)
    trial = Trial(members_only=True, spares_strangers=False, rule=rule)
    one.pipeline.restrict(members_only=False, stubs_away=False, spare_strangers=False, trial=trial)
    found = list(walk(owners_of(one), make_query(NAME, 1, dnssec_ok=False), CLIENT, one.clock()))
    [told] = [stage.says for stage in found if stage.name == "mode"]
    refused = "403 over DoH, REFUSED over DoT"
    assert told == f"the client is no member: {refused}; but mode members is shadow, so that is only counted"
    assert (found[-1].name, rule.shadowed) == ("upstream", 0)


def test_lists_that_are_only_tried_are_told_and_nothing_is_counted() -> None:
    one = Walk()
    network = (ip_network("192.0.2.0/24"),)
    tried = [
        BlocklistConfig("ads", names=(NAME,), mode="shadow"),
        BlocklistConfig("home", networks=network, mode="shadow"),
    ]
    watch = BlocklistWatch(tried, one.names.blocklists, one.pipeline.rules_changed, 0.0)
    found = list(walk(owners_of(one), make_query(NAME, 1, dnssec_ok=False), CLIENT, one.clock()))
    told = {stage.name: stage.says for stage in found}
    assert told["blocklists"] == (
        "the list ads would withhold it, but blocklist.ads.mode is shadow, so that is only counted"
    )
    assert told["client's network"] == (
        "the list home would refuse it, but blocklist.home.mode is shadow, so that is only counted"
    )
    assert [list_.shadowed for list_ in watch.statistics(0.0)] == [0, 0]


def test_a_list_that_would_let_through_is_told_beside_what_withholds() -> None:
    one = Walk()
    lists(
        one,
        BlocklistConfig("ads", names=(NAME,)),
        BlocklistConfig("good", names=(NAME,), action="allow", mode="shadow"),
    )
    last = list(walk(owners_of(one), make_query(NAME, 1, dnssec_ok=False), CLIENT, one.clock()))[-1]
    assert last.reason is Reason.BLOCKED
    assert "the list good would let it through, but blocklist.good.mode is shadow" in last.says

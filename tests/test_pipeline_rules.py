"""The walk past each rule that can be tried: enforced, in shadow, off."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

import pytest

from dohproxy.config import BansConfig, BlocklistConfig, NamesConfig, RulesConfig
from dohproxy.config.schema import RuleMode
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.exits import Miss
from dohproxy.jobs.blocklist_watch import BlocklistWatch
from dohproxy.outcomes import Client, Frontend, Reason
from dohproxy.policy.mode import Trial
from dohproxy.policy.penalties import Offence
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query
from tests.fakes.walk import CLIENT, MEMBER, NO_DOMAIN_LIMITS, Limits, Walk, ask_for, post
from tests.wire import messages as m

NAME = "www.example.net"
ABSENT = "www.example.de"
"""Under a top-level domain that the list does not have."""
STUB = replace(post(ask_for(NAME)), list_stub=True)
WALK = post(ask_for(NAME))
NETWORK = ip_network("192.0.2.0/24")


@dataclass(frozen=True, slots=True)
class Case:
    """A state in which a rule acts on the next request."""

    rule: Rule
    reason: Reason
    """How that ends if the rule acts."""
    prepare: Callable[[Walk], None] = lambda _: None
    settings: dict[str, Any] = field(default_factory=dict)
    request: HttpRequest = WALK
    points: bool = False
    """Whether a request that ends so costs points."""


def use_up_requests(walk: Walk) -> None:
    walk.request_limiter.admit_request(CLIENT, walk.clock())


def use_up_misses(walk: Walk) -> None:
    walk.request_limiter.admit_miss(CLIENT, walk.clock())


def use_up_service(walk: Walk) -> None:
    while not walk.request_limiter.admit_to_service(walk.clock()):
        if walk.switches[Rule.SERVICE_LIMIT].is_off:
            return


def use_up_domain(walk: Walk) -> None:
    walk.names.domains.charge(from_text(NAME), walk.clock(), failed=False)


def turn_stubs_away(walk: Walk) -> None:
    walk.pipeline.restrict(members_only=False, stubs_away=True, spare_strangers=False)


def serve_members(walk: Walk) -> None:
    """What `Alerting.apply_mode` does with each mode of the rule."""
    switch = walk.switches[Rule.LISTED_REACTION]
    holds = switch.is_enforced
    trial = Trial(members_only=True, spares_strangers=True, rule=switch) if switch.is_in_shadow else None
    walk.pipeline.restrict(members_only=holds, stubs_away=False, spare_strangers=False, trial=trial)


CASES = [
    Case(Rule.CLIENT_LIMIT, Reason.CLIENT_LIMIT, use_up_requests, {"limits": Limits(requests=1)}, points=True),
    Case(Rule.MISS_LIMIT, Reason.MISS_LIMIT, use_up_misses, {"limits": Limits(misses=1)}, points=True),
    Case(Rule.SERVICE_LIMIT, Reason.SERVICE_LIMIT, use_up_service, {"limits": Limits(total=4)}),
    Case(
        *(Rule.DOMAIN_LIMIT, Reason.DOMAIN_LIMIT, use_up_domain),
        {"about_names": replace(NO_DOMAIN_LIMITS, domain_misses_per_second=1, domain_misses_burst=1)},
    ),
    Case(Rule.UNDELEGATED, Reason.UNDELEGATED, settings={"may_deny": True}, request=post(ask_for(ABSENT))),
    Case(Rule.LIST_STUB, Reason.LIST_STUB, turn_stubs_away, request=STUB),
    Case(Rule.LISTED_REACTION, Reason.MEMBERS_ONLY, serve_members),
]


def walk_of(case: Case, mode: RuleMode) -> Walk:
    """A walk in the state of a case, with its rule held so."""
    switches = RuleSwitches(RulesConfig(**{case.rule.value: mode}))
    walk = Walk(switches=switches, ban_rules=BansConfig(points=10), **case.settings)
    case.prepare(walk)
    return walk


def counted(walk: Walk) -> dict[Rule, int]:
    """What rules that are only tried would have done."""
    return {one.rule: one.shadowed for one in walk.switches.statistics() if one.shadowed}


def points(walk: Walk) -> float:
    """What was charged to clients: one request in so many is, so the countdown counts."""
    all_of_them = walk.penalties.of_outcomes.values()
    return sum(penalty.points + penalty.every - penalty.left for penalty in all_of_them)


def offences(walk: Walk) -> float:
    """What was charged for what upstreams said."""
    charged = walk.penalties.statistics(walk.clock()).points
    return charged[Offence.NXDOMAIN] + charged[Offence.SERVFAIL]


def failing(rcode: int) -> Callable[[Query], Answer | UpstreamFailure]:
    """An upstream that has no name."""

    def script(query: Query) -> Answer | UpstreamFailure:
        answer = parse_answer(m.answer(asked=query.question, flags=m.QR | m.RD | m.RA | rcode), query)
        return answer if rcode == Rcode.NXDOMAIN else UpstreamFailure(Reason.UPSTREAM_REFUSED, answer)

    return script


@pytest.mark.parametrize("rcode", [Rcode.NXDOMAIN, Rcode.SERVFAIL], ids=["NXDOMAIN", "SERVFAIL"])
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.rule in {Rule.DOMAIN_LIMIT, Rule.UNDELEGATED}], ids=lambda case: case.rule
)
async def test_what_upstreams_say_to_what_was_let_pass_costs_no_points(case: Case, rcode: int) -> None:
    modes: dict[RuleMode, bool] = {"shadow": False, "off": True}
    for mode, is_charged in modes.items():
        walk = walk_of(case, mode)
        walk.resolver.script = failing(rcode)
        await walk.send(case.request)
        assert len(walk.resolver.asked) == 1
        assert (offences(walk) > 0) is is_charged


async def test_a_name_of_a_list_that_is_only_tried_costs_no_points() -> None:
    walk = Walk(ban_rules=BansConfig(points=10))
    put(walk, BlocklistConfig("ads", names=("*.example.net",), mode="shadow"))
    walk.resolver.script = failing(Rcode.NXDOMAIN)
    await walk.send(WALK)
    assert offences(walk) == 0


@pytest.mark.parametrize("case", CASES, ids=[case.rule for case in CASES])
class TestEachRule:
    async def test_one_that_is_enforced_acts(self, case: Case) -> None:
        walk = walk_of(case, "enforce")
        await walk.send(case.request)
        assert (walk.reason, counted(walk), walk.resolver.asked) == (case.reason, {}, [])
        assert (points(walk) > 0) is case.points

    async def test_one_that_is_only_tried_counts_and_lets_pass(self, case: Case) -> None:
        walk = walk_of(case, "shadow")
        response = await walk.send(case.request)
        assert (response.status, walk.reason, counted(walk)) == (200, Reason.FORWARDED, {case.rule: 1})
        assert (points(walk), walk.charged) == (0, 0)

    async def test_one_that_is_off_lets_pass(self, case: Case) -> None:
        walk = walk_of(case, "off")
        response = await walk.send(case.request)
        assert (response.status, walk.reason, counted(walk)) == (200, Reason.FORWARDED, {})

    async def test_one_acts_as_soon_as_it_is_enforced(self, case: Case) -> None:
        walk = walk_of(case, "shadow")
        walk.switches.adopt(RulesConfig(), walk.clock())
        case.prepare(walk)
        await walk.send(case.request)
        assert (walk.reason, counted(walk)) == (case.reason, {})


# --- What is remembered of requests ---


def repeated(walk: Walk, request: HttpRequest, times: int, client: Client = CLIENT) -> None:
    """Send what has been read once so many times."""
    parsed = walk.service.read(request, Frontend.HTTP1)
    for _ in range(times):
        found = walk.repeat(parsed, client)
        if isinstance(found, Miss):
            found = walk.resolve(found)
        assert isinstance(found, HttpResponse)
        assert found.status == 200


def put(walk: Walk, *configs: BlocklistConfig) -> BlocklistWatch:
    return BlocklistWatch(configs, walk.names.blocklists, walk.pipeline.rules_changed, 0.0)


def shadowed(watch: BlocklistWatch) -> dict[str, int]:
    return {one.name: one.shadowed for one in watch.statistics(0.0)}


def test_a_name_in_a_list_that_is_only_tried_is_answered_and_counted_each_time() -> None:
    walk = Walk(ban_rules=BansConfig(points=10))
    watch = put(walk, BlocklistConfig("ads", names=("*.example.net",), mode="shadow"))
    repeated(walk, WALK, 100)
    repeated(walk, post(ask_for("www.example.org")), 5)
    assert shadowed(watch) == {"ads": 100}
    assert [outcome.reason for outcome in walk.outcomes[:100]] == [Reason.FORWARDED, *[Reason.CACHED] * 99]
    assert (points(walk), len(walk.resolver.asked)) == (0, 2)


def test_a_list_that_would_let_through_what_another_withholds_is_counted_each_time() -> None:
    walk = Walk()
    ads = BlocklistConfig("ads", names=("*.example.net",))
    watch = put(walk, ads, replace(ads, name="good", action="allow", mode="shadow"))
    repeated(walk, WALK, 10)
    assert {one.name: (one.hits, one.shadowed) for one in watch.statistics(0.0)} == {"ads": (10, 0), "good": (0, 10)}
    assert {outcome.reason for outcome in walk.outcomes} == {Reason.BLOCKED}


def test_clients_in_a_list_that_is_only_tried_are_served_and_counted_each_time() -> None:
    walk = Walk()
    watch = put(walk, BlocklistConfig("home", networks=(NETWORK,), mode="shadow"))
    repeated(walk, WALK, 10)
    repeated(walk, WALK, 7, MEMBER)
    assert shadowed(watch) == {"home": 10}


@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
def test_a_list_is_held_as_it_says(mode: RuleMode) -> None:
    walk = Walk()
    watch = put(walk, BlocklistConfig("ads", names=("*.example.net",), networks=(NETWORK,), mode=mode))
    found = walk.begin(WALK)
    if isinstance(found, Miss):
        walk.resolve(found)
    assert walk.reason is (Reason.PROHIBITED if mode == "enforce" else Reason.FORWARDED)
    assert shadowed(watch) == {"ads": 1 if mode == "shadow" else 0}


def test_a_name_that_would_be_denied_is_counted_each_time_also_from_the_cache() -> None:
    walk = Walk(switches=RuleSwitches(RulesConfig(undelegated="shadow")), may_deny=True)
    repeated(walk, post(ask_for(ABSENT)), 50)
    repeated(walk, WALK, 5)
    assert counted(walk) == {Rule.UNDELEGATED: 50}
    assert len(walk.resolver.asked) == 2


def test_a_client_over_its_limit_in_shadow_is_read_and_counted_once_a_request() -> None:
    walk = walk_of(CASES[0], "shadow")
    for number in range(1, 6):
        assert walk.pipeline.turn_away_early(CLIENT, Frontend.HTTP2, walk.clock()) is None
        repeated(walk, WALK, 1)
        assert counted(walk) == {Rule.CLIENT_LIMIT: number}


def test_a_cached_answer_costs_a_client_over_its_limit_nothing_in_shadow() -> None:
    walk = walk_of(CASES[0], "shadow")
    repeated(walk, WALK, 101)
    assert counted(walk) == {Rule.CLIENT_LIMIT: 101}
    assert [outcome.reason for outcome in walk.outcomes[1:]] == [Reason.CACHED] * 100


# --- The reaction to a public list ---


def test_members_are_not_counted_by_a_reaction_that_is_only_tried() -> None:
    walk = walk_of(CASES[-1], "shadow")
    repeated(walk, WALK, 3, MEMBER)
    repeated(walk, WALK, 2, CLIENT)
    assert counted(walk) == {Rule.LISTED_REACTION: 2}


def test_questions_that_the_upstreams_would_have_been_spared_are_counted() -> None:
    walk = Walk(switches=RuleSwitches(RulesConfig(listed_reaction="shadow")))
    repeated(walk, WALK, 1)
    trial = Trial(members_only=False, spares_strangers=True, rule=walk.switches[Rule.LISTED_REACTION])
    walk.pipeline.restrict(members_only=False, stubs_away=False, spare_strangers=False, trial=trial)
    walk.clock.now += 400.0
    repeated(walk, WALK, 1, CLIENT)
    assert counted(walk) == {Rule.LISTED_REACTION: 1}
    assert walk.reason is Reason.FORWARDED
    walk.clock.now += 400.0
    repeated(walk, WALK, 1, MEMBER)
    assert counted(walk) == {Rule.LISTED_REACTION: 1}


# --- Private addresses ---


def to_a_printer(query: Query) -> Answer:
    record = m.record(query.qtype, bytes((192, 168, 0, 1)), ttl=300)
    return parse_answer(m.answer(record, asked=query.question), query)


@pytest.mark.parametrize(
    ("mode", "withheld", "shadow"), [("enforce", 1, {}), ("shadow", 0, {Rule.PRIVATE_ADDRESSES: 1}), ("off", 0, {})]
)
async def test_private_addresses_are_withheld_only_if_the_rule_acts(
    mode: RuleMode, withheld: int, shadow: dict[Rule, int]
) -> None:
    names = replace(NO_DOMAIN_LIMITS, withhold_private_addresses=True)
    switches = RuleSwitches(RulesConfig(private_addresses=mode))
    walk = Walk(switches=switches, about_names=names, script=to_a_printer, may_deny=True)
    reply = await walk.ask(ask_for(NAME))
    assert len(reply.answer) == 1 - withheld
    assert walk.names.rebinding is not None
    assert (walk.names.rebinding.withheld, counted(walk)) == (withheld, shadow)


def test_another_configuration_of_names_keeps_the_switches() -> None:
    walk = Walk(switches=RuleSwitches(RulesConfig(private_addresses="shadow")))
    walk.names.adopt(NamesConfig(withhold_private_addresses=True), 900, walk.clock())
    assert walk.names.rebinding is not None
    assert walk.names.rebinding.switch is walk.switches[Rule.PRIVATE_ADDRESSES]

"""The command `explain`: what would happen to a question now, stage by stage, and why.

The owners are asked in the walk's order (`pipeline`), each by a question that changes nothing: nothing is charged or
counted, no entry moves, and nobody is asked upstream. What a frontend does before, such as the shape of HTTP, and what
is remembered of equal requests for a moment, is left out: the name is typed, and not sent.
"""

import math
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from typing import Any, Final, Protocol

from dohproxy.cache import Entry, Freshness
from dohproxy.cache.substitutes import content_instead
from dohproxy.config.keys import Switch, Text, show
from dohproxy.control.command import Argument, Result
from dohproxy.control.names import NAME, parse_address, parse_type, type_number
from dohproxy.outcomes import NOBODY, Client, Reason, told_as
from dohproxy.policy.bans import Bans
from dohproxy.policy.blocklists.lists import Blocklist, Blocklists
from dohproxy.policy.blocklists.withheld import answer_withheld
from dohproxy.policy.domains import DomainBound
from dohproxy.policy.mode import Trial
from dohproxy.policy.names import NameRules
from dohproxy.policy.probes import ClientProbes
from dohproxy.policy.refusals import refuse
from dohproxy.policy.request_limiter import RequestLimiter
from dohproxy.policy.rule_switches import Rule, RuleSwitches, key_of
from dohproxy.policy.special_names import answer_any, answer_locally
from dohproxy.routes import Route, Routes
from dohproxy.upstream.statistics import Foreseen
from dohproxy.wire.answer import Kind
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import CLASS_IN, RD, Qtype, Rcode
from dohproxy.wire.query import Query, parse_query

ARGUMENTS: Final = (
    Argument("name", NAME, is_required=True, is_private=True),
    Argument(
        "type",
        Text(parse_type, "a type", "AAAA", "The type of records that is asked for."),
        is_option=True,
        default="A",
    ),
    Argument(
        "client",
        Text(
            parse_address,
            "an address",
            "192.0.2.1",
            "Who asks, so that the limits of clients are looked at too.",
        ),
        is_option=True,
        is_private=True,
    ),
    Argument("dnssec", Switch("Ask with DO, as who validates does."), is_option=True, default=False),
)
_OPT_WITH_DO: Final = struct.pack("!BHHIH", 0, Qtype.OPT, 1_232, 0x8000, 0)
_BOUNDS: Final = {
    DomainBound.MISSES: "has had as many queries as one domain may (names.domain_misses_per_second)",
    DomainBound.FAILURES: "had too many queries that came to nothing (names.domain_failures_per_second)",
    DomainBound.CLIENT_SHARE: "had many queries that came to nothing, and this client its share of them",
}


class Strangers(Protocol):
    """How those who are no members are held; the walk itself is one."""

    @property
    def is_for_members(self) -> bool:
        """Whether members and exempt networks alone are served."""

    @property
    def spares_strangers(self) -> bool:
        """Whether strangers get older answers."""

    @property
    def trial(self) -> Trial | None:
        """How strangers would be held, if that were not only tried."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Those whom the walk asks."""

    request_limiter: RequestLimiter
    names: NameRules
    routes: Routes
    strangers: Strangers
    bans: Bans
    knows: Callable[[Client, float], bool] = lambda _client, _now: False
    """Tells whether a member's token, or certificate, has come from a client's address lately."""
    switches: RuleSwitches = field(default_factory=RuleSwitches)
    """How rules are held."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage would do."""

    name: str
    says: str
    reason: Reason | None = None
    """How the walk would end here; None if it would go on, or has to wait for an upstream."""
    ends: bool = False


class HasOwners(Protocol):
    """A service whose walk can be explained."""

    def owners(self) -> Owners:
        """Return those whom the walk asks."""

    def look_at(self, packed: bytes) -> Client:
        """Return the client at a packed address, and remember nothing."""


async def explain(service: HasOwners, values: Mapping[str, Any]) -> Result:
    """Walk a question without effect."""
    query = make_query(values["name"], type_number(values["type"]), dnssec_ok=values["dnssec"])
    address = values["client"]
    client = None if address is None else service.look_at(ip_address(address).packed)
    stages = list(walk(service.owners(), query, client, time.monotonic()))
    last = stages[-1]
    what = f"{values['name']} {values['type']}" + ("" if address is None else f" for {address}")
    figures = {
        "name": values["name"],
        "type": values["type"],
        "client": address,
        "ends_at": last.name,
        "reason": "asked" if last.reason is None else last.reason.name.lower(),
        "stages": [{**asdict(stage), "reason": stage.reason and stage.reason.name.lower()} for stage in stages],
    }
    return Result(f"{what}: {last.says}.", figures, [f"{stage.name}: {stage.says}" for stage in stages])


def make_query(name: str, qtype: int, *, dnssec_ok: bool) -> Query:
    """Return the query of a stub that asks for recursion; the name is one that has been read."""
    question = from_text(name) + qtype.to_bytes(2) + CLASS_IN.to_bytes(2)
    additional = _OPT_WITH_DO if dnssec_ok else b""
    header = struct.pack("!6H", 0, RD, 1, 0, 0, 1 if dnssec_ok else 0)
    return parse_query(header + question + additional)


def walk(owners: Owners, query: Query, client: Client | None, now: float) -> Iterator[Stage]:
    """Yield the stages in order, the one where it ends last. Without a client no limit of clients is looked at."""
    for stage in _stages(owners, query, client, now):
        yield stage
        if stage.ends:
            return


def _stages(owners: Owners, query: Query, client: Client | None, now: float) -> Iterator[Stage]:
    names = owners.names
    is_known = client is not None and owners.knows(client, now)
    if is_known:
        yield Stage(
            "address",
            "a member's token has come from it lately: connections from it are let in as a member's, and a request"
            " without the token is judged as anybody's",
        )
    yield _ban(owners.bans, client, now, is_known=is_known)
    yield _client_limit(owners, client, now)
    if client is not None and names.blocklists.has_networks:
        yield _clients_network(names.blocklists, client)
    is_stranger = client is not None and not (client.member or client.exempt)
    if is_stranger and owners.strangers.is_for_members:
        says = f"the client is no member, and members alone are served: {told_as(Reason.MEMBERS_ONLY)}"
        yield Stage("mode", says, Reason.MEMBERS_ONLY, ends=True)
    trial = owners.strangers.trial
    if is_stranger and trial is not None and trial.members_only:
        is_reaction = trial.rule is owners.switches[Rule.LISTED_REACTION]
        rule = Rule.LISTED_REACTION if is_reaction else Rule.MEMBERS_ONLY
        says = f"the client is no member: {told_as(Reason.MEMBERS_ONLY)}"
        yield _held(owners, rule, "mode", says, Reason.MEMBERS_ONLY)
    refused = refuse(query)
    told = names.discovery.answer(query, refused)
    if refused is not None and told is None:
        yield Stage("question", "is of a kind that is refused", refused, ends=True)
    yield Stage("question", "is one that is answered")
    # One of our own counts what it absorbs for nobody.
    query = ClientProbes().absorb(query)
    route = owners.routes.of(query)
    yield Stage("route", "the general upstreams and cache" if route.is_general else "one of its own, by [[route]]")
    local = told or (answer_locally(query) if route.is_general else answer_any(query))
    if local is not None:
        says = f"is answered here, and never leaves: {rcode_name(local.content.rcode)}"
        yield Stage("local answers", says, local.reason, ends=True)
    yield Stage("local answers", "is not answered here")
    yield _withheld(names.blocklists, query)
    pressure = 1.0 if is_stranger and owners.strangers.spares_strangers else route.upstreams.pressure(now)
    entry, state = route.cache.foresee(query.key, now, pressure)
    yield _cached(entry, state, query, now)
    denial = names.undelegated.foresee(query) if route.is_general else None
    if denial is not None:
        says = "is under no top-level domain that exists: NXDOMAIN"
        yield _held(owners, Rule.UNDELEGATED, "undelegated names", says, denial.reason)
    yield from _miss(owners, query, route, entry, client, now)


def _held(owners: Owners, rule: Rule, stage: str, says: str, reason: Reason) -> Stage:
    """Return a stage at which a rule has found something: it ends there, unless the rule does not act."""
    switch = owners.switches[rule]
    if switch.is_enforced:
        return Stage(stage, says, reason, ends=True)
    if switch.is_off:
        return Stage(stage, f"is not looked at ({key_of(rule)} is off)")
    return Stage(stage, f"{says}; but {key_of(rule)} is shadow, so that is only counted")


def _ban(bans: Bans, client: Client | None, now: float, *, is_known: bool) -> Stage:
    name = "bans"
    ban = None if client is None else bans.decisive(client, now)
    if client is None:
        return Stage(name, "not looked at: no client was named")
    if ban is None:
        return Stage(name, "the client is not banned")
    if ban.lets_in:
        return Stage(name, f"the client is let in by command for {ban.until - now:.0f} s more")
    why = f"by {ban.source.value} for {ban.until - now:.0f} s more" + (f" ({ban.reason})" if ban.reason else "")
    if not bans.is_banned(client, now):
        return Stage(name, f"the client would be banned {why}, but bans.mode is {bans.mode}")
    closes = bans.is_banned(client, now, is_known=is_known)
    refused = told_as(Reason.BANNED)
    then = f"closed, or behind a front proxy {refused}" if closes else f"{refused}, and with the token it is served"
    return Stage(name, f"the client is banned {why}: {then}", Reason.BANNED, ends=True)


def _client_limit(owners: Owners, client: Client | None, now: float) -> Stage:
    name = "client's limit"
    if client is None:
        return Stage(name, "is not looked at: no client was named")
    if client.exempt:
        return Stage(name, "does not hold for this client (limits.exempt_networks)")
    wait = owners.request_limiter.foresee_request(client, now)
    if wait or owners.switches[Rule.CLIENT_LIMIT].is_off:
        says = f"the client is over it, and may come back in {math.ceil(wait)} s: {told_as(Reason.CLIENT_LIMIT)}"
        return _held(owners, Rule.CLIENT_LIMIT, name, says, Reason.CLIENT_LIMIT)
    return Stage(name, "the client is within it")


def _clients_network(blocklists: Blocklists, client: Client) -> Stage:
    refusing = blocklists.refuses(client)
    if refusing is None:
        shadow = blocklists.shadow_of(client) if blocklists.has_shadows else None
        return Stage("client's network", "is in no list" if shadow is None else _in_shadow(shadow, "refuse it"))
    if client.member or client.exempt:
        what = "a member's" if client.member else "exempt (limits.exempt_networks)"
        return Stage("client's network", f"is in the list {refusing.name}, and served all the same, as it is {what}")
    says = f"is in the list {refusing.name}: REFUSED, EDE 18"
    return Stage("client's network", says, Reason.PROHIBITED, ends=True)


def _withheld(blocklists: Blocklists, query: Query) -> Stage:
    found = blocklists.find(query.qname) if blocklists.is_active else None
    shadow = blocklists.find_shadow(query.qname, found) if blocklists.has_shadows else None
    if found is None:
        return Stage("blocklists", "none withholds it" if shadow is None else _in_shadow(shadow, "withhold it"))
    ruling = found.ruling
    said = answer_withheld(query, ruling, found.position).content
    codes = ", ".join(str(int(code)) for code in said.errors)
    says = f"{found.by} withholds it: {rcode_name(said.rcode)}, EDE {codes}, {show(ruling.text.decode())}"
    if shadow is not None:
        says = f"{says}; {_in_shadow(shadow, 'let it through')}"
    return Stage("blocklists", says, ruling.reason, ends=True)


def _cached(entry: Entry | None, state: Freshness, query: Query, now: float) -> Stage:
    if entry is None:
        return Stage("cache", "knows nothing of it")
    age = int(now - entry.stored_at)
    match entry.kind:
        case Kind.NXDOMAIN if entry.key != query.key:
            what = f"a name above it or another type was denied {age} s ago"
        case Kind.NXDOMAIN:
            what = f"the name was denied (NXDOMAIN) {age} s ago"
        case Kind.NODATA:
            what = f"there was nothing of the type {age} s ago"
        case _:
            what = f"was answered {age} s ago"
    if state is Freshness.FRESH:
        return Stage("cache", f"{what}, which is said for {entry.max_age(now)} s more", Reason.CACHED, ends=True)
    over = age - entry.lifetime
    if state is Freshness.KEPT:
        says = f"{what}, {over} s more than it is good for, and the upstreams are short of budget: said as old (EDE 3)"
        return Stage("cache", says, Reason.STALE, ends=True)
    return Stage("cache", f"{what}, {over} s more than it is good for: said only if nothing better comes")


def _miss(
    owners: Owners, query: Query, route: Route, stale: Entry | None, client: Client | None, now: float
) -> Iterator[Stage]:
    """Yield what only misses meet."""
    for stage in _obstacles(owners, query, route, client, now):
        if stage.ends and _has_instead(query, route, stale, now):
            yield Stage(stage.name, f"{stage.says}; the old answer is said (EDE 3)", Reason.STALE, ends=True)
        else:
            yield stage
    yield Stage("upstream", upstream_says(route.upstreams.foresee(query)), ends=True)


def _obstacles(owners: Owners, query: Query, route: Route, client: Client | None, now: float) -> Iterator[Stage]:
    """Yield what may keep a miss from being asked, as if there were nothing old to say."""
    limiter = owners.request_limiter
    failure = route.cache.foresee_failure(query.key, now)
    if failure is not None:
        what = rcode_name(failure.rcode)
        says = f"it failed a moment ago ({what}), and nobody asks again for {failure.until - now:.0f} s"
        yield Stage("remembered failure", says, Reason.FAILURE_REMEMBERED, ends=True)
    yield Stage("remembered failure", "none")
    yield _service_limit(owners, client, now)
    if route.limits_domains:
        yield _domain_limit(owners, query, client, now)
    if client is not None:
        yield _miss_limit(owners, client, now)
    if not limiter.has_slot(client or NOBODY, now):
        says = f"all are taken: {told_as(Reason.SERVICE_LIMIT)}"
        yield Stage("places for misses", says, Reason.SERVICE_LIMIT, ends=True)
    yield Stage("places for misses", f"{limiter.slots.taken} are taken")


def _service_limit(owners: Owners, client: Client | None, now: float) -> Stage:
    name = "service's limit"
    wait = owners.request_limiter.foresee_service(client or NOBODY, now)
    if wait or owners.switches[Rule.SERVICE_LIMIT].is_off:
        says = f"all clients together are over it for {math.ceil(wait)} s more: {told_as(Reason.SERVICE_LIMIT)}"
        return _held(owners, Rule.SERVICE_LIMIT, name, says, Reason.SERVICE_LIMIT)
    return Stage(name, "all clients together are within it")


def _domain_limit(owners: Owners, query: Query, client: Client | None, now: float) -> Stage:
    name = "domain's limit"
    bound = owners.names.domains.foresee(query.qname, client, now)
    if bound is not None:
        says = f"its domain {_BOUNDS[bound]}: REFUSED, EDE 18"
        return _held(owners, Rule.DOMAIN_LIMIT, name, says, Reason.DOMAIN_LIMIT)
    if owners.switches[Rule.DOMAIN_LIMIT].is_off:
        return _held(owners, Rule.DOMAIN_LIMIT, name, "", Reason.DOMAIN_LIMIT)
    return Stage(name, "its domain is within it")


def _miss_limit(owners: Owners, client: Client, now: float) -> Stage:
    name = "client's miss limit"
    if owners.request_limiter.foresee_miss(client, now) or owners.switches[Rule.MISS_LIMIT].is_off:
        says = "the client is over it: REFUSED, EDE 18"
        return _held(owners, Rule.MISS_LIMIT, name, says, Reason.MISS_LIMIT)
    return Stage(name, "the client is within it")


def _in_shadow(shadow: Blocklist, deed: str) -> str:
    return f"the list {shadow.name} would {deed}, but blocklist.{shadow.name}.mode is shadow, so that is only counted"


def _has_instead(query: Query, route: Route, stale: Entry | None, now: float) -> bool:
    if stale is not None:
        return True
    found = route.cache.find_instead(query.key, now)
    if found is None:
        return False
    entry, key, state = found
    return content_instead(entry, key, query, ttl=1, is_fresh=state is Freshness.FRESH) is not None


def rcode_name(number: int) -> str:
    """Return what an rcode is called."""
    return Rcode(number).name if number in list(Rcode) else f"rcode {number}"


def upstream_says(foreseen: Foreseen) -> str:
    """Return what would become of a question that nobody here can answer."""
    if foreseen.is_under_way:
        return "an equal question is under way, and its answer is waited for"
    if foreseen.upstream is not None:
        return f"{foreseen.upstream} is asked, whose budget allows {foreseen.budget_left:.0f} queries now"
    if math.isinf(foreseen.waits):
        return "nobody can be asked: each one is away, paused, or has as many queries in flight as it may"
    return f"the budgets are spent: it waits for its turn, {foreseen.waits:.1f} s or more, or ends with SERVFAIL"

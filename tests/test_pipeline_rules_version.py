"""Rules that change under open connections: for every stage of the walk, whatever was remembered before.

Each case asks the same question a hundred times on one connection, so that whatever can be remembered is, then changes
one rule, and looks at what becomes of the very next request there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any, Final

import pytest

from dohproxy import pipeline
from dohproxy.cache import Cache
from dohproxy.config import BlocklistConfig, CacheConfig
from dohproxy.doh.request import RequestRules
from dohproxy.jobs.blocklist_watch import BlocklistWatch
from dohproxy.outcomes import Reason
from dohproxy.policy.blocklists.by_hand import HandEntry
from dohproxy.policy.names import NameRules
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.policy.special_names import LocalAnswer
from dohproxy.routes import Route, Routes
from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import Content
from tests.fakes.walk import NO_DOMAIN_LIMITS, SUFFIXES, TELLING, names
from tests.frontends import client as http1
from tests.frontends.http2_client import Http2Client, get_fields
from tests.frontends.served import NO_LIMITS, RunningFrontend, open_frontend
from tests.http2.client import headers

TIMES: Final = 100
LOOPBACK: Final = bytes((127, 0, 0, 1))
NAME: Final = "www.example.net"
ROUTED: Final = "nas.home.arpa"
NOT_IN_SUFFIXES: Final = "www.example.de"
RULES: Final = RequestRules("/dns-query", 1_024)
NETWORK: Final = BlocklistConfig("home", networks=(ip_network("127.0.0.0/8"),))
LIST: Final = BlocklistConfig("court", names=("*.example.net",), reason="law", reference="27/1")


@dataclass(frozen=True, slots=True)
class Change:
    """One rule that changes."""

    stage: str
    apply: Callable[[RunningFrontend, pytest.MonkeyPatch], None]
    after: Reason
    name: str = NAME
    before: Reason = Reason.CACHED
    parameter: str = ""
    """What stands behind the query in the target."""
    rdtype: str = "A"


def general_of(frontend: RunningFrontend) -> Route:
    """The route of every name that has no other."""
    return frontend.core.service.pipeline._routes.general


def adopt(
    frontend: RunningFrontend,
    *,
    names: NameRules | None = None,
    routes: Routes | None = None,
    deadline_seconds: float = 5.0,
) -> None:
    """Give the walk other rules; those that are not named stay as they are."""
    walk = frontend.core.service.pipeline
    walk.adopt(names or frontend.core.names, routes or Routes(general_of(frontend)), deadline_seconds)


def route_elsewhere(frontend: RunningFrontend, domain: str) -> None:
    """Let a domain have a cache of its own; who is asked is the same upstream, and knows nothing of it."""
    general = general_of(frontend)
    own = Route(Cache(CacheConfig()), general.upstreams, is_general=False)
    adopt(frontend, routes=Routes(general, {from_text(domain): own}))


def forget_answers(frontend: RunningFrontend, names: NameRules | None = None, deadline_seconds: float = 5.0) -> None:
    """Let the walk have an empty cache, so that what comes behind it is met."""
    general = Route(Cache(CacheConfig()), general_of(frontend).upstreams)
    adopt(frontend, names=names, routes=Routes(general), deadline_seconds=deadline_seconds)


def take_requests(**changed: Any) -> Callable[[RunningFrontend, pytest.MonkeyPatch], None]:
    """Return what changes the rules about HTTP requests."""
    return lambda frontend, _: frontend.core.service.adopt(replace(RULES, **changed))


def serve_members_alone(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    frontend.core.service.pipeline.restrict(members_only=True, stubs_away=False, spare_strangers=False)


def ban_client(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    frontend.core.bans.ban(parse_prefix("127.0.0.0/24"), 600.0, "", frontend.clock(), spares=True)


def limit_client(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    frontend.core.request_limiter.admit_request = lambda client, now: 3.0


def limit_service(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    limiter, now = frontend.core.request_limiter, frontend.clock()
    limiter.adopt(replace(NO_LIMITS, total_requests_per_second=0.01, total_requests_burst=1), (1_000.0, 1_000.0), now)
    while not limiter.admit_to_service(now):
        pass
    forget_answers(frontend)


def limit_misses(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    frontend.core.request_limiter.admit_miss = lambda client, now: 3.0
    forget_answers(frontend)


def take_places(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    client = frontend.client_resolver.of_connection(LOOPBACK)
    while (slot := frontend.core.request_limiter.take_slot(client, frontend.clock())) is not None:
        frontend.on_close.append(slot.give_back)
    forget_answers(frontend)


def limit_domain(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    narrow = names(replace(NO_DOMAIN_LIMITS, domain_misses_per_second=1, domain_misses_burst=1))
    narrow.domains.charge(from_text(NAME), frontend.clock(), failed=False)
    forget_answers(frontend, narrow)


def deny_undelegated(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    forget_answers(frontend, names(NO_DOMAIN_LIMITS, SUFFIXES, may_deny=True))


def remember_failure(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    forget_answers(frontend)
    query = parse_query(http1.query(NAME))
    general_of(frontend).cache.remember_failure(query.key, Rcode.SERVFAIL, (), frontend.clock())


def leave_no_time(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    forget_answers(frontend, deadline_seconds=0.0)


def find_fault(frontend: RunningFrontend, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(wire: bytes, keepalive: int | None = None) -> Query:
        raise Malformed(Fault.TRAILING_BYTES)

    monkeypatch.setattr(pipeline, "parse_query", parse)
    adopt(frontend)


def refuse_questions(frontend: RunningFrontend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "refuse", lambda _: Reason.TYPE_REFUSED)
    adopt(frontend)


def answer_here(frontend: RunningFrontend, monkeypatch: pytest.MonkeyPatch) -> None:
    local = LocalAnswer(Reason.LOCAL, Content(Rcode.NXDOMAIN), 60)
    monkeypatch.setattr(pipeline, "answer_locally", lambda _: local)
    adopt(frontend)


def tell_of_the_service(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    assert frontend.core.names.discovery.adopt(TELLING)
    frontend.core.service.pipeline.rules_changed()


def adopt_lists(frontend: RunningFrontend, config: BlocklistConfig) -> None:
    watch = BlocklistWatch((config,), frontend.core.names.blocklists, lambda: None, 0.0)
    assert [one.name for one in watch.statistics(0.0)] == [config.name]
    frontend.core.service.pipeline.rules_changed()


def block_by_hand(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    blocklists = frontend.core.names.blocklists
    assert blocklists.by_hand.put(HandEntry(from_text(NAME), True, False, math.inf))
    blocklists.changed_by_hand(0.0)
    frontend.core.service.pipeline.rules_changed()


class AllAreProbes:
    """Takes every question for one about a name of its own, which is in nobody's cache."""

    def absorb(self, query: Query) -> Query:
        name = from_text("probe.example.net")
        return replace(query, qname=name, key=name + query.key[len(query.qname) :])

    def counts(self, query: Query) -> bool:
        return False


def absorb_all(frontend: RunningFrontend, _: pytest.MonkeyPatch) -> None:
    adopt(frontend, names=replace(frontend.core.names, probes=AllAreProbes()))  # type: ignore[arg-type]


CHANGES: Final = [
    Change("path", take_requests(path="/other"), Reason.WRONG_PATH),
    Change("size", take_requests(max_query_bytes=20), Reason.TARGET_TOO_LONG),
    Change(
        "dialect",
        take_requests(dialects={"get-random-padding": "refuse"}),
        Reason.DIALECT_REFUSED,
        parameter="&random_padding=x",
    ),
    Change("bans", ban_client, Reason.BANNED),
    Change("client's limit", limit_client, Reason.CLIENT_LIMIT),
    Change("mode", serve_members_alone, Reason.MEMBERS_ONLY),
    Change("parse", find_fault, Reason.FORMAT_ERROR),
    Change("refused questions", refuse_questions, Reason.TYPE_REFUSED),
    Change("route", lambda frontend, _: route_elsewhere(frontend, "example.net"), Reason.FORWARDED),
    Change(
        "route of a name that was answered here",
        lambda frontend, _: route_elsewhere(frontend, "home.arpa"),
        Reason.FORWARDED,
        name=ROUTED,
        before=Reason.LOCAL,
    ),
    Change("local answers", answer_here, Reason.LOCAL),
    Change(
        "what is told of the service",
        tell_of_the_service,
        Reason.LOCAL,
        name="_dns.doh.example.net",
        rdtype="SVCB",
    ),
    Change("client's network", lambda frontend, _: adopt_lists(frontend, NETWORK), Reason.PROHIBITED),
    Change("blocklists", lambda frontend, _: adopt_lists(frontend, LIST), Reason.CENSORED),
    Change("blocks by hand", block_by_hand, Reason.BLOCKED),
    Change("probes", absorb_all, Reason.FORWARDED),
    Change("cache", lambda frontend, _: forget_answers(frontend), Reason.FORWARDED),
    Change("undelegated names", deny_undelegated, Reason.UNDELEGATED, name=NOT_IN_SUFFIXES),
    Change("remembered failures", remember_failure, Reason.FAILURE_REMEMBERED),
    Change("service's limit", limit_service, Reason.SERVICE_LIMIT),
    Change("domain's limit", limit_domain, Reason.DOMAIN_LIMIT),
    Change("client's limit of misses", limit_misses, Reason.MISS_LIMIT),
    Change("places for misses", take_places, Reason.SERVICE_LIMIT),
    Change("deadline", leave_no_time, Reason.UPSTREAM_TIMEOUT),
]


class OverHttp1:
    """Sends the same bytes each time."""

    def __init__(self, raw: http1.RawClient, change: Change) -> None:
        self._raw = raw
        target = dict(get_fields(change.name, rdtype=change.rdtype))[":path"] + change.parameter
        self._request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    async def ask(self) -> None:
        await self._raw.ask(self._request)


class OverHttp2:
    """Sends the same header block each time, on a new stream."""

    def __init__(self, client: Http2Client, change: Change) -> None:
        self._client = client
        self._fields = tuple(
            (name, value + change.parameter if name == ":path" else value)
            for name, value in get_fields(change.name, rdtype=change.rdtype)
        )
        self._stream = -1

    async def ask(self) -> None:
        self._stream += 2
        await self._client.send(headers(self._stream, self._fields))
        await self._client.response(self._stream)


async def connect(frontend: RunningFrontend, protocol: str, change: Change) -> OverHttp1 | OverHttp2:
    if protocol == "http1":
        return OverHttp1(await frontend.connect(), change)
    return OverHttp2(await Http2Client.connect(frontend), change)


@pytest.mark.parametrize("protocol", ["http1", "http2"])
@pytest.mark.parametrize("change", CHANGES, ids=[one.stage for one in CHANGES])
async def test_a_rule_acts_on_the_next_request_after_a_hundred_cached_ones(
    protocol: str, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_frontend() as frontend:
        connection = await connect(frontend, protocol, change)
        for _ in range(TIMES):
            await connection.ask()
        assert [outcome.reason for outcome in frontend.outcomes[1:]] == [change.before] * (TIMES - 1)
        change.apply(frontend, monkeypatch)
        await connection.ask()
        assert frontend.outcomes[-1].reason is change.after
        assert len(frontend.outcomes) == TIMES + 1
        monkeypatch.undo()


@pytest.mark.parametrize("protocol", ["http1", "http2"])
async def test_rules_that_change_nothing_for_it_let_a_hit_be_a_hit(protocol: str) -> None:
    async with open_frontend() as frontend:
        connection = await connect(frontend, protocol, CHANGES[0])
        for _ in range(TIMES):
            await connection.ask()
            frontend.core.service.pipeline.rules_changed()
        assert [outcome.reason for outcome in frontend.outcomes[1:]] == [Reason.CACHED] * (TIMES - 1)


@pytest.mark.parametrize("protocol", ["http1", "http2"])
async def test_a_refusal_is_no_more_remembered_than_an_answer(protocol: str) -> None:
    async with open_frontend() as frontend:
        connection = await connect(frontend, protocol, CHANGES[0])
        await connection.ask()
        frontend.core.service.adopt(replace(RULES, path="/other"))
        for _ in range(TIMES):
            await connection.ask()
        assert [outcome.reason for outcome in frontend.outcomes[1:]] == [Reason.WRONG_PATH] * TIMES
        frontend.core.service.adopt(RULES)
        await connection.ask()
        assert frontend.outcomes[-1].reason is Reason.CACHED


async def test_every_change_of_the_rules_is_another_version() -> None:
    async with open_frontend() as frontend:
        walk = frontend.core.service.pipeline
        seen = [walk.rules_version]
        for change in (walk.rules_changed, lambda: frontend.core.service.adopt(RULES), lambda: adopt(frontend)):
            change()
            seen.append(walk.rules_version)
        assert seen == sorted(set(seen))

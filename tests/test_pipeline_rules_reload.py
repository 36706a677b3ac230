"""A reload that tries a rule, enforces it or turns it off, over real connections: it acts on the next request.

Each connection has sent the same a hundred times before, and was answered from memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Final

import pytest

from dohproxy.config import BlocklistConfig, Config, NamesConfig, RulesConfig
from dohproxy.config.schema import RuleMode
from dohproxy.outcomes import Reason
from dohproxy.policy.mode import Trial
from dohproxy.policy.rule_switches import Rule
from dohproxy.wire.name import from_text
from tests.frontends import client as http1
from tests.frontends.http2_client import Http2Client, get_fields
from tests.frontends.served import NO_LIMITS, RunningFrontend, Setting, open_frontend
from tests.http2.client import headers

TIMES: Final = 100
NAME: Final = "www.example.net"
STUB: Final = ("user-agent", "dnscrypt-proxy")
FREE: Final = NamesConfig(
    answer_undelegated=False,
    domain_misses_per_second=100_000,
    domain_misses_burst=1_000_000,
    domain_failures_per_second=100_000,
    domain_failures_burst=1_000_000,
)
NARROW: Final = replace(FREE, domain_misses_per_second=0.01, domain_misses_burst=1)


def nothing(_: RunningFrontend) -> None:
    """There is nothing else to be done."""


@dataclass(frozen=True, slots=True)
class Case:
    """A rule, and a configuration with which it acts on each request."""

    rule: str
    reason: Reason
    configure: Callable[[Config], Config]
    prepare: Callable[[RunningFrontend], None] = nothing
    is_for_misses: bool = False
    """It acts on what the cache cannot answer."""
    name: str = NAME

    def config(self, config: Config, mode: RuleMode) -> Config:
        """The configuration with the rule held so."""
        if self.rule.startswith("blocklist"):
            lists = self.configure(config).blocklists
            return replace(config, blocklists=tuple(replace(one, mode=mode) for one in lists))
        return replace(self.configure(config), rules=RulesConfig(**{self.rule: mode}))


def limited(**keys: float) -> Callable[[Config], Config]:
    return lambda config: replace(config, limits=replace(NO_LIMITS, **keys))  # type: ignore[arg-type]


def listed(list_: BlocklistConfig) -> Callable[[Config], Config]:
    return lambda config: replace(config, blocklists=(list_,))


def use_up_domain(frontend: RunningFrontend) -> None:
    frontend.core.names.domains.charge(from_text(NAME), frontend.clock(), failed=False)


def use_up_service(frontend: RunningFrontend) -> None:
    for _ in range(3):
        frontend.core.request_limiter.admit_to_service(frontend.clock())


def use_up_misses(frontend: RunningFrontend) -> None:
    client = frontend.client_resolver.of_connection(bytes((127, 0, 0, 1)))
    frontend.core.request_limiter.admit_miss(client, frontend.clock())


def hold_strangers(frontend: RunningFrontend) -> None:
    """What the service does once a second, while a public list has it."""
    config = frontend.core.config
    mode, rule = config.rules.listed_reaction, frontend.core.switches[Rule.LISTED_REACTION]
    trial = Trial(members_only=True, spares_strangers=True, rule=rule) if mode == "shadow" else None
    frontend.core.pipeline.restrict(
        members_only=mode == "enforce" and config.listed.reaction == "members",
        stubs_away=config.listed.stubs == "turn-away",
        spare_strangers=False,
        trial=trial,
    )


def listed_with(**keys: str) -> Callable[[Config], Config]:
    return lambda config: replace(config, listed=replace(config.listed, **keys))  # type: ignore[arg-type]


CASES: Final = [
    Case("client_limit", Reason.CLIENT_LIMIT, limited(requests_per_second=0.01, requests_burst=1)),
    Case(
        *("miss_limit", Reason.MISS_LIMIT, limited(misses_per_second=0.01, misses_burst=1), use_up_misses),
        is_for_misses=True,
    ),
    Case(
        *("service_limit", Reason.SERVICE_LIMIT),
        limited(total_requests_per_second=0.01, total_requests_burst=1),
        use_up_service,
        is_for_misses=True,
    ),
    Case(
        *("domain_limit", Reason.DOMAIN_LIMIT, lambda config: replace(config, names=NARROW), use_up_domain),
        is_for_misses=True,
    ),
    Case(
        *("undelegated", Reason.UNDELEGATED),
        lambda config: replace(config, names=replace(FREE, answer_undelegated=True)),
        is_for_misses=True,
        name="abcdefghijklmnop.test.dnscrypt",
    ),
    Case("list_stub", Reason.LIST_STUB, listed_with(stubs="turn-away"), hold_strangers),
    Case("listed_reaction", Reason.MEMBERS_ONLY, listed_with(reaction="members"), hold_strangers),
    Case("blocklist of names", Reason.BLOCKED, listed(BlocklistConfig("own", names=("*.example.net",)))),
    Case(
        *("blocklist of networks", Reason.PROHIBITED),
        listed(BlocklistConfig("own", networks=(ip_network("127.0.0.0/8"),))),
    ),
]


class Repeating:
    """A connection that sends the same each time, as a stub of a public list."""

    def __init__(self, connection: http1.RawClient | Http2Client, name: str) -> None:
        self._connection = connection
        self._fields = get_fields(name, STUB)
        self._stream = -1

    async def ask(self) -> None:
        """Send it once more, and read what is said."""
        if isinstance(self._connection, Http2Client):
            self._stream += 2
            await self._connection.send(headers(self._stream, self._fields))
            await self._connection.response(self._stream)
            return
        target = dict(self._fields)[":path"]
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{': '.join(STUB)}\r\n\r\n"
        await self._connection.ask(head.encode())


async def adopt(frontend: RunningFrontend, case: Case, mode: RuleMode) -> None:
    """Take the configuration that holds the rule so."""
    config = case.config(frontend.core.config, mode)
    frontend.server.adopt(config, None, await frontend.core.blocklists.prepare(config.blocklists, 0.0))
    if case.is_for_misses:
        for _ in frontend.core.cache.forget(lambda _: True):
            pass
    case.prepare(frontend)


def shadowed(frontend: RunningFrontend, case: Case) -> int:
    """How often the rule would have acted."""
    if case.rule.startswith("blocklist"):
        return sum(one.shadowed for one in frontend.core.blocklists.statistics(0.0))
    return sum(one.shadowed for one in frontend.core.switches.statistics() if one.rule == case.rule)


@pytest.mark.parametrize("protocol", ["http1", "http2"])
@pytest.mark.parametrize("case", CASES, ids=[case.rule for case in CASES])
async def test_a_reload_tries_a_rule_then_enforces_it_then_turns_it_off(protocol: str, case: Case) -> None:
    setting = Setting(names=FREE)
    async with open_frontend(setting) as frontend:
        connect = frontend.connect if protocol == "http1" else lambda: Http2Client.connect(frontend)
        connection = Repeating(await connect(), case.name)
        for _ in range(TIMES):
            await connection.ask()
        assert [outcome.reason for outcome in frontend.outcomes[1:]] == [Reason.CACHED] * (TIMES - 1)
        served = Reason.FORWARDED if case.is_for_misses else Reason.CACHED
        await adopt(frontend, case, "shadow")
        if case.rule == "client_limit":
            await connection.ask()
        before = shadowed(frontend, case)
        await connection.ask()
        assert (frontend.outcomes[-1].reason, shadowed(frontend, case) - before) == (served, 1)
        before = shadowed(frontend, case)
        await adopt(frontend, case, "enforce")
        await connection.ask()
        assert (frontend.outcomes[-1].reason, shadowed(frontend, case)) == (case.reason, before)
        connection = Repeating(await connect(), case.name)  # Some refusals close the connection over HTTP/1.1.
        await adopt(frontend, case, "off")
        await connection.ask()
        assert (frontend.outcomes[-1].reason, shadowed(frontend, case)) == (served, before)

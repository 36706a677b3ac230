"""The flood at its own pace: every second of the day, in virtual time, through the whole walk.

Requests go into the pipeline as a frontend hands them over, with the real limits, cache, budgets and UDP sockets
towards the simulated upstream, all in one event loop whose clock moves when nobody has anything left to do. So TTLs end
as often as they did, budgets fill as they did, and who came before the flood is hours older than it. HTTP is left out.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import merge
from ipaddress import ip_network
from typing import Final

from bench.ban.books import Report
from bench.ban.simulator import Behaviour, Simulator
from bench.callers import Asked, Tally, result_of
from bench.incident.clockwork import ClockworkLoop
from bench.incident.members import KIND, Browsing, browse, callers, networks
from bench.incident.strangers import Flood, strangers
from bench.names import Popularity
from dohproxy.config import ClientsConfig, Config, UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.core import Core
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.exits import Miss
from dohproxy.jobs.alerting import Alerting
from dohproxy.observability.detectors.reading import LOOK_SECONDS
from dohproxy.outcomes import Frontend
from dohproxy.policy.identity import Identities
from dohproxy.runtime import SWEEP_SECONDS
from dohproxy.server import Server

PAGES_A_DAY_THINK_SECONDS: Final = 1_800.0
"""Between two pages of one member, day and night on average: 60,000 requests a day from 60 people."""
HOURS_BEFORE: Final = 2.0
SECRET: Final = bytes(32)
UPSTREAM: Final = "ns0"


@dataclass(frozen=True, slots=True)
class Day:
    """What one day gave."""

    before: dict[str, Tally]
    during: dict[str, Tally]
    upstream_before: Report
    upstream: Report
    misses: Counter[str] = field(default_factory=Counter)
    """Requests during the flood that the cache had no answer to, by kind."""

    def tally(self, kind: str) -> Tally:
        """Return what became of the requests of one kind during the flood."""
        return self.during.get(kind, Tally())

    @property
    def asked(self) -> int:
        """Questions that the upstream got, from the beginning of the flood on."""
        return self.upstream.received - self.upstream_before.received

    @property
    def flood_ratio(self) -> float:
        """Questions for the upstream per request of the flood, the members' left out of both."""
        kinds = [kind for kind in self.during if kind != KIND]
        asked = sum(self.during[kind].asked for kind in kinds)
        return sum(self.misses[kind] for kind in kinds) / asked if asked else 0.0


def live_through(
    flood: Flood,
    upstream: Behaviour,
    popularity: Popularity,
    hours_before: float = HOURS_BEFORE,
    *,
    comes: bool = True,
    knows_members: bool = False,
) -> Day:
    """Let the members browse for some hours, then the flood come over them for its day; or, if it does not come, let
    them go on alone for as long. Where the service knows its members' networks it has alerts too, and does by itself
    what is configured for a service that a public list has found."""
    loop = ClockworkLoop()
    plan = _Plan(flood if comes else None, flood.day_seconds, hours_before * 3_600, knows_members)
    try:
        return loop.run_until_complete(_live(plan, upstream, popularity))
    finally:
        loop.close()


@dataclass(frozen=True, slots=True)
class _Plan:
    flood: Flood | None
    seconds: float
    seconds_before: float
    knows_members: bool


async def _live(plan: _Plan, behaviour: Behaviour, popularity: Popularity) -> Day:
    loop = asyncio.get_running_loop()
    upstream = Simulator(behaviour)
    upstream.open()
    async with asyncio.TaskGroup() as tasks:
        config = _configuration(upstream.port, plan)
        server = Server(config, tasks, SECRET, clock=loop.time)
        core = server.core
        tending = [tasks.create_task(_repeat(core.resolver.tick, SWEEP_SECONDS))]
        if plan.knows_members:
            alerting = Alerting(
                config, server.alert_owners(), core.pipeline, server.visitors, server.identities, loop.time
            )
            tending.append(tasks.create_task(_repeat(alerting.look, LOOK_SECONDS)))
        walkers = _Walkers(core, tasks, server.identities)
        people = callers(Browsing().members)
        calm = Browsing(seconds=plan.seconds_before, think_seconds=PAGES_A_DAY_THINK_SECONDS)
        await walkers.walk(browse(calm, popularity, people))
        before, walkers.tallies, walkers.misses = walkers.tallies, {}, Counter()
        report = upstream.report()
        busy = Browsing(seconds=plan.seconds, think_seconds=PAGES_A_DAY_THINK_SECONDS)
        browsing = browse(busy, popularity, people, phase=1)
        flood = strangers(plan.flood, popularity) if plan.flood is not None else ()
        await walkers.walk(merge(flood, browsing, key=lambda asked: asked.due))
        for task in tending:
            task.cancel()
        await core.resolver.close()
    upstream.close()
    return Day(before, walkers.tallies, report, upstream.report(), walkers.misses)


async def _repeat(work: Callable[[], None], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        work()


def _configuration(port: int, plan: _Plan) -> Config:
    members = tuple(ip_network(one) for one in networks(Browsing().members)) if plan.knows_members else ()
    return Config(
        upstreams=(UpstreamConfig(UPSTREAM, UpstreamAddress("udp", "127.0.0.1", port)),),
        clients=ClientsConfig(member_networks=members),
    )


class _Walkers:
    """Hands requests to the walk when they are due."""

    def __init__(self, core: Core, tasks: asyncio.TaskGroup, identities: Identities) -> None:
        self.tallies: dict[str, Tally] = {}
        self.misses: Counter[str] = Counter()
        self._core = core
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._identities = identities

    async def walk(self, plan: Iterable[Asked]) -> None:
        """Carry out a plan, and wait for the last answer."""
        began = self._loop.time()
        under_way: set[asyncio.Task[None]] = set()
        for asked in plan:
            due = began + asked.due
            if due > self._loop.time():
                await asyncio.sleep(due - self._loop.time())
            task = self._begin(asked, due)
            if task is not None:
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        while under_way:
            await asyncio.wait(under_way)

    def _begin(self, asked: Asked, due: float) -> asyncio.Task[None] | None:
        address = bytes(int(part) for part in asked.caller.address.split("."))
        client = self._identities.client(address)
        parsed = self._core.service.read(read_http(asked.request), Frontend.HTTP1)
        found = self._core.service.begin(parsed, client, self._loop.time())
        if isinstance(found, Miss):
            self.misses[asked.kind] += 1
            return self._tasks.create_task(self._resolve(found, asked.kind, due))
        self._note(found, asked.kind, due)
        return None

    async def _resolve(self, miss: Miss, kind: str, due: float) -> None:
        self._note(await self._core.service.resolve(miss), kind, due)

    def _note(self, response: HttpResponse, kind: str, due: float) -> None:
        result = result_of(b"http/1.1 %d " % response.status, response.body)
        tally = self.tallies.setdefault(kind, Tally())
        tally.results[result] += 1
        if result == "answered":
            tally.latencies.append(self._loop.time() - due)


def read_http(request: bytes) -> HttpRequest:
    """Return what a frontend makes of a request's bytes."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    method, target, _ = first.split(" ")
    fields = dict(_field(line) for line in lines)
    return HttpRequest(
        method,
        target,
        body,
        accept=fields.get("accept"),
        content_type=fields.get("content-type"),
        pad_header="x-pad" in fields,
    )


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value

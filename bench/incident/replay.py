"""The flood over sockets: an upstream with an association's budget, the proxy as a process, members, then strangers.

What is compressed and what is not. The strangers' day passes faster (100 times by default): all their requests, all
their addresses, in their order. Everything else keeps its own time: budgets, TTLs, limits, and the members, who cannot
read faster. So this is harder than the incident was: every limit on rates meets 100 times the rate, and what the
strangers really ask comes 100 times as often to a budget that is what it was. One thing is easier: a name whose TTL
ends 288 times a day ends three times here. What that is worth is measured in `day`, where no second is left out.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from heapq import merge
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from bench.ban.books import Report
from bench.ban.process import SimulatorProcess, simulator_process
from bench.ban.simulator import Behaviour
from bench.callers import Asked, Tally
from bench.guest import ASSOCIATIVE, BUDGET_PER_SECOND, MOST_BURST
from bench.incident import members, torture
from bench.incident.members import Browsing, browse, callers
from bench.incident.strangers import first_stubs
from bench.names import Popularity
from bench.processes import Watch, choose_cores, pin
from bench.swarm import Swarm
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import Proxy, ProxySettings, Sections, running_proxy

UPSTREAM: Final = Behaviour(
    rate=BUDGET_PER_SECOND,
    burst=MOST_BURST,
    latency_seconds=0.02,
    empty_zones=(torture.VICTIM,),
    watched=(torture.VICTIM,),
)
"""It drops what is beyond the budget and bans who keeps sending it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One replay."""

    browsing: Browsing
    """How members browse; `seconds` is how long they browse before the flood."""
    warm_seconds: float = 60.0
    """How long they browse before that, uncounted: the cache is empty and the connections are new."""
    upstream: Behaviour = UPSTREAM
    sections: Sections = field(default_factory=dict)
    """Sections of the proxy's configuration, where they are not the default."""
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What one replay gave."""

    before: Tally
    """The members' requests before the flood."""
    during: Tally
    """And while it lasted."""
    flood: dict[str, Tally]
    """The flood's, by kind."""
    seconds: float
    upstream_before: Report
    upstream: Report
    cpu_seconds: float
    """The proxy's, during the flood."""
    bytes_before: int
    largest_bytes: int
    """The proxy's memory."""
    outcomes: dict[str, int]
    """What the proxy itself says became of all requests."""
    most_connections: int

    @property
    def client_queries(self) -> int:
        """All requests during the flood."""
        return self.during.asked + sum(tally.asked for tally in self.flood.values())

    @property
    def upstream_queries(self) -> int:
        """What the upstream got during the flood."""
        return self.upstream.received - self.upstream_before.received


def replay(setting: Setting, flood: Iterable[Asked], popularity: Popularity, seconds: float) -> Figures:
    """Let the members browse, then the flood come over them for so many seconds."""
    with _running(setting) as (proxy, upstream, swarm):
        people = callers(setting.browsing.members)
        warm, before, during = (
            replace(setting.browsing, seconds=length)
            for length in (setting.warm_seconds, setting.browsing.seconds, seconds)
        )
        # The root's name servers are known, as they are after the first stub of any day.
        swarm.run(_together(first_stubs("warming"), browse(warm, popularity, people, phase=0, kind="warming")))
        with Watch(proxy.child.pid) as calm:
            swarm.run(browse(before, popularity, people, phase=1, kind="before"))
        report = upstream.report()
        with Watch(proxy.child.pid) as watch:
            lasted = swarm.run(_together(flood, browse(during, popularity, people, phase=2)))
        return Figures(
            before=swarm.tallies.pop("before", Tally()),
            during=swarm.tallies.pop(members.KIND, Tally()),
            flood={kind: tally for kind, tally in swarm.tallies.items() if kind != "warming"},
            seconds=lasted,
            upstream_before=report,
            upstream=upstream.report(),
            cpu_seconds=watch.cpu_seconds,
            bytes_before=calm.largest_bytes,
            largest_bytes=watch.largest_bytes,
            outcomes=_outcomes(proxy),
            most_connections=swarm.most_open,
        )


def _together(flood: Iterable[Asked], browsing: Iterable[Asked]) -> Iterator[Asked]:
    return merge(flood, browsing, key=lambda asked: asked.due)


@contextmanager
def _running(setting: Setting) -> Iterator[tuple[Proxy, SimulatorProcess, Swarm]]:
    """Start the upstream and the proxy, the proxy alone on its core."""
    server_core, other_core = choose_cores()
    with (
        tempfile.TemporaryDirectory(prefix="dohproxy-incident-") as directory,
        simulator_process(setting.upstream) as upstream,
    ):
        authority = CertificateAuthority(Path(directory))
        settings = ProxySettings(
            (f"udp://127.0.0.1:{upstream.port}",),
            authority,
            tls=authority.issue(["127.0.0.1"]) if setting.tls else None,
            sections=setting.sections,
            upstream=ASSOCIATIVE,
            limited=True,
        )
        with running_proxy(Path(directory), settings) as proxy:
            pin(proxy.child.pid, server_core)
            pin(upstream.pid, other_core)
            swarm = Swarm(proxy.port, context=authority.client_context() if setting.tls else None)
            try:
                yield proxy, upstream, swarm
            finally:
                swarm.close()


def _outcomes(proxy: Proxy) -> dict[str, int]:
    outcomes: dict[str, int] = {}
    for family in text_string_to_metric_families(proxy.metrics_text()):
        if family.name == "dohproxy_requests":
            for sample in family.samples:
                outcome = sample.labels["outcome"]
                outcomes[outcome] = outcomes.get(outcome, 0) + int(sample.value)
    return outcomes

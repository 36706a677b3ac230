"""The proxy as a process, in front of the simulator and behind clients that ask more than it may."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from typing import Final

from bench.ban.books import Report
from bench.ban.process import SimulatorProcess, simulator_process
from bench.ban.signals import Signal
from bench.ban.simulator import Behaviour
from bench.callers import Asked, Caller, Tally
from bench.guest import ASSOCIATIVE, BUDGET_PER_SECOND, MOST_BURST
from bench.questions import A, post, query
from bench.swarm import Swarm
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.proxy import ProxySettings, Sections, running_proxy

CONNECTIONS: Final = 16
"""Connections of the clients; the proxy answers misses it may not ask for at once, so few are enough."""

KNOWN_NAMES: Final = 20
KNOWN_PER_SECOND: Final = 5.0
KNOWN_TTL: Final = 5
"""Expired before the ban begins: what is given of them then is stale."""
NEW_PER_SECOND: Final = 12.0
"""More than the budget, so that an upstream which allows half of it is passed."""

IMPATIENT: Final[Sections] = {
    "cache": {"minimum_ttl_seconds": 0, "minimum_ttl_under_pressure_seconds": 0},
}
"""Nothing is kept longer than its TTL, so that the known names are asked for again and stale where that fails."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One forced ban: how the upstream is asked, and how it shows a guest that it is banned."""

    transport: str
    signal: Signal
    allowed_share: float = 0.5
    """The part of the budget that the upstream really allows."""
    ban_seconds: float = 60.0
    patience: int = 3
    seconds: float = 110.0
    """How long its clients ask: until the ban, through it, and some time after it, in which it must not storm back."""
    has_second: bool = True
    """There is another upstream, which is content."""

    @property
    def title(self) -> str:
        """For the table."""
        return f"{self.transport} {self.signal.value}" + ("" if self.has_second else ", alone")


@dataclass(frozen=True, slots=True)
class Stay:
    """What came of one scenario."""

    report: Report
    second: Report | None
    """The report of the other upstream."""
    tallies: dict[str, Tally]
    """The clients', by kind."""


def storm_of_misses(transport: str, per_second: float, seconds: float) -> Stay:
    """Ask for new names far faster than the budget allows, in front of an upstream that allows just the budget."""
    behaviour = Behaviour(rate=BUDGET_PER_SECOND, burst=MOST_BURST, latency_seconds=0.01)
    with ExitStack() as stack:
        upstreams, swarm = _running(stack, transport, [behaviour])
        swarm.run(_new_names(per_second, seconds))
        return Stay(upstreams[0].report(), None, swarm.tallies)


def forced_ban(guest: Guest) -> Stay:
    """Ask for more than the upstream allows, though not for more than the budget, until it bans, and go on asking."""
    strict = Behaviour(
        rate=BUDGET_PER_SECOND * guest.allowed_share,
        burst=BUDGET_PER_SECOND * guest.allowed_share * 2,
        patience=guest.patience,
        ban_seconds=guest.ban_seconds,
        excess=Signal.SILENCE,
        ban=guest.signal,
        promised_rate=BUDGET_PER_SECOND,
        latency_seconds=0.01,
        ttl_seconds=KNOWN_TTL,
    )
    content = Behaviour(latency_seconds=0.01, ttl_seconds=KNOWN_TTL)
    with ExitStack() as stack:
        upstreams, swarm = _running(stack, guest.transport, [strict, content] if guest.has_second else [strict])
        swarm.run(_known_names(KNOWN_PER_SECOND, KNOWN_NAMES / KNOWN_PER_SECOND, kind="learning"))
        plans = (_known_names(KNOWN_PER_SECOND, guest.seconds), _new_names(NEW_PER_SECOND, guest.seconds))
        swarm.run(merge(*plans, key=lambda asked: asked.due))
        second = upstreams[1].report() if guest.has_second else None
        return Stay(upstreams[0].report(), second, swarm.tallies)


def sudden_ban(transport: str, signal: Signal, seconds: float) -> Stay:
    """Let the only upstream, content until then, turn its guest away from one moment to the next."""
    content = Behaviour(latency_seconds=0.01, ttl_seconds=KNOWN_TTL)
    with ExitStack() as stack:
        [upstream], swarm = _running(stack, transport, [content])
        swarm.run(_known_names(KNOWN_PER_SECOND, KNOWN_NAMES / KNOWN_PER_SECOND, kind="learning"))
        upstream.set_signal(signal)
        plans = (_known_names(KNOWN_PER_SECOND, seconds), _new_names(NEW_PER_SECOND, seconds))
        swarm.run(merge(*plans, key=lambda asked: asked.due))
        return Stay(upstream.report(), None, swarm.tallies)


def _running(stack: ExitStack, transport: str, behaviours: list[Behaviour]) -> tuple[list[SimulatorProcess], Swarm]:
    """Start an upstream for each behaviour and a proxy in front of them all."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dohproxy-ban-")))
    authority = CertificateAuthority(directory)
    certificate = authority.issue(["127.0.0.1"])
    upstreams = [stack.enter_context(simulator_process(_with_tls(one, certificate))) for one in behaviours]
    ports = [one.tls_port if transport == "tls" else one.port for one in upstreams]
    settings = ProxySettings(
        tuple(f"{transport}://127.0.0.1:{port}" for port in ports), authority, sections=IMPATIENT, upstream=ASSOCIATIVE
    )
    proxy = stack.enter_context(running_proxy(directory, settings))
    swarm = Swarm(proxy.port)
    stack.callback(swarm.close)
    return upstreams, swarm


def _with_tls(behaviour: Behaviour, files: CertificateFiles) -> Behaviour:
    return replace(behaviour, certificate=str(files.certificate), key=str(files.key))


def _new_names(per_second: float, seconds: float) -> Iterator[Asked]:
    """Names that nobody has asked for, each in a domain of its own."""
    caller = Caller("127.0.0.1", CONNECTIONS, keeps=True)
    for number in range(round(per_second * seconds)):
        yield Asked(number / per_second, caller, post(query(f"www.new{number}-bench.net", A)), "new")


def _known_names(per_second: float, seconds: float, kind: str = "known") -> Iterator[Asked]:
    """The same names again and again."""
    caller = Caller("127.0.0.1", CONNECTIONS, keeps=True)
    for number in range(round(per_second * seconds)):
        yield Asked(number / per_second, caller, post(query(f"www.known{number % KNOWN_NAMES}-bench.net", A)), kind)

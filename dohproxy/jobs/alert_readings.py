"""Puts together what the detectors look at, out of what the owners count anyway: no request pays for it."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from dohproxy.frontends.connections import ConnectionStatistics
from dohproxy.observability.detectors.reading import Bound, Reading, Trouble
from dohproxy.observability.tallies import Tally, failed_in, times_of
from dohproxy.observability.upstream_alerts import REMEDIES, alerts
from dohproxy.outcomes import Reason
from dohproxy.policy.connection_limiter import ConnectionLimiterStatistics
from dohproxy.policy.domains import DomainStatistics
from dohproxy.policy.member_books import MemberStatistics
from dohproxy.policy.probes import ProbeKind
from dohproxy.policy.request_limiter import RequestLimiterStatistics
from dohproxy.policy.visitors import VisitorStatistics
from dohproxy.upstream.health.signals import Signal
from dohproxy.upstream.statistics import ResolverStatistics

STUB_DIALECTS: Final = frozenset({
    "post-body-hash", "post-x-pad", "get-ct-empty", "get-random-padding", "get-body-param",
})  # fmt: skip
"""Dialects of dnscrypt-proxy, which asks whoever stands on its lists."""
STUB_PROBES: Final = (ProbeKind.DNSCRYPT_ROOT, ProbeKind.DNSCRYPT_RANDOM)
LEAST_FREE_BYTES: Final = 64 * 1_048_576
"""On a disk that we write to: the files of cache and state, twice, as each is written beside the old one."""
DISK_SECONDS: Final = 60.0
"""Between two looks at the room on a disk."""


class SavedFile(Protocol):
    """The figures of a file that is saved now and then."""

    @property
    def saved_at(self) -> float:
        """Unix seconds of the last save that succeeded."""

    @property
    def save_failures(self) -> int:
        """Saves that failed, since the start."""


@dataclass(slots=True)
class Owners:
    """Whom the figures come from; each is asked at every look, as a reload may put another in its place."""

    tallies: Callable[[], Sequence[Tally]]
    resolver: Callable[[float], ResolverStatistics]
    request_limiter: Callable[[float], RequestLimiterStatistics]
    connection_limiter: Callable[[float], ConnectionLimiterStatistics]
    connections: Callable[[], ConnectionStatistics]
    domains: Callable[[float], DomainStatistics]
    probes: Callable[[], Mapping[ProbeKind, int]]
    visitors: Callable[[], VisitorStatistics]
    members: Callable[[], MemberStatistics]
    certificate: Callable[[float], Sequence[str]] = lambda _: ()
    """What is wrong with the certificate at a Unix time, in words that follow "the certificate"."""
    files: Callable[[], Mapping[Path, SavedFile]] = dict
    """The files that are saved, by their paths."""
    more_bounds: list[Callable[[], Iterator[Bound]]] = field(default_factory=list)
    """Bounds of owners that are not above."""


class Readings:
    """Reads all owners at one instant."""

    def __init__(self, owners: Owners, free_bytes: Callable[[Path], int | None] | None = None) -> None:
        """`free_bytes` tells how much room there is where a file lies, None if it cannot be told."""
        self.owners = owners
        self._free_bytes = free_bytes or free_bytes_beside
        self._last_saves: dict[Path, tuple[float, int]] = {}
        self._disk: tuple[Trouble, ...] = ()
        self._disk_at = -DISK_SECONDS

    def read(self, now: float) -> Reading:
        """Return the counters as they are; `now` is monotonic."""
        owners, wall = self.owners, time.time()
        resolver = owners.resolver(now)
        connections = owners.connections()
        requests, failed, stubs = count_requests(owners.tallies())
        turns, probes, visitors = resolver.turns, owners.probes(), owners.visitors()
        in_line = turns.refused + turns.evicted + turns.given_up
        return Reading(
            at=now,
            requests=requests,
            failed=failed,
            stub_requests=stubs,
            stub_probes=sum(probes.get(kind, 0) for kind in STUB_PROBES),
            accepted=connections.accepted,
            closed={closing.value: count for closing, count in connections.closed.items()},
            newcomers=visitors.newcomers,
            networks=visitors.hour,
            members=owners.members(),
            domain_refusals=sum(owners.domains(now).refused.values()),
            # Who stood in the line in vain is often given something old, who found no line is not in it: the greater.
            budget_refusals=max(in_line, requests.get(Reason.BUDGET_SPENT, 0)),
            bounds=tuple(self._bounds(resolver, connections, now)),
            upstreams=tuple(_upstream_troubles(resolver, now, wall)),
            path=tuple(_path_trouble(resolver, now, wall)),
            certificate=tuple(Trouble("", f"the certificate {words}") for words in owners.certificate(wall)[:1]),
            disk=self._disk_troubles(now),
        )

    def _bounds(self, resolver: ResolverStatistics, connections: ConnectionStatistics, now: float) -> Iterator[Bound]:
        limiter = self.owners.connection_limiter(now)
        requests = self.owners.request_limiter(now)
        turns = resolver.turns
        yield Bound(
            "connections", "places for connections", part(connections.slots.taken, connections.slots.most),
            "connections.max_total",
        )  # fmt: skip
        yield Bound(
            "held_bytes", "bytes that connections may hold", part(connections.held_bytes, connections.max_held_bytes),
            "connections.max_held_bytes",
        )  # fmt: skip
        yield Bound(
            "handshakes", "places for handshakes", part(limiter.handshakes.taken, limiter.handshakes.most),
            "connections.max_handshakes",
        )  # fmt: skip
        yield Bound(
            "new_connections", "new connections that may come", limiter.total_fill, "connections.new_per_second"
        )
        yield Bound(
            "stranger_connections", "new connections that strangers may open", limiter.strangers_fill,
            "connections.stranger_handshake_percent",
        )  # fmt: skip
        yield Bound(
            "misses", "places for misses", part(requests.slots.taken, requests.slots.most), "limits.waiting_misses"
        )
        yield Bound(
            "service_rate", "requests that all may send", requests.total_fill, "limits.total_requests_per_second"
        )
        yield Bound("turns", "places in the line for the upstreams' budgets", part(turns.waiting, turns.slots))
        yield Bound("fetches", "places for questions under way", part(resolver.fetches, resolver.most_fetches))
        widths = [width.fill for limit in (requests.requests, requests.misses) for width in limit.widths]
        widths += [width.fill for width in limiter.rate.widths]
        tables = max((*widths, requests.priorities.fill), default=0.0)
        yield Bound("tables", "slots of a table of clients", tables, "limits.table_slots")
        for more in self.owners.more_bounds:
            yield from more()

    def _disk_troubles(self, now: float) -> tuple[Trouble, ...]:
        if now - self._disk_at >= DISK_SECONDS:
            self._disk_at = now
            self._disk = tuple(self._look_at_disks())
        return self._disk

    def _look_at_disks(self) -> Iterator[Trouble]:
        for path, file in self.owners.files().items():
            saved_at, failures = self._last_saves.get(path, (file.saved_at, 0))
            if file.saved_at != saved_at:
                saved_at, failures = file.saved_at, file.save_failures
            self._last_saves[path] = saved_at, failures
            free = self._free_bytes(path)
            if file.save_failures > failures:
                yield Trouble(path.name, f"the file {path} could not be saved; a restart finds an older one, or none")
            elif free is not None and free < LEAST_FREE_BYTES:
                yield Trouble(path.name, f"{free / 1_048_576:.0f} MiB are left on the disk of {path}")


def count_requests(tallies: Sequence[Tally]) -> tuple[Counter[Reason], int, int]:
    """Return how many requests ended for each reason, how many without an answer, and how many were in a dialect of
    public lists' stubs."""
    # By the times that the tallies of a reason share: they are few, and a reason is dear to look up.
    by_reason = Counter({times.reason: sum(times.buckets) for times in times_of(tallies)})
    stubs = sum(tally.count for tally in tallies if tally.outcome.dialect in STUB_DIALECTS)
    return by_reason, failed_in(tallies), stubs


def part(used: float, most: float) -> float:
    """Return how full a bound is; what may hold nothing is empty."""
    return used / most if most > 0 else 0.0


def free_bytes_beside(path: Path) -> int | None:
    """Return how much room is left for us on the disk where a file lies."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _upstream_troubles(resolver: ResolverStatistics, now: float, wall: float) -> Iterator[Trouble]:
    # Nothing is heard of those that are paused, and whoever paused them knows why.
    paused = {one.name for one in resolver.upstreams if one.is_paused}
    for alert in alerts(resolver, now, wall):
        if alert.upstream and not alert.is_harmless and alert.upstream not in paused:
            yield Trouble(alert.upstream, alert.what, REMEDIES.get(Signal(alert.signal), ""))


def _path_trouble(resolver: ResolverStatistics, now: float, wall: float) -> Iterator[Trouble]:
    for alert in alerts(resolver, now, wall):
        if not alert.upstream:
            yield Trouble("", alert.what)

"""A service of which only the counters are there: they grow by what a test says happens in a second."""

from collections import Counter
from dataclasses import dataclass, field

from dohproxy.observability.detectors.board import AlertBoard
from dohproxy.observability.detectors.judgement import AlertEvent, Detector
from dohproxy.observability.detectors.normal import LEARNING_SECONDS, Normals
from dohproxy.observability.detectors.reading import LOOK_SECONDS, Bound, History, Reading, Trouble
from dohproxy.outcomes import Reason
from dohproxy.policy.member_books import BOUNDS, MemberStatistics

START = 1_000.0


@dataclass(slots=True)
class Second:
    """What happens in each second of a stretch of time."""

    requests: dict[Reason, float] = field(default_factory=dict)
    failed: float = 0.0
    stub_requests: float = 0.0
    stub_probes: float = 0.0
    accepted: float = 0.0
    closed: dict[str, float] = field(default_factory=dict)
    newcomers: float = 0.0
    networks: float = 0.0
    """As it is, and not what it grows by."""
    member_failures: float = 0.0
    member_seconds: dict[float, float] = field(default_factory=dict)
    """Answers to members, by how long they took."""
    domain_refusals: float = 0.0
    budget_refusals: float = 0.0
    bounds: tuple[Bound, ...] = ()
    upstreams: tuple[Trouble, ...] = ()
    path: tuple[Trouble, ...] = ()
    certificate: tuple[Trouble, ...] = ()
    disk: tuple[Trouble, ...] = ()


CALM = Second(requests={Reason.CACHED: 0.6, Reason.FORWARDED: 0.1}, accepted=0.05, networks=40.0)
"""60 members: 60,000 requests a day."""


class MadeUpService:
    """Passes time, and asks detectors as the service does."""

    def __init__(self, *detectors: Detector, learning: bool = False) -> None:
        self.now = START
        self.requests: Counter[Reason] = Counter()
        self.closed: Counter[str] = Counter()
        self.seconds: Counter[float] = Counter()
        self.sums: Counter[str] = Counter()
        self.history = History(self._reading(Second()))
        self.board = AlertBoard(detectors, Normals(START if learning else START - LEARNING_SECONDS))
        self.events: list[AlertEvent] = []

    def passes(self, seconds: float, what: Second) -> list[AlertEvent]:
        """Let time pass; return what begins and ends in it. Of what is longer than some hours a look a minute will do,
        but for its end."""
        is_long = seconds > 4 * 3_600.0
        told = self._looks(seconds - 600.0, what, 60.0) if is_long else []
        told += self._looks(600.0 if is_long else seconds, what, LOOK_SECONDS)
        self.events += told
        return told

    def _looks(self, seconds: float, what: Second, step: float) -> list[AlertEvent]:
        told = []
        for _ in range(round(seconds / step)):
            self.now += step
            for reason, rate in what.requests.items():
                self.requests[reason] += rate * step  # type: ignore[assignment]  # rates are fractions
            for label, rate in what.closed.items():
                self.closed[label] += rate * step  # type: ignore[assignment]
            for took, rate in what.member_seconds.items():
                self.seconds[took] += rate * step  # type: ignore[assignment]
            for name in (
                "failed", "stub_requests", "stub_probes", "accepted", "newcomers", "member_failures",
                "domain_refusals", "budget_refusals",
            ):  # fmt: skip
                self.sums[name] += getattr(what, name) * step
            self.history.add(self._reading(what))
            told += self.board.look(self.history)
        return told

    def _reading(self, what: Second) -> Reading:
        answered = tuple(int(self.seconds[bound]) for bound in (*BOUNDS, float("inf")))
        failures = int(self.sums["member_failures"])
        return Reading(
            at=self.now,
            requests={reason: int(count) for reason, count in self.requests.items()},
            failed=int(self.sums["failed"]),
            stub_requests=int(self.sums["stub_requests"]),
            stub_probes=int(self.sums["stub_probes"]),
            accepted=int(self.sums["accepted"]),
            closed={label: int(count) for label, count in self.closed.items()},
            newcomers=self.sums["newcomers"],
            networks=what.networks,
            members=MemberStatistics(sum(answered) + failures, failures, answered),
            domain_refusals=int(self.sums["domain_refusals"]),
            budget_refusals=int(self.sums["budget_refusals"]),
            bounds=what.bounds,
            upstreams=what.upstreams,
            path=what.path,
            certificate=what.certificate,
            disk=what.disk,
        )

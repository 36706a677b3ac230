"""One upstream as its guest sees it: a clock, questions and probes that end as a test says, and what came of it."""

from dataclasses import replace

from dohproxy.upstream.attempts import answer_in, judge
from dohproxy.upstream.health.breaker import OPENING_WEIGHT, TIMEOUT_WEIGHT
from dohproxy.upstream.health.health import SILENT_PROBES, UpstreamHealth
from dohproxy.upstream.health.signals import RUN, TROUBLE_ZONES, SendResult, Signal
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.wire.answer import TRUNCATED, Answer, Kind
from dohproxy.wire.numbers import ExtendedError, Rcode
from tests.fakes.upstream_health import health

GOOD = replace(TRUNCATED, kind=Kind.POSITIVE, rcode=Rcode.NOERROR, truncated=False, counts=(1, 0, 0))
SERVFAIL = replace(GOOD, kind=Kind.FAILURE, rcode=Rcode.SERVFAIL)
REFUSED = replace(SERVFAIL, rcode=Rcode.REFUSED)
PROHIBITED = replace(REFUSED, errors=(ExtendedError.PROHIBITED,))
NOTIMP = replace(SERVFAIL, rcode=Rcode.NOTIMP)

REPLIES = {Signal.REFUSED: REFUSED, Signal.PROHIBITED: PROHIBITED, Signal.PROTOCOL: NOTIMP}
"""What a ban of each kind says to everything."""

UNPROVEN = Unproven(REFUSED)

Outcome = Answer | Unproven | SendStatus

SILENCES = OPENING_WEIGHT // TIMEOUT_WEIGHT
"""In a row, before an upstream is in doubt."""


def ending_of(
    outcome: Outcome, zone: bytes, sent_at: float, now: float, *, over_stream: bool = False, after_cut: bool = False
) -> SendResult:
    """How a send ended that brought this."""
    result = judge(outcome, over_stream=over_stream)
    return SendResult(result, zone, over_stream, sent_at, now, answer_in(outcome), after_cut)


def described(outcome: object) -> str:
    """What to call this in a test's name."""
    if isinstance(outcome, Unproven):
        return f"{described(outcome.answer)} without proof"
    return Rcode(outcome.rcode).name if isinstance(outcome, Answer) else str(outcome)


class Guest:
    """Asks one upstream with an ample budget, and nobody else does."""

    def __init__(self, *, over_stream: bool = False) -> None:
        self.upstream: UpstreamHealth = health(queries_per_second=100.0, burst=1_000, over_stream=over_stream)
        self.now = 0.0
        self.openings: list[float] = []
        self.last_probe = ending_of(SendStatus.TIMEOUT, b"", 0.0, 0.0)
        self.upstream.when_opened = self.openings.append

    def ask(self, outcome: Outcome, zone: bytes = b"zone", **how: bool) -> None:
        """Send a client's question, which ends at once."""
        over_stream = how.get("over_stream", self.upstream.over_stream)
        assert self.upstream.begin(self.now, over_stream=over_stream)
        self.upstream.end(
            ending_of(outcome, zone, self.now, self.now, over_stream=over_stream, after_cut=how.get("after_cut", False))
        )

    def ask_many(self, *outcomes: Outcome, times: int, zones: int = 10, **how: bool) -> None:
        """Ask these so often, for as many zones."""
        for number in range(times):
            for outcome in outcomes:
                self.ask(outcome, b"zone%d" % (number % zones), **how)

    def probe(self, outcome: Outcome, *, after: float = 0.0, seconds: float = 0.01) -> None:
        """Let some time pass, then a probe that is due ends so."""
        self.now += after
        assert self.upstream.may_probe(self.now)
        self.upstream.begin_probe(self.now)
        sent_at, self.now = self.now, self.now + seconds
        self.last_probe = ending_of(outcome, b"", sent_at, self.now, over_stream=self.upstream.over_stream)
        self.upstream.end_probe(self.last_probe)

    def fall_silent(self) -> None:
        """Say nothing to clients, and nothing to the probes either."""
        self.ask_many(SendStatus.TIMEOUT, times=SILENCES)
        for _ in range(SILENT_PROBES):
            self.probe(SendStatus.TIMEOUT)

    def probe_over_stream(self, outcome: Outcome) -> bool:
        """Ask over TCP too, if that is of use."""
        if not self.upstream.begin_stream_probe(self.now):
            return False
        ending = ending_of(outcome, b"", self.now, self.now, over_stream=True)
        self.upstream.end_stream_probe(ending, doubt=self.last_probe)
        return True

    def seconds_to_probe(self) -> float:
        """How long it is until a probe is due, to a tenth."""
        tenths = next(tenths for tenths in range(100_000) if self.upstream.may_probe(self.now + tenths / 10))
        return tenths / 10

    def signal(self) -> Signal | None:
        """What is told to be wrong."""
        finding = self.upstream.finding(self.now)
        return finding.signal if finding is not None else None

    def share(self) -> float:
        """The part of the budget in use."""
        return self.upstream.budget.aimd.share(self.now)

    def suspect(self, signal: Signal) -> None:
        """Show what makes this suspect."""
        match signal:
            case Signal.SERVFAIL:
                self.ask_many(SERVFAIL, times=TROUBLE_ZONES)
            case Signal.UDP_SILENT:
                self.ask_many(SendStatus.TIMEOUT, GOOD, times=TROUBLE_ZONES)
            case Signal.TRUNCATED:
                self.ask_many(GOOD, times=RUN, over_stream=True, after_cut=True)
            case _:
                self.ask_many(REPLIES[signal], times=RUN)

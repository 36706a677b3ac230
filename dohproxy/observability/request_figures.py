"""The figures of requests, added up from their tallies."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dohproxy.doh.dialects import Dialect
from dohproxy.observability.figures import (
    Distribution,
    Figure,
    FigureGroup,
    Kind,
    Label,
    Unit,
    counter,
    distribution,
    label_of,
)
from dohproxy.observability.tallies import LATENCY_BOUNDS, OTHER_RCODE, Tally, Times, times_of
from dohproxy.outcomes import OUTCOMES, Frontend, Outcome, Reason
from dohproxy.wire.malformed import Fault
from dohproxy.wire.numbers import Rcode

FRONTEND: Final = label_of("frontend", Frontend)
METHOD: Final = Label("method", ("GET", "HEAD", "POST", "query", "other"))
OUTCOME: Final = Label("outcome", tuple(row.label for row in OUTCOMES.values()))
STATUS: Final = Label("status", tuple(sorted({str(row.status) for row in OUTCOMES.values()})))
DIALECT: Final = label_of("dialect", Dialect)
FAULT: Final = label_of("fault", Fault)
_OTHER: Final = "other"
_RCODE_NAMES: Final = {**{int(rcode): rcode.name for rcode in Rcode}, OTHER_RCODE: _OTHER}
RCODE: Final = Label("rcode", tuple(_RCODE_NAMES.values()))
_HOW: Final = {Reason.CACHED: "cached", Reason.FORWARDED: "upstream", Reason.STALE: "stale"}
ANSWERED: Final = Label("answered", (*_HOW.values(), _OTHER))

Tallied = Sequence[Tally]


def _by_outcome(tallies: Tallied) -> Mapping[tuple[str, ...], float]:
    # By the times and not the reason, each of which has its own: they are hashed at a fraction of the price.
    counts: defaultdict[tuple[str, str, Times], int] = defaultdict(int)
    for tally in tallies:
        outcome = tally.outcome
        counts[outcome.frontend, outcome.variant, tally.times] += tally.count
    return {
        (frontend, variant, OUTCOMES[times.reason].label, str(OUTCOMES[times.reason].status)): count
        for (frontend, variant, times), count in counts.items()
    }


def _by(label_value: Callable[[Outcome], str | None]) -> Callable[[Tallied], Mapping[str, float]]:
    """Return what adds up the counts by a label's value; None is not counted."""

    def counts(tallies: Tallied) -> Mapping[str, float]:
        found: defaultdict[str, int] = defaultdict(int)
        for tally in tallies:
            value = label_value(tally.outcome)
            if value is not None:
                found[value] += tally.count
        return found

    return counts


def _rcode(outcome: Outcome) -> str | None:
    return None if outcome.answered_rcode is None else _RCODE_NAMES[outcome.answered_rcode]


def _latency(tallies: Tallied) -> Mapping[str, Distribution]:
    groups: defaultdict[str, list[Times]] = defaultdict(list)
    for times in times_of(tallies):
        groups[_HOW.get(times.reason, _OTHER)].append(times)
    return {how: _distribution(group) for how, group in groups.items()}


def _distribution(group: Sequence[Times]) -> Distribution:
    counts = map(sum, zip(*(times.buckets for times in group), strict=True))
    return distribution(LATENCY_BOUNDS, counts, sum(times.seconds for times in group))


REQUEST_FIGURES: Final = FigureGroup[Tallied](
    "Requests",
    (
        counter("requests", "Finished requests.", _by_outcome, FRONTEND, METHOD, OUTCOME, STATUS),
        counter("dialect_requests", "Requests by dialect.", _by(lambda outcome: outcome.dialect), DIALECT),
        counter(
            "dialect_shadow_requests",
            "Requests served in a dialect set to count: what refuse would have hit.",
            _by(lambda outcome: outcome.dialect if outcome.shadow else None),
            DIALECT,
        ),
        counter("malformed_queries", "DNS messages refused, by what is wrong.", _by(lambda one: one.fault), FAULT),
        counter("replies", "DNS replies by rcode.", _by(_rcode), RCODE),
        Figure(
            "request_seconds",
            "From a request's last byte to its response.",
            Kind.HISTOGRAM,
            Unit.SECONDS,
            _latency,
            (ANSWERED,),
        ),
    ),
)

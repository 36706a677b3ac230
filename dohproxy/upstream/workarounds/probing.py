"""Carries out a trial of what an upstream can stand, at the end of a probe. What it means is decided in `trial`."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from dohproxy.upstream.attempts import judge
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.workarounds.trial import SAYS_NOTHING, Additions, is_whole
from dohproxy.upstream.workarounds.workarounds import Workarounds
from dohproxy.wire.answer import Answer

MOST_WAIT_SECONDS: Final = 3.0
"""How long the next query of a trial waits for room in the budget: after two connections that were closed on us there
is a pause of a second."""
WAIT_SECONDS: Final = 0.25
"""The pause between two looks at the budget."""


class Tried(Protocol):
    """An upstream as a trial needs it."""

    health: UpstreamHealth

    def workarounds(self, *, over_stream: bool) -> Workarounds:
        """Return what it can stand on this way."""

    async def probe(
        self, now: float, *, over_stream: bool, additions: Additions | None = None
    ) -> Answer | Unproven | SendStatus:
        """Ask the question that is nobody's, with these additions."""


async def try_additions(
    upstream: Tried, sent_at: float, outcome: Answer | Unproven | SendStatus, clock: Callable[[], float]
) -> tuple[float, Answer | Unproven | SendStatus]:
    """Hold the trials that are due after a probe, sent at `sent_at`, that brought `outcome`.

    Return when the query was sent that says how the upstream is, and what it brought: the probe's own, or that of one
    with nothing it cannot stand.
    """
    if isinstance(outcome, SendStatus) and outcome in SAYS_NOTHING:
        return sent_at, outcome
    is_well = isinstance(outcome, Answer) and is_whole(outcome)
    first = upstream.health.over_stream
    for over_stream in (first,) if first else (False, True):
        workarounds = upstream.workarounds(over_stream=over_stream)
        if workarounds.wants_trial(clock()):
            better = await _hold(upstream, workarounds, clock, over_stream=over_stream)
            if better is not None and over_stream is first and not is_well:
                sent_at, outcome = better
    return sent_at, outcome


async def _hold(
    upstream: Tried, workarounds: Workarounds, clock: Callable[[], float], *, over_stream: bool
) -> tuple[float, Answer] | None:
    trial = workarounds.begin_trial()
    last_good: tuple[float, Answer] | None = None
    while (additions := trial.next_additions()) is not None:
        if not await _room(upstream.health, clock, over_stream=over_stream):
            break
        outcome: Answer | Unproven | SendStatus = SendStatus.ABANDONED
        sent_at = clock()
        try:
            outcome = await upstream.probe(sent_at, over_stream=over_stream, additions=additions)
        finally:
            upstream.health.end_trial(judge(outcome, over_stream=over_stream))
        trial.learn(outcome)
        if isinstance(outcome, Answer) and is_whole(outcome):
            last_good = sent_at, outcome
    workarounds.conclude(trial, clock())
    return last_good


async def _room(health: UpstreamHealth, clock: Callable[[], float], *, over_stream: bool) -> bool:
    until = clock() + MOST_WAIT_SECONDS
    while not health.begin_trial(clock(), over_stream=over_stream):
        if clock() >= until:
            return False
        await asyncio.sleep(WAIT_SECONDS)
    return True

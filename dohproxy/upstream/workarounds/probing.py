"""Carries out a trial of what an upstream can stand, at the end of a probe. What it means is decided in `trial`."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from dohproxy.upstream.attempts import judge
from dohproxy.upstream.health.health import Standing
from dohproxy.upstream.results import Result, Unproven
from dohproxy.upstream.workarounds.trial import SAYS_NOTHING, Additions, is_whole
from dohproxy.upstream.workarounds.workarounds import Abilities
from dohproxy.wire.answer import Answer

MOST_WAIT_SECONDS: Final = 3.0
"""For the budget to have room for the next query of a trial: after two connections that were closed on us there is a
pause of a second."""
WAIT_SECONDS: Final = 0.25
"""Between two looks at it."""


class Tried(Protocol):
    """An upstream as a trial needs it."""

    standing: Standing

    def abilities(self, *, over_stream: bool) -> Abilities:
        """Return what it can stand on this way."""

    async def probe(
        self, now: float, *, over_stream: bool, additions: Additions | None = None
    ) -> Answer | Unproven | Result:
        """Ask the question that is nobody's, with these additions."""


async def try_additions(
    upstream: Tried, sent_at: float, outcome: Answer | Unproven | Result, clock: Callable[[], float]
) -> tuple[float, Answer | Unproven | Result]:
    """Hold the trials that are due after a probe, sent at `sent_at`, that brought `outcome`.

    Return when the query was sent that says how the upstream is, and what it brought: the probe's own, or that of one
    with nothing it cannot stand.
    """
    if isinstance(outcome, Result) and outcome in SAYS_NOTHING:
        return sent_at, outcome
    is_well = isinstance(outcome, Answer) and is_whole(outcome)
    first = upstream.standing.over_stream
    for over_stream in (first,) if first else (False, True):
        abilities = upstream.abilities(over_stream=over_stream)
        if abilities.wants_trial(clock()):
            better = await _hold(upstream, abilities, clock, over_stream=over_stream)
            if better is not None and over_stream is first and not is_well:
                sent_at, outcome = better
    return sent_at, outcome


async def _hold(
    upstream: Tried, abilities: Abilities, clock: Callable[[], float], *, over_stream: bool
) -> tuple[float, Answer] | None:
    trial = abilities.begin_trial()
    last_good: tuple[float, Answer] | None = None
    while (additions := trial.next_additions()) is not None:
        if not await _room(upstream.standing, clock, over_stream=over_stream):
            break
        outcome: Answer | Unproven | Result = Result.ABANDONED
        sent_at = clock()
        try:
            outcome = await upstream.probe(sent_at, over_stream=over_stream, additions=additions)
        finally:
            upstream.standing.end_trial(judge(outcome, over_stream=over_stream))
        trial.learn(outcome)
        if isinstance(outcome, Answer) and is_whole(outcome):
            last_good = sent_at, outcome
    abilities.conclude(trial, clock())
    return last_good


async def _room(standing: Standing, clock: Callable[[], float], *, over_stream: bool) -> bool:
    until = clock() + MOST_WAIT_SECONDS
    while not standing.begin_trial(clock(), over_stream=over_stream):
        if clock() >= until:
            return False
        await asyncio.sleep(WAIT_SECONDS)
    return True

"""Finds out which of our additions an upstream cannot stand, with a question of our own and one addition at a time.

First the question goes out with nothing but what is known to be stood, and its answer is the measure. Then each other
addition joins in its turn: what brings the same answer stays, what does not is left out. So every verdict stands on two
replies to one question, which differ in that addition alone; and silence, which may be the weather, is asked twice and
believed only if the upstream answers once more without.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from dohproxy.config.additions import Addition
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import Rcode, rcode_name

Additions = frozenset[Addition]

IN_EDNS: Final = frozenset({Addition.COOKIE, Addition.PADDING})
"""What stands in the OPT record, and goes with it."""
MOST_SENDS: Final = 2 + 2 * len(Addition)
"""The most queries of one trial: the measure, each addition twice, and the answer that confirms."""

SILENCE: Final = "silence"
SAYS_NOTHING: Final = frozenset({SendStatus.UNSENT, SendStatus.ABANDONED, SendStatus.NO_ROUTE})
"""Ends of a query that never went out, or for whose reply nobody waited."""


class TrialVerdict(StrEnum):
    """What a trial has shown."""

    UNDECIDED = "undecided"
    NOT_OURS = "not_ours"
    """The upstream answers no better without our additions: it is nothing that we add."""
    FOUND = "found"
    """For each addition, whether it is stood."""


def without_what_edns_holds(additions: Additions) -> Additions:
    """Return the additions, but what stands in an OPT only where there is one."""
    return additions if Addition.EDNS in additions else additions - IN_EDNS


class WorkaroundTrial:
    """One trial: send the question with what `next_additions` returns, `learn` what came of it, until that is None."""

    def __init__(self, stood: Additions, candidates: Sequence[Addition]) -> None:
        """`stood`: what is known to be stood. `candidates`: what is not, in the order in which they are tried."""
        self.stood = stood
        self.not_stood: dict[Addition, str] = {}
        """And what came instead of an answer, in a word."""
        self.verdict = TrialVerdict.UNDECIDED
        self._candidates = list(candidates)
        self._measure: int | None = None
        self._was_silent = False
        self._must_confirm = False
        self._is_over = False

    def next_additions(self) -> Additions | None:
        """Return what to add to the next query; None: the trial is over."""
        if self._is_over:
            return None
        if self._measure is None or not self._candidates:
            return self.stood
        return self.stood | {self._candidates[0]}

    def learn(self, outcome: Answer | Unproven | SendStatus) -> None:
        """Take in what came of the query with `next_additions`."""
        if isinstance(outcome, Unproven):
            # As good as nothing: anybody may have said it.
            outcome = SendStatus.UNPROVEN
        if isinstance(outcome, SendStatus) and outcome in SAYS_NOTHING:
            self._is_over = True
        elif self._measure is None:
            self._take_measure(outcome)
        elif not self._candidates:
            self._confirm(outcome)
        else:
            self._judge(outcome, self._candidates[0])

    def _take_measure(self, outcome: Answer | SendStatus) -> None:
        if isinstance(outcome, Answer) and is_whole(outcome):
            self._measure = outcome.rcode
            self._end_if_done()
        else:
            self._end(TrialVerdict.NOT_OURS)

    def _judge(self, outcome: Answer | SendStatus, candidate: Addition) -> None:
        if self._is_stood(outcome):
            self.stood |= {candidate}
            self._must_confirm = False
        elif isinstance(outcome, SendStatus) and not self._was_silent:
            self._was_silent = True
            return
        else:
            self.not_stood[candidate] = _word(outcome)
            self._must_confirm = True
            if candidate is Addition.EDNS:
                self._candidates = [one for one in self._candidates if one not in IN_EDNS]
        self._was_silent = False
        self._candidates.remove(candidate)
        self._end_if_done()

    def _confirm(self, outcome: Answer | SendStatus) -> None:
        if self._is_stood(outcome):
            self._end(TrialVerdict.FOUND)
        else:
            # It has fallen silent altogether, or fails for another reason since.
            self._is_over = True

    def _is_stood(self, outcome: Answer | SendStatus) -> bool:
        # What is cut has been understood, and who wants its own cookie first knows cookies.
        return isinstance(outcome, Answer) and (outcome.truncated or outcome.rcode in (self._measure, Rcode.BADCOOKIE))

    def _end_if_done(self) -> None:
        if not self._candidates and not self._must_confirm:
            self._end(TrialVerdict.FOUND)

    def _end(self, verdict: TrialVerdict) -> None:
        self.verdict = verdict
        self._is_over = True


def is_whole(answer: Answer) -> bool:
    """Tell whether this is an answer as a resolver that is well gives it."""
    return answer.kind in (Kind.POSITIVE, Kind.NODATA, Kind.NXDOMAIN)


def _word(outcome: Answer | SendStatus) -> str:
    if isinstance(outcome, SendStatus):
        return "a broken reply" if outcome is SendStatus.UNUSABLE else SILENCE
    return rcode_name(outcome.rcode)

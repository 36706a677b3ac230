"""What one upstream can stand of what we add to a question, for one way to it (UDP, or TCP and TLS).

An old server, or a box on the way, answers an OPT record, a cookie, the AD bit, a name in mixed case or padding with an
error, with a denial, or not at all. RFC 6891 section 6.2.2 lets us ask without, and remember it for a while.

Nobody else may bring us there. What a good answer has once come back to is left out for nothing that is heard after it:
no forger and no client who chooses names can talk us out of it. While there was none yet, a bad answer makes the same
question go out again with only what is proven, and makes a `WorkaroundTrial` due, which asks a question of our own.
What it finds is kept until a later trial, a day after, finds the upstream changed. Only an hour without anything good,
in which the upstream is of no use anyway, brings what was shown into question again; and then a trial decides that too.
"""

from collections.abc import Collection
from typing import Final

from dohproxy.config.additions import Addition
from dohproxy.saved import Interruption, Saved, UnfitState, distance, read_list, read_moment, read_number
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.workarounds.trial import (
    Additions,
    TrialVerdict,
    WorkaroundTrial,
    is_whole,
    without_what_edns_holds,
)
from dohproxy.value import value
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query
from dohproxy.wire.upstream_query import write_upstream_query

OVER_UDP: Final[Additions] = frozenset({Addition.EDNS, Addition.COOKIE, Addition.AD, Addition.CASE})
OVER_TCP: Final[Additions] = frozenset({Addition.EDNS, Addition.AD})
OVER_TLS: Final[Additions] = frozenset({Addition.EDNS, Addition.AD, Addition.PADDING})
RETRY_SECONDS: Final = 86_400.0
"""The time until what was left out is tried again: upstreams are renewed, and a trial costs a handful of queries."""
FADE_SECONDS: Final = 3600.0
"""After nothing but errors and silence for so long, what was shown is no longer taken for sure: another server may
stand behind the address."""
MOST_BARE_FAILURES: Final = 2
"""Questions in a row that failed without our additions too, before no more are repeated so: it will hardly be us, and
whoever bans us should not be asked twice for each name until a trial has shown it."""
SHORTEST_PAUSE_SECONDS: Final = 60.0
LONGEST_PAUSE_SECONDS: Final = 3600.0
"""The pause between two trials which showed that it is nothing of ours; it doubles from one to the next."""

MOST_WORD: Final = 32
"""Characters of what came instead of an answer, as it is read back; the longest word has 14."""

_ERRORS: Final = frozenset({Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED})
_FAILURES: Final = frozenset(
    {SendStatus.TIMEOUT, SendStatus.UNUSABLE, SendStatus.UNPROVEN, SendStatus.UNREACHABLE, SendStatus.LOST}
)
_REPEATED: Final = frozenset({SendStatus.TIMEOUT, SendStatus.UNUSABLE})
"""Where a connection does not come to be, what we would have said on it is not to blame."""


@value
class LeftOut:
    """One addition that is left out."""

    addition: Addition
    over_stream: bool
    since: float
    """Monotonic."""
    how: str
    """What came instead of an answer: "silence", "FORMERR"."""


class Workarounds:
    """What one way to one upstream is known to stand."""

    def __init__(
        self, additions: Additions, leave_out: Collection[Addition] = (), *, over_stream: bool = False
    ) -> None:
        """`additions`: what is sent on this way; `leave_out`: what the operator says is not to be."""
        self.in_use = without_what_edns_holds(additions - frozenset(leave_out))
        """What is added to a query."""
        self._over_stream = over_stream
        self._wanted = self.in_use
        self._shown: Additions = frozenset()
        self._left_out: dict[Addition, LeftOut] = {}
        self._retry_at = float("inf")
        self._is_doubted = False
        self._bare_failures = 0
        self._bad_since: float | None = None
        self._not_ours_until = float("-inf")
        self._pause = SHORTEST_PAUSE_SECONDS

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was found not to be stood."""
        return tuple(self._left_out.values())

    def proven(self, *, dnssec_ok: bool) -> Additions:
        """Return what to add to a question that failed with more; OPT stays where the client wants signatures, as
        nothing else asks for them (RFC 6891 section 6.2.2)."""
        proven = self.in_use & self._shown
        return proven | (self.in_use & {Addition.EDNS}) if dnssec_ok else proven

    def may_be_ours(self, outcome: Answer | Unproven | SendStatus, now: float) -> bool:
        """Tell whether a query with all that is in use may have ended so because of something that it had."""
        unproven = self.in_use - self._shown
        if not unproven or now < self._not_ours_until or self._bare_failures >= MOST_BARE_FAILURES:
            return False
        if not isinstance(outcome, Answer):
            return isinstance(outcome, SendStatus) and outcome in _REPEATED
        if outcome.kind is Kind.NXDOMAIN:
            return Addition.CASE in unproven
        return _is_bare_error(outcome)

    def heard(self, added: Additions, outcome: Answer | Unproven | SendStatus, now: float) -> None:
        """Learn from the end of any query what it had `added`."""
        if isinstance(outcome, Answer) and (outcome.truncated or is_whole(outcome) or outcome.rcode == Rcode.BADCOOKIE):
            self._bad_since = None
            self._bare_failures = 0
            if not added <= self._shown:
                # A denial may be what it makes of a name in mixed case.
                is_denial = outcome.kind is Kind.NXDOMAIN
                self._shown |= added - {Addition.CASE} if is_denial else added
                self._is_doubted = self._is_doubted or not added <= self._shown
        elif _is_bad(outcome):
            self._bare_failures += added <= self._shown
            self._heard_bad(added, now)

    def wants_trial(self, now: float) -> bool:
        """Tell whether one is due."""
        if now >= self._retry_at:
            return True
        return self._is_doubted and now >= self._not_ours_until and not self.in_use <= self._shown

    def begin_trial(self) -> WorkaroundTrial:
        """Return a trial of all that is not proven to be stood."""
        proven = self._wanted & self._shown
        return WorkaroundTrial(proven, [one for one in Addition if one in self._wanted and one not in proven])

    def conclude(self, trial: WorkaroundTrial, now: float) -> None:
        """Take in what a trial has shown."""
        self._bare_failures = 0
        match trial.verdict:
            case TrialVerdict.UNDECIDED:
                # What is left out stays so; to try again can wait.
                if now >= self._retry_at:
                    self._retry_at = now + RETRY_SECONDS
            case TrialVerdict.NOT_OURS:
                self._is_doubted = False
                self._not_ours_until = now + self._pause
                self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
                if now >= self._retry_at:
                    self._retry_at = now + RETRY_SECONDS
            case TrialVerdict.FOUND:
                self._is_doubted = False
                self._pause = SHORTEST_PAUSE_SECONDS
                self._bad_since = None
                self._keep(trial, now)

    def _keep(self, trial: WorkaroundTrial, now: float) -> None:
        known = self._left_out
        self._left_out = {
            one: known[one] if one in known else LeftOut(one, self._over_stream, now, how)
            for one, how in trial.not_stood.items()
        }
        self._shown = trial.stood
        self.in_use = without_what_edns_holds(self._wanted - frozenset(self._left_out))
        self._retry_at = now + RETRY_SECONDS if self._left_out else float("inf")

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with."""
        return {
            "shown": sorted(one.value for one in self._shown),
            "left_out": [
                {"addition": one.addition.value, "since": distance(one.since, now), "how": one.how}
                for one in self._left_out.values()
            ],
            "retry_at": distance(self._retry_at, now),
            "not_ours_until": distance(self._not_ours_until, now),
            "pause": self._pause,
        }

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported, as far as it is wanted now. Raises UnfitState, and then nothing
        has changed."""
        shown = frozenset(_read_addition(word) for word in read_list(saved, "shown", len(Addition)))
        left_out: dict[Addition, LeftOut] = {}
        for one in read_list(saved, "left_out", len(Addition)):
            if not isinstance(one, dict) or not isinstance(one.get("how"), str) or len(one["how"]) > MOST_WORD:
                raise UnfitState("left_out")
            addition = _read_addition(one.get("addition"))
            since = read_moment(one, "since", interruption)
            if addition in self._wanted:
                left_out[addition] = LeftOut(addition, self._over_stream, since, one["how"])
        pause = read_number(saved, "pause", SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        retry_at = read_moment(saved, "retry_at", interruption, never=float("inf"))
        self._not_ours_until = read_moment(saved, "not_ours_until", interruption)
        self._shown, self._left_out, self._pause, self._retry_at = shown, left_out, pause, retry_at
        self.in_use = without_what_edns_holds(self._wanted - frozenset(left_out))

    def _heard_bad(self, added: Additions, now: float) -> None:
        if self._bad_since is None:
            self._bad_since = now
        elif now - self._bad_since >= FADE_SECONDS:
            self._bad_since = now
            self._shown = frozenset()
            self._bare_failures = 0
        if not added <= self._shown:
            self._is_doubted = True


def write_query(
    query: Query, identifier: int, added: Additions, *, question: bytes = b"", cookie: bytes = b""
) -> bytes:
    """Return the message that asks an upstream `query` with what is `added`; the case of the name and the cookie have
    been drawn already, and are in `question` and `cookie`."""
    return write_upstream_query(
        query,
        identifier,
        padded=Addition.PADDING in added,
        question=question,
        cookie=cookie,
        has_edns=Addition.EDNS in added,
        asks_ad=Addition.AD in added,
    )


def _read_addition(word: object) -> Addition:
    for addition in Addition:
        if word == addition.value:
            return addition
    raise UnfitState("addition")


def _is_bad(outcome: Answer | Unproven | SendStatus) -> bool:
    if isinstance(outcome, Unproven):
        return True
    return _is_bare_error(outcome) if isinstance(outcome, Answer) else outcome in _FAILURES


def _is_bare_error(answer: Answer) -> bool:
    """Tell an error from one that gives its reason: that is about the name, or about us, and not about our message."""
    return answer.rcode in _ERRORS and not answer.errors and not answer.truncated

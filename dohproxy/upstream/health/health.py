"""What we owe one upstream and what we know of it; every send begins and ends here.

Most of what looks like a throttle can be made to look so by a client who chooses names (see `signals`), and silence
too: names whose servers say nothing are easily had. So replies and silence only make us suspect; a probe, one question
that is nobody's, convicts or acquits.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dohproxy.saved import Interruption, Saved, UnfitState, distance, read_dict, read_list, read_moment, read_number
from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.budget.queries import Budget
from dohproxy.upstream.health.breaker import BAN, RESTART, SILENCE, TIMEOUT_WEIGHT, UNREACHABLE_WEIGHT, Breaker
from dohproxy.upstream.health.round_trip import WORST_SCORE_SECONDS, RoundTrip
from dohproxy.upstream.health.signals import (
    HARMLESS,
    ReplyClass,
    ReplyWindow,
    SendResult,
    Signal,
    classify,
    told_unconfirmed,
)
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.wire.answer import Answer

PROBE_SECONDS: Final = 30.0
"""The pause between two probes of an upstream that is asked all the while, dnsdist's interval ..."""
LONGEST_PROBE_SECONDS: Final = 600.0
"""... doubled each time that it turned out to be well, up to this."""
MOST_PROBES: Final = 10
"""The most probes in any minute, whatever the upstream does: one that answers probes and nothing else would be found
well and lost again every other second."""
MOST_PROBES_SECONDS: Final = 60.0
QUICK_PROBES: Final = 5
"""The probes of a minute after which an upstream that is silent to clients again and again is probed less often: half
of what there may be, so that whoever makes it doubtful on purpose leaves some for when it is dead."""
DOUBT_SECONDS: Final = MOST_PROBES_SECONDS / (MOST_PROBES - QUICK_PROBES)
"""The pause between two probes from then on. It is no longer, as the upstream may be dead by now."""
STANDBY_SECONDS: Final = 3600.0
"""How long nothing is heard of an upstream, because others are asked or nobody asks anything, before it is probed to
see whether it is there; it is so at the beginning too. One query an hour is nothing to anybody, and a standby that has
been gone for a week is of no use on the day."""
SILENT_PROBES: Final = 2
"""Probes without an answer before an upstream that was well is silent: one packet in a hundred is lost on some ways,
and somebody may make us doubt a hundred times a day."""
BANS: Final = frozenset({Signal.REFUSED, Signal.PROHIBITED, Signal.PROTOCOL})
_VERDICTS: Final = {
    ReplyClass.REFUSED: Signal.REFUSED,
    ReplyClass.PROHIBITED: Signal.PROHIBITED,
    ReplyClass.PROTOCOL: Signal.PROTOCOL,
    ReplyClass.SERVFAIL: Signal.SERVFAIL,
}


@dataclass(frozen=True, slots=True)
class HealthIssue:
    """What is wrong with an upstream, and since when (monotonic seconds)."""

    signal: Signal
    since: float
    words: str = ""
    """What more is known of it; the same as long as it is the same trouble."""


def _never_ours(_: Answer | Unproven | SendStatus, __: bool, ___: float) -> bool:
    return False


class UpstreamHealth:
    """One upstream as the selection sees it."""

    def __init__(
        self,
        budget: Budget,
        breaker: Breaker,
        connections: ConnectionBudget,
        *,
        over_stream: bool,
    ) -> None:
        self.budget = budget
        self.breaker = breaker
        self.connections = connections
        self.over_stream = over_stream
        """Whether the upstream is always asked over TCP or TLS."""
        self.round_trip = RoundTrip()
        self.sends: dict[SendStatus, int] = dict.fromkeys(SendStatus, 0)
        self.probes = 0
        self.paused_since: float | None = None
        """Since when the operator has it left alone; None: it is asked. Then nothing is sent, not even a probe."""
        self.has_no_route = False
        """The last time that it could not be reached, this machine had no way to it."""
        self.when_opened: Callable[[float], None] = lambda _: None
        """Called when its breaker opens, so that others do not get its questions all at once."""
        self.may_be_ours: Callable[[Answer | Unproven | SendStatus, bool, float], bool] = _never_ours
        """Tells whether a query that had all we add may have ended so because of that; over a stream or not."""
        self.wants_trial: Callable[[float], bool] = lambda _: False
        """Tells whether it is to be found out what of that it can stand."""
        self.when_in_doubt: Callable[[], None] = lambda: None
        """Called when only a probe can tell whether it is there, which should not wait for the next look at it."""
        self.may_probe_for_all: Callable[[], bool] = lambda: True
        """Tells whether it is this node that finds out whether a ban is over."""
        self._evidence = ReplyWindow()
        self._convicted: Signal | None = None
        self._finding: HealthIssue | None = None
        self._probed_at: deque[float] = deque(maxlen=MOST_PROBES)
        self._probe_at = float("-inf")
        self._probe_pause = PROBE_SECONDS
        self._is_probed = False
        self._heard_at = float("-inf")
        self._silent_probes = 0
        self._was_tried_over_stream = False

    # --- Sends ---

    @property
    def is_paused(self) -> bool:
        """Whether the operator has it left alone."""
        return self.paused_since is not None

    @property
    def is_in_use(self) -> bool:
        """Whether neither its breaker nor the operator keeps us from it; at whatever time."""
        return self.breaker.is_closed and not self.is_paused

    def pause(self, now: float) -> None:
        """Leave it alone until `resume`; what is under way is finished. Others take over its questions by and by."""
        was_in_use = self.is_in_use
        self.paused_since = now
        if was_in_use:
            self.when_opened(now)

    def stay_paused(self, since: float) -> None:
        """Leave it alone as before, when it was another object; others have taken over its questions long since."""
        self.paused_since = since

    def resume(self, now: float) -> None:
        """Ask it again, little at first: it was perhaps left alone for being asked too much."""
        self.paused_since = None
        self.budget.begin_slowly(now)

    @property
    def is_troubled(self) -> bool:
        """Whether another upstream is to be preferred."""
        return self._convicted is Signal.SERVFAIL

    def is_usable(self, now: float, reserve: float = 0.0, *, over_stream: bool = False) -> bool:
        """Tell whether a query may be sent now that leaves the part `reserve` of the burst to others."""
        if not self.may_be_asked(now, over_stream=over_stream) or self._is_in_question(now):
            return False
        return self.budget.has_room(now, reserve)

    def _is_in_question(self, now: float) -> bool:
        """Tell whether it was silent for so long that a probe of it is under way, or has met silence too.

        Nobody is sent meanwhile. Who makes it doubtful on purpose keeps everybody waiting for the round trip of a
        probe, and no more often than there is one.
        """
        if not self.breaker.is_doubtful:
            return False
        return self._is_probed or (self._silent_probes > 0 and self._seconds_since_probe(now) < DOUBT_SECONDS)

    def may_be_asked(self, now: float, *, over_stream: bool = False) -> bool:
        """Tell whether a query may be sent as soon as the budget has room for it."""
        if not self.is_in_use:
            return False
        return not (self.over_stream or over_stream) or self.connections.may_ask(now)

    def begin(self, now: float, reserve: float = 0.0, *, over_stream: bool = False) -> bool:
        """Take what one send costs, if it may be sent; a True must be followed by one `end`."""
        return self.is_usable(now, reserve, over_stream=over_stream) and self.budget.take(now, reserve)

    def overdue(self, ending: SendResult, give_way: Callable[[], None]) -> None:
        """Learn that a send has had no answer in the time of an attempt; `end` must follow. It keeps its slot in
        flight until somebody else needs it, see `Budget`."""
        self.budget.keep_while_there_is_room(give_way)
        self.has_no_route = False
        self._failed(TIMEOUT_WEIGHT, ending)
        self._evidence.learn(ending)

    def end(self, ending: SendResult) -> None:
        """Learn how a send ended."""
        self._account(ending)
        if not (ending.was_overdue and ending.result is SendStatus.TIMEOUT):
            self._evidence.learn(ending)

    def _account(self, ending: SendResult) -> None:
        self.budget.release()
        self.sends[ending.result] += 1
        was_closed = self.breaker.is_closed
        match ending.result:
            case SendStatus.ANSWERED | SendStatus.TRUNCATED | SendStatus.BAD_COOKIE:
                self._heard(ending.now)
                self.round_trip.replied(ending.now - ending.sent_at, ending.now)
            case SendStatus.FAILED | SendStatus.UNUSABLE:
                # The zone's trouble, often made on purpose: no evidence against the upstream, and no measure of it.
                self._heard(ending.now)
            case SendStatus.UNPROVEN:
                # Somebody is there, if not as we know it. What is left to find out takes questions about several
                # names, and while the breaker is open there is only one.
                self._heard(ending.now)
            case SendStatus.TIMEOUT if not ending.was_overdue:
                self.has_no_route = False
                self._failed(TIMEOUT_WEIGHT, ending)
            case SendStatus.UNREACHABLE | SendStatus.UNTRUSTED | SendStatus.NO_ROUTE if (
                self.over_stream or not ending.over_stream
            ):
                self.has_no_route = ending.result is SendStatus.NO_ROUTE
                self._failed(UNREACHABLE_WEIGHT, ending)
            case _:
                # It says nothing about the upstream. TCP beside UDP that works is a matter of its connections alone,
                # which keep their own account.
                pass
        if was_closed and not self.breaker.is_closed:
            self.when_opened(ending.now)

    def _failed(self, weight: int, ending: SendResult) -> None:
        was_doubtful = self.breaker.is_doubtful
        if self.breaker.failed(weight, sent_at=ending.sent_at, now=ending.now):
            self.round_trip.learn(WORST_SCORE_SECONDS, ending.now)
        if self.breaker.is_doubtful and not was_doubtful:
            self.when_in_doubt()

    def _heard(self, now: float) -> None:
        self.has_no_route = False
        self._heard_at = now
        if self.breaker.is_closed or self.breaker.cause is not BAN:
            self._was_tried_over_stream = False
        if self.breaker.is_doubtful:
            self._silent_probes = 0
        if not self.breaker.is_closed and self.breaker.cause is SILENCE:
            self._come_back(now)
        self.breaker.heard(now)

    def _come_back(self, now: float) -> None:
        """Come back with half of what was asked, and by and by with that: it may have been us who were too much."""
        self.budget.halve(now)
        self.budget.begin_slowly(now)

    # --- Probes ---

    def may_probe(self, now: float) -> bool:
        """Tell whether a probe is due: a pause is over, there is a suspicion to be cleared up, or nothing has been
        heard for an hour.

        It takes nothing from anybody: where a breaker is open nobody is asked, and where replies are suspect asking
        is of little use.
        """
        is_due = self._is_probe_due(now)
        has_room = self.budget.has_room_for_probe(now)
        self.budget.is_claimed = is_due and not has_room
        return is_due and has_room

    def _is_probe_due(self, now: float) -> bool:
        if self._is_probed or not self._has_probe_left(now):
            return False
        if self.over_stream and not self.connections.may_ask(now):
            return False
        if not self.breaker.is_closed:
            return self.breaker.may_probe(now) and (self.breaker.cause is not BAN or self.may_probe_for_all())
        is_second = 0 < self._silent_probes < SILENT_PROBES
        if self.breaker.is_doubtful and (is_second or self._may_clear_up_doubt(now)):
            return True
        if now < self._probe_at and not is_second:
            return False
        is_wanted = self.is_troubled or self._is_standing_by(now) or self.wants_trial(now)
        return is_wanted or self._suspicion(now) is not None

    def _is_standing_by(self, now: float) -> bool:
        return now - self._heard_at >= STANDBY_SECONDS

    def _may_clear_up_doubt(self, now: float) -> bool:
        lately = sum(now - probed_at < MOST_PROBES_SECONDS for probed_at in self._probed_at)
        return lately < QUICK_PROBES or self._seconds_since_probe(now) >= DOUBT_SECONDS

    def _seconds_since_probe(self, now: float) -> float:
        return now - self._probed_at[-1] if self._probed_at else math.inf

    def begin_probe(self, now: float) -> None:
        """Take what a probe costs; it must be due, and one `end_probe` must follow."""
        self.budget.take_for_probe(now)
        self.breaker.begin_probe()
        self.probes += 1
        if self._seconds_since_probe(now) >= DOUBT_SECONDS:
            # What the last one was met with is long ago.
            self._silent_probes = 0
        self._probed_at.append(now)
        self._is_probed = True
        self._probe_at = now + self._probe_pause

    def repeat_probe(self, now: float) -> bool:
        """Take what a probe costs once more, as its connection was closed under it; False: it may not be."""
        if not self._has_probe_left(now) or self.budget.left(now) < 1:
            return False
        self.budget.release()
        self.budget.take_for_probe(now)
        self.sends[SendStatus.LOST] += 1
        self._probed_at.append(now)
        return True

    def end_probe(self, ending: SendResult) -> None:
        """Learn what the upstream says to a question whose answer it has, and which is small."""
        was_closed = self.breaker.is_closed
        self._account(ending)
        self._is_probed = False
        if ending.result is not SendStatus.TIMEOUT:
            self._silent_probes = 0
        word = classify(ending)
        if word is ReplyClass.GOOD:
            self._acquit(ending.now)
        elif ending.result is SendStatus.TRUNCATED:
            self._convict(Signal.TRUNCATED, ending.now)
        elif ending.result is SendStatus.UNPROVEN and self.breaker.is_closed:
            pass  # TCP decides. Where the breaker is open by a ban, a word that the ban goes on is enough.
        elif word in _VERDICTS:
            self._convict(_VERDICTS[word], ending.now)
        else:
            self._doubt(ending)
            self.breaker.postpone(ending.now)
        if was_closed and not self.breaker.is_closed:
            self.when_opened(ending.now)

    def _doubt(self, ending: SendResult) -> None:
        """Learn that a probe has brought nothing: that decides where the clients' questions had brought nothing, or
        there were none."""
        if ending.result is SendStatus.TIMEOUT:
            self._silent_probes += 1
        if not self.breaker.is_doubtful and not self._is_standing_by(ending.sent_at):
            return
        if ending.result in (SendStatus.UNREACHABLE, SendStatus.UNTRUSTED, SendStatus.NO_ROUTE):
            self.breaker.open(RESTART, ending.now)
        elif self._silent_probes >= SILENT_PROBES:
            self.breaker.open(SILENCE, ending.now)
        elif self._silent_probes > 0:
            self.when_in_doubt()

    def begin_stream_probe(self, now: float) -> bool:
        """Take what asking over TCP costs, if that would tell something: once for each silence, and if it may be."""
        is_repeated = self.breaker.is_closed and 0 < self._silent_probes < SILENT_PROBES
        is_of_use = not self.over_stream and not is_repeated and not self._was_tried_over_stream
        if not is_of_use or not self._has_probe_left(now) or not self.connections.may_ask(now):
            return False
        if not self.budget.take_for_probe(now):
            return False
        self._probed_at.append(now)
        self._was_tried_over_stream = True
        return True

    def end_stream_probe(self, ending: SendResult, *, doubt: SendResult) -> None:
        """Learn what it says over TCP to what it was silent to over UDP, or said without proof: `doubt`."""
        self.budget.release()
        self.sends[ending.result] += 1
        self._silent_probes = 0
        word = classify(ending)
        if doubt.result is not SendStatus.UNPROVEN:
            if word is ReplyClass.GOOD:
                self._convict(Signal.UDP_SILENT, ending.now)
        elif word is ReplyClass.GOOD:
            self._acquit(ending.now)
        elif ending.result not in (SendStatus.UNSENT, SendStatus.ABANDONED):
            # Where it says nothing over TCP, nobody contradicts what was said over UDP.
            said = word if word in _VERDICTS else classify(doubt)
            if said in _VERDICTS:
                self._convict(_VERDICTS[said], ending.now)

    def begin_trial(self, now: float, *, over_stream: bool) -> bool:
        """Take what one more question of our own costs, where it is to be found out what the upstream can stand."""
        if not self._has_probe_left(now) or (over_stream and not self.connections.may_ask(now)):
            return False
        if not self.budget.take_for_probe(now):
            return False
        self._probed_at.append(now)
        return True

    def end_trial(self, result: SendStatus) -> None:
        """Give back what it took. What it shows says nothing about how the upstream is."""
        self.budget.release()
        self.sends[result] += 1

    def _has_probe_left(self, now: float) -> bool:
        if self.is_paused:
            return False
        return len(self._probed_at) < MOST_PROBES or now - self._probed_at[0] >= MOST_PROBES_SECONDS

    def _suspicion(self, now: float) -> Signal | None:
        suspicion = self._evidence.suspicion(now)
        return None if suspicion in HARMLESS else suspicion

    def _acquit(self, now: float) -> None:
        if self._suspicion(now) is not None:
            self._probe_pause = min(2 * self._probe_pause, LONGEST_PROBE_SECONDS)
        if not self.breaker.is_closed:
            self._come_back(now)
        self.breaker.close()
        self._evidence.clear()
        if self._convicted in BANS or self.is_troubled:
            self._convicted = None

    def _convict(self, signal: Signal, now: float) -> None:
        self._evidence.clear()
        self._convicted = signal
        self._probe_pause = PROBE_SECONDS
        if signal in BANS:
            self.breaker.ban(now)
            return
        self.budget.halve(now)
        if signal is not Signal.UDP_SILENT:
            # It has answered, and not as one that does not want us.
            self.breaker.close()

    # --- From one process to the next ---

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with beside the budgets: the breaker, of what the upstream was
        convicted, and its probes."""
        return {
            "breaker": self.breaker.export(now),
            "convicted": None if self._convicted is None else self._convicted.value,
            "probe_at": distance(self._probe_at, now),
            "probe_pause": self._probe_pause,
            "probed_at": [distance(one, now) for one in self._probed_at],
        }

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported. Raises UnfitState, and then nothing has changed."""
        word = saved.get("convicted")
        if word is not None and word not in list(Signal):
            raise UnfitState("convicted")
        pause = read_number(saved, "probe_pause", PROBE_SECONDS, LONGEST_PROBE_SECONDS)
        probe_at = read_moment(saved, "probe_at", interruption)
        probed_at = [read_moment({"at": one}, "at", interruption) for one in read_list(saved, "probed_at", MOST_PROBES)]
        self.breaker.restore(read_dict(saved, "breaker"), interruption)
        self._convicted = None if word is None else Signal(word)
        self._probe_pause, self._probe_at = pause, probe_at
        self._probed_at.extend(probed_at)

    # --- From one node to others ---

    @property
    def is_banned(self) -> bool:
        """Whether the upstream has told us to go away, and has not answered as it should since."""
        return not self.breaker.is_closed and self.breaker.cause is BAN

    def export_ban(self, now: float) -> Saved:
        """Return what other nodes are to know of a ban."""
        convicted = self._convicted if self._convicted in BANS else Signal.REFUSED
        return {"breaker": self.breaker.export(now), "convicted": convicted.value}

    def learn_ban(self, saved: Saved, interruption: Interruption, now: float) -> None:
        """Another node was told to go away: we are as well. Raises UnfitState, and then nothing has changed."""
        word, breaker = saved.get("convicted"), read_dict(saved, "breaker")
        if word not in list(BANS) or breaker.get("cause") != "ban":
            raise UnfitState("convicted")
        was_closed = self.breaker.is_closed
        self.breaker.restore(breaker, interruption)
        self._convicted = Signal(word)
        self._evidence.clear()
        if was_closed:
            self.when_opened(now)

    def learn_end_of_ban(self, now: float) -> None:
        """Another node was answered as it should be; harmless if this one knows of no ban."""
        if self.is_banned:
            self._acquit(now)

    # --- What is to be told ---

    def finding(self, now: float) -> HealthIssue | None:
        """Return what is wrong and since when, None if all is well."""
        signal = self._signal(now)
        if signal is None:
            self._finding = None
            return None
        known, refusal = self._finding, self.connections.refusal
        words = refusal.words if refusal is not None and refusal.signal is signal else ""
        if known is None or known.signal is not signal:
            self._finding = HealthIssue(signal, now, words)
        elif known.words != words:
            self._finding = HealthIssue(signal, known.since, words)
        return self._finding

    def _signal(self, now: float) -> Signal | None:
        halved = self._convicted in (Signal.TRUNCATED, Signal.UDP_SILENT)
        if halved and self.breaker.is_closed and not self.budget.aimd.is_held_back(now):
            self._convicted = None
        if not self.breaker.is_closed:
            return self._reason_to_be_open()
        unconfirmed = told_unconfirmed(self._evidence.suspicion(now))
        return self._convicted or self.connections.signal(now) or unconfirmed

    def _reason_to_be_open(self) -> Signal:
        if self.breaker.cause is BAN or self._convicted is Signal.UDP_SILENT:
            return self._convicted or Signal.REFUSED
        if self.has_no_route:
            return Signal.NO_ROUTE
        if self.over_stream and self.connections.refusal is not None:
            return self.connections.refusal.signal
        if self.over_stream and self.connections.is_turned_away:
            return Signal.CONNECT
        return Signal.UNREACHABLE if self.breaker.cause is RESTART else Signal.SILENT

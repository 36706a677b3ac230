"""What an upstream shows when it has had enough of us, told apart from what only looks like it.

A throttle rarely says its name. Each of these signs means something else and wants another reaction, so each is kept
apart (the table is from what public resolvers and their firewalls were seen to do):

| what is seen | what it means | what we do |
|---|---|---|
| silence over UDP while TCP answers | a volume limit that drops | use half, and do not move to TCP |
| cut answers that were small | an amplification limit | use half; one TCP retry as always |
| REFUSED for every name | an access list, a ban | leave it alone for a minute, then longer, up to an hour |
| REFUSED and "Prohibited" (EDE 18) | the same, said out loud | the same |
| REFUSED or NOTIMP for some types | a policy | nothing |
| SERVFAIL for one zone | that zone | nothing: RFC 9520 remembers it |
| SERVFAIL for many zones | the upstream is in trouble | prefer others, use half |
| errors about our messages, for every name | we do not speak the same any more | as for a ban |
| connections refused or not finished | a firewall | knock less often; queries over UDP go on |
| a certificate that is not believed | somebody else, or it expired | send nothing, and say why |
| connections closed under our queries | a limit of connections | keep to one |
| TLS records without end that bring no answer | it is broken, or means us harm | close it, and in the end keep to one |
| nothing at all | it is down, or drops us | the breaker |
| no way there | this machine's own trouble | the breaker; if all are out of reach, say so once |
| silence or SERVFAIL for many, and a probe has not confirmed it | a throttle, or what clients ask for | tell it |
| connections closed after few answers | a throttle, or its way | ask no more on each, and tell it |

A client can make some of these appear by what it asks: names of broken zones, names that the upstream blocks. So what
could be made to appear is only a suspicion. It costs one question that is nobody's (the address of a root server), and
the answer to that decides. Packets that match no query of ours never come here at all: anybody could send them.
"""

from collections import deque
from enum import StrEnum
from typing import Final

from dohproxy.upstream.results import SendStatus
from dohproxy.value import value
from dohproxy.wire.answer import Answer
from dohproxy.wire.numbers import ExtendedError, Rcode

WINDOW: Final = 100
"""Ends of sends that are looked at, as dnsdist's lazy health checks do."""
WINDOW_SECONDS: Final = 300.0
"""Older ones say nothing about now."""
RUN: Final = 8
"""Equal ends in a row before they mean something, from ..."""
RUN_ZONES: Final = 4
"""... so many zones: one page of one site must not be enough."""
TROUBLE_SHARE: Final = 0.2
"""The share of SERVFAIL among the replies of the window, dnsdist's default, from ..."""
TROUBLE_ZONES: Final = 10
"""... so many zones, so that a site with broken names is not it."""
SMALL_ANSWER_BYTES: Final = 1_000
"""Records that would have fitted into the 1,232 bytes we offered."""


class Signal(StrEnum):
    """What is wrong with an upstream; metric label, so closed."""

    SILENT = "silent"
    UNREACHABLE = "unreachable"
    NO_ROUTE = "no_route"
    UDP_SILENT = "udp_silent"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    PROHIBITED = "prohibited"
    REFUSED_SOME = "refused_some"
    SERVFAIL_ZONE = "servfail_zone"
    SERVFAIL = "servfail"
    PROTOCOL = "protocol"
    CERTIFICATE = "certificate"
    HANDSHAKE = "handshake"
    CONNECT = "connect"
    CUT = "cut"
    TLS_FLOOD = "tls_flood"
    UNANSWERED = "unanswered"
    SERVFAIL_SOME = "servfail_some"
    FEW_ANSWERS = "few_answers"


HARMLESS: Final = frozenset(
    {Signal.REFUSED_SOME, Signal.SERVFAIL_ZONE, Signal.UNANSWERED, Signal.SERVFAIL_SOME, Signal.FEW_ANSWERS}
)
"""Seen, told apart, and no reason to ask it less; a client could make each of them appear."""


_UNCONFIRMED: Final = {Signal.UDP_SILENT: Signal.UNANSWERED, Signal.SERVFAIL: Signal.SERVFAIL_SOME}


def told_unconfirmed(suspicion: Signal | None) -> Signal | None:
    """Return what may be told of a suspicion without a probe that confirms it; None if nothing.

    A throttle that lets half of all questions through lets half of the probes through too, and is never found out. But
    whoever asks for an answer and gets none should not read that all is well.
    """
    if suspicion is None or suspicion in HARMLESS:
        return suspicion
    return _UNCONFIRMED.get(suspicion)


@value
class ConnectFailure:
    """Why TLS with an upstream came to nothing although somebody was there."""

    signal: Signal
    """CERTIFICATE or HANDSHAKE."""
    words: str
    """What OpenSSL says; never anything of the other side's own words."""


class ReplyClass(StrEnum):
    """What one reply amounted to, for this purpose."""

    GOOD = "good"
    SILENCE = "silence"
    CUT = "cut"
    """A reply with TC over UDP; and over TCP, an answer that would have fitted into UDP."""
    REFUSED = "refused"
    PROHIBITED = "prohibited"
    SERVFAIL = "servfail"
    PROTOCOL = "protocol"


def zone_of(qname: bytes) -> bytes:
    """Return the last two labels of a wire name: near enough to tell one zone from many."""
    before = here = offset = 0
    while length := qname[offset]:
        before, here = here, offset
        offset += length + 1
    return qname[before:]


@value
class SendResult:
    """How one send ended."""

    result: SendStatus
    zone: bytes
    """As `zone_of` has it."""
    over_stream: bool
    sent_at: float
    now: float
    answer: Answer | None = None
    after_cut: bool = False
    """The question had been answered over UDP before, with TC set."""
    was_overdue: bool = False
    """Its silence has been counted already."""


_WORDS: Final[dict[int, ReplyClass]] = {
    Rcode.REFUSED: ReplyClass.REFUSED,
    Rcode.SERVFAIL: ReplyClass.SERVFAIL,
    Rcode.FORMERR: ReplyClass.PROTOCOL,
    Rcode.NOTIMP: ReplyClass.PROTOCOL,
}
_BY_RESULT: Final = {
    SendStatus.UNUSABLE: ReplyClass.PROTOCOL,
    SendStatus.TIMEOUT: ReplyClass.SILENCE,
    # Where the budget is spent nothing follows over TCP, and this is all that is seen.
    SendStatus.TRUNCATED: ReplyClass.CUT,
}


def classify(ending: SendResult) -> ReplyClass | None:
    """Return what the end of a send says about the upstream; None if nothing."""
    answer = ending.answer
    if answer is None or ending.result not in (SendStatus.ANSWERED, SendStatus.FAILED, SendStatus.UNPROVEN):
        return _BY_RESULT.get(ending.result)
    if ending.after_cut and ending.over_stream and len(answer.records) <= SMALL_ANSWER_BYTES:
        return ReplyClass.CUT
    if answer.rcode == Rcode.REFUSED and ExtendedError.PROHIBITED in answer.errors:
        return ReplyClass.PROHIBITED
    return ReplyClass.GOOD if ending.result is SendStatus.ANSWERED else _WORDS.get(answer.rcode)


@value
class _Heard:
    word: ReplyClass
    zone: bytes
    at: float


class ReplyWindow:
    """The last replies of one upstream, and what they make one suspect."""

    def __init__(self) -> None:
        self._heard: deque[_Heard] = deque(maxlen=WINDOW)

    def learn(self, ending: SendResult) -> None:
        """Take in how a send ended."""
        word = classify(ending)
        if word is not None:
            self._heard.append(_Heard(word, ending.zone, ending.now))

    def clear(self) -> None:
        """Forget: the upstream has just proved to be well, or its ban has been dealt with."""
        self._heard.clear()

    def suspicion(self, now: float) -> Signal | None:
        """Return what the replies look like, None if all is ordinary."""
        heard = [one for one in self._heard if now - one.at <= WINDOW_SECONDS]
        if not heard:
            return None
        replies = [one for one in heard if one.word is not ReplyClass.SILENCE]
        return _run(replies) or _trouble(heard) or _harmless(replies)


def _run(replies: list[_Heard]) -> Signal | None:
    """Judge the last replies if they are all of a kind."""
    last = replies[-RUN:]
    words = {one.word for one in last}
    if len(last) < RUN or len({one.zone for one in last}) < RUN_ZONES:
        return None
    if words == {ReplyClass.CUT}:
        return Signal.TRUNCATED
    if words == {ReplyClass.PROTOCOL}:
        return Signal.PROTOCOL
    if words == {ReplyClass.PROHIBITED}:
        return Signal.PROHIBITED
    return Signal.REFUSED if words <= {ReplyClass.REFUSED, ReplyClass.PROHIBITED} else None


def _trouble(heard: list[_Heard]) -> Signal | None:
    """Judge by shares: what goes wrong for many zones at once is hardly the zones' fault."""
    for word, signal in ((ReplyClass.SERVFAIL, Signal.SERVFAIL), (ReplyClass.SILENCE, Signal.UDP_SILENT)):
        wrong = [one.zone for one in heard if one.word is word]
        if len(wrong) >= TROUBLE_SHARE * len(heard) and len(set(wrong)) >= TROUBLE_ZONES:
            return signal
    return None


def _harmless(replies: list[_Heard]) -> Signal | None:
    last = replies[-RUN:]
    if sum(one.word in (ReplyClass.REFUSED, ReplyClass.PROHIBITED, ReplyClass.PROTOCOL) for one in last) >= RUN // 2:
        return Signal.REFUSED_SOME
    failed = [one.zone for one in last if one.word is ReplyClass.SERVFAIL]
    return Signal.SERVFAIL_ZONE if len(failed) >= RUN // 2 and len(set(failed)) < RUN_ZONES else None

"""Every way in which an upstream tells a guest that it is unwelcome, as it looks over UDP, TCP and TLS.

DoH upstreams have HTTP's words for it; ours have none of them. The explicit refusal of a 429 is here REFUSED with an
extended error, a 403 or 421 to everything is FORMERR or NOTIMP, and GOAWAY is a connection that closes under its
queries.
"""

import zlib
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from bench.ban.answers import Question, Rcode, failure, registered_domain, truncated


class Signal(StrEnum):
    """One way of saying it."""

    SILENCE = "silence"
    """No answer over any transport."""
    UDP_SILENCE = "udp_silence"
    """No answer over UDP, while TCP works: a volume limit."""
    TRUNCATION = "truncation"
    """Nothing but TC over UDP: a limit on amplification."""
    REFUSED = "refused"
    """REFUSED for every name: a ban."""
    REFUSED_TYPES = "refused_types"
    """REFUSED for some types only: a policy, no ban."""
    NOTIMP_TYPES = "notimp_types"
    SERVFAIL_ZONE = "servfail_zone"
    """SERVFAIL below one name: that zone's trouble."""
    SERVFAIL_MANY = "servfail_many"
    """SERVFAIL for half of all unrelated domains: the upstream's trouble."""
    PROHIBITED = "prohibited"
    """REFUSED with EDE 18: says in so many words that it means us."""
    FORMERR = "formerr"
    """FORMERR for everything: it does not speak our dialect any more."""
    NOTIMP = "notimp"
    RESET = "reset"
    """Connections are reset as soon as they are there; nothing over UDP."""
    HANDSHAKE_HANGS = "handshake_hangs"
    """Connections open, and then nothing happens; nothing over UDP."""
    CLOSING = "closing"
    """Connections are closed as soon as something is asked over them; UDP works."""


REFUSED_TYPES: Final = frozenset({16, 65})
"""TXT and HTTPS: types that clients ask for, and that a local policy may well not like."""
TROUBLED_ZONE: Final = "troubled.example.net"
PROHIBITED_EDE: Final = 18

_RCODES: Final[dict[Signal, tuple[Rcode, int | None]]] = {
    Signal.REFUSED: (Rcode.REFUSED, None),
    Signal.PROHIBITED: (Rcode.REFUSED, PROHIBITED_EDE),
    Signal.REFUSED_TYPES: (Rcode.REFUSED, None),
    Signal.NOTIMP_TYPES: (Rcode.NOTIMP, None),
    Signal.SERVFAIL_ZONE: (Rcode.SERVFAIL, None),
    Signal.SERVFAIL_MANY: (Rcode.SERVFAIL, None),
    Signal.FORMERR: (Rcode.FORMERR, None),
    Signal.NOTIMP: (Rcode.NOTIMP, None),
}
"""The signals that are answers, with the extended error that explains them."""


class Act(Enum):
    """What to do instead of answering."""

    DROP = auto()
    CLOSE = auto()
    """Close the connection under the query."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What becomes of a new connection."""

    resets: bool = False
    hangs: bool = False


def meet_connection(signal: Signal | None) -> Welcome:
    """Decide on a connection that has just been made."""
    return Welcome(resets=signal is Signal.RESET, hangs=signal is Signal.HANDSHAKE_HANGS)


def meet_query(signal: Signal | None, question: Question, *, over_stream: bool) -> bytes | Act | None:
    """Decide on a query: an answer in place of the true one, an act, or None to let the true answer go out."""
    match signal:
        case Signal.SILENCE:
            return Act.DROP
        case Signal.UDP_SILENCE | Signal.RESET | Signal.HANDSHAKE_HANGS if not over_stream:
            return Act.DROP
        case Signal.TRUNCATION if not over_stream:
            return truncated(question)
        case Signal.CLOSING | Signal.RESET if over_stream:
            return Act.CLOSE
        case Signal.HANDSHAKE_HANGS:
            return Act.DROP
        case _:
            return _rcode_instead(signal, question)


def _rcode_instead(signal: Signal | None, question: Question) -> bytes | None:
    if signal is None or signal not in _RCODES or not _is_meant(signal, question):
        return None
    rcode, error = _RCODES[signal]
    return failure(question, rcode, error)


def _is_meant(signal: Signal, question: Question) -> bool:
    match signal:
        case Signal.REFUSED_TYPES | Signal.NOTIMP_TYPES:
            return question.qtype in REFUSED_TYPES
        case Signal.SERVFAIL_ZONE:
            return _is_below(question, TROUBLED_ZONE)
        case Signal.SERVFAIL_MANY:
            return zlib.crc32(registered_domain(question.labels)) % 2 == 1
        case _:
            return True


def _is_below(question: Question, zone: str) -> bool:
    labels = tuple(zone.encode("ascii").split(b"."))
    return question.labels[-len(labels) :] == labels

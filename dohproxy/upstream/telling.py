"""What clients are told of a failure that an upstream has put into words: what is true, and what they make no harm of.

A stub does not take every error for the same. SERVFAIL to a question of type HTTPS or SVCB over an encrypted way keeps
it from connecting at all, as an attacker may be behind it (RFC 9460 section 3.1; Chromium can be told to do so, and
takes no other rcode for that). FORMERR makes it doubt its own query: systemd-resolved tries with less and less, Android
notes that the server knows no EDNS. docs/upstreams.md has the table.
"""

from typing import Final

from dohproxy.outcomes import OUTCOMES, Reason
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import ExtendedError, Qtype, Rcode
from dohproxy.wire.reply import Content

KNOWN_TYPES: Final = frozenset({Qtype.A, Qtype.NS, Qtype.CNAME, Qtype.SOA, Qtype.PTR, Qtype.MX, Qtype.TXT, Qtype.AAAA})
"""Types that every server knows and answers: who calls a question for one of them an error means us, or is broken."""
ABOUT_WHO_ASKS: Final = frozenset({ExtendedError.PROHIBITED, ExtendedError.NOT_AUTHORITATIVE})
"""EDE codes that say that the upstream does not serve us (RFC 8914 sections 4.19 and 4.21): passed on, they would tell
our clients that it is they who are not served."""
Told = tuple[int, tuple[int, ...]]
"""An rcode and EDE info codes."""


def content_of_failure(failure: UpstreamFailure, qtype: int) -> Content:
    """Return what clients and the failure memory are told of a question of this type."""
    if failure.answer is not None:
        rcode, errors = told_of(failure.answer, qtype)
        return Content(rcode, errors=errors)
    return Content(Rcode.SERVFAIL, errors=OUTCOMES[failure.reason].errors)


def told_of(answer: Answer, qtype: int) -> Told:
    """Return what a client is told of this failure or referral.

    What explains itself (EDE) is the upstream's verdict on the question, and goes through; no code is added to it or to
    any other, as we know no more of the reason than it said. Bare, it depends on the question.
    """
    errors = tuple(code for code in answer.errors if code not in ABOUT_WHO_ASKS)
    if errors and 0 < answer.rcode < Rcode.BADVERS:
        return answer.rcode, errors
    match answer.rcode:
        case Rcode.YXDOMAIN:
            # A DNAME leads to a name that is too long (RFC 6672 section 2.2): it is the answer.
            return Rcode.YXDOMAIN, ()
        case Rcode.REFUSED if qtype not in KNOWN_TYPES:
            return Rcode.REFUSED, ()
        case Rcode.NOTIMP | Rcode.FORMERR if qtype not in KNOWN_TYPES:
            # FORMERR would be about the client's message, which was well-formed. The upstream means the type: what we
            # add of our own it can stand, or has been asked without.
            return Rcode.NOTIMP, ()
        case _:
            # It failed for the name; or it means us, by a ban or something that it does not understand, about which a
            # client can do nothing; or it refers us to others.
            return Rcode.SERVFAIL, ()


def came_to_nothing(found: Answer | UpstreamFailure) -> bool:
    """Tell whether it is the name's or its servers' doing that there is nothing to show, and not the upstream's."""
    if isinstance(found, Answer):
        return found.kind is Kind.NXDOMAIN
    if found.answer is not None:
        return found.answer.rcode == Rcode.SERVFAIL
    return found.reason is Reason.UPSTREAM_TIMEOUT

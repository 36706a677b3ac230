"""How one send ended, and how a whole question failed: the words that attempts, transports and statistics share."""

import errno
from enum import StrEnum
from typing import Final

from dohproxy.outcomes import Reason
from dohproxy.value import value
from dohproxy.wire.answer import Answer

_NO_ROUTE: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENODEV, errno.EPERM, errno.EACCES}
)
_OWN_TROUBLE: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN}
)


class SendStatus(StrEnum):
    """How one send ended. The value is a metric label, so this set stays small and closed."""

    ANSWERED = "answered"
    FAILED = "failed"
    """SERVFAIL, REFUSED, a referral: an answer that another upstream may better."""
    TRUNCATED = "truncated"
    """TC over UDP: the same question goes to the same upstream over TCP (RFC 7766 section 5)."""
    UNUSABLE = "unusable"
    """The reply to our query, but of no use: unreadable, cut even over TCP, or an rcode about our own OPT."""
    BAD_COOKIE = "bad_cookie"
    """BADCOOKIE over UDP: the same question goes to the same upstream with the cookie that came with it, and if that
    is no better, over TCP (RFC 7873 section 5.3)."""
    UNPROVEN = "unproven"
    """Until the end of the wait there were only replies that a forger could have sent, in another case than ours or
    without our cookie: the same question goes to the same upstream over TCP, where nobody forges blindly."""
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    """Refused, reset, no route, no TLS with the right name, no connection in time, not DNS that is spoken there."""
    NO_ROUTE = "no_route"
    """This machine has no way there: no route, or a firewall of its own. It is not the upstream's fault."""
    UNTRUSTED = "untrusted"
    """Its certificate or key is not one that we believe, so that nothing was sent to it."""
    LOST = "lost"
    """A kept connection ended under the query, as it may at any time (RFC 7766 section 6.2.4)."""
    UNSENT = "unsent"
    """This machine is out of descriptors, memory or ports: nothing went out, and it is nobody else's fault."""
    ABANDONED = "abandoned"
    """We stopped waiting because we shut down."""


@value
class Unproven:
    """Until the end of the wait there was no other reply than this one, which a forger could have sent who guesses
    port and ID: an error that repeats neither question nor cookie, from an upstream that is known to do so. It is
    UNPROVEN as the others are, but somebody should find out whether it is true."""

    answer: Answer


@value
class UpstreamFailure:
    """Why a question has no answer."""

    reason: Reason
    """BUDGET_SPENT, UPSTREAM_TIMEOUT, UPSTREAM_UNREACHABLE or UPSTREAM_REFUSED; for one of too many who wait for the
    same answer, SERVICE_LIMIT."""
    answer: Answer | None = None
    """For UPSTREAM_REFUSED, and only then: the last failure or referral an upstream gave, whose rcode and EDE codes
    are passed on."""


class Bug:
    """An exception that should not have been raised, on its way to those who wait."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def result_of(error: OSError) -> SendStatus:
    """Tell a fault of the upstream from a missing way to it, and from a shortage of this machine, which says nothing
    about anybody."""
    if error.errno in _OWN_TROUBLE:
        return SendStatus.UNSENT
    return SendStatus.NO_ROUTE if error.errno in _NO_ROUTE else SendStatus.UNREACHABLE

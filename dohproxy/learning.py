"""What is kept of each answer and each failure that comes from an upstream, whoever still waits for it."""

from collections.abc import Callable

from dohproxy.cache import Cache
from dohproxy.outcomes import Reason
from dohproxy.policy.domains import DomainLimit
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.upstream.telling import content_of_failure
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query


def learn_into(
    cache: Cache, domains: DomainLimit | None, clock: Callable[[], float]
) -> Callable[[Query, Answer | UpstreamFailure], None]:
    """Return what keeps the result of each fetch, and charges it to its domain, if domains have limits there.

    Nothing unjudged is stored: an Answer has been parsed and belongs to this very question.
    """

    def learn(query: Query, found: Answer | UpstreamFailure) -> None:
        now = clock()
        if isinstance(found, Answer):
            cache.store(query.key, found, now)
        elif found.reason is Reason.BUDGET_SPENT:
            # It says nothing about the question: nobody was asked, and the next second may have room.
            return
        else:
            content = content_of_failure(found, query.qtype)
            grows = found.reason is not Reason.UPSTREAM_UNREACHABLE
            cache.remember_failure(query.key, content.rcode, content.errors, now, grows=grows)
        if domains is not None:
            domains.charge(query.qname, now, failed=_came_to_nothing(found))

    return learn


def _came_to_nothing(found: Answer | UpstreamFailure) -> bool:
    """Tell whether it is the name's or its servers' doing that there is nothing to show, and not the upstream's."""
    if isinstance(found, Answer):
        return found.kind is Kind.NXDOMAIN
    if found.answer is not None:
        return found.answer.rcode == Rcode.SERVFAIL
    return found.reason is Reason.UPSTREAM_TIMEOUT

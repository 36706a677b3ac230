"""What is kept of each answer and each failure that comes from an upstream, whoever still waits for it."""

from collections.abc import Callable

from dohproxy.cache import Cache
from dohproxy.outcomes import Reason
from dohproxy.policy.domains import DomainLimit
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.upstream.telling import came_to_nothing, content_of_failure
from dohproxy.wire.answer import Answer
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
            domains.charge(query.qname, now, failed=came_to_nothing(found))

    return learn

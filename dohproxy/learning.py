"""What is kept of each answer and each failure that comes from an upstream, whoever still waits for it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from dohproxy.cache import Cache
from dohproxy.config import UpstreamConfig
from dohproxy.outcomes import Reason
from dohproxy.policy.domains import DomainLimit
from dohproxy.upstream.elsewhere import Elsewhere
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.upstream.telling import came_to_nothing, content_of_failure
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query


class Others(Elsewhere, Protocol):
    """Other nodes, as far as one route goes: what is learnt there is known here, and what is learnt here there."""

    def publish(self, query: Query, found: Answer | UpstreamFailure) -> None:
        """Let them have it; the cache has it already, if it is to be kept."""


class Shares(Protocol):
    """Shares what routes learn with other nodes."""

    def of(self, cache: Cache, domains: Sequence[str], upstreams: Sequence[UpstreamConfig]) -> Others | None:
        """Return those who share what the route of these domains has in its cache; None if nobody does. The route of
        all other names has none."""


def learn_into(
    cache: Cache, domains: DomainLimit | None, clock: Callable[[], float], others: Others | None = None
) -> Callable[[Query, Answer | UpstreamFailure], None]:
    """Return what keeps the result of each fetch, charges it to its domain, if domains have limits there, and lets the
    `others` have it.

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

    if others is None:
        return learn
    publish = others.publish

    def learn_and_publish(query: Query, found: Answer | UpstreamFailure) -> None:
        learn(query, found)
        publish(query, found)

    return learn_and_publish

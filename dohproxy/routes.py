"""Where a question goes: to the upstreams that are asked about everything, or to those of a route.

A route has a cache, a line and budgets of its own. So what the world says about a name, that it does not exist for
instance, never stands for what its own resolver says, and neither waits for the other.
"""

from collections.abc import Mapping
from typing import Final

from dohproxy.cache import Cache
from dohproxy.policy.special_names import special_zone_position
from dohproxy.upstream.upstreams import Upstreams
from dohproxy.value import value
from dohproxy.wire.numbers import Qtype
from dohproxy.wire.query import Query


@value
class Route:
    """Who is asked, and where what they say is kept."""

    cache: Cache
    upstreams: Upstreams
    is_general: bool = True
    """Whether it is for every name: then the rules for names that cannot exist hold."""
    limits_domains: bool = True
    """Whether the limits on single domains hold: they keep one domain from using up a budget that others share."""


class Routes:
    """Finds the route of a question."""

    def __init__(self, general: Route, by_domain: Mapping[bytes, Route] | None = None) -> None:
        """`by_domain`: in wire form and lower case, each with all names below it."""
        self.general: Final = general
        self._by_domain: Final = dict(by_domain or {})

    def of(self, query: Query) -> Route:
        """Return the route of the longest domain that holds the name asked for.

        A zone that is special for everybody and lies within that domain is none of it, and the DS of the domain itself
        is its parent's (RFC 4035 section 3.1.4.1).
        """
        if not self._by_domain:
            return self.general
        qname, offset = query.qname, 0
        while length := qname[offset]:
            route = self._by_domain.get(qname[offset:])
            if route is not None:
                return route if self._is_within(query, offset) else self.general
            offset += length + 1
        return self.general

    def _is_within(self, query: Query, domain: int) -> bool:
        if domain == 0 and query.qtype == Qtype.DS:
            return False
        special = special_zone_position(query.qname)
        return special is None or special >= domain

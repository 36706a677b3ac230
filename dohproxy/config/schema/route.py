"""[[route]]: names with a resolver of their own."""

from dataclasses import dataclass
from typing import Annotated, Final

from dohproxy.config.addresses import parse_route_domain
from dohproxy.config.keys import Integer, Text, TextList
from dohproxy.config.presets import parse_upstream_name
from dohproxy.config.schema.names import MAX_DOMAINS
from dohproxy.config.schema.upstream import MAX_UPSTREAMS

MAX_ROUTES: Final = 16


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """Names with a resolver of their own: private zones, or the members' own domain as it is seen from inside. As many
    of these as you like.

    The upstreams of a route are asked about its domains alone, within their own budgets and with a line and a cache of
    their own. Everybody who may ask here gets these answers.
    """

    domains: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_route_domain, "host name", "home.arpa", ""),
            1,
            MAX_DOMAINS,
            'With all names below them: "home.arpa", "168.192.in-addr.arpa", "intern.example.org". Of two that hold a'
            " name the longer one counts, and so it does beside the private zones that are answered here with"
            " NXDOMAIN unless a route says otherwise (RFC 6303).",
        ),
    ]
    upstreams: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_upstream_name, "name of an [[upstream]]", "home", ""),
            1,
            MAX_UPSTREAMS,
            "Who is asked about them, and about nothing else. A resolver that is to be asked about everything too"
            " stands twice among the upstreams, under two names and with one group, which shares its budget.",
        ),
    ]
    cache_megabytes: Annotated[
        int,
        Integer(
            1,
            1024,
            "MiB",
            "Memory for its answers beside cache.max_megabytes, so that what the rest of the world says about a name"
            " never stands for what your own resolver says: some 4,000 of them. They are in no snapshot.",
        ),
    ] = 1

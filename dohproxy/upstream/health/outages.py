"""When nobody answers, whose fault is it? If all are silent at once, it is the way out, and not all of them."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from dohproxy.upstream.health.breaker import BAN
from dohproxy.upstream.health.health import Standing

LEAST_RESOLVERS: Final = 2
"""Of one alone nobody can say whether it is gone or the way to it; unless this machine has no route at all."""


def is_path_gone(upstreams: Sequence[tuple[str, Standing]]) -> bool:
    """Tell whether it must be the way out that is gone: (address, standing) of each upstream.

    One that has told us to go away has spoken, as has one whose certificate is refused, and one on this machine is not
    on the way out.
    """
    abroad = [(host, standing) for host, standing in upstreams if not ip_address(host).is_loopback]
    if not abroad or not all(_is_out_of_reach(standing) for _, standing in abroad):
        return False
    # The addresses of a group share a budget, and are one resolver that can be down.
    resolvers = min(len({host for host, _ in abroad}), len({id(standing.budget) for _, standing in abroad}))
    return resolvers >= LEAST_RESOLVERS or all(standing.has_no_route for _, standing in abroad)


def _is_out_of_reach(standing: Standing) -> bool:
    has_spoken = standing.breaker.cause is BAN or standing.connections.refusal is not None
    return not standing.breaker.is_closed and not has_spoken

"""When nobody answers, whose fault is it? If all are silent at once, it is the way out, and not all of them."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from dohproxy.upstream.health.breaker import BAN
from dohproxy.upstream.health.health import UpstreamHealth

LEAST_RESOLVERS: Final = 2
"""Where only one resolver is asked, nobody can say whether it is gone or the way to it, unless this machine has no
route at all."""


def is_path_gone(upstreams: Sequence[tuple[str, UpstreamHealth]]) -> bool:
    """Tell whether it must be the way out that is gone, from the address and the health of each upstream.

    One that has told us to go away has spoken, as has one whose certificate is refused, and one on this machine is not
    on the way out. One that the operator has left alone shows nothing.
    """
    abroad = [(host, health) for host, health in upstreams if not ip_address(host).is_loopback and not health.is_paused]
    if not abroad or not all(_is_out_of_reach(health) for _, health in abroad):
        return False
    # The addresses of a group share a budget, and are one resolver that can be down.
    resolvers = min(len({host for host, _ in abroad}), len({id(health.budget) for _, health in abroad}))
    return resolvers >= LEAST_RESOLVERS or all(health.has_no_route for _, health in abroad)


def _is_out_of_reach(health: UpstreamHealth) -> bool:
    has_spoken = health.breaker.cause is BAN or health.connections.refusal is not None
    return not health.breaker.is_closed and not has_spoken

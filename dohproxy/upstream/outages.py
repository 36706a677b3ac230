"""When nobody answers, whose fault is it? If all are silent at once, it is the way out, and not all of them."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from dohproxy.upstream.breaker import BAN
from dohproxy.upstream.standing import Standing

LEAST_HOSTS: Final = 2
"""Of one host alone nobody can say whether it is gone or the way to it; unless this machine has no route at all."""


def is_path_gone(upstreams: Sequence[tuple[str, Standing]]) -> bool:
    """Tell whether it must be the way out that is gone: (address, standing) of each upstream.

    One that has told us to go away has spoken, and one on this machine is not on the way out.
    """
    abroad = {host: standing for host, standing in upstreams if not ip_address(host).is_loopback}
    if not abroad or not all(_is_out_of_reach(standing) for _, standing in upstreams if _ in abroad):
        return False
    return len(abroad) >= LEAST_HOSTS or all(standing.has_no_route for standing in abroad.values())


def _is_out_of_reach(standing: Standing) -> bool:
    return not standing.breaker.is_closed and standing.breaker.cause is not BAN

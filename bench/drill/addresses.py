"""Where attackers come from: addresses drawn from prefixes, the same in every run.

IPv4 addresses are in 127.0.0.0/8, all of which is on loopback; IPv6 ones need a network namespace in which the whole
documentation prefix is routed to lo.
"""

import random
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

WIDE = ("127.64.0.0/10",)
"""Strangers from everywhere: a thousand of them hardly share a /24."""


def draw_addresses(prefixes: Sequence[str], count: int, seed: int = 7) -> list[str]:
    """Return `count` addresses, in turn out of each prefix; two of them may be the same."""
    rng = random.Random(seed)  # noqa: S311 - a drill, the same every time
    networks = [ip_network(prefix) for prefix in prefixes]
    drawn = []
    for number in range(count):
        network = networks[number % len(networks)]
        host = rng.getrandbits(network.max_prefixlen - network.prefixlen) if network.num_addresses > 1 else 0
        drawn.append(str(ip_address(int(network.network_address) + host)))
    return drawn


def is_ipv6(prefixes: Sequence[str]) -> bool:
    """Tell whether some of these prefixes need the namespace."""
    return any(":" in prefix for prefix in prefixes)

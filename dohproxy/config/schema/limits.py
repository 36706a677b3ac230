"""[limits]: how much one client, one network and everyone together may ask."""

from dataclasses import dataclass
from typing import Annotated

from dohproxy.config.addresses import IPNetwork, parse_network
from dohproxy.config.keys import Integer, Number, Text, TextList
from dohproxy.config.schema.clients import MAX_NETWORKS


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """How much one client, one network and everyone together may ask.

    A miss is a request the cache cannot answer, the only kind that costs the upstream anything.
    """

    requests_per_second: Annotated[
        float,
        Number(
            0.1,
            100_000,
            "requests a second",
            "One client's steady rate (IPv4 address, IPv6 /64), beyond the burst answered 429. AdGuard Home"
            " has 20 too, Wikimedia DNS 40.",
        ),
    ] = 20
    requests_burst: Annotated[
        int,
        Integer(
            1,
            1_000_000,
            "requests",
            "Saved up while silent: a browser starting with its old tabs asks some 100 names at once, and"
            " two of them may share an address.",
        ),
    ] = 200
    misses_per_second: Annotated[
        float,
        Number(
            0.1,
            100_000,
            "misses a second",
            "One client's steady rate of names not in the cache, half of the smallest upstream budget unless you say"
            " otherwise: an association was once banned by its upstream for an average of 6.5 a second.",
        ),
    ] = 5
    misses_burst: Annotated[
        int,
        Integer(
            1,
            1_000_000,
            "misses",
            "Saved up while silent: the same browser start, when none of its names is known yet.",
        ),
    ] = 100
    network_factor: Annotated[
        int,
        Integer(
            1,
            256,
            "times",
            "An IPv4 /24 or IPv6 /56 gets this many times one client's figures: a neighbourhood behind one"
            " provider, yet an attacker with 256 addresses gains only this. AdGuard DNS counts by /24 alone.",
        ),
    ] = 8
    site_factor: Annotated[
        int,
        Integer(
            1,
            65_536,
            "times",
            "An IPv6 /48, one site's allocation (RFC 6177), gets this many times one client's figures; four"
            " networks' worth.",
        ),
    ] = 32
    total_requests_per_second: Annotated[
        float,
        Number(
            1,
            1_000_000,
            "requests a second",
            "All clients together; beyond it misses get 503 and hits go on. Strangers leave a quarter of the burst to"
            " the others, who so go first. Well under what one core answers"
            " and 300 times what the busiest known association saw on average (6.5).",
        ),
    ] = 2000
    total_requests_burst: Annotated[
        int,
        Integer(1, 10_000_000, "requests", "Two seconds at the full rate: clients returning after an outage."),
    ] = 4000
    waiting_misses: Annotated[
        int,
        Integer(
            1,
            10_000,
            "misses",
            "Misses being resolved at once, everyone together; room is made as for connections.max_total. Netflix's"
            " adaptive limiter moves between 20"
            " and 1000; at 50 ms each, 256 are 5000 a second, more than any budget.",
        ),
    ] = 256
    table_slots: Annotated[
        int,
        Integer(
            1024,
            16_777_216,
            "slots of 8 bytes",
            "Size of each limiter table, never grown: 131,072 slots are 1 MiB. A client is disturbed by"
            " others only if both its slots are held by clients over their limit: with 20,000 of those at once, 7"
            " in 100 are. Knot Resolver's table has 524,288.",
        ),
    ] = 131_072
    exempt_networks: Annotated[
        tuple[IPNetwork, ...],
        TextList(
            Text(parse_network, "CIDR", "192.0.2.0/24", ""),
            0,
            MAX_NETWORKS,
            "Clients without a limit of their own, such as the association's monitoring; the totals hold for them too.",
        ),
    ] = ()

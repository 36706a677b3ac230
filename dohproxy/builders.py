"""How each owner of state is made from its section of the configuration, and told of another one."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Final

from dohproxy import __version__
from dohproxy.config import BansConfig, Config, ConfigError, ConnectionsConfig, LimitsConfig, Problem, UpstreamConfig
from dohproxy.http2.limits import Http2Limits
from dohproxy.jobs.state_key import StateKey
from dohproxy.jobs.suffix_watch import installed_list
from dohproxy.policy.bans import Bans, HashPrefix
from dohproxy.policy.connection_limiter import Allowance, ConnectionLimiter, affordable
from dohproxy.policy.gcra import SLOT_BYTES, Gcra, GcraTable
from dohproxy.policy.limits import ClientLimit, buffer_bytes, build_client_limit
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.policy.names import NameRules, build_name_rules
from dohproxy.policy.penalties import Penalties, rates
from dohproxy.policy.priorities import FAIR_SHARE, Priorities
from dohproxy.policy.request_limiter import RequestLimiter
from dohproxy.policy.rule_switches import RuleSwitch, RuleSwitches
from dohproxy.policy.seniority import Seniority
from dohproxy.policy.standing import Standings
from dohproxy.sharing.commands import StoreFailure
from dohproxy.upstream.budget.groups import BudgetGroups
from dohproxy.upstream.resolvers import Resolvers
from dohproxy.workers.shared_tables import Tables, private_table

if TYPE_CHECKING:
    from dohproxy.sharing.lease_keeper import LeaseKeeper
    from dohproxy.sharing.sharing import Sharing

SECRET_BYTES: Final = 32
"""The length of the key under which client addresses are hashed; made anew at each start and never written, unless
there is a state directory: then it is derived from the key there."""
NONCE_BYTES: Final = 8
"""Of what is never to be drawn twice while a day's nodes are known."""
clock: Final = time.monotonic
"""The one clock: event loops run on it too, so deadlines of the core are deadlines of the loop."""


WIDTHS: Final = ("client", "network", "site")
PENALTY_TABLES: Final = 3
"""As many as `rates` has."""


def table_sizes(table_slots: int) -> Mapping[str, int]:
    """Return the bytes of every table of the limiters by its name, in the order in which a mapping has them."""
    size = buffer_bytes(table_slots)
    limits = (f"{limit}/{width}" for limit in ("requests", "misses", "connections") for width in WIDTHS)
    penalties = (f"penalties/{number}" for number in range(PENALTY_TABLES))
    rest = ("shares", "seniority", "connections/shares", "domains/misses", "domains/failures")
    totals = ("requests/total", "connections/total", "connections/strangers")
    return dict.fromkeys((*limits, *penalties, *rest), size) | dict.fromkeys(totals, SLOT_BYTES)


def _client_limit(limits: LimitsConfig, tables: Tables, name: str, per_second: float, burst: float) -> ClientLimit:
    """Return a limit for clients and their networks."""
    return build_client_limit(
        *(tables(f"{name}/{width}", buffer_bytes(limits.table_slots)) for width in WIDTHS),
        per_second=per_second,
        burst=burst,
        network_factor=limits.network_factor,
        site_factor=limits.site_factor,
    )


def _total_limit(tables: Tables, name: str, per_second: float, burst: float) -> Gcra:
    return Gcra(tables(f"{name}/total", SLOT_BYTES), per_second=per_second, burst=burst)


def fair_share(upstreams: Sequence[UpstreamConfig]) -> tuple[float, float]:
    """Return the rate and burst of a fair share: one of what all upstreams together may be asked."""
    budgets = {one.group or f"#{number}": one for number, one in enumerate(upstreams)}.values()
    return (
        FAIR_SHARE * sum(one.queries_per_second for one in budgets),
        max(1.0, FAIR_SHARE * sum(one.burst for one in budgets)),
    )


def build_priorities(
    limits: LimitsConfig, upstreams: Sequence[UpstreamConfig], tables: Tables = private_table
) -> Priorities:
    """Return who goes first; a fair share is one of what all upstreams together may be asked."""
    per_second, burst = fair_share(upstreams)
    size = buffer_bytes(limits.table_slots)
    shares = GcraTable(tables("shares", size), per_second=per_second, burst=burst)
    return Priorities(Seniority(tables("seniority", size)), shares)


def build_request_limiter(
    limits: LimitsConfig,
    upstreams: Sequence[UpstreamConfig],
    rules: RuleSwitches | None = None,
    tables: Tables = private_table,
) -> RequestLimiter:
    """Return the limits on requests; without `rules` all are enforced."""
    return RequestLimiter(
        _client_limit(limits, tables, "requests", limits.requests_per_second, limits.requests_burst),
        _client_limit(limits, tables, "misses", limits.misses_per_second, limits.misses_burst),
        _total_limit(tables, "requests", limits.total_requests_per_second, limits.total_requests_burst),
        limits.waiting_misses,
        build_priorities(limits, upstreams, tables),
        rules,
    )


def build_connection_limiter(
    connections: ConnectionsConfig,
    limits: LimitsConfig,
    standings: Standings,
    member_networks: MemberNetworks,
    rules: RuleSwitches | None = None,
    tables: Tables = private_table,
) -> ConnectionLimiter:
    """Return the limits on connections; without `rules` all are enforced."""
    everybody = Allowance(connections.new_per_second, connections.new_burst)
    shares = tables("connections/shares", buffer_bytes(limits.table_slots))
    return ConnectionLimiter(
        _client_limit(
            limits, tables, "connections", connections.new_per_second_per_client, connections.new_burst_per_client
        ),
        _total_limit(tables, "connections", connections.new_per_second, connections.new_burst),
        GcraTable(shares, per_second=everybody.per_second, burst=everybody.burst),
        standings,
        member_networks,
        everybody,
        max_per_client=connections.max_per_client,
        max_per_network=connections.max_per_network,
        max_handshakes=connections.max_handshakes,
        rules=rules,
    )


def build_penalties(
    bans: BansConfig,
    limits: LimitsConfig,
    hash_prefix: HashPrefix,
    switch: RuleSwitch | None = None,
    tables: Tables = private_table,
) -> Penalties:
    """Return who keeps the points of clients, and whom they have banned. `hash_prefix` is that of all clients, `switch`
    what is told of `bans.mode`."""
    size = buffer_bytes(limits.table_slots)
    points = tuple(
        GcraTable(tables(f"penalties/{number}", size), per_second=per_second, burst=burst)
        for number, (per_second, burst) in enumerate(rates(bans))
    )
    return Penalties(Bans(bans, hash_prefix, switch), points, bans)


def hold_strangers(
    connection_limiter: ConnectionLimiter,
    connections: ConnectionsConfig,
    tables: Tables,
    handshake_seconds: float,
) -> None:
    """Let strangers open as many connections as handshakes at this price allow."""
    allowance = affordable(
        connections.new_per_second, connections.new_burst, handshake_seconds, connections.stranger_handshake_percent
    )
    connection_limiter.hold_strangers(allowance, tables("connections/strangers", SLOT_BYTES), clock())


def build_names(
    config: Config,
    rules: RuleSwitches | None = None,
    tables: Tables = private_table,
    secret: bytes | None = None,
) -> NameRules:
    """Return the rules about names, by the list installed with the program; without `rules` all are enforced, without
    a `secret` domains are hashed under one of their own."""
    size = buffer_bytes(config.limits.table_slots)
    names = build_name_rules(
        config.names,
        installed_list(),
        tables("domains/misses", size),
        tables("domains/failures", size),
        secret=os.urandom(SECRET_BYTES) if secret is None else secret,
        negative_ttl_max=config.cache.negative_ttl_max_seconds,
        rules=rules,
    )
    names.discovery.adopt(config)
    return names


def http2_limits(config: Config) -> Http2Limits:
    """Return the limits of HTTP/2 connections; what HTTP/1.1 has too is configured once for both."""
    return Http2Limits(max_body_bytes=config.server.max_query_bytes, max_requests=config.connections.max_requests)


def share_budgets(
    sharing: "Sharing", config: Config, budgets: BudgetGroups, resolvers: Callable[[], Resolvers]
) -> "LeaseKeeper":
    """Let this node use no more of any budget than the part that is its own now, and go by what other nodes have
    learnt of upstreams. `resolvers` returns those of the current configuration."""
    from dohproxy.sharing.lease_holder import LeaseHolder
    from dohproxy.sharing.lease_keeper import LeaseKeeper
    from dohproxy.sharing.node_roster import about_node, node_digest

    holder = LeaseHolder(
        node_digest(sharing.keys, sharing.name),
        sharing.instance.hex(),
        sharing.config.expected,
        lambda: os.urandom(NONCE_BYTES).hex(),
        now=clock(),
    )
    wall_time = time.time()
    holder.about = about_node(
        sharing.keys,
        sharing.name,
        since=wall_time,
        version=__version__,
        configuration=sharing.keys.digest("configuration", _shared_settings(config).encode()).hex(),
        wall_time=wall_time,
    )
    keeper = LeaseKeeper(
        sharing.store,
        sharing.keys,
        holder,
        budgets,
        lambda: resolvers().healths(),
        lambda: resolvers().wake(),
        clock,
    )
    sharing.parts.append(keeper)
    sharing.when_leaving.append(keeper.leave)
    sharing.forget.append(partial(_forget, sharing))
    return keeper


async def _forget(sharing: "Sharing", name: str) -> bool:
    """Let the base of a node that is gone be the others'; False: the store could not be told."""
    from dohproxy.sharing.node_roster import forget_node

    found = await forget_node(sharing.store, sharing.keys, name, os.urandom(NONCE_BYTES).hex())
    return not isinstance(found, StoreFailure)


def _shared_settings(config: Config) -> str:
    """Return what is to be the same at all nodes; where each stands and what it is called is its own."""
    return repr([getattr(config, one.name) for one in fields(config) if one.name not in {"server", "nodes"}])


def secret_of_clients(key: StateKey | None, sharing: "Sharing | None") -> bytes:
    """Return the secret under which client addresses are hashed.

    Nodes that share have one, made of the key that all of them have: a network that asks at two of them has to be the
    same to both, to be counted once. It is in no store and leaves no machine, as little as the key that lies in the
    state directory, from which it is made where there is one node.
    """
    if sharing is not None:
        return sharing.keys.derive("clients")
    return os.urandom(SECRET_BYTES) if key is None else key.clients


def build_sharing(config: Config) -> "Sharing | None":
    """Return what this node shares with others, None if it is alone. Blocks; raises ConfigError if a secret is
    unreadable."""
    if config.nodes is None:
        return None
    # The client of the store is loaded only where there is one.
    from dohproxy.sharing.sharing import Sharing

    try:
        return Sharing(config.nodes, clock)
    except (OSError, ValueError) as error:
        raise ConfigError((Problem("nodes", f"names a file of secrets that cannot be read: {error}"),)) from None

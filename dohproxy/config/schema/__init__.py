"""Every section and key of the configuration, with default, bounds, unit and reason: one file a section.

One frozen dataclass per section, one field per key, named as in the file. The text after each key is both
the comment of the annotated reference and the place to argue with a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dohproxy.config.addresses import ListenAddress
from dohproxy.config.schema.about import AboutConfig
from dohproxy.config.schema.admin import AdminConfig
from dohproxy.config.schema.alerts import AlertsConfig
from dohproxy.config.schema.bans import BansConfig
from dohproxy.config.schema.blocklist import MAX_BLOCKLISTS, BlocklistConfig
from dohproxy.config.schema.cache import CacheConfig
from dohproxy.config.schema.clients import AddressSource, ClientsConfig
from dohproxy.config.schema.connections import ConnectionsConfig
from dohproxy.config.schema.dialects import DIALECT_ACTIONS, DIALECTS, DialectsConfig
from dohproxy.config.schema.discovery import DiscoveryConfig
from dohproxy.config.schema.dot import DotConfig
from dohproxy.config.schema.limits import LimitsConfig
from dohproxy.config.schema.listed import ListedConfig
from dohproxy.config.schema.log import LogConfig
from dohproxy.config.schema.metrics import MetricsConfig
from dohproxy.config.schema.names import NamesConfig
from dohproxy.config.schema.nodes import NodesConfig
from dohproxy.config.schema.pages import PagesConfig
from dohproxy.config.schema.resolver import ResolverConfig
from dohproxy.config.schema.route import MAX_ROUTES, RouteConfig
from dohproxy.config.schema.rules import RULE_MODES, RuleMode, RulesConfig
from dohproxy.config.schema.server import ServerConfig
from dohproxy.config.schema.tls import TlsConfig
from dohproxy.config.schema.upstream import MAX_UPSTREAMS, UpstreamConfig

__all__ = [
    "DIALECTS",
    "DIALECT_ACTIONS",
    "MAX_BLOCKLISTS",
    "MAX_ROUTES",
    "MAX_UPSTREAMS",
    "RULE_MODES",
    "AboutConfig",
    "AddressSource",
    "AdminConfig",
    "AlertsConfig",
    "BansConfig",
    "BlocklistConfig",
    "CacheConfig",
    "ClientsConfig",
    "Config",
    "ConnectionsConfig",
    "DialectsConfig",
    "DiscoveryConfig",
    "DotConfig",
    "LimitsConfig",
    "ListedConfig",
    "LogConfig",
    "MetricsConfig",
    "NamesConfig",
    "NodesConfig",
    "PagesConfig",
    "ResolverConfig",
    "RouteConfig",
    "RuleMode",
    "RulesConfig",
    "ServerConfig",
    "Source",
    "TlsConfig",
    "UpstreamConfig",
    "default_config",
]


class Source(NamedTuple):
    """What a configuration was read from: as TOML has it, and where relative file names in it start."""

    document: Mapping[str, Any]
    directory: Path


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, checked. Each part of the program is given its own section, never this."""

    upstreams: tuple[UpstreamConfig, ...]
    """The [[upstream]] sections in the order of the file, at least one."""
    server: ServerConfig = field(default_factory=ServerConfig)
    tls: TlsConfig | None = None
    dot: DotConfig = field(default_factory=DotConfig)
    connections: ConnectionsConfig = field(default_factory=ConnectionsConfig)
    clients: ClientsConfig = field(default_factory=ClientsConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    bans: BansConfig = field(default_factory=BansConfig)
    rules: RulesConfig = field(default_factory=RulesConfig)
    names: NamesConfig = field(default_factory=NamesConfig)
    dialects: DialectsConfig = field(default_factory=DialectsConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    resolver: ResolverConfig = field(default_factory=ResolverConfig)
    metrics: MetricsConfig | None = None
    admin: AdminConfig | None = None
    nodes: NodesConfig | None = None
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    listed: ListedConfig = field(default_factory=ListedConfig)
    log: LogConfig = field(default_factory=LogConfig)
    about: AboutConfig = field(default_factory=AboutConfig)
    pages: PagesConfig = field(default_factory=PagesConfig)
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)
    routes: tuple[RouteConfig, ...] = ()
    """The [[route]] sections in the order of the file."""
    blocklists: tuple[BlocklistConfig, ...] = ()
    """The [[blocklist]] sections in the order of the file."""
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    """Where sections and keys stand in the file, by their paths, for what is said about them."""
    source: Source | None = field(default=None, compare=False, repr=False)
    """The file as it was read, for who lays single values over it; None for a configuration without one."""
    file_hash: int = field(default=0, compare=False, repr=False)
    """The first 48 bits of the SHA-256 of the file it was read from, which any float holds; 0 without a file."""

    @property
    def public_listen(self) -> tuple[tuple[str, ListenAddress], ...]:
        """Where clients connect, whatever they speak, each beside its key: "server.listen #1", "dot.listen #1"."""
        keys = ("server.listen", self.server.listen), ("dot.listen", self.dot.listen)
        return tuple((f"{key} #{number}", one) for key, listen in keys for number, one in enumerate(listen, start=1))

    @property
    def is_public(self) -> bool:
        """Whether other machines can connect."""
        return any(listener.is_public for _, listener in self.public_listen)

    @property
    def dot_host(self) -> str:
        """The name that clients of DoT are told."""
        return self.dot.host or self.server.host

    @property
    def general_upstreams(self) -> tuple[UpstreamConfig, ...]:
        """Those that are asked about everything that no route leads elsewhere."""
        routed = {name for route in self.routes for name in route.upstreams}
        return tuple(upstream for upstream in self.upstreams if upstream.name not in routed)

    def upstreams_of(self, route: RouteConfig) -> tuple[UpstreamConfig, ...]:
        """Return the upstreams of one route, in the order of the file."""
        return tuple(upstream for upstream in self.upstreams if upstream.name in route.upstreams)


def default_config(upstreams: tuple[UpstreamConfig, ...]) -> Config:
    """Return the configuration of a service without a file, asking `upstreams` (at least one)."""
    return Config(upstreams=upstreams)

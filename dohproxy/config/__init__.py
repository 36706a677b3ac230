"""The configuration: one TOML file read into frozen, checked dataclasses, all errors told at once."""

from dohproxy.config.addresses import IPNetwork, ListenAddress, UpstreamAddress
from dohproxy.config.advice import check_warnings
from dohproxy.config.files import (
    check_authorities,
    check_files,
    check_snapshot,
    check_sockets,
    find_admin_socket,
    load,
    socket_warnings,
)
from dohproxy.config.presets import PRESETS, Preset
from dohproxy.config.problems import ConfigError, Problem, located, render
from dohproxy.config.reader import read
from dohproxy.config.reference import reference
from dohproxy.config.schema import (
    DIALECTS,
    AddressSource,
    AdminConfig,
    CacheConfig,
    ClientsConfig,
    Config,
    ConnectionsConfig,
    DialectAction,
    DialectsConfig,
    LimitsConfig,
    LogConfig,
    MetricsConfig,
    NamesConfig,
    ResolverConfig,
    RouteConfig,
    ServerConfig,
    TlsConfig,
    UpstreamConfig,
    default_config,
)

__all__ = [
    "DIALECTS",
    "PRESETS",
    "AddressSource",
    "AdminConfig",
    "CacheConfig",
    "ClientsConfig",
    "Config",
    "ConfigError",
    "ConnectionsConfig",
    "DialectAction",
    "DialectsConfig",
    "IPNetwork",
    "LimitsConfig",
    "ListenAddress",
    "LogConfig",
    "MetricsConfig",
    "NamesConfig",
    "Preset",
    "Problem",
    "ResolverConfig",
    "RouteConfig",
    "ServerConfig",
    "TlsConfig",
    "UpstreamAddress",
    "UpstreamConfig",
    "check_authorities",
    "check_files",
    "check_snapshot",
    "check_sockets",
    "check_warnings",
    "default_config",
    "find_admin_socket",
    "load",
    "located",
    "read",
    "reference",
    "render",
    "socket_warnings",
]

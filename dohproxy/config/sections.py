"""The schema as data: which sections there are and what each key may hold.

Read off the dataclasses of `schema` once, for the reader and the annotated reference to walk.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import Any, Final, get_type_hints

from dohproxy.config.keys import Choice, Key, Text, TextList, show
from dohproxy.config.schema import (
    DIALECT_ACTIONS,
    DIALECTS,
    AboutConfig,
    AdminConfig,
    AlertsConfig,
    BansConfig,
    BlocklistConfig,
    CacheConfig,
    ClientsConfig,
    ConnectionsConfig,
    DialectsConfig,
    DiscoveryConfig,
    DotConfig,
    LimitsConfig,
    ListedConfig,
    LogConfig,
    MetricsConfig,
    NamesConfig,
    NodesConfig,
    PagesConfig,
    ResolverConfig,
    RouteConfig,
    RulesConfig,
    ServerConfig,
    TlsConfig,
    UpstreamConfig,
)


@dataclass(frozen=True, slots=True)
class DeclaredKey:
    """One key: what it may hold and its default."""

    name: str
    key: Key
    default: object | None
    """The default; None also where the key may be left out and then means nothing."""
    is_required: bool = False

    def example_line(self) -> str:
        """Write a line of TOML that is right, with the default where that says something."""
        return f"{self.name} = {show(self.example())}"

    def example(self) -> object:
        """Return the default, or a usable value where there is none or an empty list."""
        if isinstance(self.key, Text | TextList) and self.default in (None, ()):
            return self.key.example
        return self.default


@dataclass(frozen=True, slots=True)
class Section:
    """One section: the dataclass made from it and its keys by name.

    Absent means the defaults, or nothing at all when `is_optional`.
    """

    name: str
    made_into: Any
    keys: Mapping[str, DeclaredKey]
    is_optional: bool

    def header(self) -> str:
        """Write the line that opens the section."""
        return f"[[{self.name}]]" if self.made_into in _SEVERAL else f"[{self.name}]"

    def build(self, values: Mapping[str, object]) -> object:
        """Make the dataclass from the values written, defaults for the rest."""
        if self.made_into is DialectsConfig:
            return DialectsConfig(MappingProxyType({**DialectsConfig().actions, **_as_words(values)}))
        return self.made_into(**values)


_SEVERAL: Final = (UpstreamConfig, RouteConfig, BlocklistConfig)
"""Sections of which there can be several."""


def _as_words(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _declare(section: str, made_into: Any, *, is_optional: bool = False) -> Section:
    if made_into is DialectsConfig:
        keys = [DeclaredKey(name, Choice(DIALECT_ACTIONS, who), "serve") for name, who in DIALECTS.items()]
    else:
        hints = get_type_hints(made_into, include_extras=True)
        keys = [
            DeclaredKey(
                field.name,
                hints[field.name].__metadata__[0],
                None if field.default is MISSING else field.default,
                is_required=field.default is MISSING,
            )
            for field in fields(made_into)
        ]
    return Section(section, made_into, MappingProxyType({key.name: key for key in keys}), is_optional)


UPSTREAM: Final = _declare("upstream", UpstreamConfig)
ROUTE: Final = _declare("route", RouteConfig, is_optional=True)
BLOCKLIST: Final = _declare("blocklist", BlocklistConfig, is_optional=True)

SECTIONS: Final = (
    _declare("server", ServerConfig),
    _declare("tls", TlsConfig, is_optional=True),
    _declare("dot", DotConfig),
    UPSTREAM,
    ROUTE,
    _declare("clients", ClientsConfig),
    _declare("limits", LimitsConfig),
    _declare("bans", BansConfig),
    _declare("rules", RulesConfig),
    _declare("names", NamesConfig),
    BLOCKLIST,
    _declare("cache", CacheConfig),
    _declare("resolver", ResolverConfig),
    _declare("connections", ConnectionsConfig),
    _declare("dialects", DialectsConfig),
    _declare("metrics", MetricsConfig, is_optional=True),
    _declare("admin", AdminConfig, is_optional=True),
    _declare("alerts", AlertsConfig),
    _declare("listed", ListedConfig),
    _declare("nodes", NodesConfig, is_optional=True),
    _declare("log", LogConfig),
    _declare("about", AboutConfig),
    _declare("pages", PagesConfig),
    _declare("discovery", DiscoveryConfig),
)
"""All sections in the order of the reference: what everybody sets comes first."""

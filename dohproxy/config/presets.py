"""Budgets for kinds of upstream, and where each comes from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from dohproxy.config.addresses import Unusable


@dataclass(frozen=True, slots=True)
class Preset:
    """An upstream's budget: queries a second, queries saved up while silent, queries unanswered at once, and new
    connections a second."""

    queries_per_second: float
    burst: int
    in_flight: int
    new_connections_per_second: float
    why: str


ASSOCIATIVE: Final = Preset(
    10,
    40,
    20,
    1,
    "a volunteers' resolver: one of them banned a proxy that averaged 6.5 a second with higher peaks; 10"
    " with a burst of four seconds serves a few hundred people through the cache.",
)

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "associative": ASSOCIATIVE,
        "quad9": Preset(
            300,
            150,
            64,
            2,
            "Quad9 asks to be told above 500 a second from one address; rate and burst together stay below, so no"
            " second ever has more.",
        ),
        "google": Preset(
            800,
            200,
            100,
            4,
            "Google Public DNS drops above 1500 a second from one address, older copies of its page say 1000; rate and"
            " burst together stay at that.",
        ),
        "own": Preset(
            2000, 4000, 256, 100, "your own resolver: what all clients together may ask, so only bugs are stopped."
        ),
    }
)
"""Presets by their word in the file. The default is the smallest: too little is noticed at home, too much abroad."""


def parse_group(text: str, directory: Path) -> str:
    """Read a group's name; "" is none."""
    return parse_upstream_name(text, directory) if text else ""


def parse_upstream_name(text: str, _directory: Path) -> str:
    """Read an upstream's name: it becomes a metric label and a word on the command line."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", text):
        raise Unusable(
            "must be 1 to 32 letters, digits, dots, hyphens, underscores, beginning with one of the first two."
        )
    return text

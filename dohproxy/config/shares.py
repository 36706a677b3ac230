"""Limits whose default is a share of what the upstreams may be asked, so that they fit whatever budget is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from dohproxy.config.schema import LimitsConfig, UpstreamConfig
from dohproxy.config.sections import SECTIONS


@dataclass(frozen=True, slots=True)
class Share:
    """One key, and which part of the smallest budget its default is.

    The reasons stand with the keys; the defaults of the schema are these shares of the smallest preset.
    """

    section: str
    key: str
    part: float
    of: Literal["queries_per_second", "burst"]
    words: str


SHARES: Final = (
    Share(
        "limits",
        "misses_per_second",
        0.5,
        "queries_per_second",
        "half of the smallest upstream budget, but no more than requests_per_second",
    ),
    Share("names", "domain_misses_per_second", 0.5, "queries_per_second", "half of the smallest upstream budget"),
    Share("names", "domain_misses_burst", 1, "burst", "the burst of the smallest upstream budget"),
    Share("names", "domain_failures_per_second", 0.1, "queries_per_second", "a tenth of the smallest upstream budget"),
    Share("names", "domain_failures_burst", 0.5, "burst", "half of the burst of the smallest upstream budget"),
)
_IN_ORDER: Final = (
    ("domain_failures_per_second", "domain_misses_per_second"),
    ("domain_failures_burst", "domain_misses_burst"),
)
"""Pairs of which the first may not be the greater: the one that is written decides about the other."""


def share_of(section: str, key: str) -> Share | None:
    """Return the share that is a key's default, None if its default is a plain number."""
    return next((share for share in SHARES if (share.section, share.key) == (section, key)), None)


def separate_budgets(upstreams: Sequence[UpstreamConfig]) -> tuple[UpstreamConfig, ...]:
    """Return one upstream for each budget: those of a group have one together."""
    return tuple({one.group or f"#{number}": one for number, one in enumerate(upstreams)}.values())


def shared_defaults(section: str, written: Mapping[str, Any], upstreams: Sequence[UpstreamConfig]) -> dict[str, float]:
    """Return the defaults of those keys of a section that follow the budgets and are not written, within their bounds.

    Nothing if there is no upstream to follow.
    """
    budgets = separate_budgets(upstreams)
    if not budgets:
        return {}
    found = {
        share.key: _within_bounds(share, share.part * min(getattr(one, share.of) for one in budgets))
        for share in SHARES
        if share.section == section and share.key not in written
    }
    if "misses_per_second" in found:
        most = written.get("requests_per_second", LimitsConfig().requests_per_second)
        found["misses_per_second"] = min(found["misses_per_second"], most)
    for lesser, greater in _IN_ORDER:
        if lesser in found and greater in written:
            found[lesser] = min(found[lesser], written[greater])
        elif greater in found and lesser in written:
            found[greater] = max(found[greater], written[lesser])
    return found


def _within_bounds(share: Share, value: float) -> float:
    key: Any = next(section for section in SECTIONS if section.name == share.section).keys[share.key].key
    bounded = min(max(value, key.minimum), key.maximum)
    return int(bounded) if share.of == "burst" else round(bounded, 6)

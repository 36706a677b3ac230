"""The figures of the caches, each bound beside what fills it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dohproxy.cache import CacheStatistics
from dohproxy.config.schema import MAX_ROUTES
from dohproxy.observability.figures import FigureGroup, Label, Together, Unit, counter, gauge

_ENTRY_TABLE: Final = Label("table", ("positive", "negative", "cut", "failure"))
_TABLE: Final = Label("table", ("positive", "negative"))
_ROUTE: Final = Label("route", source=f"`[[route]]`, by its number in the file; {MAX_ROUTES} at most")


def _entries(cache: CacheStatistics) -> Mapping[str, float]:
    return {
        "positive": cache.positive_entries,
        "negative": cache.negative_entries,
        "cut": cache.cuts,
        "failure": cache.failures,
    }


def _bytes(cache: CacheStatistics) -> Mapping[str, float]:
    return {"positive": cache.positive_bytes, "negative": cache.negative_bytes}


def _max_bytes(cache: CacheStatistics) -> Mapping[str, float]:
    return {"positive": cache.positive_max_bytes, "negative": cache.negative_max_bytes}


CACHE_FIGURES: Final = FigureGroup[CacheStatistics](
    "The cache",
    (
        gauge("cache_entries", "Entries of the cache, by table.", _entries, _ENTRY_TABLE),
        gauge("cache_bytes", "Memory charged to the cache, by table.", _bytes, _TABLE, unit=Unit.BYTES),
        gauge("cache_max_bytes", "Memory allowed to the cache, by table.", _max_bytes, _TABLE, unit=Unit.BYTES),
        gauge("cache_max_failures", "Failures remembered at most.", lambda cache: cache.failures_max),
        counter("cache_evictions", "Entries of the cache thrown out for lack of room.", lambda cache: cache.evictions),
        counter("cache_too_large", "Answers not kept because of their size.", lambda cache: cache.too_large),
        counter(
            "cache_cut_hits",
            "Questions answered because a name above is known not to exist.",
            lambda cache: cache.cut_hits,
        ),
        gauge(
            "cache_known_tlds",
            "Top-level domains known to exist.",
            lambda cache: cache.delegations,
            together=Together.MOST,
        ),
        gauge(
            "cache_max_known_tlds",
            "Top-level domains remembered at most.",
            lambda cache: cache.delegations_max,
            together=Together.MOST,
        ),
    ),
)

Caches = Sequence[CacheStatistics]
"""Of the routes, in the order of the file."""


def _by_route(read: Callable[[CacheStatistics], float]) -> Callable[[Caches], Mapping[str, float]]:
    return lambda caches: {str(number): read(cache) for number, cache in enumerate(caches, start=1)}


_HELD: Final = _by_route(lambda cache: cache.positive_bytes + cache.negative_bytes)
_MOST: Final = _by_route(lambda cache: cache.positive_max_bytes + cache.negative_max_bytes)
_KEPT: Final = _by_route(lambda cache: cache.positive_entries + cache.negative_entries)
_EVICTED: Final = _by_route(lambda cache: cache.evictions)

ROUTE_FIGURES: Final = FigureGroup[Caches](
    "Caches of routes",
    (
        gauge("route_cache_bytes", "Memory charged to a route's cache.", _HELD, _ROUTE, unit=Unit.BYTES),
        gauge("route_cache_max_bytes", "Memory allowed to a route's cache.", _MOST, _ROUTE, unit=Unit.BYTES),
        gauge("route_cache_entries", "Entries of a route's cache.", _KEPT, _ROUTE),
        counter("route_cache_evictions", "Entries thrown out of a route's cache for lack of room.", _EVICTED, _ROUTE),
    ),
    "with `[[route]]`",
)

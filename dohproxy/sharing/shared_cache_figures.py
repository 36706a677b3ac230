"""The figures of the cache that several nodes share, as one node sees it."""

from dataclasses import dataclass
from typing import Final

from dohproxy.observability.figures import FigureGroup, Label, Unit, counter, gauge


@dataclass(slots=True)
class SharedCacheStatistics:
    """What became of all looks and writes; the counts run since the start."""

    most_writes: int
    most_write_bytes: int
    lookups: int = 0
    """Questions that were looked for, of clients and of our own to renew what is old."""
    hits: int = 0
    """Fresh answers."""
    failures: int = 0
    """Failures that another node remembered."""
    stale: int = 0
    """Answers past their time, to be given if nothing better came."""
    misses: int = 0
    late: int = 0
    """Looks that were given up after `nodes.lookup_milliseconds`."""
    lost: int = 0
    """Looks that the store could not do."""
    unreadable: int = 0
    """Values that were none of ours, or damaged."""
    waits: int = 0
    """Questions that another node had in hand, which were waited for."""
    waits_in_vain: int = 0
    """Those of them that were asked here all the same."""
    writes: int = 0
    """Answers and failures that were written, or were to be."""
    writes_dropped: int = 0
    """For want of room in the line."""
    writes_failed: int = 0
    too_large: int = 0
    writes_under_way: int = 0
    write_bytes_under_way: int = 0
    questions_in_hand: int = 0


_FOUND: Final = Label("found", ("fresh", "failure", "stale", "nothing", "late", "lost"))

SHARED_CACHE_FIGURES: Final = FigureGroup[SharedCacheStatistics](
    "The cache that nodes share",
    (
        counter(
            "shared_cache_lookups",
            "Questions looked for in the store, by what was found; late: it did not say in time, lost: it could not.",
            lambda shared: {
                "fresh": shared.hits,
                "failure": shared.failures,
                "stale": shared.stale,
                "nothing": shared.misses,
                "late": shared.late,
                "lost": shared.lost,
            },
            _FOUND,
        ),
        counter(
            "shared_cache_unreadable",
            "Values in the store that no node with our key and release has written there.",
            lambda shared: shared.unreadable,
        ),
        counter(
            "shared_cache_waits",
            "Questions that were waited for because another node was asking them.",
            lambda shared: shared.waits,
        ),
        counter(
            "shared_cache_waits_in_vain",
            "Those of them that were asked here all the same.",
            lambda shared: shared.waits_in_vain,
        ),
        gauge(
            "shared_cache_questions_in_hand",
            "Questions that other nodes wait with while this one asks them.",
            lambda shared: shared.questions_in_hand,
        ),
        counter("shared_cache_writes", "Answers and failures given to the store.", lambda shared: shared.writes),
        counter(
            "shared_cache_writes_failed", "Those of them that it did not take.", lambda shared: shared.writes_failed
        ),
        counter(
            "shared_cache_writes_dropped",
            "Answers and failures not given to the store, as too much was under way.",
            lambda shared: shared.writes_dropped,
        ),
        counter("shared_cache_too_large", "Answers not shared because of their size.", lambda shared: shared.too_large),
        gauge("shared_cache_writes_under_way", "Writes that wait for a reply.", lambda shared: shared.writes_under_way),
        gauge(
            "max_shared_cache_writes_under_way",
            "Writes that may wait for a reply at once.",
            lambda shared: shared.most_writes,
        ),
        gauge(
            "shared_cache_write_bytes",
            "What these writes hold.",
            lambda shared: shared.write_bytes_under_way,
            unit=Unit.BYTES,
        ),
        gauge(
            "max_shared_cache_write_bytes",
            "What they may hold.",
            lambda shared: shared.most_write_bytes,
            unit=Unit.BYTES,
        ),
    ),
    "with `[nodes]`",
)

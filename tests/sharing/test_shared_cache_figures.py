"""What is shown of the cache that nodes share."""

from dohproxy.observability.figures import FigureRegistry, plain
from dohproxy.sharing.shared_cache_figures import SHARED_CACHE_FIGURES, SharedCacheStatistics


def test_every_count_is_shown_by_its_name() -> None:
    statistics = SharedCacheStatistics(
        *(512, 1_000), lookups=21, hits=1, failures=2, stale=3, misses=4, late=5, lost=6, writes=7, writes_dropped=8
    )
    registry = FigureRegistry()
    registry.add(SHARED_CACHE_FIGURES, lambda: statistics)
    shown = {reading.figure.name: plain(reading.values) for reading in registry.read()}
    found = shown["shared_cache_lookups"]
    assert found == {"fresh": 1, "failure": 2, "stale": 3, "nothing": 4, "late": 5, "lost": 6}
    assert sum(found.values()) == statistics.lookups
    assert (shown["shared_cache_writes"], shown["shared_cache_writes_dropped"]) == (7, 8)
    assert (shown["max_shared_cache_writes_under_way"], shown["max_shared_cache_write_bytes"]) == (512, 1_000)

"""What upstreams said, for as long as it holds: answers, stale answers and failures."""

from dohproxy.cache.entry import Entry
from dohproxy.cache.failures import RememberedFailure
from dohproxy.cache.freshness import Freshness
from dohproxy.cache.store import Cache, CacheStatistics

__all__ = ["Cache", "CacheStatistics", "Entry", "Freshness", "RememberedFailure"]

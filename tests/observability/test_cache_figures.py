"""Each bound of the caches stands beside what fills it."""

from dohproxy.cache import Cache, CacheStatistics
from dohproxy.config import CacheConfig
from dohproxy.observability.cache_figures import CACHE_FIGURES, ROUTE_FIGURES
from tests.fakes.samples import samples_of


def test_the_cache_s_bounds_stand_beside_their_fill() -> None:
    statistics = Cache(CacheConfig()).statistics()
    assert isinstance(statistics, CacheStatistics)
    samples = samples_of(CACHE_FIGURES, statistics)
    for table in ("positive", "negative"):
        assert samples["dohproxy_cache_bytes", (table,)] == 0
        assert samples["dohproxy_cache_max_bytes", (table,)] > 0
    total = sum(value for (name, _), value in samples.items() if name == "dohproxy_cache_max_bytes")
    assert total == CacheConfig().max_bytes
    assert samples["dohproxy_cache_entries", ("failure",)] == 0
    assert samples["dohproxy_cache_max_failures", ()] > 0
    assert samples["dohproxy_cache_entries", ("cut",)] == samples["dohproxy_cache_cut_hits_total", ()] == 0
    assert samples["dohproxy_cache_known_tlds", ()] < samples["dohproxy_cache_max_known_tlds", ()]


def test_the_caches_of_routes_stand_beside_their_bounds() -> None:
    caches = [Cache(CacheConfig(max_megabytes=megabytes)).statistics() for megabytes in (1, 2)]
    samples = samples_of(ROUTE_FIGURES, caches)
    assert [samples["dohproxy_route_cache_max_bytes", (route,)] for route in ("1", "2")] == [1 << 20, 2 << 20]
    for name in ("dohproxy_route_cache_bytes", "dohproxy_route_cache_entries", "dohproxy_route_cache_evictions_total"):
        assert [samples[name, (route,)] for route in ("1", "2")] == [0, 0]

"""Names with a resolver of their own."""

from dohproxy.config import CacheConfig, RouteConfig


def test_the_cache_of_a_route_is_small_beside_the_general_one() -> None:
    route = RouteConfig(domains=("home.arpa",), upstreams=("home",))
    assert route.cache_megabytes < CacheConfig().max_megabytes

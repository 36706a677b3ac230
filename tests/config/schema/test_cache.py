"""How the times of the cache stand to each other."""

from dohproxy.config import CacheConfig, ResolverConfig

DEFAULTS = CacheConfig()


def test_the_cache_size_is_given_in_bytes() -> None:
    assert CacheConfig(max_megabytes=2).max_bytes == 2_097_152


def test_the_bounds_of_a_ttl_are_in_order() -> None:
    assert DEFAULTS.minimum_ttl_seconds < DEFAULTS.minimum_ttl_under_pressure_seconds <= DEFAULTS.maximum_ttl_seconds


def test_a_client_gets_something_stale_before_the_deadline_of_its_question() -> None:
    assert DEFAULTS.stale_wait_seconds < ResolverConfig().deadline_seconds


def test_no_name_is_written_to_a_file_unasked() -> None:
    assert DEFAULTS.snapshot_file is None

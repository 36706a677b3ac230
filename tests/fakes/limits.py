"""Limits as wide as they go: each is asked, and none is met."""

from typing import Final

from dohproxy.config import LimitsConfig

AMPLE: Final = LimitsConfig(
    requests_per_second=100_000,
    requests_burst=1_000_000,
    misses_per_second=100_000,
    misses_burst=1_000_000,
    total_requests_per_second=1_000_000,
    total_requests_burst=10_000_000,
)

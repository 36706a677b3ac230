"""Limits as wide as they go: each is asked, and none is met."""

from dataclasses import replace
from typing import Final

from dohproxy.config import BansConfig, ConnectionsConfig, LimitsConfig

AMPLE: Final = LimitsConfig(
    requests_per_second=100_000,
    requests_burst=1_000_000,
    misses_per_second=100_000,
    misses_burst=1_000_000,
    total_requests_per_second=1_000_000,
    total_requests_burst=10_000_000,
)


def ungated(connections: ConnectionsConfig) -> ConnectionsConfig:
    """Return the same for any number of new connections: most tests open more than one client would."""
    return replace(
        connections,
        max_per_client=100_000,
        max_per_network=100_000,
        new_per_second_per_client=10_000,
        new_burst_per_client=100_000,
        new_per_second=100_000,
        new_burst=1_000_000,
        max_handshakes=100_000,
    )


NO_BANS: Final = BansConfig(mode="off")
"""For tests whose one client does all that is forbidden."""

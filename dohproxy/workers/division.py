"""What one of several workers may use of what was configured for all of them.

Everything that a process counts for itself is divided in whole numbers, whose sum is the whole: an upstream's budget,
connections, places for misses, the cache. So no upstream is sent more by all workers together than by one process,
whatever they do, and whichever of them dies. What is counted in the tables that all share is not divided.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from dohproxy.config import Config, UpstreamConfig
from dohproxy.config.rules import DIVIDED_WHOLE
from dohproxy.config.schema.server import MAX_WORKERS


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many workers a process is."""

    number: int
    """From 0 on; the first does what only one of them may, such as writing a file that all read."""
    of: int

    @property
    def is_first(self) -> bool:
        """Whether it does what only one may do."""
        return self.number == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is nobody to divide with."""
        return self.of == 1


ALONE: Final = Place(0, 1)


def worker_count(config: Config, cores: int) -> int:
    """Return how many workers there are to be on a machine where the service may use so many cores.

    As many as there are cores is at most as many as every upstream's budget can be divided among.
    """
    workers = config.server.workers
    if workers != "cores":
        return workers
    least: int = min(getattr(upstream, key) for upstream in config.upstreams for key in DIVIDED_WHOLE)
    return max(1, min(cores, least, MAX_WORKERS))


def part_of(whole: int, place: Place) -> int:
    """Return the part of a number that is this worker's; the parts of all add up to the number."""
    return whole // place.of + (place.number < whole % place.of)


def base_share(upstream: UpstreamConfig, place: Place) -> UpstreamConfig:
    """Return an upstream with the part of its budget that is this worker's whatever the others do: at least one query
    and one connection, as `check` has seen to it that there are enough."""
    if place.is_alone:
        return upstream
    return replace(
        upstream,
        queries_per_second=upstream.queries_per_second / place.of,
        burst=part_of(upstream.burst, place),
        in_flight=part_of(upstream.in_flight, place),
        connections=part_of(upstream.connections, place),
        new_connections_per_second=upstream.new_connections_per_second / place.of,
    )


def base_shares(upstreams: Iterable[UpstreamConfig], place: Place) -> tuple[UpstreamConfig, ...]:
    """Return upstreams with this worker's part of each budget."""
    return tuple(base_share(upstream, place) for upstream in upstreams)


def own_part(config: Config, place: Place) -> Config:
    """Return the configuration with this worker's part of all that a process counts for itself.

    Upstreams have the whole of their budgets still: a client's fair share is one of the whole. `base_shares` has what
    may be sent.
    """
    if place.is_alone:
        return config
    connections, limits, cache = config.connections, config.limits, config.cache
    return replace(
        config,
        connections=replace(
            connections,
            max_total=_at_least_one(connections.max_total, place),
            max_handshakes=_at_least_one(connections.max_handshakes, place),
            # One connection may hold so much, wherever it comes to.
            max_held_bytes=max(connections.max_queued_bytes, part_of(connections.max_held_bytes, place)),
        ),
        limits=replace(limits, waiting_misses=_at_least_one(limits.waiting_misses, place)),
        cache=replace(cache, max_megabytes=_at_least_one(cache.max_megabytes, place)),
        routes=tuple(
            replace(route, cache_megabytes=_at_least_one(route.cache_megabytes, place)) for route in config.routes
        ),
    )


def _at_least_one(whole: int, place: Place) -> int:
    return max(1, part_of(whole, place))

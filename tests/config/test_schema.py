"""The defaults a service has without a file, and the values built in Python."""

from dataclasses import FrozenInstanceError
from ipaddress import ip_network

import pytest

from dohproxy.config import (
    DIALECTS,
    PRESETS,
    CacheConfig,
    ClientsConfig,
    DialectsConfig,
    UpstreamAddress,
    UpstreamConfig,
    default_config,
)

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))


def test_without_a_file_nothing_is_offered_to_other_machines() -> None:
    config = default_config((UPSTREAM,))
    assert config.upstreams == (UPSTREAM,)
    assert [str(listener) for listener in config.server.listen] == ["127.0.0.1:8443"]
    assert (config.tls, config.metrics, config.admin) == (None, None, None)


def test_an_upstream_built_in_python_has_the_smallest_budget() -> None:
    preset = PRESETS["associative"]
    assert (UPSTREAM.queries_per_second, UPSTREAM.burst, UPSTREAM.in_flight) == (
        preset.queries_per_second,
        preset.burst,
        preset.in_flight,
    )


def test_every_dialect_is_served_by_default() -> None:
    assert DialectsConfig().actions == dict.fromkeys(DIALECTS, "serve")


def test_sections_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        default_config((UPSTREAM,)).limits.requests_burst = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        DialectsConfig().actions["post-x-pad"] = "refuse"  # type: ignore[index]


def test_the_cache_size_is_given_in_bytes() -> None:
    assert CacheConfig(max_megabytes=2).max_bytes == 2_097_152


def test_trusted_networks_and_sockets_are_told_apart() -> None:
    clients = ClientsConfig(trusted_proxies=(ip_network("192.0.2.0/24"), "unix", ip_network("::1")))
    assert clients.trusted_networks == (ip_network("192.0.2.0/24"), ip_network("::1"))
    assert clients.trusts_unix
    assert not ClientsConfig().trusts_unix

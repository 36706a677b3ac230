"""The defaults a service has without a file."""

from dataclasses import FrozenInstanceError

import pytest

from dohproxy.config import RouteConfig, UpstreamAddress, UpstreamConfig, default_config
from dohproxy.config.schema import Config

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))
HOME = UpstreamConfig("home", UpstreamAddress("udp", "127.0.0.1", 54))


def test_without_a_file_one_upstream_is_enough() -> None:
    config = default_config((UPSTREAM,))
    assert config.upstreams == (UPSTREAM,)
    assert (config.tls, config.metrics, config.admin) == (None, None, None)


def test_sections_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        default_config((UPSTREAM,)).limits.requests_burst = 1  # type: ignore[misc]


def test_the_upstreams_of_a_route_are_not_among_the_general_ones() -> None:
    route = RouteConfig(domains=("home.arpa",), upstreams=("home",))
    config = Config((UPSTREAM, HOME), routes=(route,))
    assert config.general_upstreams == (UPSTREAM,)
    assert config.upstreams_of(route) == (HOME,)

"""How the limits of one client, its networks and everyone stand to each other."""

from dohproxy.config import LimitsConfig

DEFAULTS = LimitsConfig()


def test_a_network_has_less_than_all_its_addresses_would() -> None:
    assert 1 < DEFAULTS.network_factor < 256


def test_a_site_has_more_than_one_of_its_networks() -> None:
    assert DEFAULTS.site_factor == 4 * DEFAULTS.network_factor


def test_one_network_alone_cannot_spend_what_all_have() -> None:
    assert DEFAULTS.network_factor * DEFAULTS.requests_per_second < DEFAULTS.total_requests_per_second


def test_misses_are_fewer_than_requests() -> None:
    assert DEFAULTS.misses_per_second < DEFAULTS.requests_per_second
    assert DEFAULTS.misses_burst < DEFAULTS.requests_burst

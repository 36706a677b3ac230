"""How the limits of connections stand to each other and to those of the resolver."""

from dohproxy.config import ConnectionsConfig, ResolverConfig

DEFAULTS = ConnectionsConfig()


def test_one_client_has_less_than_its_network_and_that_less_than_all() -> None:
    assert DEFAULTS.max_per_client < DEFAULTS.max_per_network < DEFAULTS.max_total


def test_one_client_comes_slower_than_all() -> None:
    assert DEFAULTS.new_per_second_per_client < DEFAULTS.new_per_second
    assert DEFAULTS.new_burst_per_client < DEFAULTS.new_burst


def test_a_drain_is_long_enough_for_every_answer_and_ends_before_systemd_kills() -> None:
    assert ResolverConfig().deadline_seconds < DEFAULTS.drain_seconds < 90


def test_a_client_may_leave_four_of_the_largest_answers_unread() -> None:
    assert DEFAULTS.max_queued_bytes > 4 * 65_535

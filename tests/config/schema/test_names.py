"""What the names that are asked for decide where the operator has set nothing."""

from dohproxy.config import NamesConfig

DEFAULTS = NamesConfig()


def test_a_domain_may_fail_less_than_it_may_be_asked_about() -> None:
    assert DEFAULTS.domain_failures_per_second < DEFAULTS.domain_misses_per_second
    assert DEFAULTS.domain_failures_burst < DEFAULTS.domain_misses_burst


def test_private_addresses_are_withheld_only_where_the_operator_says_so() -> None:
    assert not DEFAULTS.withhold_private_addresses


def test_the_list_that_is_installed_is_used_unless_another_is_named() -> None:
    assert DEFAULTS.public_suffix_file is None

"""What is offered, as profiles ask for it."""

import pytest

from dohproxy.profiles.offer import DOT_PORT, DotOffer, is_name, of_version
from tests.profiles.offers import FULL, LEAST


def test_addresses_are_told_apart_by_their_version() -> None:
    assert of_version(FULL.addresses, 4) == ("192.0.2.1", "192.0.2.2")
    assert of_version(FULL.addresses, 6) == ("2001:db8::1", "2001:db8:1::")
    assert of_version((), 4) == ()


def test_dns_over_tls_is_on_its_own_port_unless_another_is_said() -> None:
    assert FULL.over_tls() == DotOffer("doh.example.net", 853, FULL.addresses)
    assert DOT_PORT == 853


def test_who_asks_for_dns_over_tls_where_it_is_not_served_is_a_bug() -> None:
    with pytest.raises(ValueError, match="not served"):
        LEAST.over_tls()


@pytest.mark.parametrize(
    ("host", "expected"), [("doh.example.net", True), ("localhost", True), ("192.0.2.1", False), ("2001:db8::1", False)]
)
def test_a_name_is_no_address(host: str, expected: bool) -> None:
    assert is_name(host) is expected

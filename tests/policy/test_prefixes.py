"""Networks as an operator writes them, and as limits see them."""

from ipaddress import ip_address

import pytest

from dohproxy.policy.identity import Identities
from dohproxy.policy.prefixes import masked, parse_prefix, prefix_of, show_prefix

IDENTITIES = Identities(bytes(32))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("198.51.0.0/22", "198.51.0.0/22"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("2001:db8:1:2::3/128", "2001:db8:1:2::3/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2002:c000:207::/48", "192.0.2.7"),
        ("2002:c000:207::1", "192.0.2.7"),
        ("2001:0:1:2:3:4:3fff:fdf8", "192.0.2.7"),
    ],
    ids=[
        "an address of IPv4",
        "a network of IPv4",
        "a network that no limit is kept for",
        "a mapped address",
        "a mapped network",
        "an address of IPv6 is its host's /64",
        "brackets",
        "one address of IPv6, where it is said",
        "a network of IPv6",
        "6to4 is its IPv4 address",
        "an address of 6to4",
        "an address of Teredo",
    ],
)
def test_what_is_written_and_what_is_meant(written: str, meant: str) -> None:
    assert show_prefix(parse_prefix(written)) == meant


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("nobody", "is no address and no network"),
        ("192.0.2.7:53", "is no address and no network"),
        ("192.0.2.7/24", "has bits behind its length; write 192.0.2.0/24."),
        ("0.0.0.0/0", "is wider than a /8"),
        ("::/0", "is wider than a /16"),
        ("", "is no address and no network"),
    ],
    ids=["a word", "a port", "bits behind the length", "everybody", "everybody of IPv6", "nothing"],
)
def test_what_cannot_be_meant_is_said(written: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice.replace(".", r"\.")):
        parse_prefix(written)


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("192.0.2.7", ["192.0.2.7", "192.0.2.0/24"]),
        ("2001:db8:1:2::3", ["2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8:1::/48"]),
        ("2002:c000:207::1", ["192.0.2.7", "192.0.2.0/24"]),
    ],
    ids=["IPv4", "IPv6", "6to4"],
)
def test_the_networks_of_a_client_are_those_that_its_limits_are_kept_for(address: str, networks: list[str]) -> None:
    client = IDENTITIES.client(ip_address(address).packed)
    found = [prefix_of(client, width) for width in range(len(client.hashes))]
    assert [show_prefix(prefix) for prefix in found if prefix is not None] == networks
    for prefix, hashes in zip(found, client.hashes, strict=True):
        assert prefix is not None
        assert IDENTITIES.prefix_hashes(prefix.packed, prefix.bits) == hashes


def test_a_peer_without_address_has_no_network() -> None:
    assert prefix_of(IDENTITIES.client(b""), 0) is None


def test_a_network_lies_in_a_wider_one_and_not_the_other_way_round() -> None:
    wide, narrow, other = (parse_prefix(text) for text in ("10.0.0.0/8", "10.1.0.0/22", "11.0.0.0/8"))
    assert narrow.lies_in(wide)
    assert wide.lies_in(wide)
    assert not wide.lies_in(narrow)
    assert not narrow.lies_in(other)
    assert not narrow.lies_in(parse_prefix("2001:db8::/32"))


@pytest.mark.parametrize("bits", [1, 7, 8, 22, 31, 32])
def test_what_is_behind_the_bits_is_zero(bits: int) -> None:
    value = int.from_bytes(masked(b"\xff\xff\xff\xff", bits))
    assert f"{value:032b}" == "1" * bits + "0" * (32 - bits)

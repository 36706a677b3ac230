"""Networks by the thousand: who is in one of them."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.policy.blocklists.network_set import NO_NETWORKS, key_of, set_of_networks
from dohproxy.policy.identity import Networks

V4 = st.builds(
    lambda value, bits: IPv4Network((value, bits), strict=False), st.integers(0, 2**32 - 1), st.integers(1, 32)
)
V6 = st.builds(
    lambda value, bits: IPv6Network((value, bits), strict=False), st.integers(0, 2**128 - 1), st.integers(1, 128)
)


@given(
    st.lists(V4 | V6, max_size=6), st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), st.data()
)
def test_it_has_whom_the_plain_networks_have(
    networks: list[IPv4Network | IPv6Network], other: bytes, data: st.DataObject
) -> None:
    found, plain = set_of_networks(*networks), Networks(networks)
    inside = [network.network_address.packed for network in networks] + [network[-1].packed for network in networks]
    for address in (other, *inside):
        assert (address in found) is (address in plain)


def test_networks_are_counted_once_and_the_same_bytes_of_two_families_are_two() -> None:
    found = set_of_networks(ip_network("10.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("a00::/8"))
    assert found.networks == 2
    assert found.held_bytes > 0
    assert bytes([10, 0, 0, 1]) in found
    assert bytes([10]) + bytes(15) in found
    assert bytes([11, 0, 0, 1]) not in found


def test_somebody_without_an_address_is_in_none() -> None:
    assert b"" not in set_of_networks(ip_network("10.0.0.0/8"))
    assert bytes(4) not in NO_NETWORKS


@pytest.mark.parametrize("text", ["::ffff:192.0.2.0/120", "::ffff:192.0.2.0/96"])
def test_mapped_networks_are_those_that_they_stand_for(text: str) -> None:
    network = ip_network(text, strict=False)
    assert key_of(network)[0] == 4
    assert ip_address("192.0.2.9").packed in set_of_networks(network)

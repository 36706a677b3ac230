"""Who is believed about a client's address."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from dohproxy.config import ClientsConfig


def test_trusted_networks_and_sockets_are_told_apart() -> None:
    clients = ClientsConfig(trusted_proxies=(ip_network("192.0.2.0/24"), "unix", ip_network("::1")))
    assert clients.trusted_networks == (ip_network("192.0.2.0/24"), ip_network("::1"))
    assert clients.trusts_unix
    assert not ClientsConfig().trusts_unix


def test_nobody_is_believed_or_preferred_unless_named() -> None:
    defaults = ClientsConfig()
    assert (defaults.address_from, defaults.trusted_proxies, defaults.member_networks) == ("connection", (), ())


def test_nobody_is_a_member_by_a_url_unless_a_file_is_named() -> None:
    assert ClientsConfig().member_file is None
    assert ClientsConfig(member_hours=0.5).member_seconds == 1_800


@pytest.mark.parametrize(
    ("clients", "expected"),
    [
        (ClientsConfig(), False),
        (ClientsConfig(member_networks=(ip_network("192.0.2.0/24"),)), True),
        (ClientsConfig(member_file=Path("members.json")), True),
        (ClientsConfig(member_ca_file=Path("members.pem")), True),
    ],
    ids=["no way", "networks", "URLs", "certificates"],
)
def test_there_are_three_ways_to_be_a_member(clients: ClientsConfig, expected: bool) -> None:
    assert clients.can_have_members is expected

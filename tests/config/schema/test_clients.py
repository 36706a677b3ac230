"""Who is believed about a client's address."""

from ipaddress import ip_network

from dohproxy.config import ClientsConfig


def test_trusted_networks_and_sockets_are_told_apart() -> None:
    clients = ClientsConfig(trusted_proxies=(ip_network("192.0.2.0/24"), "unix", ip_network("::1")))
    assert clients.trusted_networks == (ip_network("192.0.2.0/24"), ip_network("::1"))
    assert clients.trusts_unix
    assert not ClientsConfig().trusts_unix


def test_nobody_is_believed_or_preferred_unless_named() -> None:
    defaults = ClientsConfig()
    assert (defaults.address_from, defaults.trusted_proxies, defaults.member_networks) == ("connection", (), ())

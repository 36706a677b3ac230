"""What is served, by the words of a configuration: ways to ask, their ports, and where clients connect."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from dohproxy.config import (
    ClientsConfig,
    Config,
    DiscoveryConfig,
    DotConfig,
    ListenAddress,
    ServerConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.policy.discovery.served import DOT, H2, H3, Served, Service, addresses_of, covered, public_port, served_of

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
OWN = [ip_address("9.9.9.9"), ip_address("2620:fe::9")]
EVERY = "0.0.0.0"  # noqa: S104 - bound by nobody


def config_of(*hosts: str, port: int = 443, discovery: DiscoveryConfig | None = None) -> Config:
    """Return the configuration of a service that listens there, all on one port."""
    server = ServerConfig(tuple(ListenAddress("tcp", host=host, port=port) for host in hosts), host="doh.example.net")
    return Config((UPSTREAM,), server, discovery=DiscoveryConfig() if discovery is None else discovery)


def test_a_service_with_one_address() -> None:
    served = served_of(config_of("149.112.112.112"))
    assert served == Served("doh.example.net", (Service((H2,), 443, "/dns-query"),), (ip_address("149.112.112.112"),))


def test_a_front_proxy_may_serve_more_than_we_do() -> None:
    assert served_of(config_of(EVERY, discovery=DiscoveryConfig(http3=True))).services[0].protocols == (H3, H2)


USUAL = {"DoH": (H2, 443, True), "DoH elsewhere": (H2, 8443, False), "DoT": (DOT, 853, True), "both": (DOT, 443, False)}


@pytest.mark.parametrize(("protocol", "port", "is_usual"), USUAL.values(), ids=USUAL)
def test_the_usual_port_is_that_of_the_protocol(protocol: bytes, port: int, is_usual: bool) -> None:
    assert Service((protocol,), port).has_usual_port is is_usual


COVERED = {
    "both names": ({"doh.example.net", "dot.example.net"}, [H2, DOT]),
    "that of the whole": ({"doh.example.net"}, [H2]),
    "another one": ({"dot.example.net"}, None),
}


@pytest.mark.parametrize(("names", "protocols"), COVERED.values(), ids=COVERED)
def test_what_the_certificate_is_not_for_is_not_told(names: set[str], protocols: list[bytes] | None) -> None:
    both = Served("doh.example.net", (Service((H2,), 443, "/q"), Service((DOT,), 853, host="dot.example.net")))
    found = covered(both, lambda host: host in names)
    assert (None if found is None else [one.protocols[0] for one in found.services]) == protocols


LISTENERS = {
    "all addresses of both families": ([EVERY, "::"], ["9.9.9.9", "2620:fe::9"]),
    "all of IPv4": ([EVERY], ["9.9.9.9"]),
    "one address": (["149.112.112.112"], ["149.112.112.112"]),
    "the same twice": ([EVERY, "9.9.9.9"], ["9.9.9.9"]),
    "loopback": (["127.0.0.1", "::1"], []),
    "a private network": (["192.168.1.2"], []),
    "one of its own link": (["fe80::1%eth0"], []),
}


@pytest.mark.parametrize(("hosts", "expected"), LISTENERS.values(), ids=LISTENERS)
def test_where_clients_connect(hosts: list[str], expected: list[str]) -> None:
    assert list(map(str, addresses_of(config_of(*hosts), OWN))) == expected


def test_of_a_wildcard_nothing_is_known_unless_this_machine_is_asked() -> None:
    assert addresses_of(config_of(EVERY, "::")) == []


def test_behind_a_front_proxy_or_at_a_unix_socket_that_is_not_known() -> None:
    behind = replace(config_of(EVERY), clients=ClientsConfig(address_from="forwarded"))
    assert addresses_of(behind, OWN) == []
    unix = ServerConfig((ListenAddress("unix", path="/run/x.sock"),))
    assert addresses_of(Config((UPSTREAM,), unix), OWN) == []


def test_what_the_operator_names_goes_before_what_is_listened_on() -> None:
    named = DiscoveryConfig(addresses=(ip_address("10.0.0.1"), ip_address("2001:db8::1"), ip_address("10.0.0.1")))
    found = addresses_of(config_of("149.112.112.112", discovery=named), OWN)
    assert list(map(str, found)) == ["10.0.0.1", "2001:db8::1"]


PORTS = {
    "that of the first public address": (config_of("127.0.0.1", "192.0.2.1", port=8443), 8443),
    "HTTPS's own where something is in front": (config_of("127.0.0.1", port=8443), 443),
    "what the operator says": (config_of(EVERY, port=8443, discovery=DiscoveryConfig(port=443)), 443),
    "what the operator says of a front proxy": (config_of("127.0.0.1", discovery=DiscoveryConfig(port=4443)), 4443),
}


@pytest.mark.parametrize(("config", "port"), PORTS.values(), ids=PORTS)
def test_the_port_that_clients_connect_to(config: Config, port: int) -> None:
    assert public_port(config) == port
    assert served_of(config).services[0].port == port


@pytest.mark.parametrize(("listen", "port"), [((EVERY, 853), 853), ((EVERY, 8530), 8530), (("127.0.0.1", 8853), 853)])
def test_dot_is_told_of_where_it_is_served(listen: tuple[str, int], port: int) -> None:
    # What listens on loopback has something in front of it, and that has DoT's own port.
    address = ListenAddress("tcp", host=listen[0], port=listen[1])
    config = replace(config_of(EVERY), dot=DotConfig(listen=(address,), host="dot.example.net"))
    assert served_of(config).services[1:] == (Service((DOT,), port, host="dot.example.net"),)
    assert len(served_of(config_of(EVERY)).services) == 1

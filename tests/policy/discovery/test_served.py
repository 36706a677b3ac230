"""What is served, by the words of a configuration: ways to ask, their ports, and where clients connect."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

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
from dohproxy.policy.discovery.served import (
    DOT,
    H2,
    H3,
    Served,
    Service,
    addresses_of,
    covered,
    is_met_directly,
    public_port,
    served_of,
)

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


@pytest.mark.parametrize(
    ("source", "protocols"),
    [("connection", {H2, DOT}), ("x-forwarded-for", {DOT}), ("forwarded", {DOT}), ("proxy-protocol", set())],
)
def test_a_field_of_http_brings_nobody_who_asks_over_tls(source: Any, protocols: set[bytes]) -> None:
    config = replace(config_of(EVERY), clients=ClientsConfig(address_from=source))
    assert {protocol for protocol in (H2, DOT) if is_met_directly(config, protocol)} == protocols


def with_dot(config: Config, *hosts: str, port: int = 853, host: str | None = None, source: Any = None) -> Config:
    """Return a configuration that serves DNS over TLS too, at these addresses."""
    listen = tuple(ListenAddress("tcp", host=one, port=port) for one in hosts)
    clients = config.clients if source is None else ClientsConfig(address_from=source)
    return replace(config, dot=DotConfig(listen=listen, host=host), clients=clients)


DOT_PORTS = {
    "a port of its own": (with_dot(config_of(EVERY), EVERY, port=8530), 8530),
    "behind a front proxy for DoH alone": (with_dot(config_of(EVERY), EVERY, port=8530, source="forwarded"), 8530),
    "behind one that says whom it brings": (with_dot(config_of(EVERY), EVERY, port=8530, source="proxy-protocol"), 853),
    "on loopback, with something in front": (with_dot(config_of(EVERY), "127.0.0.1", port=8853), 853),
    "what the operator says": (
        with_dot(config_of(EVERY, discovery=DiscoveryConfig(dot_port=853)), EVERY, port=8530),
        853,
    ),
    "what the operator says of a front proxy": (
        with_dot(config_of(EVERY, discovery=DiscoveryConfig(dot_port=8530)), "127.0.0.1", source="proxy-protocol"),
        8530,
    ),
    "whatever DoH's is changed to": (with_dot(config_of(EVERY, discovery=DiscoveryConfig(port=4443)), EVERY), 853),
}


@pytest.mark.parametrize(("config", "port"), DOT_PORTS.values(), ids=DOT_PORTS)
def test_the_port_of_dot_follows_the_same_rule(config: Config, port: int) -> None:
    assert public_port(config, DOT) == served_of(config).services[1].port == port


ONE, OTHER, SIX = "149.112.112.112", "9.9.9.10", "2620:fe::9"
ELSEWHERE = {
    "at the same address": (with_dot(config_of(ONE), ONE), {"doh.example.net": [ONE]}, None),
    "at another one under the same name": (with_dot(config_of(ONE), OTHER), {"doh.example.net": [ONE, OTHER]}, [OTHER]),
    "at another one under another name": (
        with_dot(config_of(ONE), OTHER, host="dot.example.net"),
        {"doh.example.net": [ONE], "dot.example.net": [OTHER]},
        [OTHER],
    ),
    "at the same one under another name": (
        with_dot(config_of(ONE), ONE, host="dot.example.net"),
        {"doh.example.net": [ONE], "dot.example.net": [ONE]},
        None,
    ),
    "over IPv6 alone": (with_dot(config_of(ONE, SIX), SIX), {"doh.example.net": [ONE, SIX]}, [SIX]),
    "somewhere behind what ends TLS": (with_dot(config_of(ONE), "127.0.0.1"), {"doh.example.net": [ONE]}, []),
    "itself, and DoH behind a front proxy": (
        with_dot(config_of("127.0.0.1"), OTHER, source="x-forwarded-for"),
        {"doh.example.net": []},
        [OTHER],
    ),
    "where the operator says": (
        with_dot(config_of(ONE, discovery=DiscoveryConfig(addresses=(ip_address(SIX),))), OTHER),
        {"doh.example.net": [SIX]},
        None,
    ),
}


@pytest.mark.parametrize(("config", "hosts", "addresses"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_dot_is_told_to_be_where_it_is_listened_on(
    config: Config, hosts: dict[str, list[str]], addresses: list[str] | None
) -> None:
    served = served_of(config)
    assert {host: list(map(str, found)) for host, found in served.hosts.items()} == hosts
    found = served.services[1].addresses
    assert (None if found is None else list(map(str, found))) == addresses


def test_of_wildcards_each_way_has_this_machines_addresses_of_its_families() -> None:
    served = served_of(with_dot(config_of(EVERY, "::"), "::"), OWN)
    assert [served.addresses_for(one) for one in served.services] == [tuple(OWN), (OWN[1],)]


def test_addresses_that_are_given_are_those_of_all_ways() -> None:
    served = served_of(with_dot(config_of(ONE), OTHER, host="dot.example.net"), OWN, OWN)
    assert served.hosts == {"doh.example.net": tuple(OWN), "dot.example.net": tuple(OWN)}


@pytest.mark.parametrize(("listen", "port"), [((EVERY, 853), 853), ((EVERY, 8530), 8530), (("127.0.0.1", 8853), 853)])
def test_dot_is_told_of_where_it_is_served(listen: tuple[str, int], port: int) -> None:
    # What listens on loopback has something in front of it, and that has DoT's own port.
    address = ListenAddress("tcp", host=listen[0], port=listen[1])
    config = replace(config_of(EVERY), dot=DotConfig(listen=(address,), host="dot.example.net"))
    assert served_of(config).services[1:] == (Service((DOT,), port, host="dot.example.net"),)
    assert len(served_of(config_of(EVERY)).services) == 1

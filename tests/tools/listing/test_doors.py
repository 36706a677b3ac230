"""The ways into a configured service, as stamps name them."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import pytest

from dohproxy.config import (
    ClientsConfig,
    Config,
    DiscoveryConfig,
    DotConfig,
    ServerConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.config.addresses import parse_listen
from dohproxy.doh.stamp import BadStamp, Properties, Protocol, Stamp
from dohproxy.doh.stamp_codec import decode, encode
from dohproxy.dot.member_name import member_name
from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.tools.listing.doors import Door, doors_of
from dohproxy.tools.stamps import StampAddress

HOST: Final = "doh.example.net"
TOKEN: Final = token_of(bytes(TOKEN_BYTES))


def config_of(*dot: str, host: str | None = None, listen: str = "192.0.2.1:8443") -> Config:
    upstream = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))
    here = Path("/run")
    server = ServerConfig((parse_listen(listen, here),), "/dns-query", HOST)
    return Config((upstream,), server, dot=DotConfig(tuple(parse_listen(text, here) for text in dot), host))


def test_without_dot_there_is_one_door() -> None:
    assert doors_of(config_of(), ()) == {
        Protocol.DOH: Door(Protocol.DOH, HOST, "server.host", "/dns-query", (StampAddress("192.0.2.1", 8443),))
    }


@pytest.mark.parametrize(
    ("config", "given", "places"),
    [
        (config_of("192.0.2.1:853", "[2001:db8::1]:8853"), (), [("192.0.2.1", 853), ("2001:db8::1", 8853)]),
        (config_of("[::]:853"), (), [("", 853)]),
        (config_of("[::]:8853"), ("192.0.2.7", "192.0.2.8:443"), [("192.0.2.7", 8853), ("192.0.2.8", 8853)]),
        (config_of("unix:dot.sock"), ("192.0.2.7",), [("192.0.2.7", 853)]),
        (
            replace(config_of("[::]:8853"), discovery=DiscoveryConfig(addresses=(ip_address("192.0.2.7"),))),
            (),
            [("192.0.2.7", 8853)],
        ),
        (
            replace(config_of("127.0.0.1:8853"), clients=ClientsConfig(address_from="proxy-protocol")),
            (),
            [("", 853)],
        ),
        (
            replace(config_of("192.0.2.1:8853", "192.0.2.1:8854"), discovery=DiscoveryConfig(dot_port=853)),
            (),
            [("192.0.2.1", 853)],
        ),
        (
            replace(config_of("192.0.2.1:8853"), clients=ClientsConfig(address_from="forwarded")),
            (),
            [("192.0.2.1", 8853)],
        ),
    ],
    ids=[
        "its listeners",
        "a wildcard",
        "the addresses given",
        "a socket",
        "those of the configuration",
        "behind a front proxy",
        "behind something that changes the port",
        "beside a front proxy for DoH alone",
    ],
)
def test_dns_over_tls_has_places_of_its_own(
    config: Config, given: tuple[str, ...], places: list[tuple[str, int]]
) -> None:
    door = doors_of(config, given)[Protocol.DOT]
    assert (door.host, door.host_key, door.path) == (HOST, "server.host", "")
    assert door.places == tuple(StampAddress(*place) for place in places)


def test_dns_over_tls_may_have_a_host_of_its_own() -> None:
    door = doors_of(config_of("[::]:853", host="dot.example.net"), ())[Protocol.DOT]
    assert (door.host, door.host_key) == ("dot.example.net", "dot.host")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(BadStamp):
        doors_of(config_of(), ("here",))


def test_a_stamp_of_each_can_be_read() -> None:
    doors = doors_of(config_of("192.0.2.1:853", "192.0.2.1:8853"), ())
    written = [
        decode(encode(door.stamp(place, Properties.NO_LOGS, (bytes(32),))))
        for door in doors.values()
        for place in door.places
    ]
    common = Stamp(Protocol.DOT, Properties.NO_LOGS, "192.0.2.1", hashes=(bytes(32),), host=HOST)
    assert written == [
        replace(common, protocol=Protocol.DOH, host=f"{HOST}:8443", path="/dns-query"),
        common,
        replace(common, host=f"{HOST}:8853"),
    ]


def test_a_members_stamp_is_known() -> None:
    doors = doors_of(config_of("192.0.2.1:853"), ())
    doh, dot = doors[Protocol.DOH], doors[Protocol.DOT]
    assert doh.is_members(Stamp(Protocol.DOH, host=HOST, path=f"/dns-query/{TOKEN}"))
    assert not doh.is_members(Stamp(Protocol.DOH, host=HOST, path="/dns-query"))
    assert dot.is_members(Stamp(Protocol.DOT, host=f"{member_name(HOST, TOKEN)}:853"))
    assert not dot.is_members(Stamp(Protocol.DOT, host=HOST))

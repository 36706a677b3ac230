"""[discovery]: what clients are told of this service when they ask it about itself."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Final

from dohproxy.config.discovery_values import parse_own_address
from dohproxy.config.keys import Integer, Switch, Text, TextList

MAX_ADDRESSES: Final = 8
"""A service has one or two of each family; with eight of IPv6 and the longest names an answer stays below 4096 bytes,
which is what some stubs take at most."""


@dataclass(frozen=True, slots=True)
class DiscoveryConfig:
    """What clients are told of this service when they ask it about itself: how else it can be reached (RFC 9461, RFC
    9462), and what it does (RFC 9606).

    docs/discovery.md says who asks. The records that `dohproxy records` prints follow these keys too.
    """

    enabled: Annotated[
        bool,
        Switch(
            "Whether _dns.resolver.arpa and _dns.HOST (SVCB) and HOST and resolver.arpa (RESINFO) are answered here,"
            " where HOST is server.host. Off by default: the port that clients connect to may be another than that of"
            " server.listen, and only you know. Nothing is told of a name that the certificate is not for."
        ),
    ] = False
    addresses: Annotated[
        tuple[IPv4Address | IPv6Address, ...],
        TextList(
            Text(parse_own_address, "IP address", "192.0.2.1", ""),
            0,
            MAX_ADDRESSES,
            "Where clients connect, if that is not what server.listen says, as behind a front proxy or with a wildcard;"
            " stamps follow it. Clients that are told them are spared a question. Empty: the public addresses in"
            " server.listen, and none where they are not known here.",
        ),
    ] = ()
    port: Annotated[
        int,
        Integer(
            0,
            65_535,
            "port",
            "Where clients connect by DoH, if something in between changes it, as a container's published port does;"
            " stamps and the URL follow it. 0: that of the first public address in server.listen, or 443 behind a front"
            " proxy.",
        ),
    ] = 0
    dot_port: Annotated[
        int,
        Integer(
            0,
            65_535,
            "port",
            "Where clients connect by DNS over TLS, if something in between changes it; stamps and profiles follow it."
            " 0: that of the first public address in dot.listen, or 853 behind a front proxy.",
        ),
    ] = 0
    http3: Annotated[
        bool,
        Switch(
            "Whether a front proxy serves HTTP/3 at the same port: this service does not. With it Android asks by DoH,"
            " which else asks by DoT alone."
        ),
    ] = False
    qname_minimisation: Annotated[
        bool,
        Switch(
            "Whether your upstreams send authoritative servers no more of a name than they need (RFC 9156), which"
            " clients are then told (qnamemin): it is the upstreams' doing and cannot be seen from here. Unbound, BIND"
            " and Knot Resolver do unless they are told not to."
        ),
    ] = False
    ttl_seconds: Annotated[
        int,
        Integer(
            60,
            86_400,
            "seconds",
            "The TTL of all of it, and of the records that `dohproxy records` prints: an hour is as long as a change of"
            " address may take to be seen.",
        ),
    ] = 3_600

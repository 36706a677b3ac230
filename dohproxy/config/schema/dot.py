"""[dot]: the frontend for DNS over TLS (RFC 7858)."""

from dataclasses import dataclass
from typing import Annotated

from dohproxy.config.addresses import ListenAddress, parse_listen, parse_public_name
from dohproxy.config.keys import Integer, Text, TextList
from dohproxy.config.schema.server import MAX_LISTENERS


@dataclass(frozen=True, slots=True)
class DotConfig:
    """DNS over TLS, for Android's Private DNS, systemd-resolved and others that know no URL. Without addresses there is
    none.

    It has the certificate of [tls], and all limits are those of the whole service: a client is one, however it asks.
    """

    listen: Annotated[
        tuple[ListenAddress, ...],
        TextList(
            Text(parse_listen, "address:port or unix:path", "[::]:853", ""),
            0,
            MAX_LISTENERS,
            'Where clients connect, for every address of the machine both "[::]:853", which is IPv6 alone, and'
            ' "0.0.0.0:853"; clients know no other port. Without [tls] loopback and Unix sockets alone, for a front'
            " proxy that has the certificate.",
        ),
    ] = ()
    host: Annotated[
        str | None,
        Text(
            parse_public_name,
            "host name",
            "dot.example.net",
            "The name that clients are told, as the certificate has it. Absent, it is that of [server]. A member may be"
            " told TOKEN.dot.example.net, where the certificate is for *.dot.example.net too; `dohproxy member add`"
            " prints it.",
        ),
    ] = None
    max_in_flight: Annotated[
        int,
        Integer(
            1,
            1000,
            "queries",
            "Of one connection, waiting for an upstream; what is behind them is not read until one is answered. A page"
            " load asks for some thirty names at once; HTTP/2 has 100 streams.",
        ),
    ] = 64

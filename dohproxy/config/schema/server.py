"""[server]: where the frontend is, what it is called and how much it reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from dohproxy.config.addresses import ListenAddress, parse_listen, parse_path, parse_public_name, parse_url_path
from dohproxy.config.keys import Integer, IntegerOrWord, Switch, Text, TextList

LOOPBACK_8443: Final = ListenAddress("tcp", host="127.0.0.1", port=8443)

MAX_LISTENERS: Final = 16
MAX_WORKERS: Final = 8
"""As many connections as an upstream may have at most, of which each worker needs one."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The frontend: where it is, what it is called, how much it reads."""

    listen: Annotated[
        tuple[ListenAddress, ...],
        TextList(
            Text(parse_listen, "address:port or unix:path", "127.0.0.1:8443", ""),
            1,
            MAX_LISTENERS,
            'Where clients connect: "127.0.0.1:8443", "unix:/run/dohproxy/h1.sock"; for every address of the machine'
            ' both "[::]:443", which is IPv6 alone, and "0.0.0.0:443". Port 0 takes any free one. Loopback by default,'
            " so that nothing is offered to the world unasked.",
        ),
    ] = (LOOPBACK_8443,)
    path: Annotated[
        str,
        Text(
            parse_url_path,
            'path from "/" on',
            "/dns-query",
            "Path of the DoH resource, as in the example of RFC 8484 section 4.1; clients assume it.",
        ),
    ] = "/dns-query"
    host: Annotated[
        str,
        Text(
            parse_public_name,
            "host name or address",
            "doh.example.net",
            "Public name of the service: in the URL and DNS stamp it prints, and checked against the certificate.",
        ),
    ] = "localhost"
    max_query_bytes: Annotated[
        int,
        Integer(
            64,
            4096,
            "bytes",
            "Longest DNS query read. A query is one name of 255 bytes and an OPT record, padded to a multiple"
            " of 128 (RFC 8467): 512 would do and is Google's limit, dnscrypt-proxy reads 4096.",
        ),
    ] = 1024
    cors: Annotated[
        bool,
        Switch(
            "Whether scripts of web pages, of whatever origin, may ask here and read the answers (CORS), without"
            " cookies or other credentials. Off by default: each page could then ask in the name of whoever looks at"
            " it, at the cost of that reader's limits, and read what a route says of names inside."
        ),
    ] = False
    state_directory: Annotated[
        Path | None,
        Text(
            parse_path,
            "directory",
            "/var/lib/dohproxy",
            "Where a restart finds again what it must not forget: what is spent of the upstreams' budgets, who has"
            " banned or throttled us, what upstreams cannot stand, and which networks have been asking here how long."
            " It is in the file state, written every minute and at the end, without a name or an address: keyed hashes,"
            " and the key is beside it, in the file key. Absent by default: nothing is kept. Only the service's user"
            " can read both; leave the key out of backups. The example is the StateDirectory of the systemd unit.",
        ),
    ] = None
    workers: Annotated[
        int | Literal["cores"],
        IntegerOrWord(
            Integer(
                1,
                MAX_WORKERS,
                "processes",
                "Processes that share the listeners, for more answers than one core can give; cores is one for each"
                " core that the service may use, as far as each upstream's budget can be divided. Each has a part of"
                " every budget, of the cache and of the connections, and all keep the limits of clients together"
                " (docs/workers.md). One core answers tens of thousands of cached questions a second: most need no"
                " more.",
            ),
            "cores",
        ),
    ] = 1

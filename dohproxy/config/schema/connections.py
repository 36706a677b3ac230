"""[connections]: how long and how much one connection may hold."""

from dataclasses import dataclass
from typing import Annotated

from dohproxy.config.keys import Integer, Number


@dataclass(frozen=True, slots=True)
class ConnectionsConfig:
    """How long and how much one connection may hold."""

    max_total: Annotated[
        int,
        Integer(
            8,
            100_000,
            "connections",
            "Connections open at once. When all are, strangers make room for networks that have been here for an hour"
            " and both for members, then the network that holds most for one that holds less. An idle one with TLS"
            " holds 21 KiB, so the default may"
            " cost 41 MiB. No more than the limit on open files leaves beside upstreams and files, which is said at the"
            " start.",
        ),
    ] = 2000
    max_per_client: Annotated[
        int,
        Integer(
            1,
            100_000,
            "connections",
            "Of one client (IPv4 address, IPv6 /64) at once. A browser has one or two, a household behind one address"
            " a dozen; dnsdist leaves it open, doh-server takes 16.",
        ),
    ] = 32
    max_per_network: Annotated[
        int,
        Integer(
            1,
            100_000,
            "connections",
            "Of one IPv4 /24 or IPv6 /56 at once; a /48 may have four times as many.",
        ),
    ] = 256
    new_per_second_per_client: Annotated[
        float,
        Number(
            0.01,
            10_000,
            "connections a second",
            "One client's steady rate of new connections, its networks as in [limits]. Ordinary clients keep theirs"
            " for minutes; a script with a new one for each question needs a few.",
        ),
    ] = 5
    new_burst_per_client: Annotated[
        int,
        Integer(1, 100_000, "connections", "Saved up while silent: a household coming home all at once."),
    ] = 50
    new_per_second: Annotated[
        float,
        Number(
            1,
            100_000,
            "connections a second",
            "Of everybody together; strangers leave a quarter of the burst to the others, who so go first. A full"
            " handshake costs 0.35 ms with an ECDSA key (November 2026), so 400 leave most"
            " of one core to those who are connected already.",
        ),
    ] = 400
    new_burst: Annotated[
        int,
        Integer(1, 1_000_000, "connections", "All clients of a full service, back after a restart."),
    ] = 2000
    stranger_handshake_percent: Annotated[
        float,
        Number(
            1,
            100,
            "percent of one core",
            "What handshakes of strangers may take. Their price with this certificate is measured at the start and at"
            " each renewal; if new_per_second of them would cost more, strangers get fewer, and members"
            " (clients.member_networks) as many as before. RSA-4096 costs 5 to 9 ms (November 2026). The other half of"
            " the core is for those who are connected.",
        ),
    ] = 50
    max_handshakes: Annotated[
        int,
        Integer(
            1,
            100_000,
            "handshakes",
            "TLS handshakes under way at once; one takes two round trips. When all are, room is made as for max_total.",
        ),
    ] = 200
    max_requests: Annotated[
        int,
        Integer(
            1,
            1_000_000,
            "requests",
            "Requests before a connection is closed politely, so that load spreads again; nginx and hypercorn"
            " have 1000 too.",
        ),
    ] = 1000
    max_age_seconds: Annotated[
        float,
        Number(
            10,
            86_400,
            "seconds",
            "Age at which a connection is closed between two requests, so that a new certificate, limit or"
            " ban reaches everyone; FFMUC has 120.",
        ),
    ] = 600
    handshake_seconds: Annotated[
        float,
        Number(
            0.5,
            60,
            "seconds",
            "For the TLS handshake, PROXY header included. Two round trips on a poor mobile network are under"
            " 2 seconds; asyncio's own default of 60 invites idlers.",
        ),
    ] = 5
    header_seconds: Annotated[
        float,
        Number(
            0.5,
            60,
            "seconds",
            "From the first byte of a request to the end of its header, however slowly bytes drip. AdGuard"
            " DNS has 5, dnsdist 2.",
        ),
    ] = 5
    body_seconds: Annotated[
        float,
        Number(0.5, 60, "seconds", "From the end of the header to that of the body: a body is one small packet."),
    ] = 5
    write_seconds: Annotated[
        float,
        Number(
            0.5,
            120,
            "seconds",
            "For a client to take its response before it is cut off; longer than reading, as a lost packet is"
            " sent again after 1, 3 and 7 seconds (RFC 6298).",
        ),
    ] = 10
    idle_seconds: Annotated[
        float,
        Number(
            1,
            600,
            "seconds",
            "Since the last query, whatever else comes. Long enough for the bursts of one web page, short enough to"
            " free the slot;"
            " Knot Resolver has 10, dnsdist 30.",
        ),
    ] = 20
    drain_seconds: Annotated[
        float,
        Number(
            0,
            80,
            "seconds",
            "For requests under way when the service stops: twice the resolver's deadline, and less than the"
            " 90 after which systemd kills.",
        ),
    ] = 10
    max_queued_bytes: Annotated[
        int,
        Integer(
            65_536,
            16_777_216,
            "bytes",
            "Responses waiting for one client to read; beyond it nothing more is read from it. Holds four"
            " answers of the largest size DNS has (65,535).",
        ),
    ] = 262_144
    max_held_bytes: Annotated[
        int,
        Integer(
            1_048_576,
            17_179_869_184,
            "bytes",
            "Of all connections together, beyond 8 KiB of each: responses that wait to be read and requests that are"
            " not whole. Beyond it the connections of the network that holds most are cut, members' last. An eighth"
            " of the memory that the service's unit allows; honest clients hold next to nothing.",
        ),
    ] = 67_108_864

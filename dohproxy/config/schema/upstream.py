"""[[upstream]]: a resolver to ask, and its budget."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from dohproxy.config.additions import Addition, parse_addition
from dohproxy.config.addresses import UpstreamAddress, parse_path, parse_pin, parse_upstream
from dohproxy.config.keys import Choice, Integer, Number, Switch, Text, TextList
from dohproxy.config.presets import ASSOCIATIVE, parse_group, parse_upstream_name

MAX_UPSTREAMS: Final = 16
MAX_PINS: Final = 8


@dataclass(frozen=True, slots=True)
class UpstreamConfig:
    """A resolver to ask, and its budget: a hard cap that retries count against too.

    `queries_per_second`, `burst` and `in_flight` hold what is in force. The file's own numbers win, then the
    preset's; a value built in Python takes them as given, by default those of "associative".
    """

    name: Annotated[
        str,
        Text(
            parse_upstream_name,
            "1 to 32 letters, digits, . _ -",
            "ns0",
            "What logs, metrics and commands call it.",
        ),
    ]
    url: Annotated[
        UpstreamAddress,
        Text(
            parse_upstream,
            "tls://, tcp:// or udp://, an IP address, optional port, and after # the name to verify",
            "tls://192.0.2.53#ns0.example.net",
            "How to reach it. tls:// without #name verifies the IP address in the certificate. Never a host"
            " name: the proxy must not need DNS to start.",
        ),
    ]
    preset: Annotated[
        Literal["associative", "quad9", "google", "own"],
        Choice(
            ("associative", "quad9", "google", "own"),
            "A budget for a kind of upstream, see below; the numbers after it override it one by one.",
        ),
    ] = "associative"
    queries_per_second: Annotated[
        float,
        Number(
            0.1,
            100_000,
            "queries a second",
            "Steady rate that is never exceeded. Ask the people who run the upstream what they are happy with.",
        ),
    ] = ASSOCIATIVE.queries_per_second
    burst: Annotated[
        int,
        Integer(1, 100_000, "queries", "Queries saved up while silent, for when many names are new at once."),
    ] = ASSOCIATIVE.burst
    in_flight: Annotated[
        int,
        Integer(
            1,
            10_000,
            "queries",
            "Queries waiting for its answer at once: what a slow upstream feels, when rates say nothing.",
        ),
    ] = ASSOCIATIVE.in_flight
    new_connections_per_second: Annotated[
        float,
        Number(
            0.1,
            1000,
            "connections a second",
            "New TCP and TLS connections beyond the first ones: firewalls count these, not queries. Kept connections"
            " need one in many seconds.",
        ),
    ] = ASSOCIATIVE.new_connections_per_second
    group: Annotated[
        str,
        Text(
            parse_group,
            '1 to 32 letters, digits, . _ -, or "" for none',
            "fdn",
            "Upstreams with the same group are one resolver under several addresses and share one budget, queries and"
            " connections: it counts us by our address, not by its own.",
        ),
    ] = ""
    connections: Annotated[
        int,
        Integer(
            1,
            8,
            "connections",
            "TCP or TLS connections kept open. Two survive the loss of one; RFC 7766 section 6.2.2 asks for"
            " one, and an operator was seen to cut clients at 20.",
        ),
    ] = 2
    idle_seconds: Annotated[
        float,
        Number(
            1,
            300,
            "seconds",
            "Unused connections are closed after this, before the upstream does it (Knot Resolver 10, dnsdist"
            " and Unbound 30).",
        ),
    ] = 20
    validates: Annotated[
        bool,
        Switch(
            "You trust it to validate DNSSEC: clients are told that an answer is authentic (AD) when it says so. Of"
            " effect only over tls:// or to this machine; elsewhere anybody on the way could set that bit."
        ),
    ] = False
    ca_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "upstream-ca.pem",
            "Certificates, PEM, of the authorities that may vouch for it, in place of the system's: your own authority,"
            " or its own certificate where it has signed that itself. Of tls:// alone; read at the start.",
        ),
    ] = None
    pins: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_pin, "SHA-256 in base64", "7HIpactkIAq2Y49orFOOQKurWxmmSFZhBCoQYcRhJ3Y=", ""),
            0,
            MAX_PINS,
            "Public keys that its own certificate may have (SPKI pins, RFC 7858 section 4.2), the next one among them"
            " before it changes. With #name or ca_file both must be right; without either the key alone decides, and"
            " the certificate may be anybody's and expired. Of tls:// alone; `dohproxy upstream test` shows the key.",
        ),
    ] = ()
    leave_out: Annotated[
        tuple[Addition, ...],
        TextList(
            Text(parse_addition, ", ".join(Addition), "cookie", ""),
            0,
            len(Addition),
            "What never to add to queries to it, where you know that it cannot stand it: edns (and with it DNSSEC,"
            " cookies, padding), cookie, ad, case (names in mixed case over UDP), padding. Empty by default: what it"
            " cannot stand is found out, as long as it was never seen to stand it, and tried again each day.",
        ),
    ] = ()

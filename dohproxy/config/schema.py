"""Every section and key of the configuration, with default, bounds, unit and reason.

One frozen dataclass per section, one field per key, named as in the file. The text after each key is both
the comment of the annotated reference and the place to argue with a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

from dohproxy.config.additions import Addition, parse_addition
from dohproxy.config.addresses import (
    IPNetwork,
    ListenAddress,
    UpstreamAddress,
    parse_domain,
    parse_listen,
    parse_network,
    parse_path,
    parse_pin,
    parse_public_name,
    parse_route_domain,
    parse_socket,
    parse_trusted,
    parse_upstream,
    parse_url_path,
)
from dohproxy.config.keys import Choice, Integer, Number, Switch, Text, TextList
from dohproxy.config.presets import ASSOCIATIVE, parse_group, parse_upstream_name

AddressSource = Literal["connection", "proxy-protocol", "x-forwarded-for", "forwarded"]
DialectAction = Literal["serve", "count", "refuse"]

LOOPBACK_8443: Final = ListenAddress("tcp", host="127.0.0.1", port=8443)
LOOPBACK_9153: Final = ListenAddress("tcp", host="127.0.0.1", port=9153)
ADMIN_SOCKET: Final = Path("/run/dohproxy/admin.sock")

MAX_LISTENERS: Final = 16
MAX_NETWORKS: Final = 256
MAX_DOMAINS: Final = 256
MAX_UPSTREAMS: Final = 16
MAX_ROUTES: Final = 16
MAX_PINS: Final = 8

DIALECT_ACTIONS: Final = ("serve", "count", "refuse")

DIALECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "post-body-hash": "POST with ?body_hash=: every dnscrypt-proxy since 2.0.19, because some caches ignore"
        " the body. Refused, it asks the same again as a GET.",
        "post-x-pad": "POST with an X-Pad header: dnscrypt-proxy 2.0.5 to 2.0.36, padding outside the message.",
        "get-ct-empty": "GET with an empty ct=: dnscrypt-proxy 2.0.17 to 2.0.42, still in some distributions.",
        "get-ct-message": "GET with ct=application/dns-message: the doh-client of m13253, current.",
        "get-random-padding": "GET with random_padding=: dnscrypt-proxy 2.0.17 and 2.0.18, rare.",
        "get-body-param": "GET with the query twice, in body= and in dns=: dnscrypt-proxy of 2018, very rare.",
    }
)
"""Ways of asking that RFC 8484 does not know and honest clients use: what each is and who sends it."""


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


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The certificate. Without this section the frontend speaks plain HTTP, for a front proxy on this machine."""

    certificate: Annotated[
        Path,
        Text(
            parse_path,
            "file name",
            "fullchain.pem",
            "Certificate and intermediates, PEM, the server's first. Relative names start from this file's directory.",
        ),
    ]
    key: Annotated[
        Path,
        Text(parse_path, "file name", "privkey.pem", "Private key of the certificate, PEM, no password."),
    ]
    reload_seconds: Annotated[
        float,
        Number(
            1,
            3600,
            "seconds",
            "Between two looks at both files. A new pair is taken without dropping a connection, a bad one refused."
            " Renewals come days ahead of need, so a minute is soon; a look is two system calls.",
        ),
    ] = 60


@dataclass(frozen=True, slots=True)
class ConnectionsConfig:
    """How long and how much one connection may hold."""

    max_total: Annotated[
        int,
        Integer(
            8,
            100_000,
            "connections",
            "Connections open at once, further ones are closed. An idle one with TLS holds 21 KiB, so the default may"
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
            "Of everybody together. A full handshake costs 0.35 ms with an ECDSA key (November 2026), so 400 leave most"
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
            "TLS handshakes under way at once; one takes two round trips. Further connections are closed.",
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
            "Between two requests. Long enough for the bursts of one web page, short enough to free the slot;"
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


@dataclass(frozen=True, slots=True)
class ClientsConfig:
    """Who is asking: the address that limits are kept for."""

    address_from: Annotated[
        AddressSource,
        Choice(
            ("connection", "proxy-protocol", "x-forwarded-for", "forwarded"),
            "What to believe. connection: the peer itself. The others are for a front proxy: PROXY protocol"
            " v1 and v2, X-Forwarded-For, Forwarded (RFC 7239). Exactly one, as clients can send all of them.",
            (
                (
                    "x-real-ip",
                    'that header is not read. Let the front proxy send X-Forwarded-For and write "x-forwarded-for"; in'
                    " nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
                ),
            ),
        ),
    ] = "connection"
    trusted_proxies: Annotated[
        tuple[IPNetwork | Literal["unix"], ...],
        TextList(
            Text(parse_trusted, 'CIDR, or "unix"', "127.0.0.1/32", ""),
            0,
            MAX_NETWORKS,
            'Front proxies that are believed: CIDRs, and "unix" for whoever can open a Unix socket listened'
            " on. A header from anyone else is ignored and counted. Empty by default: nobody is believed.",
        ),
    ] = ()

    member_networks: Annotated[
        tuple[IPNetwork, ...],
        TextList(
            Text(parse_network, "CIDR", "192.0.2.0/24", ""),
            0,
            MAX_NETWORKS,
            "Networks of the association's members, if they can be told: their questions go first where an upstream's"
            " budget is short. Everybody else goes by how long their network has been asking here.",
        ),
    ] = ()

    @property
    def trusted_networks(self) -> tuple[IPNetwork, ...]:
        """The CIDRs among `trusted_proxies`."""
        return tuple(trusted for trusted in self.trusted_proxies if not isinstance(trusted, str))

    @property
    def trusts_unix(self) -> bool:
        """Whether peers on the Unix sockets listened on are believed."""
        return "unix" in self.trusted_proxies


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """How much one client, one network and everyone together may ask.

    A miss is a request the cache cannot answer, the only kind that costs the upstream anything.
    """

    requests_per_second: Annotated[
        float,
        Number(
            0.1,
            100_000,
            "requests a second",
            "One client's steady rate (IPv4 address, IPv6 /64), beyond the burst answered 429. AdGuard Home"
            " has 20 too, Wikimedia DNS 40.",
        ),
    ] = 20
    requests_burst: Annotated[
        int,
        Integer(
            1,
            1_000_000,
            "requests",
            "Saved up while silent: a browser starting with its old tabs asks some 100 names at once, and"
            " two of them may share an address.",
        ),
    ] = 200
    misses_per_second: Annotated[
        float,
        Number(
            0.1,
            100_000,
            "misses a second",
            "One client's steady rate of names not in the cache, half of the smallest upstream budget unless you say"
            " otherwise: an association was once banned by its upstream for an average of 6.5 a second.",
        ),
    ] = 5
    misses_burst: Annotated[
        int,
        Integer(
            1,
            1_000_000,
            "misses",
            "Saved up while silent: the same browser start, when none of its names is known yet.",
        ),
    ] = 100
    network_factor: Annotated[
        int,
        Integer(
            1,
            256,
            "times",
            "An IPv4 /24 or IPv6 /56 gets this many times one client's figures: a neighbourhood behind one"
            " provider, yet an attacker with 256 addresses gains only this. AdGuard DNS counts by /24 alone.",
        ),
    ] = 8
    site_factor: Annotated[
        int,
        Integer(
            1,
            65_536,
            "times",
            "An IPv6 /48, one site's allocation (RFC 6177), gets this many times one client's figures; four"
            " networks' worth.",
        ),
    ] = 32
    total_requests_per_second: Annotated[
        float,
        Number(
            1,
            1_000_000,
            "requests a second",
            "All clients together; beyond it misses get 503 and hits go on. Well under what one core answers"
            " and 300 times what the busiest known association saw on average (6.5).",
        ),
    ] = 2000
    total_requests_burst: Annotated[
        int,
        Integer(1, 10_000_000, "requests", "Two seconds at the full rate: clients returning after an outage."),
    ] = 4000
    waiting_misses: Annotated[
        int,
        Integer(
            1,
            10_000,
            "misses",
            "Misses being resolved at once, everyone together. Netflix's adaptive limiter moves between 20"
            " and 1000; at 50 ms each, 256 are 5000 a second, more than any budget.",
        ),
    ] = 256
    table_slots: Annotated[
        int,
        Integer(
            1024,
            16_777_216,
            "slots of 8 bytes",
            "Size of each limiter table, never grown: 131,072 slots are 1 MiB. A client is disturbed by"
            " others only if both its slots are held by clients over their limit: with 20,000 of those at once, 7"
            " in 100 are. Knot Resolver's table has 524,288.",
        ),
    ] = 131_072
    exempt_networks: Annotated[
        tuple[IPNetwork, ...],
        TextList(
            Text(parse_network, "CIDR", "192.0.2.0/24", ""),
            0,
            MAX_NETWORKS,
            "Clients without a limit of their own, such as the association's monitoring; the totals hold for them too.",
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class NamesConfig:
    """What the names that are asked for decide: which cannot exist, and how much may be asked about one domain.

    A domain is what somebody has registered, by the list of public suffixes. A failure is a name that does not exist,
    SERVFAIL, or no answer.
    """

    public_suffix_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "/usr/share/publicsuffix/public_suffix_list.dat",
            "A public suffix list in place of the one that is installed with this program. It is read again when it"
            " changes; what is no such list, or holds much less than there is, is refused and the old one stays.",
        ),
    ] = None
    reload_seconds: Annotated[
        float,
        Number(
            1,
            86_400,
            "seconds",
            "Between two looks at the file and at the age of the list, which changes a few times a week at most; a"
            " look is one system call.",
        ),
    ] = 300
    answer_undelegated: Annotated[
        bool,
        Switch(
            "Whether names under top-level domains that do not exist are denied here, which spares the upstream half"
            " of dnscrypt-proxy's probes, Chromium's random names and what leaks from home networks. false if your"
            " upstream knows top-level domains of its own. Clients that validate get the root's proof either way.",
        ),
    ] = True
    max_list_age_days: Annotated[
        int,
        Integer(
            1,
            3650,
            "days",
            "An older list denies nothing. A new top-level domain is in the list some days after its contract is"
            " signed, and in the root months later.",
        ),
    ] = 180
    domain_misses_per_second: Annotated[
        float,
        Number(
            0.1,
            100_000,
            "queries a second",
            "Steady rate of queries to the upstreams about one domain; beyond it the cache alone answers. Half of the"
            " smallest upstream budget: the other half is for everything else.",
        ),
    ] = 5
    domain_misses_burst: Annotated[
        int,
        Integer(
            1,
            1_000_000,
            "queries",
            "Saved up while nobody asks: a dozen names in three types when nothing of a large site is known yet. As"
            " much as the smallest upstream budget saves up.",
        ),
    ] = 40
    domain_failures_per_second: Annotated[
        float,
        Number(
            0.1,
            100_000,
            "failures a second",
            "Steady rate of queries about one domain that come to nothing: a flood of random names costs the smallest"
            " upstream budget a tenth, a mail server may look up 3600 addresses an hour in a blocklist.",
        ),
    ] = 1
    domain_failures_burst: Annotated[
        int,
        Integer(
            1,
            1_000_000,
            "failures",
            "Saved up while nothing fails: a domain whose servers are down has some names in three types each, and"
            " half of what the smallest upstream budget saves up is left.",
        ),
    ] = 20
    exempt_domains: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_domain, "host name", "dnsbl.example.net", ""),
            0,
            MAX_DOMAINS,
            "Domains without these limits, such as the blocklists of a mail server that asks here. All that is"
            " registered with a name is exempt with it.",
        ),
    ] = ()
    withhold_private_addresses: Annotated[
        bool,
        Switch(
            "Whether answers are withheld that lead a public name to a private address (10.0.0.0/8, 192.168.0.0/16,"
            " 127.0.0.0/8, fe80::/10, fc00::/7 and the like): by such a name a web page reaches what is in its reader's"
            " own network (DNS rebinding). Off, because members may have such names themselves, and blocklists answer"
            " with 127.0.0.2; name these in private_address_domains. What goes a [[route]] is never withheld.",
        ),
    ] = False
    private_address_domains: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_domain, "host name", "intern.example.org", ""),
            0,
            MAX_DOMAINS,
            'With all names below them, domains that may have private addresses all the same: "plex.direct",'
            ' "zen.spamhaus.org", your own. Of effect with withhold_private_addresses.',
        ),
    ] = ()


def serve_every_dialect() -> Mapping[str, str]:
    """Return the default of `DialectsConfig`: honest clients speak all of them, so all are served."""
    return MappingProxyType(dict.fromkeys(DIALECTS, "serve"))


@dataclass(frozen=True, slots=True)
class DialectsConfig:
    """What to do with requests that stray from RFC 8484: "serve", "count" or "refuse" each.

    "count" serves, and counts what a refusal would have hit: watch it for a day before choosing "refuse".
    """

    actions: Mapping[str, str] = field(default_factory=serve_every_dialect)
    """Dialect name (a key of `DIALECTS`, hyphens and all) to a `DialectAction`; every name is present."""


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """What is remembered, and for how long. A TTL is moved only by the rules here, and never for SERVFAIL."""

    max_megabytes: Annotated[
        int,
        Integer(
            1,
            16_384,
            "MiB",
            "Memory for answers, least recently used out first: some 260,000 of them, five times the"
            " names that a few thousand people ask in a day.",
        ),
    ] = 64
    minimum_ttl_seconds: Annotated[
        int,
        Integer(
            0,
            3600,
            "seconds",
            "Positive answers with a shorter TTL are kept this long. 60 spares the upstream most repeats;"
            " more keeps what an owner withdrew (CVE-2022-30698). doh-server has 10, dnscrypt-proxy 2400.",
        ),
    ] = 60
    minimum_ttl_under_pressure_seconds: Annotated[
        int,
        Integer(
            0,
            7200,
            "seconds",
            "The minimum rises towards this as an upstream's budget runs out or it fails: half an hour old is"
            " better than none. RFC 8767 would allow days.",
        ),
    ] = 1800
    maximum_ttl_seconds: Annotated[
        int,
        Integer(
            60,
            604_800,
            "seconds",
            "Longer TTLs are cut to this. One day is Unbound's default; RFC 8767 section 4 allows seven.",
        ),
    ] = 86_400
    jitter_percent: Annotated[
        int,
        Integer(
            0,
            20,
            "percent",
            "Chance ends a positive answer up to this much sooner, never under the minimum, and moves the pause after a"
            " failure by as much: what was learnt at once is not asked for again at once. At 5, what five minutes hold"
            " is spread over 15 seconds. 0 keeps exact times.",
        ),
    ] = 5
    negative_ttl_max_seconds: Annotated[
        int,
        Integer(
            1,
            10_800,
            "seconds",
            "Longest life of NXDOMAIN and NODATA, under what the SOA says (RFC 2308): a name made today"
            " should not stay absent until tomorrow. BIND's limit is 10,800.",
        ),
    ] = 900
    negative_share_percent: Annotated[
        int,
        Integer(
            1,
            50,
            "percent",
            "Part of the memory for negative answers, kept apart so that a flood of random names cannot"
            " evict good ones.",
        ),
    ] = 25
    cut_below_nxdomain: Annotated[
        Literal["never", "validated", "always"],
        Choice(
            ("never", "validated", "always"),
            "When a name that does not exist (NXDOMAIN with SOA) denies all names below it too, unasked (RFC 8020)."
            " validated: if the upstream says so (AD, over TLS or loopback) or it is the root that denies; Unbound and"
            " PowerDNS do the same, as servers of some CDNs deny names that others are below. What the list of public"
            " suffixes has is never cut off by a denial that nobody has validated.",
        ),
    ] = "validated"
    prefetch_percent: Annotated[
        int,
        Integer(
            0,
            50,
            "percent",
            "In this last part of its life an answer that was given three times is asked for again, if there is budget"
            " to spare, so that nobody waits for it; 0 never does. Unbound and CoreDNS have 10.",
        ),
    ] = 10
    max_entry_bytes: Annotated[
        int,
        Integer(
            512,
            65_535,
            "bytes",
            "Larger answers are passed on but not kept. Ordinary ones are under 1,500 bytes; one large"
            " answer must not push out dozens of them.",
        ),
    ] = 16_384
    stale_keep_seconds: Annotated[
        int,
        Integer(
            0,
            604_800,
            "seconds",
            "How long an expired answer may still serve when the upstream does not (RFC 8767 suggests one to"
            " three days); 0 never does. Unbound and BIND have one day.",
        ),
    ] = 86_400
    stale_answer_ttl_seconds: Annotated[
        int,
        Integer(1, 300, "seconds", "TTL written into a stale answer: the 30 recommended by RFC 8767 section 5."),
    ] = 30
    stale_wait_seconds: Annotated[
        float,
        Number(
            0.1,
            10,
            "seconds",
            "How long a client waits for a new answer while a stale one exists; 1.8 is from RFC 8767 section"
            " 5, just under the 2 after which many stubs ask again.",
        ),
    ] = 1.8
    stale_recheck_seconds: Annotated[
        int,
        Integer(
            1,
            3600,
            "seconds",
            "After a failed attempt stale answers go out at once for this long, without asking: the failure"
            " recheck timer of RFC 8767 section 5.",
        ),
    ] = 30
    failure_ttl_seconds: Annotated[
        int,
        Integer(
            1,
            300,
            "seconds",
            "How long a first failure is remembered; doubled each time. RFC 9520 section 3.2: 1 to 300.",
        ),
    ] = 5
    failure_ttl_max_seconds: Annotated[
        int,
        Integer(
            1,
            300,
            "seconds",
            "Where the doubling ends: RFC 9520 section 3.2 forbids more than five minutes.",
        ),
    ] = 300
    snapshot_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "/var/lib/dohproxy/cache.snapshot",
            "Where the cache is kept from one run to the next, so that a restart does not send everybody's names"
            " to the upstreams at once. Absent by default: the file holds the names that were asked for, though"
            " not who asked, and no name is written anywhere unless you say so. Only the service's user can read"
            " it. The example is in the StateDirectory of the systemd unit.",
        ),
    ] = None
    snapshot_seconds: Annotated[
        float,
        Number(
            1,
            86_400,
            "seconds",
            "Between two snapshots, beside the one at the end: what a crash or a power cut can cost. 50,000"
            " entries are 6 MB on the disk and a quarter of a second of one core (November 2026), in small pieces.",
        ),
    ] = 300

    @property
    def max_bytes(self) -> int:
        """`max_megabytes` in bytes."""
        return self.max_megabytes * 1_048_576


@dataclass(frozen=True, slots=True)
class ResolverConfig:
    """How a question is carried to the upstreams."""

    choice: Annotated[
        Literal["ordered", "fastest"],
        Choice(
            ("ordered", "fastest"),
            "ordered asks the first upstream of the file that is well; fastest prefers the one that has been"
            " answering soonest.",
        ),
    ] = "ordered"
    deadline_seconds: Annotated[
        float,
        Number(
            0.5,
            30,
            "seconds",
            "From the arrival of a question to the last moment of its answer, all attempts together. A stub"
            " waits 5 by default (resolv.conf(5)), so a later answer is for nobody.",
        ),
    ] = 5
    attempt_seconds: Annotated[
        float,
        Number(
            0.1,
            10,
            "seconds",
            "Before another attempt is made, so that three fit in the deadline. Nearly all answers of a recursive"
            " resolver come within 1; a later one still counts, and one that is slow is given more time by itself.",
        ),
    ] = 1.5
    max_sends: Annotated[
        int,
        Integer(
            1,
            3,
            "sends",
            "Times one question may go out, over all upstreams and transports: RFC 9520 section 3.1 allows"
            " three to one server, and a guest asks no more in all.",
        ),
    ] = 3
    budget_wait_seconds: Annotated[
        float,
        Number(
            0,
            5,
            "seconds",
            "How long a question may wait for its turn while all budgets are spent, in order: members, then networks by"
            " how long they have been asking here, those that ask little first. No more wait than can be served in it;"
            " just under the 2 after which many stubs ask again.",
        ),
    ] = 1.5
    waiters_per_query: Annotated[
        int,
        Integer(
            1,
            10_000,
            "clients",
            "Clients that may share one question under way; BIND's clients-per-query ends at 100. Further ones get"
            " something stale; where there is nothing, as many again wait for budget_wait_seconds, and who comes then"
            " is told to come back (503).",
        ),
    ] = 100


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


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """Names with a resolver of their own: private zones, or the members' own domain as it is seen from inside. As many
    of these as you like.

    The upstreams of a route are asked about its domains alone, within their own budgets and with a line and a cache of
    their own. Everybody who may ask here gets these answers.
    """

    domains: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_route_domain, "host name", "home.arpa", ""),
            1,
            MAX_DOMAINS,
            'With all names below them: "home.arpa", "168.192.in-addr.arpa", "intern.example.org". Of two that hold a'
            " name the longer one counts, and so it does beside the private zones that are answered here with"
            " NXDOMAIN unless a route says otherwise (RFC 6303).",
        ),
    ]
    upstreams: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_upstream_name, "name of an [[upstream]]", "home", ""),
            1,
            MAX_UPSTREAMS,
            "Who is asked about them, and about nothing else. A resolver that is to be asked about everything too"
            " stands twice among the upstreams, under two names and with one group, which shares its budget.",
        ),
    ]
    cache_megabytes: Annotated[
        int,
        Integer(
            1,
            1024,
            "MiB",
            "Memory for its answers beside cache.max_megabytes, so that what the rest of the world says about a name"
            " never stands for what your own resolver says: some 4,000 of them. They are in no snapshot.",
        ),
    ] = 1


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Figures for Prometheus on a listener of their own. Without this section there are none."""

    listen: Annotated[
        ListenAddress,
        Text(
            parse_listen,
            "address:port or unix:path",
            "127.0.0.1:9153",
            "Where /metrics is read; loopback, as it is nobody else's business. 9153 is CoreDNS's port, which"
            " dashboards know.",
        ),
    ] = LOOPBACK_9153
    pages_per_second: Annotated[
        float,
        Number(
            0.1,
            1000,
            "pages a second",
            "How often the figures are put together, which takes some milliseconds; whoever reads more often gets the"
            " last page again. Prometheus reads every 15 to 60 seconds.",
        ),
    ] = 1.0


@dataclass(frozen=True, slots=True)
class AdminConfig:
    """The socket of the volunteer on duty. Without this section there is none."""

    socket: Annotated[
        Path,
        Text(
            parse_socket,
            "file name",
            "/run/dohproxy/admin.sock",
            "Unix socket for commands; who may open the file may give them, so there is no password.",
        ),
    ] = ADMIN_SOCKET


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is written. No client address and no name is, at any level."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Choice(("debug", "info", "warning", "error"), "The least important kind of message written."),
    ] = "info"
    format: Annotated[
        Literal["text", "json"],
        Choice(("text", "json"), "text for people and journald, json (one object a line) for collectors."),
    ] = "text"
    lines_per_second: Annotated[
        float,
        Number(
            0.1,
            1000,
            "lines a second",
            "For each kind of message, the rest is counted: CVE-2025-69230 was a flood of log lines that any"
            " client could start.",
        ),
    ] = 10


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, checked. Each part of the program is given its own section, never this."""

    upstreams: tuple[UpstreamConfig, ...]
    """The [[upstream]] sections in the order of the file, at least one."""
    server: ServerConfig = field(default_factory=ServerConfig)
    tls: TlsConfig | None = None
    connections: ConnectionsConfig = field(default_factory=ConnectionsConfig)
    clients: ClientsConfig = field(default_factory=ClientsConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    names: NamesConfig = field(default_factory=NamesConfig)
    dialects: DialectsConfig = field(default_factory=DialectsConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    resolver: ResolverConfig = field(default_factory=ResolverConfig)
    metrics: MetricsConfig | None = None
    admin: AdminConfig | None = None
    log: LogConfig = field(default_factory=LogConfig)
    routes: tuple[RouteConfig, ...] = ()
    """The [[route]] sections in the order of the file."""
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    """Where sections and keys stand in the file, by their paths, for what is said about them."""

    @property
    def general_upstreams(self) -> tuple[UpstreamConfig, ...]:
        """Those that are asked about everything that no route leads elsewhere."""
        routed = {name for route in self.routes for name in route.upstreams}
        return tuple(upstream for upstream in self.upstreams if upstream.name not in routed)

    def upstreams_of(self, route: RouteConfig) -> tuple[UpstreamConfig, ...]:
        """Return the upstreams of one route, in the order of the file."""
        return tuple(upstream for upstream in self.upstreams if upstream.name in route.upstreams)


def default_config(upstreams: tuple[UpstreamConfig, ...]) -> Config:
    """Return the configuration of a service without a file, asking `upstreams` (at least one)."""
    return Config(upstreams=upstreams)

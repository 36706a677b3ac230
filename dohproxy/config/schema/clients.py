"""[clients]: whose address limits are kept for, and who is a member."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from dohproxy.config.addresses import IPNetwork, parse_network, parse_path, parse_trusted
from dohproxy.config.keys import Choice, Number, Text, TextList

AddressSource = Literal["connection", "proxy-protocol", "x-forwarded-for", "forwarded"]

MAX_NETWORKS: Final = 256


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
            "Networks of the association's members, if they can be told: they go first at every bound that all share,"
            " and have limits of their own, apart from their neighbours'. Everybody else goes by how long their network"
            " has been answered here.",
        ),
    ] = ()

    member_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "/var/lib/dohproxy/members.json",
            "Who is a member by a URL of their own, as `dohproxy member add` gives one: names, and hashes of the tokens"
            " in the URLs, no token itself. The file is made by the first of these commands and looked at every second."
            " Absent by default: there are no such URLs. The example is in the StateDirectory of the systemd unit.",
        ),
    ] = None
    member_ca_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "/etc/dohproxy/members.pem",
            "Authorities, PEM, whose certificates make their holders members: every client is asked for one, and"
            " browsers ask whoever sits before them. Who has none is served all the same, who shows another one is not."
            " Absent by default: nobody is asked. It needs [tls].",
        ),
    ] = None
    member_hours: Annotated[
        float,
        Number(
            0,
            168,
            "hours",
            "How long connections from an address go before strangers' after a member's token came from there: his"
            " next one is known before TLS. Half a day is from one evening to the next morning; 0 is not at all. It"
            " is kept in memory, and with server.state_directory over restarts, as a keyed hash.",
        ),
    ] = 12.0

    @property
    def member_seconds(self) -> float:
        """The same in seconds."""
        return self.member_hours * 3_600

    @property
    def can_have_members(self) -> bool:
        """Whether there is a way to be a member."""
        return bool(self.member_networks) or self.member_file is not None or self.member_ca_file is not None

    @property
    def trusted_networks(self) -> tuple[IPNetwork, ...]:
        """The CIDRs among `trusted_proxies`."""
        return tuple(trusted for trusted in self.trusted_proxies if not isinstance(trusted, str))

    @property
    def trusts_unix(self) -> bool:
        """Whether peers on the Unix sockets listened on are believed."""
        return "unix" in self.trusted_proxies

"""[clients]: whose address limits are kept for, and who is a member."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from dohproxy.config.addresses import IPNetwork, parse_network, parse_trusted
from dohproxy.config.keys import Choice, Text, TextList

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
            " and"
            " have limits of their own, apart from their neighbours'. Everybody else goes by how long their network has"
            " been answered here.",
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

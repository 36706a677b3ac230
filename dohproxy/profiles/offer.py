"""What a service offers to its clients, and what somebody wishes of a profile beyond that."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

DOT_PORT: Final = 853
"""Where DNS over TLS is asked for by clients that cannot be told a port (RFC 7858 section 3.1)."""


@dataclass(frozen=True, slots=True)
class DotOffer:
    """DNS over TLS, where it is served."""

    name: str
    """What clients ask for and verify: the service's host, or a member's own name."""
    port: int = DOT_PORT
    addresses: tuple[str, ...] = ()
    """Where it is, IP literals without brackets; none if clients have to look up the name."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One service as one client is to see it. With a member's URL and stamps it holds a secret."""

    title: str
    """What people call the service."""
    host: str
    """Its public name, or an address without brackets."""
    url: str
    """The DoH resource, with a port where it has one of its own; no template."""
    addresses: tuple[str, ...] = ()
    """Where the DoH resource is, IP literals without brackets; none if clients have to look up the host."""
    stamps: tuple[str, ...] = ()
    """DNS stamps of the same, one for each address."""
    dot: DotOffer | None = None
    """None: DNS over TLS is not served."""
    key_pin: str = ""
    """SHA-256 of the server's SubjectPublicKeyInfo in base64, for clients that are to insist on this very key; empty
    if any key will do that the certificate is for."""

    def over_tls(self) -> DotOffer:
        """Return where DNS over TLS is. ValueError if it is not served; a kind that needs it says so beforehand."""
        if self.dot is None:
            raise ValueError("DNS over TLS is not served")
        return self.dot


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody wishes of a profile; each is followed as far as the client can."""

    is_strict: bool = False
    """Ask nobody else while this service cannot be reached: then nothing is resolved."""
    except_wifi: tuple[str, ...] = ()
    """Names of wireless networks on which the device goes on asking the network's own resolvers."""


NO_WISHES: Final = Wishes()


def of_version(addresses: Sequence[str], version: int) -> tuple[str, ...]:
    """Return the addresses of one version of IP, 4 or 6."""
    return tuple(text for text in addresses if ip_address(text).version == version)


def is_name(host: str) -> bool:
    """Tell whether a host is a name, and no address."""
    try:
        _: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return True
    return False

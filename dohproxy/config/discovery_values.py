"""Values of [discovery]: addresses of the service itself, and which names of it can be told.

As in `addresses`, every parser raises `Unusable` with a sentence that says what is wrong and what to write instead.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from dohproxy.config.addresses import Unusable

LONGEST_TOLD_HOST: Final = 226
"""Characters: with it a name below `_dns.` is none too long for the DNS, and the URL of the policy page fits into one
string of RESINFO."""


def parse_own_address(text: str, _directory: Path) -> IPv4Address | IPv6Address:
    """Read an IP address at which clients connect to the service."""
    try:
        address = ip_address(text)
    except ValueError:
        raise Unusable("is no IP address; write 192.0.2.1 or 2001:db8::1, without port and brackets.") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise Unusable(f'is an IPv4 address in IPv6 form; write "{address.ipv4_mapped}".')
    is_of_many = address.is_multicast or address == IPv4Address("255.255.255.255")
    if "%" in text or address.is_unspecified or is_of_many:
        raise Unusable("is no address that clients elsewhere can connect to; write one of the service's own.")
    return address


def why_untold(host: str) -> str | None:
    """Return why nobody can be told in the DNS of a service of this name, in words that follow it; None if one can."""
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return "is an address, and only a name can be told"
    if host == "localhost":
        return "leads every client to itself"
    if len(host) > LONGEST_TOLD_HOST:
        return f"is longer than {LONGEST_TOLD_HOST} characters, which is too long to be told"
    return None

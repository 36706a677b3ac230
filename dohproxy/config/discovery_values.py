"""Values of [discovery]: addresses of the service itself, and which names of it can be told.

As in `addresses`, every parser raises `Unusable` with a sentence that says what is wrong and what to write instead.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from dohproxy.config.addresses import Unusable, parse_public_name

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


def parse_proof_domain(text: str, directory: Path) -> str:
    """Read the domain below which names prove that a client asks this service."""
    if text.startswith("*."):
        raise Unusable(f'stands for all names below it by itself; write "{text[2:]}".')
    domain = parse_public_name(text, directory)
    if is_address(domain):
        raise Unusable('is an address, and names have to be below it; write a domain such as "check.doh.example.net".')
    if "." not in domain:
        raise Unusable(f'is a single label, for which there is no certificate; write "check.{domain}.example.net".')
    if len(domain) > LONGEST_TOLD_HOST:
        raise Unusable(f"is longer than {LONGEST_TOLD_HOST} characters, which leaves no room for names below it.")
    return domain


def is_address(text: str) -> bool:
    """Tell whether this is an IP address and no name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def why_untold(host: str) -> str | None:
    """Return why nobody can be told in the DNS of a service of this name, in words that follow it; None if one can."""
    if is_address(host):
        return "is an address, and only a name can be told"
    if host == "localhost":
        return "leads every client to itself"
    if len(host) > LONGEST_TOLD_HOST:
        return f"is longer than {LONGEST_TOLD_HOST} characters, which is too long to be told"
    return None

"""Which texts name a host and perhaps a port (RFC 3986 section 3.2): what a request may say it was sent to."""

import ipaddress
import re
from typing import Final

_REGISTERED_NAME: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})*+"
_AUTHORITY: Final = re.compile(
    rf"(?:{_REGISTERED_NAME}|\[(?:([0-9A-Fa-f:.]+)|v[0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\])(?::[0-9]*)?"
)


def is_authority(text: str) -> bool:
    """Tell whether a text is a host, perhaps with a port, or nothing at all. User information is none of it: HTTP has
    no use for that but to mislead (RFC 9110 section 4.2.4)."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return False
    address = match.group(1)
    return address is None or _is_ipv6(address)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True

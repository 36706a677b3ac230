"""The resolvers that a machine uses (resolv.conf(5)), to try things out with before anything is configured."""

from ipaddress import ip_address
from typing import Final

MOST_NAMESERVERS: Final = 3
"""resolv.conf(5) itself looks at no more."""


def nameservers_in(text: str) -> tuple[str, ...]:
    """Return the addresses of the resolvers that a resolv.conf names, each once.

    A line that names none is passed over, as the C library does.
    """
    words = (line.split() for line in text.split("\n"))
    named = [word[1] for word in words if len(word) > 1 and word[0] == "nameserver" and _is_address(word[1])]
    return tuple(dict.fromkeys(named[:MOST_NAMESERVERS]))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

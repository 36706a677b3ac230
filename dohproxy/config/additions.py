"""What we add to a question on its way to an upstream, by the words that the file, logs and metrics have for it."""

from enum import StrEnum
from pathlib import Path
from typing import Final

from dohproxy.config.addresses import Unusable


class Addition(StrEnum):
    """One thing that an old server, or a box on the way to it, may not stand. In the order in which they are tried."""

    EDNS = "edns"
    """The OPT record (RFC 6891); cookies and padding stand in it, and without it there is no DNSSEC."""
    COOKIE = "cookie"
    """A DNS cookie, over UDP (RFC 7873)."""
    AD = "ad"
    """The bit that asks whether the answer was validated (RFC 6840 section 5.7)."""
    CASE = "case"
    """Names in a case that is drawn, over UDP (0x20)."""
    PADDING = "padding"
    """Padding, over TLS (RFC 7830)."""


ADDITION_NAMES: Final = {
    Addition.EDNS: "EDNS (an OPT record)",
    Addition.COOKIE: "DNS cookies",
    Addition.AD: "the AD bit",
    Addition.CASE: "names in mixed case",
    Addition.PADDING: "padding",
}
"""As an operator knows them."""


def parse_addition(text: str, _directory: Path) -> Addition:
    """Read the word for one."""
    try:
        return Addition(text)
    except ValueError:
        raise Unusable(f"must be one of {', '.join(Addition)}.") from None

"""Values of a [[blocklist]] and of the commands about blocks: names, public texts and dates.

As in `addresses`, every parser raises `Unusable` with a sentence that says what is wrong and what to write instead.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from dohproxy.config.addresses import Unusable, parse_host_name

MOST_TEXT_BYTES: Final = 160
"""Of a public text: it goes with every answer that is withheld, which is padded to 468 bytes."""


def parse_listed_name(text: str, _directory: Path) -> str:
    """Read "example.net", or "*.example.net" for all names below it, in lower case."""
    bare = text.removesuffix(".").removeprefix("*.")
    if re.fullmatch(r"[0-9.]+", bare) or ":" in bare:
        raise Unusable("looks like an address; write those of clients into networks.")
    name = parse_host_name(bare)
    return f"*.{name}" if text.startswith("*.") else name


def parse_public_text(text: str, _directory: Path) -> str:
    """Read a text that clients are shown as it is."""
    if not text.strip() or not text.isprintable():
        raise Unusable("is empty, or more than one line of plain text; write one sentence.")
    if len(text.encode()) > MOST_TEXT_BYTES:
        raise Unusable(f"is longer than {MOST_TEXT_BYTES} bytes; write one sentence, and the rest on a page of yours.")
    return text


def parse_last_day(text: str, _directory: Path) -> date:
    """Read a date as ISO 8601 has it."""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise Unusable("is no date; write year, month and day as in 2027-03-31.") from None


def end_of(day: date) -> float:
    """Return when a day is over, in Unix seconds; days are those of UTC."""
    return datetime.combine(day, time(), UTC).timestamp() + timedelta(days=1).total_seconds()


def parse_plain_address(text: str, _directory: Path) -> IPv4Address | IPv6Address:
    """Read an IP address."""
    try:
        return ip_address(text)
    except ValueError:
        raise Unusable("is no IP address; write 192.0.2.80 or 2001:db8::80, without port and brackets.") from None

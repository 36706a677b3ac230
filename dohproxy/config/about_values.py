"""Values of [about]: what the public pages say of who runs the service.

As in `addresses`, every parser raises `Unusable` with a sentence that says what is wrong and what to write instead.
"""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dohproxy.config.addresses import Unusable

MOST_LINE_BYTES: Final = 300
"""Of a line on a page; all of them together are a small part of what a page may have."""
_MAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


def parse_line(text: str, _directory: Path) -> str:
    """Read a line of text that everybody may read."""
    if not text.strip() or not text.isprintable():
        raise Unusable("is empty, or more than one line of plain text; leave the key out, or write one line.")
    if len(text.encode()) > MOST_LINE_BYTES:
        raise Unusable(
            f"is longer than {MOST_LINE_BYTES} bytes; write one line, and the rest into pages.paragraphs_file."
        )
    return text


def parse_site(text: str, _directory: Path) -> str:
    """Read the URL of a page."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        raise Unusable("is not a URL; write https:// and a host, such as https://example.org/.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise Unusable("is not a URL; write https:// and a host, such as https://example.org/.")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Unusable("has characters that no URL has; write them as %XX (RFC 3986).")
    if parts.username is not None or parts.password is not None:
        raise Unusable("holds a user or password, which everybody would read; leave them out.")
    if len(text) > MOST_LINE_BYTES:
        raise Unusable(f"is longer than {MOST_LINE_BYTES} bytes; write a shorter one that leads there.")
    return text


def parse_contact(text: str, directory: Path) -> str:
    """Read a mail address, or the URL of a page."""
    if "://" in text:
        return parse_site(text, directory)
    if len(text) > MOST_LINE_BYTES or not _MAIL.fullmatch(text):
        raise Unusable(
            "is neither a mail address nor a URL; write one of the two, such as dns@example.org or"
            " https://example.org/contact."
        )
    return text

"""What lines have in common in all formats of blocklists: what they mean, what is wrong with them, and names."""

import re
from typing import Final

from dohproxy.config.keys import show
from dohproxy.policy.suffixes import a_label

EXCEPTED: Final = 4
"""Beside EXACT and BELOW: these are let through."""
NETWORK: Final = 8
"""It is no name, but the key of a network of clients (`network_set.key_of`)."""
LONGEST_NAME: Final = 253
"""Characters, without the final dot; one more and the name has no wire form (RFC 1035 section 2.3.4)."""

Meant = list[tuple[bytes, int]]
"""Lower-case wire names, each with EXACT, BELOW or both, and EXCEPTED; or keys of networks with NETWORK."""


class BadLine(ValueError):
    """A line cannot be used; the message continues "line 7"."""

    def __init__(self, says: str, shown: str = "") -> None:
        """`shown` is what stands there."""
        super().__init__(f"{says}: {shown}" if shown else says)
        self.says = says
        """The message without what stands there, which may be a name or an address: for the log."""


class LeftOut(Exception):
    """A line is right, and means something that cannot be told by a name alone."""


_NAME: Final = re.compile(rb"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LENGTHS: Final = tuple(bytes([length]) for length in range(64))


def wire_name(text: bytes) -> bytes:
    """Return the lower-case wire form of a name as people write it, in ASCII or in their own script. Raises BadLine."""
    name = text.lower()
    if name.endswith(b"."):
        name = name[:-1]
    if _NAME.fullmatch(name) is None:
        name = _in_ascii(name)
    if len(name) > LONGEST_NAME:
        raise BadLine(f"has a name of more than {LONGEST_NAME} characters")
    labels = name.split(b".")
    if labels[-1].isdigit():
        raise BadLine("has no name, but what looks like an address", show_bytes(text))
    return b"".join([_LENGTHS[len(label)] + label for label in labels]) + b"\x00"


def _in_ascii(name: bytes) -> bytes:
    try:
        text = name.decode()
        if text.isascii():
            raise ValueError("not for want of ASCII")
        return b".".join([a_label(label) for label in re.split("[.\u3002\uff0e\uff61]", text)])
    except ValueError:  # UnicodeDecodeError is one.
        raise BadLine("has no name", show_bytes(name)) from None


def show_bytes(text: bytes) -> str:
    """Return what stood there, for a message."""
    return show(text.decode(errors="replace"))


def without_comment(line: bytes) -> bytes:
    """Return a line without what stands behind a #, which begins a word."""
    position = line.find(b"#")
    while position > 0 and not line[position - 1 : position].isspace():
        position = line.find(b"#", position + 1)
    return line if position < 0 else line[:position]

"""Entries of public lists of resolvers, as DNSCrypt's are written: `## NAME`, a description, and stamps.

A list is Markdown, and read by dnscrypt-proxy and its like: what stands before the first heading is for people, an
entry goes from one heading of the second level to the next, and each line of it that begins with sdns: is a stamp. One
stamp alone is read too, as an entry without a name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dohproxy.doh.stamp import BadStamp
from dohproxy.doh.stamp_codec import SCHEME, decode

MOST_BYTES: Final = 4_194_304
"""Of a list. The longest has half a megabyte."""
_HEADING: Final = "## "
_STAMP: Final = "sdns:"
"""How a line begins that programs take for a stamp, good or bad."""
_WHAT_IT_IS: Final = (
    'An entry begins with a line "## NAME" and has a description and one or more stamps, each on a line of its own that'
    f" begins with {SCHEME}."
)


class BadEntry(ValueError):
    """A text is neither a stamp nor an entry of a list; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; nothing in it harms a terminal."""

    name: str
    """What people write into their configuration to use it; "" for a stamp alone."""
    description: str
    stamps: tuple[str, ...]
    """Good or bad ones, as they stand there."""

    def __str__(self) -> str:
        """Return it as it stands in a list, or the stamps alone if it has no name."""
        stamps = "\n".join(self.stamps)
        if not self.name:
            return stamps
        return "\n\n".join(filter(None, (f"{_HEADING}{self.name}", self.description, stamps)))


def read_entries(text: str) -> tuple[Entry, ...]:
    """Return the entries of a list, of a part of one, or what one stamp is. Raises BadEntry if there is none.

    In a list, what is no whole entry is left out; alone it is told.
    """
    parts = list(_parts(text))
    entries = tuple(_entry(part) for part in parts)
    whole = tuple(entry for entry in entries if entry.stamps)
    if whole:
        return whole
    if entries:
        raise BadEntry(f'The entry "{entries[0].name}" has no stamp. {_WHAT_IT_IS}')
    if text.strip() and "\n" not in text.strip():
        # What is wrong with it, for whom it was to be a stamp.
        raise BadEntry(_fault_of(text.strip()))
    raise BadEntry(f"There is no entry in it. {_WHAT_IT_IS}")


def _fault_of(text: str) -> str:
    try:
        decode(text)
    except BadStamp as bad:
        return f"{bad} {_WHAT_IT_IS}"
    return _WHAT_IT_IS


def _parts(text: str) -> Iterator[list[str]]:
    """Yield the lines of each entry, its name first; with "" as its name those of stamps without a heading."""
    # Not by splitlines, which sees ends of lines where programs that read lists see none.
    lines = [_harmless(line.strip()) for line in text.replace("\r\n", "\n").split("\n")]
    heads = [number for number, line in enumerate(lines) if f"{line} ".startswith(_HEADING)]
    if not heads:
        if any(line.startswith(_STAMP) for line in lines):
            yield ["", *lines]
        return
    for start, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        name = lines[start].removeprefix(_HEADING.strip()).strip()
        if not name:
            raise BadEntry(f"An entry has no name. {_WHAT_IT_IS}")
        yield [name, *lines[start + 1 : end]]


def _entry(lines: list[str]) -> Entry:
    name, *rest = lines
    stamps = tuple(line for line in rest if line.startswith(_STAMP))
    told: list[str] = []
    for line in rest:
        if not line.startswith(_STAMP) and (line or (told and told[-1])):
            told.append(line)
    return Entry(name, "\n".join(told).strip(), stamps)


def _harmless(line: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in line)

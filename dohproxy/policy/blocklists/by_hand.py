"""What the person on duty has said of single names, each for a while or for good: block it, or let it through.

It stands above all lists. Of several entries that cover a name the one with the most labels counts, so that a name can
be let through below one that is blocked.
"""

from collections.abc import Iterator
from typing import Final

from dohproxy.outcomes import Reason
from dohproxy.policy.blocklists.withheld import Ruling
from dohproxy.value import value
from dohproxy.wire.name import label_offsets

MOST_ENTRIES: Final = 10_000
"""Some 6 MB. Whoever has more of them has a list, which belongs into a file."""
TEXT: Final = "blocked by the operator of this service"
"""What clients are told where nobody has given a reason."""


@value
class HandEntry:
    """One name."""

    name: bytes
    """Lower-case wire form."""
    is_block: bool
    """Else it is let through."""
    below: bool
    """All names below it are meant too."""
    until: float
    """Unix seconds; math.inf: until it is taken back."""
    text: str = TEXT
    """Why, for everybody to read."""

    def ruling(self) -> Ruling:
        """Return what is said of a name that this entry blocks."""
        return Ruling(Reason.BLOCKED, "refused", self.text.encode())

    def covers(self, offset: int) -> bool:
        """Tell whether a name is meant whose labels from `offset` bytes on are this entry's name."""
        return offset == 0 or self.below


class ByHand:
    """The entries, at most MOST_ENTRIES."""

    __slots__ = ("_entries", "changes", "hits")

    def __init__(self) -> None:
        self._entries: dict[bytes, HandEntry] = {}
        self.changes = 0
        """How often they have changed."""
        self.hits = 0
        """Questions withheld for one of them."""

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[HandEntry]:
        return iter(self._entries.values())

    @property
    def blocks(self) -> bool:
        """Whether any of them withholds anything."""
        return any(entry.is_block for entry in self._entries.values())

    def get(self, name: bytes) -> HandEntry | None:
        """Return what was said of this very name."""
        return self._entries.get(name)

    def find(self, qname: bytes) -> tuple[HandEntry, int] | None:
        """Return the entry that counts for a lower-case wire name, and where in it the entry's own name begins."""
        for offset in label_offsets(qname):
            entry = self._entries.get(qname[offset:] if offset else qname)
            if entry is not None and entry.covers(offset):
                return entry, offset
        return None

    def put(self, entry: HandEntry) -> bool:
        """Take an entry in place of what was said of its name before; False if there is no room for another."""
        if entry.name not in self._entries and len(self._entries) >= MOST_ENTRIES:
            return False
        self._entries[entry.name] = entry
        self.changes += 1
        return True

    def remove(self, name: bytes) -> bool:
        """Forget what was said of a name; False if nothing was."""
        if self._entries.pop(name, None) is None:
            return False
        self.changes += 1
        return True

    def expire(self, now: float) -> int:
        """Forget what is over at `now`, in Unix seconds; return how many that were."""
        over = [name for name, entry in self._entries.items() if entry.until <= now]
        for name in over:
            self.remove(name)
        return len(over)

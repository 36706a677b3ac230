"""Requests that have come before, byte for byte: what they say need not be read again.

Clients send the same header fields with every request, and popular names are asked for by everybody. So most of what
arrives has been through the parser before, and the parser's word for it holds for the same bytes for ever. What is
kept is bounded in bytes: two generations, the older of which goes when the younger is full, so that what is asked for
again and again stays.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from dohproxy.reading import Reading

MOST_BYTES: Final = 8_388_608
"""Of each of the two generations, some 6,000 requests: as many distinct ones as a busy service sees in a minute."""
BYTES_PER_REQUEST: Final = 1_300
"""A reading with its query, its last response, and the places in the tables, without the request's own bytes."""
LONGEST_REQUEST: Final = 2_048
"""Longer ones are rare, and one should not push out several."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one request."""

    reading: Reading
    size: int
    """Bytes of the request, as far as they are kept."""
    lines: Sequence[str] = ()
    """The lines of the header field that names clients, behind a front proxy."""


class KnownRequests:
    """The memory of one door, for all its connections."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._young: dict[Hashable, Known] = {}
        self._old: dict[Hashable, Known] = {}
        self._young_bytes = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def fill(self) -> float:
        """How full the younger generation is, 0.0 to 1.0."""
        return self._young_bytes / self.most_bytes

    def find(self, key: Hashable) -> Known | None:
        """Return what is known of the request that has this key: all of its bytes that matter."""
        known = self._young.get(key)
        if known is None and self._old:
            known = self._old.pop(key, None)
            if known is not None:
                self._keep(key, known)
        return known

    def remember(self, key: Hashable, known: Known) -> None:
        """Keep what a request says."""
        if known.size <= LONGEST_REQUEST:
            self._keep(key, known)

    def _keep(self, key: Hashable, known: Known) -> None:
        self._young_bytes += known.size + BYTES_PER_REQUEST
        if self._young_bytes > self.most_bytes:
            self._old, self._young = self._young, {}
            self._young_bytes = known.size + BYTES_PER_REQUEST
        self._young[key] = known

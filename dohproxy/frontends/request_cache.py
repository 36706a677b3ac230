"""Requests that have come before, byte for byte: what they say need not be read again.

Clients send the same header fields with every request, and popular names are asked for by everybody. So most of what
arrives has been through the parser before, and the parser's word for it holds for the same bytes while the rules do not
change. What is kept is bounded in bytes: two generations, the older of which goes when the younger is full, so that
what is asked for again and again stays.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from dohproxy.parsed_request import ParsedRequest

MOST_BYTES: Final = 8_388_608
"""What each of the two generations may hold, some 4,000 requests: as many distinct ones as a busy service sees in a
minute."""
BYTES_PER_REQUEST: Final = 1_500
"""What is charged for a parsed request, its query and what the tables hold of it, without the request's own bytes and
what was answered: a process has grown by 70 to 110 % of what is charged. `python -m tests.frontends.growth` measures
it."""
LONGEST_REQUEST: Final = 2_048
"""Longer ones are rare, and one should not push out several."""


@dataclass(frozen=True, slots=True)
class CachedRequest:
    """What is known of one request."""

    parsed: ParsedRequest
    size: int
    """Bytes of the request, as far as they are kept."""
    lines: Sequence[str] = ()
    """The lines of the header field that names clients, behind a front proxy."""

    @property
    def held_bytes(self) -> int:
        """What it is charged with."""
        return BYTES_PER_REQUEST + self.size + self.parsed.held_bytes


class RequestCache:
    """The memory of one frontend, for all its connections."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._young: dict[Hashable, CachedRequest] = {}
        self._old: dict[Hashable, CachedRequest] = {}
        self._young_bytes = 0
        self._old_bytes = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def held_bytes(self) -> int:
        """What both generations are charged with: never more than twice `most_bytes`, but for a single answer."""
        return self._young_bytes + self._old_bytes

    def find(self, key: Hashable, rules_version: int) -> CachedRequest | None:
        """Return what is known of the request that has this key, all of its bytes that matter; what was read under
        another version of the rules is forgotten."""
        known = self._young.get(key)
        if known is not None:
            if known.parsed.rules_version == rules_version:
                return known
            del self._young[key]
            self._young_bytes -= known.held_bytes
        elif self._old:
            known = self._old.pop(key, None)
            if known is not None and known.parsed.rules_version == rules_version:
                self._keep(key, known)
                return known
        return None

    def remember(self, key: Hashable, known: CachedRequest) -> None:
        """Keep what a request says."""
        if known.size <= LONGEST_REQUEST:
            known.parsed.memory = self
            self._keep(key, known)

    def grow(self, by: int) -> None:
        """Charge what an answer holds that is kept with a parsed request. In whichever generation that is, the younger
        one pays: it lasts longer."""
        self._young_bytes += by
        if self._young_bytes > self.most_bytes:
            self._begin_generation()

    def _keep(self, key: Hashable, known: CachedRequest) -> None:
        size = known.held_bytes
        if self._young_bytes + size > self.most_bytes:
            self._begin_generation()
        self._young_bytes += size
        self._young[key] = known

    def _begin_generation(self) -> None:
        self._old, self._young = self._young, {}
        self._old_bytes, self._young_bytes = self._young_bytes, 0

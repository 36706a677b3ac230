"""What a request says, whoever sends it and whenever; and, for a moment, what was said to it.

Most requests that come are byte for byte ones that came before. A frontend keeps their parsed requests, so that nothing
is read twice. What depends on the client or on time is no part of a parsed request: every limit is asked for every
request, and what was said is said again only while it is exactly what would be said anew. The rules are part of it: a
parsed request belongs to one version of them, and so does all that was said to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from dohproxy.cache import Entry
from dohproxy.outcomes import Frontend, Reason, Refused, Reply
from dohproxy.policy.penalties import Penalty
from dohproxy.wire.malformed import Fault
from dohproxy.wire.query import Query
from dohproxy.wire.reply import Envelope

REPEAT_SECONDS: Final = 1.0
"""How long what does not come from the cache is said again without another thought. TTLs change as often."""
LONGEST_REPEATED: Final = 2_048
"""Bytes of a DNS message that is kept to be said again. Nearly all are shorter; a longer one is made anew each time,
which costs little beside sending it, and thousands of those would be more than a cache holds."""

Count = Callable[[float], None]
"""Takes the duration in seconds of each request that has ended in one way."""


@dataclass(slots=True)
class Answered:
    """What was said, and may be said again."""

    said: Reply | Refused
    count: Count
    until: float
    """Monotonic instant at which a TTL in it changes, or something may have."""
    entry: Entry | None = None
    """What it was made from; it holds only while the cache keeps that."""
    envelope: Envelope | None = None
    """What is around the records of that, however old they are."""
    penalty: Penalty | None = None
    """What it costs its client each time."""

    def holds(self, now: float) -> bool:
        """Tell whether it is what would be said anew; if so, it is given, and counts as a use of its entry."""
        if now >= self.until:
            return False
        entry = self.entry
        return entry is None or entry.use()


@dataclass(frozen=True, slots=True)
class RememberedRefusal:
    """How a request was turned away: the same each time for the same reason."""

    refused: Refused
    count: Count
    is_charged: bool
    """Whether it counts against its client's limit."""
    penalty: Penalty | None
    """What it costs its client in points."""


class Memory(Protocol):
    """Where parsed requests are kept."""

    def grow(self, by: int) -> None:
        """Note that one of them holds so many bytes more."""


@dataclass(slots=True, eq=False)
class ParsedRequest:
    """One request, read as far as the walk has come with any like it."""

    frontend: Frontend
    rules_version: int
    """`Pipeline.rules_version` when it was read. Under another it is not to be used again."""
    variant: str = "other"
    dialect: str = "other"
    """As in `Outcome`: words of the frontend's protocol, which mean nothing to the walk."""
    wire: bytes = b""
    """The query, as long as nobody has looked into it, or if it is none."""
    refused: Reason | None = None
    """Why there is none."""
    keepalive: int | None = None
    """How long its connection may be idle, in tenths of a second, where DNS is asked that (RFC 7828)."""
    shadow: bool = False
    """Its dialect is set to "count": what "refuse" would have hit."""
    is_in_shadow: bool = False
    """A rule that is only tried would have had something else said to it. So that this is counted each time, nothing of
    what was said is kept."""
    is_list_stub: bool = False
    """It comes from a stub that asks whoever stands on a public list."""
    query: Query | None = None
    """The same, once a client within its limit has sent it."""
    fault: Fault | None = None
    """Why it is none."""
    answered: Answered | None = None
    refusal: RememberedRefusal | None = None
    """The last one; made anew each time, a client over its limit would cost half as much again."""
    held_bytes: int = 0
    """The most that `answered` has held so far, as it is charged to the memory."""
    member: bytes | None = None
    """What the member is known by who has shown that he is one; None if the request names none."""
    page: Any = None
    """The page that it asks for, as the frontends' router names it: then it is nothing to the walk."""
    memory: Memory | None = None
    """Where this parsed request is kept, if anywhere."""

    def keep(self, answered: Answered) -> None:
        """Have an answer said again, unless it is too long to be kept or each time is to be counted."""
        size = len(answered.said.wire) if isinstance(answered.said, Reply) else 0
        if size > LONGEST_REPEATED or self.is_in_shadow:
            self.answered = None
            return
        self.answered = answered
        # The entry's records are as long as the answer, and the cache may have thrown them out while we have them.
        held = size if answered.entry is None else 2 * size
        if held > self.held_bytes:
            if self.memory is not None:
                self.memory.grow(held - self.held_bytes)
            self.held_bytes = held

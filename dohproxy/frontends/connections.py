"""All open connections: how many there may be, and which have overstayed.

A header that drips in, a response that nobody reads, a connection that is silent or has lived too long: nobody but a
clock notices, so one sweep a second looks at all of them. The rules are pure: a connection says what it is waiting for
and since when, and `overdue_reason` decides.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import structlog

from dohproxy.config import ConnectionsConfig
from dohproxy.frontends.held_bytes import HeldBytes, Holder
from dohproxy.http2.errors import Excess
from dohproxy.outcomes import Client
from dohproxy.policy.fair_slots import FairSlots, FairSlotsStatistics, Path
from dohproxy.policy.proxy_protocol import Defect
from dohproxy.policy.standing import Standing
from dohproxy.value import value

_log = structlog.get_logger("dohproxy.connections")


class Closing(StrEnum):
    """Why the server closed or refused a connection; metric label."""

    BANNED = "banned"
    TOO_MANY = "too_many"
    MADE_ROOM = "made_room"
    TOO_MANY_PER_CLIENT = "too_many_per_client"
    CLIENT_RATE = "client_rate"
    TOTAL_RATE = "total_rate"
    STRANGERS_RATE = "strangers_rate"
    TOO_MANY_HANDSHAKES = "too_many_handshakes"
    PROXY_HEADER = "proxy_header"
    HANDSHAKE = "handshake"
    TLS_FLOOD = "tls_flood"
    HEADER_DEADLINE = "header_deadline"
    HEADER_FLOOD = "header_flood"
    WRITE_DEADLINE = "write_deadline"
    QUEUE_FULL = "queue_full"
    ALL_QUEUES_FULL = "all_queues_full"
    IDLE = "idle"
    HTTP2_FAULT = "http2_fault"
    AGE = "age"
    DRAIN = "drain"


WITHOUT_CEREMONY: Final = frozenset({
    Closing.WRITE_DEADLINE, Closing.QUEUE_FULL, Closing.ALL_QUEUES_FULL, Closing.DRAIN, Closing.MADE_ROOM,
    Closing.BANNED,
})  # fmt: skip
"""After these a connection is cut, and nothing more is said on it: its client does not read, its slot is
given away, or it is banned.
"""


@value
class Waiting:
    """What a connection is waiting for; instants are monotonic seconds, None where it does not."""

    opened: float
    header_since: float | None
    """A header has begun and not ended."""
    writing_since: float | None
    """Bytes are queued that the client does not take."""
    queued_bytes: int
    idle: bool
    """Whether it is between two requests."""
    idle_since: float | None = None
    """When it became idle, by its last query and not by its last byte; None for what keeps no idle deadline."""
    has_asked: bool = False
    """Whether a query has been answered on it."""


class Connection(Protocol):
    """A frontend's side of one connection."""

    @property
    def client(self) -> Client:
        """Whom it belongs to."""

    @property
    def slot(self) -> "ConnectionSlot":
        """What lets it be open."""

    def waiting(self, now: float) -> Waiting:
        """Return what this connection is waiting for."""

    def close_for(self, closing: Closing) -> None:
        """Close: politely where nothing is under way, else at once."""

    def finish_soon(self) -> None:
        """Close after the request under way, at once if there is none."""

    def identify(self) -> None:
        """Find out anew whose connection this is, as networks may have become members' or exempt, or ceased to be."""


class Holding(Connection, Holder, Protocol):
    """A frontend's side of one that may hold more than every connection does."""


USEFUL_SECONDS: Final = 5.0
"""How long after a query a connection is of use to its client: where all slots are taken, those that are not make room
first. Longer than the pauses within one page load."""
GRACE_SECONDS: Final = 2.0
"""How long a connection may be there without a query before one of equal right may take its slot."""
CROWDED_IDLE_SHARE: Final = 0.25
"""Part of the idle time that is left then: still longer than the pauses within one page load."""


def overdue_reason(waiting: Waiting, now: float, limits: ConnectionsConfig, *, crowded: bool = False) -> Closing | None:
    """Return why a connection must go, or None. When it is `crowded`, those that do nothing go sooner."""
    if waiting.header_since is not None and now - waiting.header_since > limits.header_seconds:
        return Closing.HEADER_DEADLINE
    if waiting.queued_bytes > limits.max_queued_bytes:
        return Closing.QUEUE_FULL
    if waiting.writing_since is not None and now - waiting.writing_since > limits.write_seconds:
        return Closing.WRITE_DEADLINE
    if waiting.idle and now - waiting.opened > limits.max_age_seconds:
        return Closing.AGE
    idle_seconds = limits.idle_seconds * CROWDED_IDLE_SHARE if crowded else limits.idle_seconds
    if waiting.idle_since is not None and now - waiting.idle_since > idle_seconds:
        return Closing.IDLE
    return None


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """The connections at one instant."""

    slots: FairSlotsStatistics
    accepted: int
    closed: dict[Closing, int]
    held_bytes: int
    max_held_bytes: int
    excesses: dict[Excess, int]
    """How many connections were closed for each limit of HTTP/2; all of them are among `closed` as HTTP2_FAULT."""
    defects: dict[Defect, int]
    """How many PROXY headers were refused for each defect; all of them are among `closed` as PROXY_HEADER."""


class Connections:
    """The register of open connections, bounded by `max_total`."""

    def __init__(self, limits: ConnectionsConfig) -> None:
        self.limits = limits
        self.draining = False
        self.held: HeldBytes[Holding] = HeldBytes(limits.max_held_bytes)
        self._open: set[Connection] = set()
        self.slots: FairSlots[ConnectionSlot] = FairSlots(limits.max_total, GRACE_SECONDS)
        self._unfreed = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._accepted = 0
        self._closed: Counter[Closing] = Counter()
        self._excesses: Counter[Excess] = Counter()
        self._defects: Counter[Defect] = Counter()

    def adopt(self, limits: ConnectionsConfig) -> None:
        """Take other limits. They hold for open connections from the next sweep on; none is cut for there being more
        than there may be now."""
        self.limits = limits
        self.slots.most = limits.max_total
        self.held.most_bytes = limits.max_held_bytes

    def identify_all(self) -> None:
        """Find out anew whose each open connection is."""
        for connection in list(self._open):
            try:
                connection.identify()
            except Exception:
                _log.exception("a connection met a bug", stage="identify")

    def everybody(self) -> list[Connection]:
        """Return all connections that a frontend serves."""
        return list(self._open)

    def take_slot(self, path: Path, standing: Standing, now: float) -> "ConnectionSlot | None":
        """Return a slot for a socket just accepted, before a byte of it is read; None if all are taken, and by nobody
        who would have to make room: who has, is cut."""
        slot = ConnectionSlot(self, standing)
        is_taken, loser = self.slots.join(slot, path, standing, now)
        if loser is not None:
            self.count(Closing.MADE_ROOM)
            loser.lose()
        if not is_taken:
            self.count(Closing.TOO_MANY)
            return None
        self._accepted += 1
        self._unfreed += 1
        self._empty.clear()
        return slot

    def keep_members(self, tokens: frozenset[bytes]) -> None:
        """Let connections that are a member's by another token than these, which are valid, be what they were."""
        for connection in list(self._open):
            if connection.slot.token is not None and connection.slot.token not in tokens:
                connection.slot.belongs_to(None)

    def free_slot(self, slot: "ConnectionSlot") -> None:
        """A socket is closed; `ConnectionSlot.free` calls this once."""
        self.slots.leave(slot)
        self._unfreed -= 1
        if not self._unfreed:
            self._empty.set()

    @property
    def slots_taken(self) -> int:
        """How many sockets are open: those with a slot, and those that have just lost theirs."""
        return self._unfreed

    async def wait_empty(self) -> None:
        """Wait until no connection is left."""
        await self._empty.wait()

    def add(self, connection: Connection) -> None:
        """A frontend has begun to serve its connection."""
        self._open.add(connection)

    def remove(self, connection: Connection) -> None:
        """A frontend's connection is lost."""
        self._open.discard(connection)

    def note_held(self, connection: Holding, size: int) -> None:
        """Note what a connection holds in memory now, and cut those that hold most where that is too much. It holds
        nothing when it is lost."""
        if self.held.charge(connection, size):
            for holder in self.held.to_cut():
                self.count(Closing.ALL_QUEUES_FULL)
                holder.close_for(Closing.ALL_QUEUES_FULL)

    def count(self, closing: Closing) -> None:
        """Note one connection closed or refused by us."""
        self._closed[closing] += 1

    def count_excess(self, excess: Excess) -> None:
        """Note which limit of HTTP/2 a connection is closed for."""
        self._excesses[excess] += 1

    def count_defect(self, defect: Defect) -> None:
        """Note what was wrong with a PROXY header."""
        self._defects[defect] += 1

    def sweep(self, now: float) -> None:
        """Close every connection that has overstayed."""
        try:
            self.held.look_again()
        except Exception:
            _log.exception("a connection met a bug", stage="sweep")
        crowded = self.slots.is_crowded
        for connection in list(self._open):
            try:
                self._judge(connection, now, crowded=crowded)
            except Exception:
                # A bug in one connection must not keep the others from being looked at, ever again.
                _log.exception("a connection met a bug", stage="sweep")
                self._open.discard(connection)

    def _judge(self, connection: Connection, now: float, *, crowded: bool) -> None:
        waiting = connection.waiting(now)
        is_idle = waiting.idle_since is not None and now - waiting.idle_since > USEFUL_SECONDS
        self.slots.note(connection.slot, now, useful=waiting.has_asked and not is_idle)
        closing = overdue_reason(waiting, now, self.limits, crowded=crowded)
        if closing is not None:
            self.count(closing)
            connection.close_for(closing)

    def drain(self) -> None:
        """Let requests under way end, close everything else, and take nothing new."""
        self.draining = True
        for connection in list(self._open):
            connection.finish_soon()

    def cut(self) -> None:
        """Close what is still open after draining."""
        for connection in list(self._open):
            self.count(Closing.DRAIN)
            connection.close_for(Closing.DRAIN)

    def statistics(self) -> ConnectionStatistics:
        """Return a frozen snapshot."""
        held = self.held
        return ConnectionStatistics(
            self.slots.statistics(),
            self._accepted,
            dict(self._closed),
            held.total,
            held.most_bytes,
            dict(self._excesses),
            dict(self._defects),
        )


class ConnectionSlot:
    """One socket's right to be open. Freed once, however many of its holders think it is theirs to do."""

    __slots__ = ("_connections", "_standing", "_then", "certificate", "is_lost", "token", "when_lost")

    def __init__(self, connections: Connections, standing: Standing) -> None:
        self._connections: Connections | None = connections
        self._standing = standing
        self.token: bytes | None = None
        """The digest of the valid token that makes it a member's."""
        self.certificate: bytes | None = None
        """The digest of the certificate that its client has shown, as a member for all of its requests."""
        self._then: Callable[[], None] | None = None
        self.when_lost: Callable[[], None] | None = None
        """What cuts the connection, wherever it has got to."""
        self.is_lost = False
        """Somebody with more right to it has it now."""

    @property
    def is_members(self) -> bool:
        """Whether a member has shown a token or a certificate on it."""
        return self.token is not None or self.certificate is not None

    def belongs_to(self, token: bytes | None) -> None:
        """The connection is the member's whose valid token has come on it, by its digest; with None nobody's."""
        if token == self.token:
            return
        self.token = token
        self._stand()

    def shows(self, certificate: bytes) -> None:
        """The client has shown a member's certificate, by its digest: the connection is a member's to its end."""
        self.certificate = certificate
        self._stand()

    def is_of(self, client: Client) -> None:
        """Its client is looked at anew, as networks may have become members' or ceased to be. A front proxy, or a
        program of this machine, brings members too."""
        if client.member or client.exempt or client.proxy or not client.address:
            self._standing = Standing.MEMBER
        elif self._standing is Standing.MEMBER:
            self._standing = Standing.STRANGER
        self._stand()

    def _stand(self) -> None:
        """Let the slot be held as its client stands: by what was shown on the connection, else by its network."""
        if self._connections is not None:
            standing = Standing.MEMBER if self.is_members else self._standing
            self._connections.slots.change_standing(self, standing)

    def when_freed(self, then: Callable[[], None]) -> None:
        """Have `then` called when the slot is freed."""
        self._then = then

    def free(self) -> None:
        """The socket is closed."""
        self.when_lost = None
        if self._connections is not None:
            self._connections.free_slot(self)
            self._connections = None
            if self._then is not None:
                self._then()

    def lose(self) -> None:
        """Somebody with more right to it has the slot now: the connection is cut."""
        self.is_lost = True
        when_lost, self.when_lost = self.when_lost, None
        if when_lost is not None:
            when_lost()

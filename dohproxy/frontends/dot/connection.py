"""The DoT frontend (RFC 7858, RFC 7766): queries one after the other in a stream, each answered as soon as it can be.

All that can be answered at once goes out in the order in which it came and in one write; a miss is answered when its
answer is there, whatever has come meanwhile (RFC 7766 section 7). Nothing is ever truncated.

A client that asks faster than it takes its answers is not cut for it: no other query is begun before it has taken some,
and then nothing more is read. What has been read whole is answered, also where nothing more is to be read.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

import structlog

from dohproxy.dot.answers import PIECE_BYTES, Answers
from dohproxy.dot.framing import ID_BYTES, Messages, TooLong
from dohproxy.dot.member_name import digest_in_name
from dohproxy.dot.refusal import refuse_message, refuse_query
from dohproxy.exits import Miss
from dohproxy.frontends.client_resolver import ClientResolver
from dohproxy.frontends.connections import WITHOUT_CEREMONY, Closing, Connections, ConnectionSlot, Waiting
from dohproxy.frontends.dot.requests import RequestReader, render_refusal
from dohproxy.frontends.kernel_buffers import cut
from dohproxy.frontends.lingering import Lingering
from dohproxy.frontends.misses import Misses
from dohproxy.frontends.service import Service
from dohproxy.frontends.untaken import Untaken
from dohproxy.outcomes import Client, Frontend, Reason, Refused, Reply
from dohproxy.policy.penalties import Offence

MOST_QUEUED_BYTES: Final = 65_536
"""Written and not yet taken by the client's TCP, before nothing more is written to it: one largest answer."""
MOST_READ_AHEAD: Final = 8_192
"""Bytes behind the queries under way, before nothing more is read: some two hundred queries. Up to there it is seen if
their client leaves."""
MOST_AT_ONCE: Final = 32
"""Messages answered in one turn of the event loop, so that other connections get theirs."""
MOST_BEGUN_AT_ONCE: Final = 8
"""Of them, queries that have to wait for an upstream: each costs as much as a dozen of the others."""

_log = structlog.get_logger("dohproxy.dot")


@dataclass(slots=True)
class DotServer:
    """What all DoT connections share."""

    service: Service
    client_resolver: ClientResolver
    register: Connections
    clock: Callable[[], float]
    max_query_bytes: int
    max_in_flight: int
    """Of one connection: queries that wait for an upstream, before nothing more is read from it."""
    host: str
    """The name to which clients connect, behind members' tokens."""
    name_of: Callable[[asyncio.Transport], str | None] = lambda _: None
    """Returns the name that a client has asked for in its handshake, None if it has named none."""
    requests: RequestReader = field(init=False)

    def __post_init__(self) -> None:
        self.requests = RequestReader(self.service, self.register)

    def frontend(self, packed: bytes | None, slot: ConnectionSlot) -> "DotFrontend":
        """Return the handler for one new connection."""
        return DotFrontend(self, packed, slot)

    def adopt(self, *, max_query_bytes: int, max_in_flight: int, host: str) -> None:
        """Take other rules: connections that are open keep the length they began with, and meet the rest at once."""
        self.max_query_bytes, self.max_in_flight, self.host = max_query_bytes, max_in_flight, host


class DotFrontend(asyncio.Protocol):
    """One DoT connection."""

    def __init__(self, server: DotServer, packed: bytes | None, slot: ConnectionSlot) -> None:
        """`packed`: the peer's address, None for a Unix socket."""
        self._server = server
        self._packed = packed
        self.slot = slot
        slot.when_lost = partial(self.close_for, Closing.MADE_ROOM)
        self.client = server.client_resolver.of_connection(packed, slot)
        self._opened = self._idle_since = server.clock()
        self._messages = Messages(server.max_query_bytes)
        self._transport: asyncio.Transport | None = None
        self._token: bytes | None = None
        """The digest of the token in the name that the client asked for, valid or not."""
        self._misses = Misses()
        """By numbers of our own: a client may use an ID twice."""
        self._requests = 0
        self._has_asked = False
        """A query has been answered."""
        self._begun_since: float | None = None
        """Since when a message is there that is not whole."""
        self._answers = Answers()
        """What is to be written at the end of this turn, or when the client takes it."""
        self._untaken = Untaken()
        self._held = 0
        """Bytes in memory, as the register knows it."""
        self._is_taken = True
        """The client takes what we write."""
        self._is_reading = True
        self._is_turn_due = False
        self._has_ended = False
        """The client has said that it sends nothing more."""
        self._is_ending = False
        """Nothing more is to be read on this connection: it ends with what is there."""
        self._is_over = False
        """Nothing more is to begin on it: it ends with what is under way."""
        self._is_closing = False
        self._is_refused = False
        """It ends for something on it that was turned away, and has been counted."""
        self._lingering: Lingering | None = None

    # --- What the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, and see whether its client has named itself as a member."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MOST_QUEUED_BYTES)
        server = self._server
        server.register.add(self)
        if server.service.rules.takes_tokens:
            self._token = digest_in_name(server.name_of(self._transport), server.host)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give back what the connection held."""
        server = self._server
        if not (self._requests or self._is_refused or self.slot.is_lost or server.register.draining):
            server.service.note(self.client, Offence.NO_REQUEST, server.clock())
        server.register.remove(self)
        server.register.note_held(self, 0)
        self.slot.free()
        self._transport = None
        if self._lingering is not None:
            self._lingering.stop()
        self._messages.forget()
        self._answers.forget()
        for number in tuple(self._misses.waiting):
            self._misses.leave(number)

    def data_received(self, data: bytes) -> None:
        """Answer at once what can be."""
        if self._is_closing:
            if self._lingering is not None:
                self._lingering.pass_over(len(data))
            return
        if self._is_ending:
            self._messages.receive_rest(data)
        else:
            self._messages.receive(data)
        if self._is_turn_due:
            self._note_held()
        else:
            self._go_on()

    def eof_received(self) -> bool:
        """Keep the connection while there is something to be answered: who says that it has nothing more to say may
        wait for the answers all the same."""
        self._has_ended = True
        is_owed = bool(self._misses.waiting) or self._answers.held_bytes > 0
        return not self._is_closing and (self._is_turn_due or is_owed or not self._is_taken)

    def pause_writing(self) -> None:
        """The client does not take what we send: write and begin nothing more until it does."""
        self._is_taken = False

    def resume_writing(self) -> None:
        """It does again."""
        self._is_taken = True
        self._go_on_soon()

    # --- Messages, one after the other ---

    def _go_on(self) -> None:
        """Answer what can be, write it, and see what is to be awaited next."""
        self._is_turn_due = False
        if self._transport is None or self._is_closing:
            return
        try:
            self._answer_some()
        except Exception:
            # Only this connection is to suffer from what is wrong with it.
            _log.exception("a request met a bug", stage="frontend")
            self._turn_away(Reason.BUG)
        self._flush()

    def _go_on_soon(self) -> None:
        if not self._is_turn_due:
            self._is_turn_due = True
            asyncio.get_running_loop().call_soon(self._go_on)

    @property
    def _may_begin(self) -> bool:
        """Whether another message may be begun now."""
        if self._is_over or not self._is_taken or self._answers.held_bytes >= PIECE_BYTES:
            return False
        return len(self._misses.waiting) < self._server.max_in_flight

    def _answer_some(self) -> None:
        limits, now = self._server.register.limits, self._server.clock()
        misses = self._misses.waiting
        most_misses = len(misses) + MOST_BEGUN_AT_ONCE
        for _ in range(MOST_AT_ONCE):
            if not self._may_begin:
                return
            try:
                message = self._messages.next_message()
            except TooLong:
                self._turn_away(Reason.BODY_TOO_LARGE)
                return
            if message is None:
                return
            self._take(message, now)
            if self._requests >= limits.max_requests or now - self._opened > limits.max_age_seconds:
                self._is_ending = True
            if len(misses) >= most_misses:
                break
        self._go_on_soon()

    def _take(self, message: bytes, now: float) -> None:
        """Begin with one message."""
        server = self._server
        self._requests += 1
        self._begun_since = None
        client = self.client if self._token is None else self._member(now)
        if client is None:
            self._turn_away(Reason.UNKNOWN_TOKEN)
            return
        spelled = message[ID_BYTES:]
        parsed = server.requests.find(spelled)
        if parsed is None:
            refused = None
            if not self.slot.is_members:  # He has a limit of his own, whoever else has his address.
                refused = server.service.turn_away_early_in_dns(client, Frontend.DOT, now)
            if refused is not None:
                self._say(message[:ID_BYTES], refuse_message(message, refused.reason))
                return
            parsed = server.requests.read(spelled)
        said = server.service.begin_in_dns(parsed, client, now)
        if isinstance(said, Miss):
            self._wait_for(message[:ID_BYTES], said)
        elif isinstance(said, Reply):
            self._idle_since = now
            self._has_asked = True
            self._answers.add(message[:ID_BYTES], said.wire)
        else:
            self._say(message[:ID_BYTES], render_refusal(said, parsed))

    def _member(self, now: float) -> Client | None:
        """Return the client as the member whose token is in the name it has asked for; None if that is not valid."""
        server, token = self._server, self._token
        if token is None or token not in server.service.rules.tokens:
            return None
        return server.client_resolver.of_member(self.client, token, self.slot, now)

    def _say(self, identifier: bytes, wire: bytes | None) -> None:
        """Reply with this message; where there is none, nothing can be said but by closing."""
        if wire is None:
            self._is_over = True
            return
        self._idle_since = self._server.clock()
        self._answers.add(identifier, wire)

    def _turn_away(self, reason: Reason) -> None:
        """Refuse something on this connection that is no message: it ends with what is under way."""
        server = self._server
        server.service.turn_away(reason, self.client, Frontend.DOT, server.clock())
        self._is_over = self._is_refused = True

    # --- Queries that wait ---

    def _wait_for(self, identifier: bytes, miss: Miss) -> None:
        number = self._requests
        self._misses.waiting[number] = miss
        asked = self._server.service.pursue_in_dns(miss, partial(self._notify, number, identifier))
        self._misses.note_asked(number, asked)

    def _notify(self, number: int, identifier: bytes, said: Reply | Refused) -> None:
        """Answer a miss; with all that are answered in this turn of the loop it goes out."""
        try:
            miss = self._misses.waiting.get(number)
            self._misses.leave(number)
            if miss is None or self._transport is None or self._is_closing:
                return
            if isinstance(said, Reply):
                self._has_asked = True
                self._say(identifier, said.wire)
            else:
                self._say(identifier, refuse_query(miss.query, said.reason))
            self._go_on_soon()
        except Exception:
            _log.exception("a response met a bug", stage="frontend")
            if self._transport is not None:
                cut(self._transport)

    # --- Bytes out, and what is left to be awaited ---

    def _flush(self) -> None:
        """Write what the client takes of what has been said, and close if that was the last."""
        transport = self._transport
        if transport is None or self._is_closing:
            return
        if self._is_taken and self._answers.held_bytes:
            piece = self._answers.next_piece()
            self._untaken.written += len(piece)
            transport.write(piece)
            # There may be more, and whether the client takes it is known when this is written.
            if len(piece) >= PIECE_BYTES:
                self._go_on_soon()
        self._mind_client()

    def _mind_client(self) -> None:
        """Note since when a message is not whole, and close if nothing more is to come or to be said."""
        server, messages, is_waiting = self._server, self._messages, False
        if server.register.draining:
            self._is_ending = True
        if not self._is_turn_due:
            messages.settle()
            is_waiting = self._may_begin
            if self._is_ending and not messages.has_begun:
                self._is_over = True
        if not (is_waiting and messages.has_begun):
            self._begun_since = None
        elif self._begun_since is None:
            self._begun_since = server.clock()
        # What is half there at the end of what a client sends will never be whole.
        is_last = self._is_over or (self._has_ended and is_waiting)
        if is_last and not self._misses.waiting and not self._answers.held_bytes:
            self._end()
            return
        self._mind_reading()
        self._note_held()

    def _end(self) -> None:
        """Close when the client has read what was written."""
        transport = self._transport
        if transport is None or self._is_closing:
            return
        self._is_closing = True
        self._messages.forget()
        self._note_held()
        if not transport.is_closing():
            self._lingering = Lingering(transport, is_at_end=self._has_ended)

    def _mind_reading(self) -> None:
        """Read from the client while there is room for it."""
        wants = self._messages.held_bytes <= MOST_READ_AHEAD
        if wants is self._is_reading:
            return
        transport = self._transport
        if self._is_closing or self._has_ended or transport is None or transport.is_closing():
            return
        self._is_reading = wants
        if wants:
            transport.resume_reading()
        else:
            transport.pause_reading()

    # --- What the register asks ---

    @property
    def is_members(self) -> bool:
        """Whether the connection is a member's, by its network or by what was shown on it."""
        return self.client.member or self.slot.is_members

    def held_bytes(self) -> int:
        """Return the bytes held in memory: answers that wait for the client, messages that are not read yet."""
        transport = self._transport
        queued = transport.get_write_buffer_size() if transport is not None else 0
        return self._messages.held_bytes + self._answers.held_bytes + queued

    def _note_held(self) -> None:
        """Tell the register what that is, when it has changed."""
        held = self.held_bytes()
        if held != self._held and self._transport is not None:
            self._held = held
            self._server.register.note_held(self, held)

    def _is_busy(self) -> bool:
        """Tell whether there may be something to be answered."""
        if self._is_turn_due or self._misses.waiting or self._answers.held_bytes:
            return True
        return not self._is_taken and self._messages.held_bytes > 0

    def waiting(self, now: float) -> Waiting:
        """Return what this connection is waiting for; once it is closing, for nothing but its last bytes to be read."""
        transport = self._transport
        queued = transport.get_write_buffer_size() if transport is not None else 0
        writing_since = self._untaken.since(queued, now)
        if self._is_closing or transport is None or transport.is_closing():
            return Waiting(self._opened, None, writing_since, queued, idle=False)
        is_idle = not self._is_busy() and self._begun_since is None and not queued
        return Waiting(
            opened=self._opened,
            header_since=self._begun_since,
            writing_since=writing_since,
            queued_bytes=queued,
            idle=is_idle,
            idle_since=self._idle_since if is_idle else None,
            has_asked=self._has_asked,
        )

    def close_for(self, closing: Closing) -> None:
        """Close; without ceremony where the client does not read."""
        transport = self._transport
        if transport is None:
            return
        if closing in WITHOUT_CEREMONY:
            cut(transport)
            return
        if closing is Closing.HEADER_DEADLINE:
            self._turn_away(Reason.SLOW_REQUEST)
        self._is_over = True
        self._flush()

    def identify(self) -> None:
        """Find out anew whose connection this is."""
        self.client = self._server.client_resolver.of_connection(self._packed, self.slot)
        self.slot.is_of(self.client)

    def finish_soon(self) -> None:
        """Close after the queries that are here, at once if there are none."""
        self._is_ending = True
        if not self._is_turn_due:
            self._go_on()

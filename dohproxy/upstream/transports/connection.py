"""One TCP or TLS connection to an upstream: queries go out as they come, replies are matched as they come.

A protocol without a task of its own: whatever arrives is handled where it arrives, so there is nothing to cancel and
nothing that can be left over. RFC 7766 is the rule book: many queries at once (section 6.2.1.1), replies in any order
(section 7), an end at any time (section 6.2.4).
"""

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterable
from typing import Final, cast

from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.transports.tls import TlsFlood
from dohproxy.upstream.workarounds.trial import Additions
from dohproxy.upstream.workarounds.workarounds import OVER_TCP, OVER_TLS, write_query
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.matching import is_reply_to, is_reply_without_question
from dohproxy.wire.numbers import HEADER_BYTES
from dohproxy.wire.query import Query
from dohproxy.wire.upstream_query import upstream_question

LENGTH_BYTES: Final = 2
"""RFC 1035 section 4.2.2. A frame can so not be longer than 65,535 bytes, and the buffer hardly longer than one."""
UNACKNOWLEDGED: Final = slice(24, 28)
"""Where Linux tells, in TCP_INFO, how many segments were sent and not acknowledged (tcpi_unacked)."""
MOST_IGNORED_FRAMES: Final = 256
"""Frames that match nothing before the connection is given up. Late replies to queries no longer waited for are such
frames, so some must be allowed; endless ones would keep us reading for nothing."""


class Asked:
    """One query on the connection."""

    def __init__(self, query: Query, identifier: int, heard: int, added: Additions) -> None:
        self.query = query
        self.added = added
        """What we add to it of our own."""
        self.identifier = identifier
        self.question = upstream_question(query)
        self.heard = heard
        """Frames the connection had brought when this was asked."""
        self.reply: asyncio.Future[Answer | SendStatus] = asyncio.get_running_loop().create_future()

    def is_answered_by(self, frame: bytes) -> bool:
        """Tell whether this is the reply. Nobody can slip a frame in here, so one without a question is believed by
        its ID; with a question that is another, it is late and belongs to a query that had this ID before."""
        return is_reply_to(frame, self.identifier, self.question) or is_reply_without_question(frame, self.identifier)


class Connection(asyncio.Protocol):
    """A connection being opened, open, or at its end; `on_end` is called once, when it takes no more queries, with
    what those who wait are told; None if nobody waits, unless it never was open.

    Queries asked before it is open wait in it. Bounds: the pool never asks more than the upstream's in-flight cap.
    """

    def __init__(
        self, *, padded: bool, idle_seconds: float, on_end: Callable[["Connection", SendStatus | None], None]
    ) -> None:
        self.ignored_frames = 0
        self.is_open = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the socket is gone, or never came to be."""
        self._additions = OVER_TLS if padded else OVER_TCP
        self._idle_seconds = idle_seconds
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._has_ended = False
        self._is_retired = False
        self._is_winding_up = False
        self._asked: dict[int, Asked] = {}
        self._buffer = bytearray()
        self.asked = 0
        """How many queries it was given, the answered ones among them."""
        self.heard = 0
        """How many frames have come, those that matched nothing among them."""
        self.answered = 0
        """How many frames were the reply to a query that waited for it."""
        self.is_flooded = False
        """It was closed because of TLS records that brought no answer."""
        self._idle: asyncio.TimerHandle | None = None

    @property
    def load(self) -> int:
        """How many queries wait on it."""
        return len(self._asked)

    @property
    def takes_queries(self) -> bool:
        """Whether a query may be asked on it."""
        return not self._has_ended and not self._is_retired and not self._is_winding_up

    @property
    def is_acknowledged(self) -> bool:
        """Whether the other end has got all that was sent, as far as the kernel knows: if not, the way there is gone,
        and if so, a resolver that says nothing takes its time."""
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        if sock is None or not hasattr(socket, "TCP_INFO"):
            return True
        try:
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, UNACKNOWLEDGED.stop)
        except OSError:
            return False
        return not any(info[UNACKNOWLEDGED])

    def ask(self, query: Query, added: Additions | None = None) -> Asked:
        """Send `query` with what is `added`, all by default, now or as soon as the connection is open; `forget` must
        follow, whatever becomes of it."""
        identifier = secrets.randbelow(0x1_0000)
        while identifier in self._asked:
            identifier = secrets.randbelow(0x1_0000)
        asked = Asked(query, identifier, self.heard, self._additions if added is None else added)
        self._asked[identifier] = asked
        self.asked += 1
        self._stop_idling()
        if self.is_open:
            self._write([asked])
        return asked

    def forget(self, asked: Asked) -> None:
        """Stop waiting for a reply; one that comes late is ignored."""
        if self._asked.get(asked.identifier) is asked:
            del self._asked[asked.identifier]
        if not self._asked and self.is_open:
            self._rest()

    def give_up(self, asked: Asked) -> SendStatus:
        """Say what it means that the time for `asked` is over.

        A connection that brought nothing at all meanwhile may be dead without knowing: it gets no further queries.
        """
        if not self.is_open:
            return SendStatus.UNREACHABLE
        if asked.heard == self.heard:
            self._is_retired = True
        return SendStatus.TIMEOUT

    def retire(self) -> None:
        """Take no further queries, and end with the last that is waited for."""
        self._is_retired = True

    def wind_up(self) -> None:
        """Take no further queries, and close politely as soon as nobody waits: nothing is wrong with it."""
        self._is_winding_up = True
        if not self._asked and self.is_open:
            self._rest()

    def end(self, result: SendStatus, *, told: SendStatus | None = None) -> None:
        """Close at once; everybody who waits gets `told`, or else `result`."""
        if self._has_ended:
            return
        self._has_ended = True
        self._stop_idling()
        # Those who waited for it to open have the same deadline as it has, and may be gone by now.
        is_news = self._transport is None or any(not asked.reply.done() for asked in self._asked.values())
        for asked in self._asked.values():
            if not asked.reply.done():
                asked.reply.set_result(told or result)
        if self._transport is None:
            self._set_closed()
        self._on_end(self, result if is_news else None)
        self.abort()

    def abort(self) -> None:
        """Close the socket without a last word, also where the last words of `finish` are still being said."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has been waiting (called by the event loop, after the TLS handshake if there is one)."""
        self._transport = cast("asyncio.Transport", transport)
        if self._has_ended:
            self._transport.abort()
            return
        self.is_open = True
        if self._asked:
            self._write(self._asked.values())
        else:
            self._rest()

    def data_received(self, data: bytes) -> None:
        """Cut what arrived into frames (called by the event loop)."""
        self._buffer += data
        while len(self._buffer) >= LENGTH_BYTES and not self._has_ended:
            end = LENGTH_BYTES + int.from_bytes(self._buffer[:LENGTH_BYTES])
            if len(self._buffer) < end:
                return
            frame = bytes(self._buffer[LENGTH_BYTES:end])
            del self._buffer[:end]
            self._take(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait to ask again (RFC 7766 section 6.2.4; called by the event loop)."""
        self.is_open = False
        self.is_flooded = isinstance(exc, TlsFlood)
        self._set_closed()
        # A single question that is not answered is no question too many.
        is_of_use = self.answered or self.asked > 1
        self.end(SendStatus.LOST if is_of_use else SendStatus.UNREACHABLE, told=SendStatus.LOST)

    def _take(self, frame: bytes) -> None:
        if len(frame) < HEADER_BYTES or not frame[2] & 0x80:
            # Not a reply, so not DNS that is spoken here; the next "length" would be as meaningless.
            self.end(SendStatus.UNREACHABLE)
            return
        self.heard += 1
        asked = self._asked.get(int.from_bytes(frame[:2]))
        if asked is None or asked.reply.done() or not asked.is_answered_by(frame):
            self._ignore()
            return
        self.answered += 1
        try:
            asked.reply.set_result(parse_answer(frame, asked.query))
        except Malformed:
            asked.reply.set_result(SendStatus.UNUSABLE)

    def _ignore(self) -> None:
        self.ignored_frames += 1
        if self.ignored_frames >= MOST_IGNORED_FRAMES:
            self.end(SendStatus.LOST)

    def _write(self, queries: Iterable[Asked]) -> None:
        if self._transport is None:
            return
        frames = bytearray()
        for asked in queries:
            wire = write_query(asked.query, asked.identifier, asked.added)
            frames += len(wire).to_bytes(LENGTH_BYTES) + wire
        # One write, so that length and message share a segment (RFC 7766 section 8).
        self._transport.write(bytes(frames))

    def _rest(self) -> None:
        """Nobody waits: close a retired connection, let another one wait for the next query for a while."""
        if self._has_ended:
            return
        if self._is_retired:
            self.end(SendStatus.LOST)
            return
        if self._is_winding_up:
            self.finish()
            return
        loop = asyncio.get_running_loop()
        self._stop_idling()
        self._idle = loop.call_later(self._idle_seconds, self.finish)

    def finish(self) -> None:
        """Close politely (with TLS: close_notify), as nobody waits and nobody is in a hurry."""
        self._has_ended = True
        self._stop_idling()
        self._on_end(self, None)
        if self._transport is not None:
            self._transport.close()

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _set_closed(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

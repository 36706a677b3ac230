"""The HTTP/1.1 door: aiohttp's parser and request loop, with hits answered where the bytes arrive.

`Http1Door` is aiohttp's own connection handler with one habit added. When a read completes a request while nothing
is under way, it walks as far as can be walked without waiting. A finished response is written in that very callback.
A `Miss`, or anything unusual (an incomplete body, HTTP/1.0, a client that does not read), is left to aiohttp's request
loop, which calls `Http1Server.answer` for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler

from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpResponse
from dohproxy.frontends.connections import WITHOUT_CEREMONY, Closing, Connections, Place, Waiting
from dohproxy.frontends.h1_message import (
    LARGEST_HEADER,
    LARGEST_UNFINISHED_HEADER,
    aiohttp_limits,
    ends_with_body,
    is_spelled,
    read_message,
    reason_of_parse_error,
    waits_to_be_invited,
)
from dohproxy.frontends.h1_render import Rendered, render, render_again
from dohproxy.frontends.known import Known, KnownRequests
from dohproxy.frontends.peers import Peers
from dohproxy.frontends.service import Service
from dohproxy.pipeline import Miss
from dohproxy.reading import Reading
from dohproxy.verdict import Client, Door, Reason

_log = structlog.get_logger("dohproxy.h1")


class Http1Door(RequestHandler):
    """One HTTP/1.1 connection."""

    __slots__ = (
        "_channel",
        "_clock",
        "_has_begun",
        "_header_bytes",
        "_header_since",
        "_held",
        "_http1",
        "_is_answering",
        "_is_between",
        "_opened",
        "_packed",
        "_place",
        "_ready",
        "_writing_since",
        "client",
    )

    def __init__(self, server: "Http1Server", packed: bytes | None, place: Place, **limits: Any) -> None:
        """`packed`: the peer's address, None for a Unix socket. `limits`: aiohttp's keywords."""
        super().__init__(server, loop=server.loop, **limits)
        self._http1 = server
        self._clock = server.clock
        self._packed = packed
        self._place = place
        self.client = server.peers.of_connection(packed)
        self._channel: asyncio.Transport | None = None
        self._opened = server.clock()
        self._header_since: float | None = None
        self._header_bytes = 0
        self._writing_since: float | None = None
        self._held = 0
        """Bytes in memory, as the register knows it."""
        self._ready: Miss | HttpResponse | None = None
        self._has_begun = False
        self._is_answering = False
        self._is_between = True

    # --- Bytes in ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register, and begin."""
        # aiohttp forgets its transport when it closes; one that a client keeps from closing must still be cut.
        self._channel = cast(asyncio.Transport, transport)
        self._http1.register.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give back what the connection held."""
        self._http1.register.remove(self)
        self._http1.register.note_held(self, 0)
        self._place.free()
        self._channel = None
        ready, self._ready = self._ready, None
        if isinstance(ready, Miss):
            ready.place.give_back()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Answer at once what can be: without parsing it, if these very bytes have been parsed before."""
        known = self._http1.known.find(data)
        if known is None or not self._can_repeat():
            self._parse(data)
            return
        client = self.client if self._http1.peers.field is None else self._http1.client_of(self._packed, known.lines)
        now = self._clock()
        result = self._http1.service.begin(known.reading, client, now)
        if isinstance(result, Miss) or result.close:
            # aiohttp's request loop has the rest to do, and wants a parsed message for it.
            self._ready = result
            self._parse(data)
            return
        self._request_count += 1
        self._http1.requests_count += 1
        self._next_keepalive_close_time = now + self._keepalive_timeout
        transport = self.transport
        if transport is not None:
            transport.write(render_again(result))
            if transport.get_write_buffer_size() != self._held:
                self.note_held()

    def _can_repeat(self) -> bool:
        """Tell whether a request that begins here may be answered without aiohttp: nothing is under way, nothing half
        read, nothing waits to be written, and the connection goes on after it."""
        return (
            self._is_between
            and not self._messages
            and not self._paused
            and self._is_free(self._waiter)
            and not self.must_close(ahead=1)
        )

    def _parse(self, data: bytes) -> None:
        """Parse, and answer at once what can be."""
        parsed_before = self._request_count
        # aiohttp's loop must not wake before we have looked; it pops a message without asking if there is one.
        waiter, self._waiter = self._waiter, None
        is_free = self._is_free(waiter)
        try:
            super().data_received(data)
            if data:  # aiohttp calls with nothing when a body has been read
                self._is_between = self._ends_a_request(data, parsed_before)
            if is_free:
                self._is_answering = True
                self._answer_at_once(data)
        finally:
            self._waiter = waiter
            self._is_answering = self._is_answering and not is_free
        if self._request_count == parsed_before:
            self._header_goes_on(len(data))
            self.note_held()
            return
        self._header_since = None
        self._header_bytes = 0
        if not is_free:
            return
        if not self._messages:
            if self._buffer_paused:
                self._loop.call_soon(self._read_on)
        elif waiter is not None:
            waiter.set_result(None)

    def _ends_a_request(self, data: bytes, parsed_before: int) -> bool:
        """Tell whether the parser now stands between two requests, for sure: the last of one without body was read, and
        these bytes end like one. What stands behind it, and ends so too, would have been another."""
        if self._request_count == parsed_before or not self._messages or self._buffer_paused:
            return False
        message, payload = self._messages[-1]
        if not isinstance(message, RawRequestMessage):
            return False
        if payload is EMPTY_PAYLOAD:
            return data.endswith(b"\r\n\r\n")
        return self._is_between and len(self._messages) == 1 and payload.is_eof() and ends_with_body(data, message)

    def _is_free(self, waiter: asyncio.Future[None] | None) -> bool:
        """Tell whether a request may be answered at once, because none is under way."""
        if self._is_answering:
            return False  # Reading a body calls `data_received` again, from the middle of an answer.
        if not self._has_begun:
            return True  # Before the loop's first step there is no waiter, and nothing under way either.
        return waiter is not None and not waiter.done()

    async def start(self) -> None:
        """Run aiohttp's request loop."""
        self._has_begun = True
        await super().start()

    def _read_on(self) -> None:
        """Parse what was read beyond a full queue: one queue in a turn, so that other connections get theirs."""
        if self._force_close or self._messages or not self._buffer_paused:
            return
        parsed_before = self._request_count
        self.data_received(b"")
        if self._request_count == parsed_before:
            self._resume_reading_for_buffer()

    def _is_busy(self) -> bool:
        """Tell whether a request is under way: queued, taken from the queue, or being answered."""
        taken = self._has_begun and self._waiter is None and self._request_count > 0
        return taken or self._request_in_progress or bool(self._messages)

    def _header_goes_on(self, count: int) -> None:
        if not count or self._is_busy():
            return  # a body's bytes
        if self._header_since is None:
            self._header_since = self._clock()
        self._header_bytes += count
        if self._header_bytes > LARGEST_UNFINISHED_HEADER:
            self._http1.register.count(Closing.HEADER_FLOOD)
            self._send(self.turn_away(Reason.HEADERS_TOO_LARGE), close=True)
            self.force_close()

    def _answer_at_once(self, data: bytes) -> None:
        now = self._clock()
        while self._messages and self._ready is None:
            message, payload = self._messages[0]
            if not isinstance(message, RawRequestMessage) or not self._can_answer_at_once(message, payload):
                return
            body = payload.read_nowait()
            reading = self._http1.read(message, body)
            if is_spelled(message, body, data):
                self._http1.remember(data, message, reading)
            result = self._http1.service.begin(reading, self.client_of(message), now)
            if isinstance(result, Miss) or result.close:
                self._ready = result
                return
            self._messages.popleft()
            self._parser.message_consumed()  # type: ignore[union-attr]
            self._http1.requests_count += 1
            self._send(result, close=False)
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    def _can_answer_at_once(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        return bool(
            message.version == HttpVersion11
            and not message.should_close
            and not message.upgrade
            and payload.is_eof()
            and payload.exception() is None
            and not self._paused
            and not self.must_close()
        )

    # --- Bytes out ---

    def _send(self, response: HttpResponse, *, close: bool) -> None:
        if self.transport is not None:
            self.transport.write(render(response, close=close))
            self.note_held()

    def invite_body(self) -> None:
        """Tell a client that waits for it to send its body (RFC 9110 section 10.1.1)."""
        if self.transport is not None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def must_close(self, *, ahead: int = 0) -> bool:
        """Tell whether the response being written, or one so many requests ahead, has to be the connection's last."""
        register = self._http1.register
        return (
            register.draining
            or self._request_count + ahead >= register.limits.max_requests
            or self._clock() - self._opened > register.limits.max_age_seconds
        )

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse. That is the network's noise, counted and not logged; a bug is both."""
        if exc is None or isinstance(exc, HttpProcessingError):
            return Rendered(self.turn_away(reason_of_parse_error(exc)), close=True)
        _log.error("a request met a bug", stage="door", exc_info=exc)
        return Rendered(self.turn_away(Reason.BUG), close=True)

    def turn_away(self, reason: Reason) -> HttpResponse:
        """Refuse something on this connection that never became a request."""
        return self._http1.service.turn_away(reason, self.client, Door.HTTP1, self._clock())

    # --- What the server and the register ask ---

    def held_bytes(self) -> int:
        """Return the bytes held in memory: responses that wait for the client, a header that is not whole."""
        return self._header_bytes + (self._channel.get_write_buffer_size() if self._channel is not None else 0)

    def note_held(self) -> None:
        """Tell the register what that is, when it has changed."""
        held = self.held_bytes()
        if held != self._held:
            self._held = held
            self._http1.register.note_held(self, held)

    def take_ready(self) -> Miss | HttpResponse | None:
        """Return what the synchronous half has left for the request at the head of the queue, once."""
        ready, self._ready = self._ready, None
        return ready

    def client_of(self, message: RawRequestMessage) -> Client:
        """Return whom this request is from; behind a front proxy each request may have another client."""
        source = self._http1.peers.field
        if source is None:
            return self.client
        return self._http1.client_of(self._packed, message.headers.getall(source, ()))

    def waiting(self, now: float) -> Waiting:
        """Return what this connection is waiting for; once it is closing, for nothing but its last bytes to be read."""
        queued = self._channel.get_write_buffer_size() if self._channel is not None else 0
        if not queued:
            self._writing_since = None
        elif self._writing_since is None:
            self._writing_since = now
        is_between = not self._is_busy() and not self._force_close
        is_idle = is_between and self._header_since is None and not queued
        return Waiting(
            opened=self._opened,
            header_since=self._header_since if is_between else None,
            writing_since=self._writing_since,
            queued_bytes=queued,
            idle=is_idle,
            # aiohttp keeps the ordinary deadline; this one counts when it is crowded.
            idle_since=self._next_keepalive_close_time - self._keepalive_timeout if is_idle else None,
        )

    def close_for(self, closing: Closing) -> None:
        """Close; without ceremony where the client does not read."""
        if closing is Closing.HEADER_DEADLINE:
            self._send(self.turn_away(Reason.SLOW_REQUEST), close=True)
        self.force_close()
        if self._channel is not None and closing in WITHOUT_CEREMONY:
            self._channel.abort()

    def finish_soon(self) -> None:
        """Close after the request under way, at once if there is none."""
        if self._is_busy():
            return  # its response says "connection: close"
        self.force_close()


class Http1Server(web.Server):
    """Makes doors, and answers what they leave to aiohttp's request loop."""

    def __init__(
        self,
        service: Service,
        peers: Peers,
        register: Connections,
        clock: Callable[[], float],
        *,
        max_query_bytes: int,
    ) -> None:
        super().__init__(self.answer, request_factory=self._make_request, handler_cancellation=True)
        self.loop = asyncio.get_running_loop()
        self.service = service
        self.peers = peers
        self.register = register
        self.clock = clock
        self.known = KnownRequests()
        self._max_query_bytes = max_query_bytes

    def door(self, packed: bytes | None, place: Place) -> Http1Door:
        """Return the handler for one new connection. Raises TypeError if aiohttp does not know one of our limits:
        its own factory would drop them all and go on."""
        return Http1Door(self, packed, place, **aiohttp_limits(self.register.limits))

    def read(self, message: RawRequestMessage, body: bytes) -> Reading:
        """Return what one complete request says."""
        if sum(len(name) + len(value) + 4 for name, value in message.raw_headers) > LARGEST_HEADER:
            return Reading(Door.HTTP1, "other", Dialect.OTHER, refused=Reason.HEADERS_TOO_LARGE)
        return self.service.read(read_message(message, body), Door.HTTP1)

    def remember(self, data: bytes, message: RawRequestMessage, reading: Reading) -> None:
        """Keep what a request says whose bytes were exactly `data`."""
        lines = () if self.peers.field is None else tuple(message.headers.getall(self.peers.field, ()))
        self.known.remember(data, Known(reading, len(data), lines))

    def client_of(self, packed: bytes | None, lines: Sequence[str]) -> Client:
        """Return whom a request is from that came from this peer with these lines of the field that names clients."""
        return self.peers.of_request(packed, lines)

    def begin(self, door: Http1Door, message: RawRequestMessage, body: bytes, now: float) -> HttpResponse | Miss:
        """Start the walk for one complete request."""
        return self.service.begin(self.read(message, body), door.client_of(message), now)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the request at the head of a connection's queue."""
        door = cast(Http1Door, request.protocol)
        message = request._message
        result = door.take_ready()
        if result is None:
            result = await self._begin_with_body(door, request, message)
        if isinstance(result, Miss):
            result = await self.service.resolve(result)
        must_close = result.close or message.should_close or message.version != HttpVersion11 or door.must_close()
        # A body that is left unread would be taken for the next request.
        return Rendered(result, close=must_close or not request.content.is_eof(), written=door.note_held)

    async def _begin_with_body(
        self, door: Http1Door, request: web.BaseRequest, message: RawRequestMessage
    ) -> HttpResponse | Miss:
        now = self.clock()
        if message.version not in (HttpVersion10, HttpVersion11):
            return door.turn_away(Reason.BAD_HTTP)
        announced = request.content_length
        if announced is not None and announced > self._max_query_bytes:
            # Not read; the walk still says first what else is wrong.
            return self.begin(door, message, bytes(self._max_query_bytes + 1), now)
        if waits_to_be_invited(request):
            door.invite_body()
        try:
            async with asyncio.timeout(self.register.limits.body_seconds):
                body = await request.read()
        except TimeoutError:
            return door.turn_away(Reason.SLOW_REQUEST)
        except web.HTTPRequestEntityTooLarge:
            return self.begin(door, message, bytes(self._max_query_bytes + 1), now)
        except web.RequestPayloadError:
            return door.turn_away(Reason.BAD_HTTP)
        return self.begin(door, message, body, self.clock())

    def _make_request(
        self, message: RawRequestMessage, payload: StreamReader, protocol: RequestHandler, writer: Any, task: Any
    ) -> web.BaseRequest:
        limit = self._max_query_bytes
        return web.BaseRequest(message, payload, protocol, writer, task, self.loop, client_max_size=limit)

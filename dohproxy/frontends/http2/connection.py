"""The HTTP/2 frontend: our own engine behind an asyncio protocol, with hits answered where the bytes arrive.

All HTTP/2 is in `dohproxy.http2`; here bytes go in and out, requests become the walk's `HttpRequest`, and misses wait
for their answers without a task. What a client has reset by the end of the read that brought it is never asked for, and
until that end its streams count as under way.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, cast

import structlog

from dohproxy.doh.exchange import HttpResponse
from dohproxy.frontends.client_resolver import ClientResolver
from dohproxy.frontends.connections import WITHOUT_CEREMONY, Closing, Connections, ConnectionSlot, Waiting
from dohproxy.frontends.http2.rendering import render
from dohproxy.frontends.http2.requests import RequestReader
from dohproxy.frontends.kernel_buffers import cut
from dohproxy.frontends.lingering import Lingering
from dohproxy.frontends.misses import Misses
from dohproxy.frontends.service import Service
from dohproxy.frontends.untaken import Untaken
from dohproxy.http2.connection import Http2Connection
from dohproxy.http2.fields import RequestHead
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.response import Response
from dohproxy.outcomes import Client, Frontend, Reason
from dohproxy.policy.penalties import Offence

GOODBYE_SECONDS: Final = 1.0
"""For a client to say that it has heard our goodbye, which takes one round trip, before no more is taken from it."""
MOST_QUEUED_BYTES: Final = 65_536
"""Written and not yet taken by the client's TCP, before nothing more is read from it: one largest answer."""

_log = structlog.get_logger("dohproxy.h2")


@dataclass(slots=True)
class Http2Server:
    """What all HTTP/2 connections share."""

    service: Service
    client_resolver: ClientResolver
    register: Connections
    clock: Callable[[], float]
    limits: Http2Limits
    proxy_limits: Http2Limits = field(init=False)
    """The limits of a front proxy's connections, on which one client must not end the requests of others with a large
    header."""
    requests: RequestReader = field(init=False)

    def __post_init__(self) -> None:
        self.adopt(self.limits)
        self.requests = RequestReader(self.service)

    def adopt(self, limits: Http2Limits) -> None:
        """Take other limits, for new connections: those that are open have been told theirs."""
        self.limits = limits
        self.proxy_limits = replace(limits, free_block_bytes=limits.max_block_bytes)

    def frontend(self, packed: bytes | None, slot: ConnectionSlot) -> "Http2Frontend":
        """Return the handler for one new connection."""
        return Http2Frontend(self, packed, slot)


class Http2Frontend(asyncio.Protocol):
    """One HTTP/2 connection."""

    def __init__(self, server: Http2Server, packed: bytes | None, slot: ConnectionSlot) -> None:
        self._server = server
        self._packed = packed
        self.slot = slot
        slot.when_lost = partial(self.close_for, Closing.MADE_ROOM)
        self.client = server.client_resolver.of_connection(packed, slot)
        self._opened = self._now = self._idle_since = server.clock()
        self._is_stranger = True
        limits = server.proxy_limits if server.client_resolver.speaks_for_others(packed) else server.limits
        self._engine = Http2Connection(limits, self._opened, self)
        self._transport: asyncio.Transport | None = None
        self._misses = Misses()
        """By stream."""
        self._begun: list[int] = []
        self._reset: list[int] = []
        """Streams that this read has brought a miss on, and those that it has taken one from."""
        self._is_flush_due = False
        self._has_ended = False
        """The client has said that it sends nothing more."""
        self._lingering: Lingering | None = None
        """The last frame is written."""
        self._untaken = Untaken()
        self._goodbye: asyncio.TimerHandle | None = None
        """For the end of it, once it has begun."""
        self._held = 0
        """Bytes in memory, as the register knows it."""

    # --- What the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register, and send our settings."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MOST_QUEUED_BYTES)
        self._server.register.add(self)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what the connection held."""
        server = self._server
        is_ours = self.slot.is_lost or server.register.draining
        if not (self._engine.requests or self._lingering is not None or is_ours):
            server.service.note(self.client, Offence.NO_REQUEST, server.clock())
        server.register.remove(self)
        self._server.register.note_held(self, 0)
        self.slot.free()
        self._transport = None
        if self._goodbye is not None:
            self._goodbye.cancel()
        if self._lingering is not None:
            self._lingering.stop()
        for stream_id in tuple(self._misses.waiting):
            self._leave(stream_id)
        self._engine.forget()

    def pause_writing(self) -> None:
        """The client does not take what we send: read nothing more from it until it does."""
        if self._transport is not None and self._lingering is None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Parse, and answer at once what can be."""
        if self._lingering is not None:
            self._lingering.pass_over(len(data))
            return
        now = self._now = self._server.clock()
        self._engine.receive(data, now)
        if self._begun or self._reset:
            self._follow_read()
        if self._is_over(now):
            self._engine.begin_goodbye()
        if self._goodbye is None and self._engine.is_leaving:
            self._goodbye = asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._end_goodbye)
        self._flush()

    def eof_received(self) -> bool:
        """Keep the connection while there is something to be answered: who says that it has nothing more to say may
        wait for the answer all the same."""
        self._has_ended = True
        self._engine.go_away()
        self._flush()
        return bool(self._misses.waiting)

    def _end_goodbye(self) -> None:
        """The client has had its time: what it asks from now on it has to ask elsewhere."""
        self._engine.go_away()
        self._flush()

    def _is_over(self, now: float) -> bool:
        """Tell whether no new request is to begin: a busy connection is never found idle, and one whose handshake
        was under way when the drain began has not been told."""
        register = self._server.register
        return register.draining or now - self._opened > register.limits.max_age_seconds

    # --- What the engine calls ---

    def on_request(self, stream_id: int, head: RequestHead, body: bytes | None) -> Response | None:
        """Answer a request at once, or ask for the answer when all is read that has come with it."""
        server = self._server
        if body is None:
            body = bytes(server.limits.max_body_bytes + 1)
        client = self.client if server.client_resolver.field is None else self._client_of(head)
        self._idle_since = self._now
        parsed = server.requests.find(head, body)
        if parsed is None:
            refused = server.service.turn_away_early(client, head.path, Frontend.HTTP2, self._now)
            if refused is not None:
                return render(refused, self._now)
            parsed = server.requests.read(head, body)
        if parsed.member is not None:
            client = server.client_resolver.of_member(client, parsed.member, self.slot, self._now)
        result = server.service.begin(parsed, client, self._now)
        if isinstance(result, HttpResponse):
            if self._is_stranger and (result.is_reply or result.is_page or parsed.refused is Reason.UNKNOWN_TOKEN):
                # Who looks at pages alone means no harm, and has asked nothing; whose token is unknown may be a member
                # until the list of members is mended.
                self._engine.note_valid_request()
                self._is_stranger = result.is_page
            return render(result, self._now)
        self._meet()
        self._misses.waiting[stream_id] = result
        self._begun.append(stream_id)
        return None

    def on_large_header(self, stream_id: int) -> Response:
        """Turn a request away."""
        refusal = self._server.service.turn_away(Reason.HEADERS_TOO_LARGE, self.client, Frontend.HTTP2, self._now)
        return render(refusal, self._now)

    def on_reset(self, stream_id: int) -> None:
        """Stop the work for an answer."""
        self._reset.append(stream_id)

    def _meet(self) -> None:
        """The client has sent a query that is DNS, or a token."""
        self._is_stranger = False
        self._engine.note_valid_request()

    # --- Requests that wait ---

    def _follow_read(self) -> None:
        """Give up what was reset, and ask for what was not."""
        for stream_id in self._reset:
            self._leave(stream_id)
        self._reset.clear()
        begun, self._begun = self._begun, []
        for stream_id in begun:
            miss = self._misses.waiting.get(stream_id)
            if miss is not None:
                asked = self._server.service.pursue(miss, partial(self._respond, stream_id))
                self._misses.note_asked(stream_id, asked)

    def _respond(self, stream_id: int, response: HttpResponse) -> None:
        """Answer a miss; with all that are answered in this turn of the loop its response goes out."""
        try:
            now = self._server.clock()
            self._engine.respond(stream_id, render(response, now), now)
            self._leave(stream_id)
            if not self._is_flush_due:
                self._is_flush_due = True
                asyncio.get_running_loop().call_soon(self._flush)
        except Exception:
            # Only this connection is to suffer from what is wrong with it.
            _log.exception("a response met a bug", stage="frontend")
            if self._transport is not None:
                cut(self._transport)

    def _leave(self, stream_id: int) -> None:
        """The work for a stream has ended, whichever way: its slot is free."""
        self._misses.leave(stream_id)
        self._engine.abandon(stream_id)
        self._idle_since = self._server.clock()

    def _client_of(self, head: RequestHead) -> Client:
        """Return whom a request is from; behind a front proxy each may have another client."""
        source = self._server.client_resolver.field
        lines = [value for name, value in head.fields if name == source]
        return self._server.client_resolver.of_request(self._packed, lines)

    # --- Bytes out ---

    def _flush(self) -> None:
        self._is_flush_due = False
        transport = self._transport
        if transport is None or self._lingering is not None:
            return
        data = self._engine.data_to_send()
        if data:
            self._untaken.written += len(data)
            transport.write(data)
        # Whoever sends nothing more opens no window either, and ends no request.
        is_over = self._engine.is_closing or (self._has_ended and not self._misses.waiting)
        if is_over and not transport.is_closing():
            if self._engine.fault is not None:
                self._server.register.count(Closing.HTTP2_FAULT)
                self._server.service.note(self.client, Offence.HTTP2_FAULT, self._now)
                if self._engine.fault.excess is not None:
                    self._server.register.count_excess(self._engine.fault.excess)
            self._lingering = Lingering(transport, is_at_end=self._has_ended)
        held = self._engine.held_bytes + transport.get_write_buffer_size()
        if held != self._held:
            self._held = held
            self._server.register.note_held(self, held)

    # --- What the register asks ---

    @property
    def is_members(self) -> bool:
        """Whether the connection is a member's, by its network or by what was shown on it."""
        return self.client.member or self.slot.is_members

    def held_bytes(self) -> int:
        """Return the bytes held in memory: responses that wait for the client, requests that are not whole."""
        transport = self._transport
        return self._engine.held_bytes + (transport.get_write_buffer_size() if transport is not None else 0)

    def waiting(self, now: float) -> Waiting:
        """Return what this connection is waiting for; once it is closing, for nothing but its last bytes to be read."""
        transport = self._transport
        queued = transport.get_write_buffer_size() if transport is not None else 0
        writing_since = self._untaken.since(queued, now)
        if transport is None or self._lingering is not None or transport.is_closing():
            return Waiting(self._opened, None, writing_since, queued, idle=False)
        engine = self._engine
        if engine.is_idle and not queued:
            has_asked = not self._is_stranger
            return Waiting(self._opened, None, None, 0, idle=True, idle_since=self._idle_since, has_asked=has_asked)
        since = [instant for instant in (writing_since, engine.windows.blocked_since) if instant is not None]
        return Waiting(
            opened=self._opened,
            header_since=engine.half_read_since,
            writing_since=min(since, default=None),
            queued_bytes=queued + engine.windows.blocked_bytes,
            idle=False,
            has_asked=not self._is_stranger,
        )

    def close_for(self, closing: Closing) -> None:
        """Close; without ceremony where the client does not read."""
        if self._transport is None:
            return
        if closing in WITHOUT_CEREMONY:
            cut(self._transport)
            return
        if closing is Closing.HEADER_DEADLINE:
            self._tell_the_slow()
        self._engine.go_away()
        self._flush()
        if self._lingering is None:
            self._transport.close()

    def _tell_the_slow(self) -> None:
        """Say what has become of requests that never became whole."""
        now = self._server.clock()
        for stream_id in self._engine.unfinished:
            refusal = self._server.service.turn_away(Reason.SLOW_REQUEST, self.client, Frontend.HTTP2, now)
            self._engine.respond(stream_id, render(refusal, now), now)

    def identify(self) -> None:
        """Find out anew whose connection this is."""
        self.client = self._server.client_resolver.of_connection(self._packed, self.slot)
        self.slot.is_of(self.client)

    def finish_soon(self) -> None:
        """Take no new requests but those that are on their way; close when all of them are answered."""
        self._engine.begin_goodbye()
        if self._goodbye is None:
            self._goodbye = asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._end_goodbye)
        self._flush()

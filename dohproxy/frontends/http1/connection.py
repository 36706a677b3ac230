"""The HTTP/1.1 frontend: our own reader behind an asyncio protocol, with hits answered where the bytes arrive.

All that is HTTP/1.1 is in `dohproxy.http1`; here bytes go in and out, requests become the walk's `HttpRequest`, and a
miss waits for its answer without a task. What is behind it waits unread: requests are answered in their order, and none
is begun before the one before it is answered.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

import structlog

from dohproxy.doh.exchange import HttpResponse
from dohproxy.exits import Miss
from dohproxy.frontends.client_resolver import ClientResolver
from dohproxy.frontends.connections import WITHOUT_CEREMONY, Closing, Connections, ConnectionSlot, Waiting
from dohproxy.frontends.http1.parsing import REASONS, read_message
from dohproxy.frontends.http1.rendering import render, render_again
from dohproxy.frontends.kernel_buffers import cut
from dohproxy.frontends.lingering import Lingering
from dohproxy.frontends.request_cache import CachedRequest, RequestCache
from dohproxy.frontends.service import Service
from dohproxy.frontends.untaken import Untaken
from dohproxy.http1.connection import Http1Connection, Request
from dohproxy.http1.errors import BadRequest, Fault
from dohproxy.http1.head import RequestHead
from dohproxy.outcomes import Frontend, Reason
from dohproxy.policy.penalties import Offence
from dohproxy.upstream.sends import Stoppable

MOST_QUEUED_BYTES: Final = 65_536
"""Written and not yet taken by the client's TCP, before nothing more is read from it: one largest answer."""
MOST_READ_AHEAD: Final = 32_768
"""Bytes behind a request that is being answered, before nothing more is read; more than one request can have."""
MOST_AT_ONCE: Final = 32
"""Requests answered in one turn of the event loop, so that other connections get theirs. Real clients pipeline none."""

_log = structlog.get_logger("dohproxy.h1")


@dataclass(slots=True)
class Http1Server:
    """What all HTTP/1.1 connections share."""

    service: Service
    client_resolver: ClientResolver
    register: Connections
    clock: Callable[[], float]
    max_query_bytes: int
    known: RequestCache = field(default_factory=RequestCache)

    def frontend(self, packed: bytes | None, slot: ConnectionSlot) -> "Http1Frontend":
        """Return the handler for one new connection."""
        return Http1Frontend(self, packed, slot)


class Http1Frontend(asyncio.Protocol):
    """One HTTP/1.1 connection."""

    def __init__(self, server: Http1Server, packed: bytes | None, slot: ConnectionSlot) -> None:
        """`packed`: the peer's address, None for a Unix socket."""
        self._server = server
        self._packed = packed
        self.slot = slot
        slot.when_lost = partial(self.close_for, Closing.MADE_ROOM)
        self.client = server.client_resolver.of_connection(packed, slot)
        self._opened = self._idle_since = server.clock()
        self._engine = Http1Connection(server.max_query_bytes)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        """For a body to come."""
        self._miss: Miss | None = None
        """The miss under way; nothing is read behind it."""
        self._asked: Stoppable | None = None
        self._is_last = False
        """The response to that is to be the connection's last."""
        self._requests = 0
        self._has_asked = False
        """A query has come that is DNS."""
        self._header_since: float | None = None
        self._untaken = Untaken()
        self._held = 0
        """Bytes in memory, as the register knows it."""
        self._is_reading = True
        self._is_taken = True
        """The client takes what we write."""
        self._is_turn_due = False
        self._has_ended = False
        """The client has said that it sends nothing more."""
        self._is_ending = False
        """The last response is written."""
        self._lingering: Lingering | None = None

    # --- What the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, which begins here."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MOST_QUEUED_BYTES)
        self._server.register.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give back what the connection held."""
        server = self._server
        if not (self._requests or self._is_ending or self.slot.is_lost or server.register.draining):
            server.service.note(self.client, Offence.NO_REQUEST, server.clock())
        server.register.remove(self)
        self._server.register.note_held(self, 0)
        self.slot.free()
        self._transport = None
        self._stop_timer()
        if self._lingering is not None:
            self._lingering.stop()
        self._engine.finish()
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Answer at once what can be: without reading it, if these very bytes have been read before."""
        if self._is_ending:
            if self._lingering is not None:
                self._lingering.pass_over(len(data))
            return
        engine = self._engine
        is_free = self._miss is None and self._is_taken and not self._is_turn_due
        is_between = is_free and engine.is_untouched
        if is_between:
            server = self._server
            known = server.known.find(data, server.service.pipeline.rules_version)
            if known is not None:
                self._repeat(known)
                return
        engine.receive(data)
        if is_free:
            self._go_on(data if is_between else b"")
        else:
            self._mind_reading()
            self._note_held()

    def eof_received(self) -> bool:
        """Keep the connection while there is something to be answered: who says that it has nothing more to say may
        wait for the answer all the same."""
        self._has_ended = True
        return self._has_requests() and not self._is_ending

    def pause_writing(self) -> None:
        """The client does not take what we send: read nothing more from it until it does."""
        self._is_taken = False
        self._mind_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._is_taken = True
        self._go_on_soon()

    # --- Requests, one after the other ---

    def _repeat(self, known: CachedRequest) -> None:
        """Answer a request that has been read before."""
        server = self._server
        client = (
            self.client
            if server.client_resolver.field is None
            else server.client_resolver.of_request(self._packed, known.lines)
        )
        now = server.clock()
        self._requests += 1
        if known.parsed.member is not None:
            client = server.client_resolver.of_member(client, known.parsed.member, self.slot, now)
        result = server.service.begin(known.parsed, client, now)
        if not isinstance(result, HttpResponse):
            self._wait_for(result, is_last=False)
            return
        self._idle_since = now
        if not self._has_asked:
            self._has_asked = result.is_reply
        if result.close or self._must_close(now):
            self._write_last(result)
            return
        transport = self._transport
        if transport is not None:
            data = render_again(result)
            self._untaken.written += len(data)
            transport.write(data)
            if transport.get_write_buffer_size() != self._held:
                self._note_held()

    def _go_on(self, spelled: bytes = b"") -> None:
        """Read on, and answer what can be. `spelled`: all that is there, if nothing had been read of a request."""
        self._is_turn_due = False
        if self._transport is None or self._is_ending:
            return
        try:
            self._answer_some(spelled)
        except Exception:
            # Only this connection is to suffer from what is wrong with it.
            _log.exception("a request met a bug", stage="frontend")
            self._leave()
            self._turn_away(Reason.BUG)
        self._mind_client()

    def _answer_some(self, spelled: bytes) -> None:
        for _ in range(MOST_AT_ONCE):
            if self._miss is not None or not self._is_taken or self._is_ending:
                return
            try:
                request = self._engine.next_request()
            except BadRequest as bad:
                self._refuse(bad.fault)
                return
            if request is None:
                return
            self._take(request, spelled)
            spelled = b""
        self._go_on_soon()

    def _take(self, request: Request, spelled: bytes) -> None:
        """Begin with one request, and remember what it says if there was nothing else in the bytes."""
        server = self._server
        self._header_since = None
        self._requests += 1
        head, body = request.head, request.body
        if body is None:
            body = bytes(server.max_query_bytes + 1)  # The walk still says first what else is wrong.
        lines = self._lines_about_client(head)
        client = (
            self.client
            if server.client_resolver.field is None
            else server.client_resolver.of_request(self._packed, lines)
        )
        now = server.clock()
        refused = server.service.turn_away_early(client, head.target, Frontend.HTTP1, now)
        if refused is not None:
            self._respond(refused, is_last=request.is_last)
            return
        parsed = server.service.read(read_message(head, body), Frontend.HTTP1)
        if spelled and not request.is_last and self._engine.is_between:
            server.known.remember(spelled, CachedRequest(parsed, len(spelled), lines))
        if parsed.member is not None:
            client = server.client_resolver.of_member(client, parsed.member, self.slot, now)
        result = server.service.begin(parsed, client, now)
        if isinstance(result, Miss):
            self._wait_for(result, is_last=request.is_last)
        else:
            self._respond(result, is_last=request.is_last)

    def _lines_about_client(self, head: RequestHead) -> Sequence[str]:
        """Return the lines of the field that names clients; behind a front proxy each request may have another."""
        source = self._server.client_resolver.field
        return () if source is None else tuple(value for name, value in head.rest.fields if name == source)

    def _refuse(self, fault: Fault) -> None:
        """Turn away what is no request. That is the network's noise, counted and not logged."""
        if fault is Fault.LARGE_HEADER:
            self._server.register.count(Closing.HEADER_FLOOD)
        self._turn_away(REASONS[fault])

    def _turn_away(self, reason: Reason) -> None:
        """Refuse something on this connection that never became a request."""
        server = self._server
        self._write_last(server.service.turn_away(reason, self.client, Frontend.HTTP1, server.clock()))

    # --- Requests that wait ---

    def _wait_for(self, miss: Miss, *, is_last: bool) -> None:
        self._miss = miss
        self._is_last = is_last
        asked = self._server.service.pursue(miss, self._notify)
        # It may have been answered by now, which the compiler does not expect of what was assigned above.
        if self._waits_for(miss):
            self._asked = asked

    def _waits_for(self, miss: Miss) -> bool:
        return self._miss is miss

    def _notify(self, response: HttpResponse) -> None:
        """Answer a miss, and go on in another turn of the loop: whoever tells us has others to tell."""
        try:
            self._leave()
            self._respond(response, is_last=self._is_last)
            self._go_on_soon()
        except Exception:
            _log.exception("a response met a bug", stage="frontend")
            if self._transport is not None:
                cut(self._transport)

    def _leave(self) -> None:
        """The work for an answer has ended, whichever way: its slot is free."""
        miss, self._miss = self._miss, None
        if miss is not None:
            miss.slot.give_back()
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.stop()

    def _go_on_soon(self) -> None:
        if not self._is_turn_due:
            self._is_turn_due = True
            asyncio.get_running_loop().call_soon(self._go_on)

    # --- Bytes out ---

    def _respond(self, response: HttpResponse, *, is_last: bool) -> None:
        now = self._idle_since = self._server.clock()
        if not self._has_asked:
            self._has_asked = response.is_reply
        is_last = is_last or (self._has_ended and not self._engine.held_bytes)
        if is_last or response.close or self._must_close(now):
            self._write_last(response)
        elif self._transport is not None:
            data = render(response, close=False)
            self._untaken.written += len(data)
            self._transport.write(data)
            self._note_held()

    def _must_close(self, now: float) -> bool:
        """Tell whether the response being written has to be the connection's last."""
        register = self._server.register
        return (
            register.draining
            or self._requests >= register.limits.max_requests
            or now - self._opened > register.limits.max_age_seconds
        )

    def _write_last(self, response: HttpResponse) -> None:
        """Write a response, and close when the client has read it."""
        transport = self._transport
        if transport is None or self._is_ending:
            return
        self._is_ending = True
        self._engine.finish()
        self._stop_timer()
        transport.write(render(response, close=True))
        self._note_held()
        if not transport.is_closing():
            self._lingering = Lingering(transport, is_at_end=self._has_ended)

    # --- What is left to be awaited ---

    def _mind_client(self) -> None:
        """Set the deadlines for what the client is to send next, and say so if it waits for that."""
        if self._is_ending or self._transport is None:
            return
        engine = self._engine
        is_waiting = self._miss is None and not self._is_turn_due and self._is_taken
        if is_waiting and engine.is_in_body:
            self._header_since = None
            if engine.take_invitation():
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if self._timer is None:
                seconds = self._server.register.limits.body_seconds
                self._timer = asyncio.get_running_loop().call_later(seconds, self._turn_away, Reason.SLOW_REQUEST)
        else:
            self._stop_timer()
            if engine.is_between:
                self._header_since = None
            elif is_waiting and self._header_since is None:
                self._header_since = self._server.clock()
        if is_waiting and (self._has_ended or (self._server.register.draining and not engine.is_in_body)):
            self._transport.close()  # What is half there will never be whole, or is not to begin any more.
        else:
            self._mind_reading()
        self._note_held()

    def _mind_reading(self) -> None:
        """Read from the client while there is room for it."""
        transport = self._transport
        if self._is_ending or self._has_ended or transport is None or transport.is_closing():
            return
        wants = self._is_taken and self._engine.held_bytes <= MOST_READ_AHEAD
        if wants is self._is_reading:
            return
        self._is_reading = wants
        if wants:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- What the register asks ---

    @property
    def is_members(self) -> bool:
        """Whether the connection is a member's, by its network or by what was shown on it."""
        return self.client.member or self.slot.is_members

    def held_bytes(self) -> int:
        """Return the bytes held in memory: responses that wait for the client, requests that are not read yet."""
        transport = self._transport
        return self._engine.held_bytes + (transport.get_write_buffer_size() if transport is not None else 0)

    def _note_held(self) -> None:
        """Tell the register what that is, when it has changed."""
        held = self.held_bytes()
        if held != self._held and self._transport is not None:
            self._held = held
            self._server.register.note_held(self, held)

    def _is_busy(self) -> bool:
        """Tell whether there may be something to be answered, or a request whose body is awaited."""
        return self._engine.is_in_body or self._has_requests()

    def _has_requests(self) -> bool:
        if self._miss is not None or self._is_turn_due:
            return True
        return not self._is_taken and self._engine.held_bytes > 0

    def waiting(self, now: float) -> Waiting:
        """Return what this connection is waiting for; once it is ending, for nothing but its last bytes to be read."""
        transport = self._transport
        queued = transport.get_write_buffer_size() if transport is not None else 0
        writing_since = self._untaken.since(queued, now)
        if self._is_ending or transport is None or transport.is_closing():
            return Waiting(self._opened, None, writing_since, queued, idle=False)
        is_between = not self._is_busy()
        is_idle = is_between and self._header_since is None and not queued
        return Waiting(
            opened=self._opened,
            header_since=self._header_since if is_between else None,
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
        elif closing is Closing.HEADER_DEADLINE:
            self._turn_away(Reason.SLOW_REQUEST)
        else:
            transport.close()

    def identify(self) -> None:
        """Find out anew whose connection this is."""
        self.client = self._server.client_resolver.of_connection(self._packed, self.slot)
        self.slot.is_of(self.client)

    def finish_soon(self) -> None:
        """Close after the request under way, at once if there is none."""
        if not self._is_busy() and not self._is_ending and self._transport is not None:
            self._transport.close()  # Otherwise its response says "connection: close".

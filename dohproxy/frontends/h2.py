"""The HTTP/2 door: our own engine behind an asyncio protocol, with hits answered where the bytes arrive.

All HTTP/2 is in `dohproxy.http2`; here bytes go in and out, requests become the walk's `HttpRequest`, and misses become
tasks. A stream that the client resets cancels its task, and only when that has ended is the stream's place free again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

import structlog

from dohproxy.doh.exchange import HttpResponse
from dohproxy.frontends.connections import Closing, Connections, Place, Waiting
from dohproxy.frontends.h2_readings import Readings
from dohproxy.frontends.h2_render import render
from dohproxy.frontends.peers import Peers
from dohproxy.frontends.service import Service
from dohproxy.http2.connection import Http2Connection
from dohproxy.http2.fields import RequestHead
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.response import Response
from dohproxy.pipeline import Miss
from dohproxy.verdict import Client, Door, Reason

MOST_QUEUED_BYTES: Final = 65_536
"""Written and not yet taken by the client's TCP, before nothing more is read from it: one largest answer."""

_log = structlog.get_logger("dohproxy.h2")


@dataclass(slots=True)
class Http2Server:
    """What all HTTP/2 connections share."""

    service: Service
    peers: Peers
    register: Connections
    clock: Callable[[], float]
    tasks: asyncio.TaskGroup
    """Misses run here, not in the connection: what was asked upstream is finished whoever hangs up."""
    limits: Http2Limits
    readings: Readings = field(init=False)

    def __post_init__(self) -> None:
        self.readings = Readings(self.service)

    def door(self, packed: bytes | None, place: Place) -> "Http2Door":
        """Return the handler for one new connection."""
        return Http2Door(self, packed, place)


class Http2Door(asyncio.Protocol):
    """One HTTP/2 connection."""

    def __init__(self, server: Http2Server, packed: bytes | None, place: Place) -> None:
        self._server = server
        self._packed = packed
        self._place = place
        self._client = server.peers.of_connection(packed)
        self._opened = self._now = self._idle_since = server.clock()
        self._is_stranger = True
        self._engine = Http2Connection(server.limits, self._opened, self)
        self._transport: asyncio.Transport | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._writing_since: float | None = None

    # --- What the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register, and send our settings."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MOST_QUEUED_BYTES)
        self._server.register.add(self)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what the connection held."""
        self._server.register.remove(self)
        self._place.free()
        self._transport = None
        for task in self._tasks.values():
            task.cancel()

    def pause_writing(self) -> None:
        """The client does not take what we send: read nothing more from it until it does."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Parse, and answer at once what can be."""
        now = self._now = self._idle_since = self._server.clock()
        self._engine.receive(data, now)
        if self._is_over(now):
            self._engine.go_away()
        self._flush()

    def _is_over(self, now: float) -> bool:
        """Tell whether no new request is to begin: a busy connection is never found idle, and one whose handshake
        was under way when the drain began has not been told."""
        register = self._server.register
        return register.draining or now - self._opened > register.limits.max_age_seconds

    # --- What the engine calls ---

    def on_request(self, stream_id: int, head: RequestHead, body: bytes | None) -> Response | None:
        """Answer a request at once, or make it a task if it has to wait."""
        server = self._server
        if body is None:
            body = bytes(server.limits.max_body_bytes + 1)
        client = self._client if server.peers.field is None else self._client_of(head)
        result = server.service.begin(server.readings.of(head, body), client, self._now)
        if isinstance(result, HttpResponse):
            if self._is_stranger and result.body:
                self._meet()
            return render(result, self._now)
        self._meet()
        task = server.tasks.create_task(self._resolve(stream_id, result))
        self._tasks[stream_id] = task
        task.add_done_callback(lambda _: self._end_task(stream_id, result))
        return None

    def on_large_header(self, stream_id: int) -> Response:
        """Turn a request away."""
        refusal = self._server.service.turn_away(Reason.HEADERS_TOO_LARGE, self._client, Door.HTTP2, self._now)
        return render(refusal, self._now)

    def on_reset(self, stream_id: int) -> None:
        """Stop the work for an answer."""
        task = self._tasks.get(stream_id)
        if task is None:
            self._engine.abandon(stream_id)
        else:
            task.cancel()

    def _meet(self) -> None:
        """The client has sent a query that is DNS."""
        self._is_stranger = False
        self._engine.note_valid_request()

    # --- Requests that wait ---

    async def _resolve(self, stream_id: int, miss: Miss) -> None:
        response = await self._server.service.resolve(miss)
        try:
            now = self._server.clock()
            self._engine.respond(stream_id, render(response, now), now)
            self._flush()
        except Exception:
            # What is raised here would end the task group, and with it the service.
            _log.exception("a response met a bug", stage="door")
            if self._transport is not None:
                self._transport.abort()

    def _end_task(self, stream_id: int, miss: Miss) -> None:
        """The work for a stream has ended, whichever way: its place is free."""
        del self._tasks[stream_id]
        # A task cancelled before its first step has not done so itself.
        miss.place.give_back()
        self._engine.abandon(stream_id)
        self._idle_since = self._server.clock()

    def _client_of(self, head: RequestHead) -> Client:
        """Return whom a request is from; behind a front proxy each may have another client."""
        source = self._server.peers.field
        lines = [value for name, value in head.fields if name == source]
        return self._server.peers.of_request(self._packed, lines)

    # --- Bytes out ---

    def _flush(self) -> None:
        transport = self._transport
        if transport is None:
            return
        data = self._engine.data_to_send()
        if data:
            transport.write(data)
        if self._engine.is_closing and not transport.is_closing():
            if self._engine.fault is not None:
                self._server.register.count(Closing.HTTP2_FAULT)
            transport.close()

    # --- What the register asks ---

    def waiting(self, now: float) -> Waiting:
        """Return what this connection is waiting for; once it is closing, for nothing but its last bytes to be read."""
        transport = self._transport
        queued = transport.get_write_buffer_size() if transport is not None else 0
        if not queued:
            self._writing_since = None
        elif self._writing_since is None:
            self._writing_since = now
        if transport is None or transport.is_closing():
            return Waiting(self._opened, None, self._writing_since, queued, idle=False)
        blocked = self._engine.windows.blocked_since
        since = [instant for instant in (self._writing_since, blocked) if instant is not None]
        is_idle = self._engine.is_idle and not queued
        return Waiting(
            opened=self._opened,
            header_since=self._engine.half_read_since,
            writing_since=min(since, default=None),
            queued_bytes=queued + self._engine.windows.blocked_bytes,
            idle=is_idle,
            idle_since=self._idle_since if is_idle else None,
        )

    def close_for(self, closing: Closing) -> None:
        """Close; without ceremony where the client does not read."""
        if self._transport is None:
            return
        if closing in (Closing.WRITE_DEADLINE, Closing.QUEUE_FULL, Closing.DRAIN):
            self._transport.abort()
            return
        self._engine.go_away()
        self._flush()
        self._transport.close()

    def finish_soon(self) -> None:
        """Take no new requests; close when those under way are answered."""
        self._engine.go_away()
        self._flush()

"""Which frontend a connection belongs to: ALPN says so under TLS, the HTTP/2 preface says so without.

A listener for DoT serves over DoT who does not say, any other over HTTP. There is no upgrade dance: RFC 9113 section
3.1 has dropped `Upgrade: h2c`, and a client that does not know is served over HTTP/1.1.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from dohproxy.frontends.connections import WITHOUT_CEREMONY, Closing, Connections, ConnectionSlot, Waiting
from dohproxy.frontends.kernel_buffers import cut
from dohproxy.http2.frames import PREFACE
from dohproxy.outcomes import NOBODY, Client

FrontendMaker = Callable[[bytes | None, ConnectionSlot], asyncio.Protocol]
"""Makes the handler of one connection from its client's packed address (None for a Unix socket) and its slot."""


@dataclass(frozen=True, slots=True)
class Frontends:
    """The frontends there are."""

    http1: FrontendMaker
    http2: FrontendMaker
    dot: FrontendMaker
    register: Connections
    clock: Callable[[], float]

    def open(self, packed: bytes | None, slot: ConnectionSlot) -> "ProtocolChooser":
        """Return what stands at the beginning of one new connection."""
        return ProtocolChooser(self, packed, slot)

    def open_dot(self, packed: bytes | None, slot: ConnectionSlot) -> "ProtocolChooser":
        """Return the same for one that came where DoT is spoken."""
        return ProtocolChooser(self, packed, slot, speaks_dot=True)


class ProtocolChooser(asyncio.Protocol):
    """The protocol of a connection at its beginning, which hands it over to the right frontend with all it has read."""

    def __init__(
        self, frontends: Frontends, packed: bytes | None, slot: ConnectionSlot, *, speaks_dot: bool = False
    ) -> None:
        """`speaks_dot`: what a client speaks that does not say so."""
        self._frontends = frontends
        self._speaks_dot = speaks_dot
        self._packed = packed
        self.slot = slot
        slot.when_lost = partial(self.close_for, Closing.MADE_ROOM)
        self._opened = frontends.clock()
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Choose by ALPN, or wait for the first bytes."""
        self._transport = cast(asyncio.Transport, transport)
        if self.slot.is_lost:  # Since it was accepted, in a turn in which there was no transport to cut.
            cut(self._transport)
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is None and not self._speaks_dot:
            self._frontends.register.add(self)
            return
        spoken = None if tls is None else cast(ssl.SSLObject, tls).selected_alpn_protocol()
        self._hand_over(self._by_name(spoken))

    def _by_name(self, spoken: str | None) -> FrontendMaker:
        """Return the frontend for what was agreed on. Clients of DoT need no ALPN (RFC 7858 has none); those of DoH
        without one are old, and speak HTTP/1.1."""
        match spoken:
            case "h2":
                return self._frontends.http2
            case "http/1.1":
                return self._frontends.http1
            case "dot":
                return self._frontends.dot
            case _:
                return self._frontends.dot if self._speaks_dot else self._frontends.http1

    def data_received(self, data: bytes) -> None:
        """Look for the preface."""
        self._read += data
        if PREFACE.startswith(self._read[: len(PREFACE)]):
            if len(self._read) < len(PREFACE):
                return
            maker = self._frontends.http2
        else:
            maker = self._frontends.http1
        self._frontends.register.remove(self)
        frontend = self._hand_over(maker)
        frontend.data_received(self._read)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone before it said anything."""
        self._frontends.register.remove(self)
        self.slot.free()
        self._transport = None

    def _hand_over(self, maker: FrontendMaker) -> asyncio.Protocol:
        transport = cast(asyncio.Transport, self._transport)
        frontend = maker(self._packed, self.slot)
        transport.set_protocol(frontend)
        frontend.connection_made(transport)
        return frontend

    # --- What the register asks ---

    def waiting(self, now: float) -> Waiting:
        """Return what this connection is waiting for: a first request's header."""
        return Waiting(
            opened=self._opened,
            header_since=self._opened if self._read else None,
            writing_since=None,
            queued_bytes=0,
            idle=not self._read,
            idle_since=self._opened,
        )

    def close_for(self, closing: Closing) -> None:
        """Close; at once where its slot is given away."""
        if self._transport is None:
            return
        if closing in WITHOUT_CEREMONY:
            cut(self._transport)
        else:
            self._transport.close()

    @property
    def client(self) -> Client:
        """Nobody that is known yet."""
        return NOBODY

    def identify(self) -> None:
        """Do nothing: whose connection this is, is found out when its protocol is known."""

    def finish_soon(self) -> None:
        """Close: nothing is under way."""
        self.close_for(Closing.DRAIN)

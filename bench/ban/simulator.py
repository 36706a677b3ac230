"""The simulated upstream on its sockets: UDP, TCP and TLS on loopback, one limit and one set of books behind them."""

import asyncio
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Any, Final, cast

from bench.ban.answers import Question, Zones, answer, read_question
from bench.ban.books import Books, Report
from bench.ban.limit import Judgement, Limit
from bench.ban.signals import Act, Signal, Welcome, meet_connection, meet_query
from bench.ban.sockets import SO_TIMESTAMPNS, age_of, bind_all

LOOPBACK: Final = "127.0.0.1"
LENGTH_BYTES: Final = 2
RECEIVE_BUFFER_BYTES: Final = 4_194_304
MOST_PER_READ: Final = 64
SLOW_SHARE: Final = 50
"""One in so many answers takes ten times as long: a name that the resolver had to look for."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the upstream allows, what it does about the rest, and how it answers."""

    rate: float = 1e6
    burst: float = 1e6
    patience: int = 3
    """Seconds over the limit before a ban."""
    ban_seconds: float = 60.0
    excess: str = Signal.SILENCE
    """How a query beyond the limit is met."""
    ban: str = Signal.SILENCE
    """How a banned guest is met."""
    always: str | None = None
    """How everybody is met who keeps within the limit; None: with answers."""
    promised_rate: float | None = None
    """The rate for which the books look for the smallest burst; None: `rate`."""
    latency_seconds: float = 0.0
    ttl_seconds: int | None = None
    empty_zones: tuple[str, ...] = ()
    silent_label: str = ""
    """Names with a label that begins so are never answered, as if their servers were gone; empty: there are none."""
    watched: tuple[str, ...] = ()
    """Names below which queries are counted apart."""
    addresses: tuple[str, ...] = (LOOPBACK,)
    """Where it listens, on the same ports; one operator, whichever of its addresses is asked."""
    certificate: str = ""
    key: str = ""
    """In PEM, for TLS; empty: no TLS."""


class Simulator:
    """Runs in the event loop that calls `open`; limit and books are shared by all its sockets."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.port = 0
        self.tls_port = 0
        self._behaviour = behaviour
        self._always = None if behaviour.always is None else Signal(behaviour.always)
        self._limit = Limit(
            behaviour.rate, behaviour.burst, patience=behaviour.patience, ban_seconds=behaviour.ban_seconds
        )
        self._books = Books(behaviour.promised_rate or behaviour.rate, behaviour.watched)
        self._zones = Zones(tuple(behaviour.empty_zones), behaviour.ttl_seconds)
        self._udp: list[socket.socket] = []
        self._listening: list[socket.socket] = []
        self._streams: set[_Stream] = set()
        self._hanging: list[socket.socket] = []

    def open(self) -> None:
        """Bind free ports, kept in `port` and `tls_port`, and answer from now on."""
        self._loop = asyncio.get_running_loop()
        context = None
        if self._behaviour.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._behaviour.certificate, self._behaviour.key)
        self.port, bound = bind_all((socket.SOCK_DGRAM, socket.SOCK_STREAM), self._behaviour.addresses)
        for udp in bound[socket.SOCK_DGRAM]:
            udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            self._udp.append(udp)
            self._loop.add_reader(udp, self._read_datagrams, udp)
        for tcp in bound[socket.SOCK_STREAM]:
            self._listen(tcp, None)
        if context is not None:
            self.tls_port, bound = bind_all((socket.SOCK_STREAM,), self._behaviour.addresses)
            for tls in bound[socket.SOCK_STREAM]:
                self._listen(tls, context)

    def close(self) -> None:
        """Close every socket."""
        for one in (*self._udp, *self._listening):
            self._loop.remove_reader(one)
            one.close()
        for stream in list(self._streams):
            stream.close()
        for one in self._hanging:
            one.close()

    def report(self) -> Report:
        """Return the books as they are now."""
        return self._books.report(bans=self._limit.bans, banned_seconds=self._limit.banned_seconds(self._loop.time()))

    def set_signal(self, signal: Signal | None) -> None:
        """Meet everybody who keeps within the limit in this way from now on."""
        self._always = signal

    def decide(self, query: bytes, came_at: float, *, over_stream: bool) -> bytes | Act:
        """Write the query into the books and return what becomes of it."""
        question = read_question(query)
        if question is None:
            return Act.DROP
        signal = self._judge(question, came_at)
        silent = self._behaviour.silent_label.encode("ascii")
        if silent and any(label.startswith(silent) for label in question.labels):
            return Act.DROP
        instead = meet_query(signal, question, over_stream=over_stream)
        return answer(question, self._zones) if instead is None else instead

    def delay(self, query: bytes) -> float:
        """Return how long the answer to this query takes: mostly around the latency, sometimes ten times that."""
        number = sum(query[2:]) * 31 + len(query)
        slow = 10 if number % SLOW_SHARE == 0 else 1
        return self._behaviour.latency_seconds * slow * (0.5 + number % 100 / 100)

    def _judge(self, question: Question, came_at: float) -> Signal | None:
        judgement = self._limit.judge(came_at)
        self._books.receive(
            came_at,
            excess=judgement is Judgement.EXCESS,
            banned_for=self._limit.banned_for(came_at) if judgement is Judgement.BANNED else None,
            qname=question.qname,
        )
        match judgement:
            case Judgement.BANNED:
                return Signal(self._behaviour.ban)
            case Judgement.EXCESS:
                return Signal(self._behaviour.excess)
            case Judgement.WELCOME:
                return self._always

    def _read_datagrams(self, udp: socket.socket) -> None:
        for _ in range(MOST_PER_READ):
            try:
                query, control, _, peer = udp.recvmsg(4096, 64)
            except OSError:
                return
            reply = self.decide(query, self._loop.time() - age_of(control), over_stream=False)
            if isinstance(reply, bytes):
                self._loop.call_later(self.delay(query), self._send, udp, reply, peer)

    def _send(self, udp: socket.socket, reply: bytes, peer: tuple[str, int]) -> None:
        try:
            udp.sendto(reply, peer)
        except OSError:
            # The guest has gone, or the simulator is closing.
            return

    def _listen(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        listening.listen(1024)
        self._listening.append(listening)
        self._loop.add_reader(listening, self._accept, listening, context)

    def _accept(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        try:
            accepted, _ = listening.accept()
        except OSError:
            return
        self._books.connections += 1
        frontend = self._meet_connection()
        if frontend.resets:
            # Closing without lingering sends RST.
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
        elif frontend.hangs:
            self._hanging.append(accepted)
        else:
            accepted.setblocking(False)
            self._serve(accepted, context)

    def _meet_connection(self) -> Welcome:
        banned = self._limit.is_banned(self._loop.time())
        return meet_connection(Signal(self._behaviour.ban) if banned else self._always)

    def _serve(self, accepted: socket.socket, context: ssl.SSLContext | None) -> None:
        stream = _Stream(self, self._streams)
        connecting = self._loop.connect_accepted_socket(lambda: stream, accepted, ssl=context)
        # The stream's own end is the task's: it is kept by the set of streams, and a failed handshake is no news.
        task = self._loop.create_task(connecting)
        stream.task = task
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


class _Stream(asyncio.Protocol):
    """One TCP or TLS connection with a guest."""

    def __init__(self, simulator: Simulator, streams: "set[_Stream]") -> None:
        self.task: asyncio.Task[Any] | None = None
        self._simulator = simulator
        self._streams = streams
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._streams.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._streams.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(self._buffer[:LENGTH_BYTES])
            if len(self._buffer) < end:
                return
            query, self._buffer = self._buffer[LENGTH_BYTES:end], self._buffer[end:]
            self._take(query)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _take(self, query: bytes) -> None:
        loop = asyncio.get_running_loop()
        reply = self._simulator.decide(query, loop.time(), over_stream=True)
        if reply is Act.CLOSE:
            self.close()
        elif isinstance(reply, bytes):
            loop.call_later(self._simulator.delay(query), self._send, reply)

    def _send(self, reply: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(len(reply).to_bytes(LENGTH_BYTES) + reply)

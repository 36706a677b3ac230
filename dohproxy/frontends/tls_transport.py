"""TLS between a socket and a frontend: an asyncio transport over OpenSSL's memory BIOs.

Event loops have one of their own, made for any protocol and any size: uvloop's holds 33 KiB for a connection that does
nothing, asyncio's 287. This one takes a few kilobytes at a time, keeps nothing between two reads, and sends all that a
read leads to in one piece.

OpenSSL never touches the socket. If it did, a client that sends nothing but key updates could keep it reading for as
long as it likes, and everybody else waiting; so each turn of the event loop feeds it one read and no more.
"""

import asyncio
import contextlib
import hashlib
import math
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from dohproxy.frontends.handshake_scheduler import HandshakeScheduler
from dohproxy.frontends.kernel_buffers import MOST_LEFT_BYTES, kernel_bytes, reset_on_close
from dohproxy.policy.members import DIGEST_BYTES
from dohproxy.tls.records import MOST_SILENT, RECORD_BYTES, Records, decrypt, decrypt_one

WRITE_BUFFER_BYTES: Final = 65_536
"""Queued before the protocol is told to pause; frontends may set another."""
PIECE_BYTES: Final = 4_096
"""Given to OpenSSL at once, in either direction: its memory stays a third larger than the most it has ever had to hold,
for as long as the connection lasts. Few clients send or get more at once, and for them it costs 5 µs a piece."""
SHUTDOWN_SECONDS: Final = 2.0
"""The time from closing to cutting, for the last bytes and the peer's goodbye."""
MOST_EXTENSIONS: Final = 4
"""Times that a client gets the same again, if it has taken some of its last bytes meanwhile: a large answer on a slow
line. Ten seconds in all, as long as it had for any answer."""

BEGIN_SHARE: Final = 0.8
"""Part of the time for a handshake after which its work is not begun any more: it would hardly end in time. Where more
come than can be served everybody waits as long, and without this all would be begun and none would end."""
PATIENT_SECONDS: Final = 1.0
"""What a handshake may wait for us, in all, without its client being excused for not ending it: no client gives up in
less, and with so much of its time gone it may lack what is left."""

HandshakeEnded = Callable[["TlsTransport", bool], None]
"""Called once, with whether the handshake has succeeded. If so, `start` is owed; if not, the socket is closed."""


class TlsTransport(asyncio.Transport):
    """The server's side of one connection, from the first byte of the handshake."""

    __slots__ = (
        "_begin_by",
        "_ended",
        "_fd",
        "_flooded",
        "_held",
        "_held_since",
        "_high",
        "_incoming",
        "_is_begun",
        "_is_closing",
        "_is_corked",
        "_is_lost",
        "_is_paused",
        "_is_stranger",
        "_loop",
        "_outgoing",
        "_protocol",
        "_protocol_waits",
        "_queued",
        "_records",
        "_scheduler",
        "_sealed",
        "_sock",
        "_timer",
        "_tls",
        "_unsealed",
        "_waited",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connected: socket.socket,
        context: ssl.SSLContext,
        handshake_seconds: float,
        ended: HandshakeEnded,
        flooded: Callable[[], None],
        scheduler: HandshakeScheduler,
        *,
        is_stranger: bool,
    ) -> None:
        """Take over a connected, non-blocking socket and begin. Raises OSError if it is gone already.

        `flooded` is called before the connection is cut for too many records that say nothing; `scheduler` decides when
        the handshake goes on.
        """
        super().__init__()
        if connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop = loop
        self._sock = connected
        self._fd = connected.fileno()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._ended: HandshakeEnded | None = ended
        self._flooded = flooded
        self._records = Records()
        self._scheduler = scheduler
        self._is_stranger = is_stranger
        self._held = b""
        """What has come of the handshake and waits for its turn."""
        self._held_since = 0.0
        self._waited = 0.0
        """Seconds that such things have waited in all."""
        self._begin_by = loop.time() + BEGIN_SHARE * handshake_seconds
        """When it is too late to answer the client's first message; infinity once that has been done."""
        self._is_begun = False
        """The last piece of the handshake was answered: the next one is the client's reply to that, if it is whole."""
        self._protocol: asyncio.Protocol | None = None
        self._sealed: tuple[bytes, ...] = ()
        """Ciphertext that is to be sent next, before what OpenSSL still holds."""
        self._unsealed = 0
        """Bytes given to OpenSSL since it held nothing."""
        self._queued = b""
        """Ciphertext that the socket has not taken yet."""
        self._high = WRITE_BUFFER_BYTES
        self._protocol_waits = False
        self._is_paused = False
        self._is_closing = False
        self._is_lost = False
        self._is_corked = False
        """Whether a read is under way: what is written meanwhile goes out at its end."""
        self._timer: asyncio.TimerHandle | None = loop.call_later(handshake_seconds, self.abort)
        loop.add_reader(self._fd, self._on_readable)

    @property
    def was_kept_waiting(self) -> bool:
        """Whether something that the client has sent for its handshake waits to be looked at, or such things have
        waited so long that it may have given up for that."""
        return bool(self._held) or self._waited > PATIENT_SECONDS

    def start(self, protocol: asyncio.Protocol) -> None:
        """The handshake has succeeded: serve the connection with `protocol`."""
        self._protocol = protocol
        protocol.connection_made(self)

    # --- Bytes in ---

    def _on_readable(self) -> None:
        received = self._receive()
        if not received or self._is_closing:
            return
        if self._ended is None:
            self._hear(received)
            return
        self._held, self._held_since = received, self._loop.time()
        # Once for each reply: who sends it in crumbs goes behind the others with all but the first.
        is_begun, self._is_begun = self._is_begun, False
        self._scheduler.take(self, is_stranger=self._is_stranger, is_begun=is_begun)
        if self._held:
            self.pause_reading()

    def go_on(self) -> None:
        """Do the work for what has come of the handshake, unless it is too late."""
        now = self._loop.time()
        if now > self._begin_by:
            self.abort()
            return
        self._waited += now - self._held_since
        received, self._held = self._held, b""
        self.resume_reading()
        self._hear(received)

    def _hear(self, received: bytes) -> None:
        failure: ssl.SSLError | None = None
        self._is_corked = True
        try:
            is_over = self._take(received) if len(received) <= PIECE_BYTES else self._take_in_pieces(received)
        except ssl.SSLError as error:
            is_over, failure = True, error.with_traceback(None)  # Which would hold this frame, and that the failure.
        except Exception as error:
            self._lose(error)
            raise  # A bug in the protocol: the event loop reports it.
        finally:
            self._is_corked = False
        if is_over and failure is None:
            self._say_goodbye()
        self._flush()
        if is_over:
            self._lose(failure)

    def _receive(self) -> bytes:
        try:
            # A message of a handshake has its turn as a whole.
            received = self._sock.recv(PIECE_BYTES if self._ended is None else RECORD_BYTES)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            self._lose(error)
            return b""
        if not received:
            self._lose(None)
        return received

    def _take_in_pieces(self, received: bytes) -> bool:
        for start in range(0, len(received), PIECE_BYTES):
            if self._is_lost or self._take(received[start : start + PIECE_BYTES]):
                return not self._is_lost
        return False

    def _take(self, received: bytes) -> bool:
        """Follow the handshake, or give the protocol what can be decrypted; return whether the client says goodbye.

        Raises ssl.SSLError.
        """
        plain, is_over, start, size = b"", False, 0, len(received)
        if self._ended is None and self._records.is_one(received):
            said = decrypt_one(self._tls, self._incoming, received)
            if said is not None:
                plain, is_over = said, not said
            else:
                self._records.silent += 1
                if self._is_flooded():
                    return False
            start = size
        while start < size and not is_over:
            end = self._records.piece(received, start)
            self._incoming.write(received[start:end])
            start = end
            if self._ended is None or self._shake_hands(self._ended):
                data, heard, is_over = decrypt(self._tls, self._incoming)
                self._records.heard(heard)
                plain = plain + data if plain else data
                if self._is_flooded():
                    return False
        if plain and self._protocol is not None and not self._is_closing:
            self._protocol.data_received(plain)
        return is_over

    def _is_flooded(self) -> bool:
        """Cut the connection if too many of its records have said nothing; return whether it is cut."""
        if self._records.silent <= MOST_SILENT:
            return False
        self._flooded()
        self._lose(None)
        return True

    def _shake_hands(self, ended: HandshakeEnded) -> bool:
        """Return whether the connection is open now."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            if self._outgoing.pending:
                self._is_begun, self._begin_by = True, math.inf
            return False
        self._ended = None
        self._records.begin()
        self._stop_timer()
        ended(self, True)
        return True

    def pause_reading(self) -> None:
        """Leave what the client sends to its TCP, until `resume_reading`."""
        if not self._is_paused and not self._is_closing:
            self._is_paused = True
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Read again."""
        if self._is_paused and not self._is_lost:
            self._is_paused = False
            self._loop.add_reader(self._fd, self._on_readable)

    def is_reading(self) -> bool:
        """Tell whether what the client sends is read."""
        return not self._is_paused and not self._is_closing

    # --- Bytes out ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; what the socket does not take now waits."""
        if self._is_closing or not data:
            return
        size = len(data)
        try:
            written = 0
            if self._unsealed + size <= PIECE_BYTES:
                written = self._tls.write(data)
                self._unsealed += written
            while written < size:  # It is long, or its client wants short records.
                if self._unsealed >= PIECE_BYTES:
                    self._seal()
                piece = memoryview(data)[written : written + PIECE_BYTES - self._unsealed]
                count = self._tls.write(piece)
                self._unsealed += count
                written += count
        except ssl.SSLError as error:
            self._lose(error)
            return
        if not self._is_corked:
            self._flush()

    def _seal(self) -> None:
        """Take out what OpenSSL holds."""
        self._sealed = (*self._sealed, self._outgoing.read())
        self._unsealed = 0

    def _flush(self) -> None:
        if self._is_lost:
            return
        data = self._outgoing.read()
        self._unsealed = 0
        if self._sealed:
            data, self._sealed = b"".join((*self._sealed, data)), ()
        if not data:
            return
        if self._queued:
            self._queued += data
        else:
            sent = self._send(data)
            if sent == len(data) or self._is_lost:
                return
            self._queued = data[sent:]
            self._loop.add_writer(self._fd, self._on_writable)
        if len(self._queued) > self._high and not self._protocol_waits and self._protocol is not None:
            self._protocol_waits = True
            self._protocol.pause_writing()

    def _on_writable(self) -> None:
        self._queued = self._queued[self._send(self._queued) :]
        if self._is_lost:
            return
        if not self._queued:
            self._loop.remove_writer(self._fd)
            if self._is_closing:
                self._end_writing()
        if self._protocol_waits and len(self._queued) <= self._high // 4 and self._protocol is not None:
            self._protocol_waits = False
            self._protocol.resume_writing()

    def _send(self, data: bytes) -> int:
        """Return how many bytes the socket has taken."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._lose(error)
            return 0

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the socket has not taken yet."""
        return len(self._queued)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how many bytes may be queued before the protocol is told to pause; it goes on at a quarter."""
        self._high = WRITE_BUFFER_BYTES if high is None else high

    # --- The end ---

    def close(self) -> None:
        """Send what is written and a goodbye, and give the client a moment to take them."""
        if self._is_closing:
            return
        self._is_closing = True
        self._say_goodbye()
        self._is_corked = False
        self._flush()
        if self._is_lost:
            return
        left = len(self._queued) + kernel_bytes(self._sock)
        self._timer = self._loop.call_later(SHUTDOWN_SECONDS, self._give_up, left, MOST_EXTENSIONS)
        if self._is_paused:
            self._is_paused = False
            self._loop.add_reader(self._fd, self._on_readable)
        if not self._queued:
            self._end_writing()

    def _say_goodbye(self) -> None:
        # Raises as the client's goodbye is not there yet, or because something else is.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()

    def _end_writing(self) -> None:
        """Now the client is to close. If we did with bytes of its unread, its TCP would throw away our last ones."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lose(error)

    def abort(self) -> None:
        """Close at once, and leave nothing to the kernel."""
        if not self._is_lost:
            reset_on_close(self._sock)
        self._lose(None)

    def _give_up(self, before: int, more: int) -> None:
        """The time for closing is over: wait on for a client that still takes its last bytes, so many times."""
        self._timer = None
        left = len(self._queued) + kernel_bytes(self._sock)
        if more and 0 < left < before:
            self._timer = self._loop.call_later(SHUTDOWN_SECONDS, self._give_up, left, more - 1)
        elif left:
            self.abort()
        else:
            self._lose(None)

    def is_closing(self) -> bool:
        """Tell whether it is closed, or on the way there."""
        return self._is_closing

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._stop_timer()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._queued, self._sealed = b"", ()
        ended, self._ended = self._ended, None
        if ended is not None:
            self._scheduler.leave(self)
            self._sock.close()
            ended(self, False)
            return
        # Not now: whoever writes or closes does not expect its protocol to be called meanwhile.
        self._loop.call_soon(self._end, error)

    def _end(self, error: Exception | None) -> None:
        # Each knows the other, and OpenSSL's memory is not to wait for the garbage collector.
        protocol, self._protocol = self._protocol, None
        try:
            if protocol is not None:
                protocol.connection_lost(error)
        finally:
            if kernel_bytes(self._sock) > MOST_LEFT_BYTES:
                reset_on_close(self._sock)  # It went without reading, and nobody will.
            self._sock.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- What is known ---

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection over to another protocol."""
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that is served. Raises RuntimeError while there is none, before the first and after the
        last byte."""
        if self._protocol is None:
            raise RuntimeError("no protocol before the handshake has ended, or after the connection has")
        return self._protocol

    def certificate_digest(self) -> bytes | None:
        """Return the digest of the certificate that the client has shown and OpenSSL has verified, None without one."""
        if self._tls.context.verify_mode is ssl.CERT_NONE:
            return None
        certificate = self._tls.getpeercert(binary_form=True)
        return None if certificate is None else hashlib.blake2b(certificate, digest_size=DIGEST_BYTES).digest()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what asyncio's transports know by this name: "socket", "ssl_object" or "sslcontext"."""
        match name:
            case "socket":
                return self._sock
            case "ssl_object":
                return self._tls
            case "sslcontext":
                return self._tls.context
            case _:
                return default

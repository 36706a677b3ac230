"""TLS towards an upstream: the client's side of one connection, between the event loop's TCP and ours of DNS.

Event loops have one of their own, which gives OpenSSL all that has come, 256 KiB at a time and more. An upstream that
sends nothing but key updates, 27 bytes each, has it compute for 150 ms in one turn then, and 2 MB a second keep a core
busy while everybody waits. So here a turn has one read of 16 KiB, OpenSSL gets so many records of it at a time, and
they are counted, as those of clients are.
"""

import asyncio
import contextlib
import ssl
from typing import Any, Final, cast

from dohproxy.tls.records import MOST_SILENT, RECORD_BYTES, Records, decrypt
from dohproxy.upstream.transports.connection import Connection
from dohproxy.upstream.transports.tls import TlsFlood

CLOSE_SECONDS: Final = 1.0
"""For the last bytes of a connection that nobody waits for: an upstream that does not take them must not keep it."""
MOST_HEARD: Final = 1_024
"""Records with data between two answers. The largest message in the smallest records that servers send, 512 bytes, is
128 of them, and late replies come meanwhile, in two each, which are given up on after 256. A byte in each record costs
us 23 on the line and a microsecond."""


async def connect(connection: Connection, host: str, port: int, context: ssl.SSLContext, name: str | None) -> None:
    """Open `connection` over TLS, with a certificate for `name` or, in its place, the address.

    Raises OSError as TCP does, ssl.SSLError (TlsFlood among them) if there is no TLS with it, and ValueError if `name`
    cannot be one; cancelled, nothing is left.
    """
    client = TlsClient(context, name, connection)
    try:
        await asyncio.get_running_loop().create_connection(lambda: client, host, port)
        await client.opened
    except BaseException:
        if not client.is_closing():  # Else it is saying why, or gone.
            client.abort()
        raise


class TlsClient(asyncio.Transport, asyncio.BufferedProtocol):
    """A protocol for a TCP connection, and the transport of the `connection` that it carries once TLS has begun.

    `opened` is done when the handshake has ended; if it has an exception then, ssl.SSLError or OSError, `connection`
    has been told nothing. Later ends are told to `connection`.
    """

    def __init__(self, context: ssl.SSLContext, name: str | None, connection: Connection) -> None:
        """The certificate must bear `name`, or the address in its place. Raises ValueError if that cannot be one."""
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._read = bytearray(RECORD_BYTES)
        """Where the event loop puts what it reads: asyncio makes 256 KiB for each read otherwise."""
        self._records = Records()
        self._heard = 0
        """Records with data since the last answer."""
        self._tcp: asyncio.Transport | None = None
        self._is_open = False
        self._is_over = False
        self._reason: Exception | None = None
        """Why we have ended it, if we have."""
        self._timer: asyncio.TimerHandle | None = None

    # --- As the protocol of the TCP connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello (called by the event loop)."""
        self._tcp = cast("asyncio.Transport", transport)
        if self._is_over:
            self._tcp.abort()
            return
        try:
            self._shake_hands()
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self._flush()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where to put what is read (called by the event loop)."""
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        """Follow the handshake, or give the connection what can be decrypted (called by the event loop)."""
        try:
            self._take(bytes(self._read[:nbytes]))
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self._flush()  # The handshake's next message, or the reply to a key update.

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for the handshake, or the connection (called by the event loop)."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._is_open:
            self._connection.connection_lost(self._reason or exc)
        elif not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError())

    def _take(self, received: bytes) -> None:
        """Raises ssl.SSLError."""
        start, size = 0, len(received)
        while start < size and not self._is_over:
            end = self._records.piece(received, start)
            self._incoming.write(received[start:end])
            start = end
            if (self._is_open or self._shake_hands()) and not self._is_over:
                self._hear()
            if self._records.silent > MOST_SILENT or self._heard > MOST_HEARD:
                raise TlsFlood

    def _shake_hands(self) -> bool:
        """Return whether the connection is open now. Raises ssl.SSLError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self._is_open = True
        self._records.begin()
        self._flush()
        self._connection.connection_made(self)
        if not self.opened.done():
            self.opened.set_result(None)
        return True

    def _hear(self) -> None:
        """Raises ssl.SSLError."""
        plain, heard, is_over = decrypt(self._tls, self._incoming)
        self._records.heard(heard)
        self._heard += heard
        if plain:
            answered = self._connection.answered
            self._connection.data_received(plain)
            if self._connection.answered > answered:
                self._records.begin()
                self._heard = 0
        if is_over:
            self.close()

    def _fail(self, error: Exception) -> None:
        """End the connection, or the handshake with an alert that says why."""
        if self._is_over:
            return
        self._reason = error
        if self._is_open:
            self.abort()
            return
        if not self.opened.done():
            self.opened.set_exception(error)
        self._flush()
        self._end()

    # --- As the transport of the connection ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; nothing once it is closed."""
        if self._is_over or not data:
            return
        try:
            written = self._tls.write(data)
            while written < len(data):  # One record at a time.
                written += self._tls.write(memoryview(data)[written:])
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self._flush()

    def close(self) -> None:
        """Send what is written and a goodbye, and wait for no other."""
        if self._is_over:
            return
        # Raises as the upstream's goodbye is not there yet, or because something else is.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        self._end()

    def abort(self) -> None:
        """Close at once, during the handshake too: then `opened` is cancelled."""
        self._is_over = True
        if not self._is_open:
            self.opened.cancel()
        if self._tcp is not None:
            self._tcp.abort()

    def is_closing(self) -> bool:
        """Tell whether it is closed, or on the way there."""
        return self._is_over

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the TCP connection's transport knows by this name, "socket" for one."""
        return default if self._tcp is None else self._tcp.get_extra_info(name, default)

    def _flush(self) -> None:
        if self._outgoing.pending and self._tcp is not None and not self._is_over:
            self._tcp.write(self._outgoing.read())

    def _end(self) -> None:
        self._is_over = True
        if self._tcp is not None:
            self._tcp.close()
            self._timer = self._loop.call_later(CLOSE_SECONDS, self._tcp.abort)

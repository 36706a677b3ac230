"""DNS over UDP: a socket for every query, and patience with packets that are not ours.

Whoever wants to forge an answer must guess the source port, the ID and the question (RFC 5452), the name's case and a
cookie. A wrong guess is ignored and the wait goes on; `spoofing.defences` decides which is wrong.
"""

import asyncio
import os
import socket
from collections.abc import Callable

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.results import Bug, SendStatus, result_of
from dohproxy.upstream.sends import Done, Late, SendOutcome
from dohproxy.upstream.spoofing.defences import Defences, Wait
from dohproxy.upstream.transports.socket_address import socket_address_of
from dohproxy.upstream.workarounds.trial import Additions
from dohproxy.upstream.workarounds.workarounds import Workarounds
from dohproxy.wire.numbers import LARGEST_MESSAGE_BYTES
from dohproxy.wire.query import Query


class UdpTransport:
    """Asks one upstream over UDP. Keeps no socket between queries."""

    def __init__(self, address: UpstreamAddress, workarounds: Workarounds | None = None) -> None:
        self.defences = Defences(os.urandom, workarounds)
        self._address = address
        self._peer = None if address.interface else socket_address_of(address)
        """The address in the system's form; None if it has an interface in it, which may come and go."""
        self._family = socket.AF_INET6 if ":" in address.host else socket.AF_INET

    @property
    def ignored_packets(self) -> int:
        """Datagrams from the upstream's address that were no reply to our query, or could not be read."""
        return self.defences.ignored_packets

    def send(
        self, query: Query, done: Done, *, until: float, additions: Additions | None = None, late: Late | None = None
    ) -> "Listening | SendStatus":
        """Send `query` with these `additions`, or with what the upstream can stand; `done` is told its answer, or at
        `until` (the event loop's clock), or the end of `late`, that there is none. TC is left to the caller. Returns a
        Result instead where nothing could be sent."""
        loop = asyncio.get_running_loop()
        try:
            sock = socket.socket(self._family, socket.SOCK_DGRAM)
        except OSError as error:
            return result_of(error)
        try:
            sock.setblocking(False)
            # Connected: the kernel draws the source port at random (RFC 6056), drops datagrams from other addresses,
            # and tells us at once when nobody listens there.
            sock.connect(self._peer or socket_address_of(self._address))
            wait = self.defences.begin(query, sock.getsockname()[0], loop.time(), additions)
            sock.send(wait.wire)
        except OSError as error:
            sock.close()
            return result_of(error)
        except BaseException:
            sock.close()
            raise
        return Listening(loop, sock, wait, done, until, late)


class Listening:
    """One query that is sent, its socket, and the wait for the reply.

    An open port is what a forger has to find, and a question that is tried again has two or three of them, each for
    longer. So one that is overdue is closed by the first packet that is not the reply: whoever finds it has one guess
    at the ID there, where he has thousands while the wait is young, and is no better off than without it.
    """

    __slots__ = ("_alarm", "_done", "_is_late", "_late", "_loop", "_sock", "_wait")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        wait: Wait,
        done: Done,
        until: float,
        late: Late | None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._wait = wait
        self._done = done
        self._late = late
        self._is_late = False
        loop.add_reader(sock.fileno(), self._read)
        self._alarm = loop.call_at(until, self._expire)

    def stop(self) -> None:
        """Listen no longer."""
        if self._sock.fileno() >= 0:
            self._alarm.cancel()
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _read(self) -> None:
        """Take one datagram, even if there are more: a flood must not keep the loop from the end of the wait."""
        self._end_with(self._take)

    def _expire(self) -> None:
        self._end_with(self._judge)

    def _end_with(self, find: Callable[[], SendOutcome | None]) -> None:
        """End, if there is an outcome."""
        try:
            outcome = find()
        except OSError as error:
            outcome = result_of(error)
        except Exception as error:
            outcome = Bug(error)
        if outcome is not None:
            self.stop()
            self._done(outcome)

    def _judge(self) -> SendOutcome | None:
        """Say what it means that the time is over; or only that it is, if nothing has come and it may come late."""
        outcome = self._wait.result(self._loop.time())
        late, self._late = self._late, None
        if late is None or outcome is not SendStatus.TIMEOUT:
            return outcome
        self._is_late = True
        self._alarm = self._loop.call_at(late.until, self._expire)
        late.notify()
        return None

    def _take(self) -> SendOutcome | None:
        try:
            packet = self._sock.recv(LARGEST_MESSAGE_BYTES)
        except BlockingIOError:
            return None  # The kernel has thrown away what it had announced: its checksum was wrong.
        now = self._loop.time()
        answer = self._wait.take(packet, now)
        return self._wait.result(now) if answer is None and self._is_late else answer

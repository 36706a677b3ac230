"""DNS over UDP: a socket for every query, and patience with packets that are not ours.

Whoever wants to forge an answer must guess the source port, the ID and the question (RFC 5452). A wrong guess is
ignored and the wait goes on; to fall back on anything at the first bad packet would hand the forger a switch (TuDoor).
"""

import asyncio
import secrets
import socket

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.results import Result, result_of
from dohproxy.wire.answer import Answer, is_reply_to, parse_answer
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.numbers import LARGEST_MESSAGE_BYTES
from dohproxy.wire.query import Query
from dohproxy.wire.upstream_query import upstream_question, write_upstream_query


class UdpTransport:
    """Asks one upstream over UDP. Holds nothing between queries."""

    def __init__(self, address: UpstreamAddress) -> None:
        self.ignored_packets = 0
        """Datagrams from the upstream's address that matched no query or could not be read."""
        self._peer = (address.host, address.port)
        self._family = socket.AF_INET6 if ":" in address.host else socket.AF_INET

    async def exchange(self, query: Query, *, until: float) -> Answer | Result:
        """Send `query` and wait for its answer until `until` (the event loop's clock); TC is left to the caller."""
        wait = _Wait()
        try:
            with socket.socket(self._family, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                # Connected: the kernel draws the source port at random (RFC 6056), drops datagrams from other
                # addresses, and tells us at once when nobody listens there.
                sock.connect(self._peer)
                async with asyncio.timeout_at(until):
                    return await self._ask(sock, query, wait)
        except TimeoutError:
            return Result.UNUSABLE if wait.had_unreadable_reply else Result.TIMEOUT
        except OSError as error:
            return result_of(error)

    async def _ask(self, sock: socket.socket, query: Query, wait: "_Wait") -> Answer:
        loop = asyncio.get_running_loop()
        identifier = secrets.randbelow(0x1_0000)
        question = upstream_question(query)
        await loop.sock_sendall(sock, write_upstream_query(query, identifier, padded=False))
        while True:
            wire = await loop.sock_recv(sock, LARGEST_MESSAGE_BYTES)
            if is_reply_to(wire, identifier, question):
                try:
                    return parse_answer(wire, query)
                except Malformed:
                    wait.had_unreadable_reply = True
            self.ignored_packets += 1
            # Reading what is already there does not yield, so a flood would also outlast the timeout.
            await asyncio.sleep(0)


class _Wait:
    """What is remembered of one wait when its time is over."""

    def __init__(self) -> None:
        self.had_unreadable_reply = False

"""DNS over UDP: a socket for every query, and patience with packets that are not ours.

Whoever wants to forge an answer must guess the source port, the ID and the question (RFC 5452), the name's case and a
cookie. A wrong guess is ignored and the wait goes on; `forgery` decides which is wrong.
"""

import asyncio
import secrets
import socket

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.forgery import Defences, Wait
from dohproxy.upstream.results import Result, result_of
from dohproxy.wire.answer import Answer
from dohproxy.wire.numbers import LARGEST_MESSAGE_BYTES
from dohproxy.wire.query import Query


class UdpTransport:
    """Asks one upstream over UDP. Keeps no socket between queries."""

    def __init__(self, address: UpstreamAddress) -> None:
        self.defences = Defences(secrets.token_bytes)
        self._peer = (address.host, address.port)
        self._family = socket.AF_INET6 if ":" in address.host else socket.AF_INET

    @property
    def ignored_packets(self) -> int:
        """Datagrams from the upstream's address that were no reply to our query, or could not be read."""
        return self.defences.ignored_packets

    async def exchange(self, query: Query, *, until: float) -> Answer | Result:
        """Send `query` and wait for its answer until `until` (the event loop's clock); TC is left to the caller."""
        loop = asyncio.get_running_loop()
        try:
            with socket.socket(self._family, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                # Connected: the kernel draws the source port at random (RFC 6056), drops datagrams from other
                # addresses, and tells us at once when nobody listens there.
                sock.connect(self._peer)
                wait = self.defences.begin(query, sock.getsockname()[0], loop.time())
                return await self._ask(sock, wait, until)
        except OSError as error:
            return result_of(error)

    async def _ask(self, sock: socket.socket, wait: Wait, until: float) -> Answer | Result:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until):
                await loop.sock_sendall(sock, wait.wire)
                while True:
                    answer = wait.take(await loop.sock_recv(sock, LARGEST_MESSAGE_BYTES), loop.time())
                    if answer is not None:
                        return answer
                    # Reading what is already there does not yield, so a flood would also outlast the timeout.
                    await asyncio.sleep(0)
        except TimeoutError:
            return wait.result(loop.time())

"""The rest of the DNS, on loopback: every name there is has an address."""

import asyncio
from typing import Final, cast

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset

from tests.e2e.background import BackgroundServer
from tests.e2e.processes import LOOPBACK, free_port

ADDRESS: Final = "127.0.4.1"
TTL_SECONDS: Final = 300


class World(BackgroundServer):
    """Answers over UDP and TCP."""

    def __init__(self) -> None:
        super().__init__("world")

    async def _bind(self) -> int:
        port = free_port()
        self._transport, _ = await self._loop.create_datagram_endpoint(_Answering, local_addr=(LOOPBACK, port))
        self._server = await asyncio.start_server(_serve, LOOPBACK, port)
        return port

    async def _close(self) -> None:
        self._transport.close()
        self._server.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            query = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            answer = answer_to(query)
            writer.write(len(answer).to_bytes(2) + answer)
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


class _Answering(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(answer_to(data), addr)


def answer_to(wire: bytes) -> bytes:
    """Return the answer to a query: an address to who asks for one, else nothing of that type."""
    query = dns.message.from_wire(wire)
    response = dns.message.make_response(query, recursion_available=True)
    response.flags |= dns.flags.AA
    question = query.question[0]
    if question.rdtype == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(question.name, TTL_SECONDS, "IN", "A", ADDRESS))
    return response.to_wire()

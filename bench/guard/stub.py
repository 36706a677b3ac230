"""An upstream in the same process, on loopback: says the same of every name, and never anything else."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from bench.questions import HOST, A

TTL: Final = 3_600
_RECORD: Final = b"\xc0\x0c" + struct.pack("!HHIH", A, 1, TTL, 4)
_OPT: Final = b"\x00" + struct.pack("!HHIH", 41, 1_232, 0, 0)
QR_RA: Final = 0x8080


def answer_to(query: bytes, *, records: int = 1) -> bytes:
    """Return an answer with so many addresses to a query that has a question and an OPT record."""
    identifier, flags = struct.unpack_from("!HH", query)
    question = query[12 : query.index(b"\x00", 12) + 5]
    addresses = b"".join(_RECORD + bytes((127, 1, 2, number)) for number in range(records))
    return struct.pack("!6H", identifier, flags | QR_RA, 1, records, 0, 1) + question + addresses + _OPT


class _Stub(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(answer_to(data), addr)


@asynccontextmanager
async def stub_upstream() -> AsyncIterator[int]:
    """Run it and give its port."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Stub, local_addr=(HOST, 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()

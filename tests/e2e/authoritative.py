"""A UDP name server on loopback that misbehaves as the name asks: it answers late, or with SERVFAIL."""

import asyncio
import re
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.e2e import zones
from tests.e2e.background import BackgroundServer
from tests.e2e.processes import LOOPBACK

AFTER = re.compile(r"\.after-(?P<milliseconds>[0-9]{1,5})\.")
ADDRESS = "127.0.4.1"


class MisbehavingServer(BackgroundServer):
    """Answers over UDP."""

    def __init__(self) -> None:
        super().__init__("misbehaving-server")

    async def _bind(self) -> int:
        self._transport, _ = await self._loop.create_datagram_endpoint(_Answering, local_addr=(LOOPBACK, 0))
        port = self._transport.get_extra_info("sockname")[1]
        assert isinstance(port, int)
        return port

    async def _close(self) -> None:
        self._transport.close()


class _Answering(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # not isinstance: the datagram transport of Python 3.11 does not say that it is one
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        wire = answer_to(query).to_wire()
        due = delay_seconds(query.question[0].name.to_text())
        asyncio.get_running_loop().call_later(due, self._send, wire, addr)

    def _send(self, wire: bytes, addr: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(wire, addr)


def delay_seconds(qname: str) -> float:
    """How long the answer for this name must wait: what its label says, else nothing."""
    found = AFTER.search(qname.lower())
    return int(found["milliseconds"]) / 1000 if found else 0.0


def answer_to(query: dns.message.Message) -> dns.message.Message:
    """An authoritative answer: one address, or SERVFAIL below the broken zone."""
    question = query.question[0]
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    qname = question.name.to_text().lower()
    if qname.endswith(f"{zones.BROKEN}."):
        response.set_rcode(dns.rcode.SERVFAIL)
    elif question.rdtype == dns.rdatatype.A:
        response.answer.append(
            dns.rrset.from_text(question.name, zones.TTL_SECONDS, dns.rdataclass.IN, dns.rdatatype.A, ADDRESS)
        )
    return response

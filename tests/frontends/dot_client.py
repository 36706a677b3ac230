"""A client of DoT that writes the bytes it is told to, and reads messages when asked."""

import ssl
from collections.abc import Iterable
from typing import Self

import dns.edns
import dns.message

from tests.frontends.client import RawClient
from tests.frontends.served import RunningFrontend


def framed(*wires: bytes) -> bytes:
    """Each message behind its length."""
    return b"".join(len(wire).to_bytes(2) + wire for wire in wires)


def query(
    name: str = "www.example.net", qtype: str = "A", *, number: int = 7, options: Iterable[dns.edns.Option] = ()
) -> bytes:
    """A query as stubs send it."""
    message = dns.message.make_query(name, qtype, use_edns=0, options=list(options), id=number)
    return message.to_wire()


class DotClient:
    """One connection."""

    def __init__(self, raw: RawClient) -> None:
        self.raw = raw

    @classmethod
    async def connect(cls, frontend: RunningFrontend, context: ssl.SSLContext | None = None) -> Self:
        """Connect; by ALPN if the context says so."""
        certificate = frontend.setting.certificate
        if context is None and certificate is not None:
            context = certificate.client_context("dot")
        return cls(await frontend.connect(context=context))

    async def send(self, *wires: bytes) -> None:
        """Send messages in one piece."""
        await self.raw.send(framed(*wires))

    async def wire(self) -> bytes:
        """Read one message."""
        return await self.raw.exactly(int.from_bytes(await self.raw.exactly(2)))

    async def answer(self) -> dns.message.Message:
        """Read one message, as dnspython reads it."""
        return dns.message.from_wire(await self.wire())

    async def ask(self, wire: bytes) -> dns.message.Message:
        """Send one message and read another."""
        await self.send(wire)
        return await self.answer()

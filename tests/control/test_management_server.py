"""The frontends for scrapers: few connections, short deadlines, and nobody kept out by somebody who says nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from dohproxy.config import ListenAddress
from dohproxy.control.management_server import ManagementServer
from dohproxy.descriptors import MANAGEMENT_CONNECTIONS
from dohproxy.frontends.listening import open_listener
from tests.frontends.client import RawClient, Response
from tests.frontends.served import until

ASK = b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Served:
    """A frontend, and its clients."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        application = web.Application()
        application.router.add_get("/page", self._page)
        self.frontend = ManagementServer(application)
        self.clients: list[RawClient] = []
        self.address: tuple[str, int]

    async def _page(self, _: web.Request) -> web.Response:
        await self.may_answer.wait()
        return web.Response(text="page")

    async def connect(self) -> RawClient:
        """Return a new client."""
        client = await RawClient.connect(self.address)
        self.clients.append(client)
        return client

    async def scrape(self) -> Response:
        """Return what a new client gets."""
        return await (await self.connect()).ask(ASK)


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """Give an open frontend, and see that nothing is left of it."""
    one = Served()
    with open_listener(ListenAddress("tcp", host="127.0.0.1", port=0)) as listening:
        one.address = listening.getsockname()
        await one.frontend.start(listening)
        try:
            yield one
        finally:
            one.may_answer.set()
            for client in one.clients:
                client.cut()
            await one.frontend.stop()
    await until(lambda: one.frontend.count == 0, "the end of all connections")


async def test_who_says_nothing_keeps_nobody_out_and_goes_first() -> None:
    async with served() as one:
        silent = [await one.connect() for _ in range(3 * MANAGEMENT_CONNECTIONS)]
        await until(lambda: one.frontend.count == MANAGEMENT_CONNECTIONS, "no more than there may be")
        assert (await one.scrape()).status == 200
        assert one.frontend.count <= MANAGEMENT_CONNECTIONS
        assert await silent[0].rest() == b""


async def test_a_connection_that_has_asked_outlasts_those_that_have_not() -> None:
    async with served() as one:
        scraper = await one.connect()
        assert (await scraper.ask(ASK)).status == 200
        silent = [await one.connect() for _ in range(MANAGEMENT_CONNECTIONS - 1)]
        assert (await scraper.ask(ASK)).status == 200
        silent += [await one.connect() for _ in range(3)]
        await until(lambda: one.frontend.count == MANAGEMENT_CONNECTIONS, "no more than there may be")
        assert (await scraper.ask(ASK)).status == 200
        assert [await client.rest() for client in silent[:3]] == [b""] * 3


async def test_who_is_being_served_is_not_cut_for_a_newcomer() -> None:
    async with served() as one:
        one.may_answer.clear()
        busy = [await one.connect() for _ in range(MANAGEMENT_CONNECTIONS)]
        for client in busy:
            await client.send(ASK)
        await until(lambda: all(connection.is_served for connection in one.frontend._open), "all of them served")
        assert await (await one.connect()).rest() == b""
        one.may_answer.set()
        assert [(await client.response()).status for client in busy] == [200] * MANAGEMENT_CONNECTIONS


async def test_who_does_not_ask_within_its_time_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dohproxy.control.management_server.FIRST_REQUEST_SECONDS", 0.1)
    async with served() as one:
        silent = await one.connect()
        scraper = await one.connect()
        assert (await scraper.ask(ASK)).status == 200
        assert await silent.rest() == b""
        await asyncio.sleep(0.15)
        assert (await scraper.ask(ASK)).status == 200

"""Which frontend a connection comes to, over real sockets."""

import asyncio
from unittest.mock import Mock

import pytest

from dohproxy.frontends.connections import Closing
from dohproxy.http2.frames import PREFACE
from dohproxy.policy.standing import Standing
from tests.frontends.client import RawClient, get, post
from tests.frontends.http2_client import Http2Client
from tests.frontends.http2_client import get as get_frame
from tests.frontends.served import Certificate, RunningFrontend, Setting, open_frontend
from tests.http2.client import HELLO


def frontends_used(frontend: RunningFrontend) -> list[str]:
    """Through which frontends requests have come."""
    return [outcome.frontend.name for outcome in frontend.outcomes]


# --- TLS: ALPN says so ---


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        pytest.param(("h2",), "HTTP2", id="h2"),
        pytest.param(("h2", "http/1.1"), "HTTP2", id="both"),
        pytest.param(("http/1.1", "h2"), "HTTP2", id="both, the old one first"),
        pytest.param(("http/1.1",), "HTTP1", id="http/1.1"),
        pytest.param(("dot",), "HTTP1", id="a stranger"),
    ],
)
async def test_alpn_decides(certificate: Certificate, offered: tuple[str, ...], chosen: str) -> None:
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        client = await frontend.connect(context=certificate.client_context(*offered))
        await _ask(client, chosen)
        assert frontends_used(frontend) == [chosen]


async def test_a_client_without_alpn_speaks_http_1_1(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        context = certificate.client_context()
        context.set_alpn_protocols([])
        await _ask(await frontend.connect(context=context), "HTTP1")
        assert frontends_used(frontend) == ["HTTP1"]


async def test_the_preface_without_alpn_is_broken_http_1_1(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        client = await frontend.connect()
        assert (await client.ask(PREFACE)).status == 400
        assert await client.rest() == b""


async def test_http_1_1_after_alpn_h2_is_a_fault(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        client = await frontend.connect(context=certificate.client_context("h2"))
        await client.send(get())
        assert b"HTTP/1.1" not in await client.rest()
        assert frontend.outcomes == []
        await frontend.until(lambda: frontend.closed == {Closing.HTTP2_FAULT: 1}, "the close")


async def _ask(raw: RawClient, frontend: str) -> None:
    if frontend == "HTTP1":
        assert (await raw.ask(get())).message().answer
        return
    client = Http2Client(raw)
    await client.send(HELLO)
    assert (await client.ask(1)).message().answer


# --- In the clear: the preface says so ---


async def test_the_preface_opens_http_2() -> None:
    async with open_frontend() as frontend:
        client = await Http2Client.connect(frontend)
        assert (await client.ask(1)).message().answer
        assert frontends_used(frontend) == ["HTTP2"]


@pytest.mark.parametrize("request_bytes", [get(), post()], ids=["GET", "POST, which begins as the preface does"])
async def test_anything_else_is_http_1_1(request_bytes: bytes) -> None:
    async with open_frontend() as frontend:
        client = await frontend.connect()
        for _ in range(2):
            assert (await client.ask(request_bytes)).message().answer
        assert frontends_used(frontend) == ["HTTP1", "HTTP1"]


async def test_the_preface_may_come_byte_by_byte() -> None:
    async with open_frontend(Setting().with_connections(header_seconds=10.0)) as frontend:
        client = await Http2Client.connect(frontend, b"")
        for byte in PREFACE:
            await client.send(bytes([byte]))
            await asyncio.sleep(0.001)
        await client.send(HELLO.removeprefix(PREFACE))
        assert (await client.ask(1)).message().answer


async def test_what_follows_the_preface_in_the_same_read_is_not_lost() -> None:
    async with open_frontend() as frontend:
        client = await Http2Client.connect(frontend, HELLO + get_frame(1) + get_frame(3, "www.example.net"))
        for stream_id in (1, 3):
            assert (await client.message(stream_id)).answer


@pytest.mark.parametrize("cut", [1, 3, 14, len(PREFACE) - 1])
async def test_garbage_after_a_half_preface_is_broken_http_1_1(cut: int) -> None:
    async with open_frontend() as frontend:
        client = await frontend.connect()
        await client.send(PREFACE[:cut])
        await asyncio.sleep(0.01)
        assert (await client.ask(b"\x00\r\n\r\n\r\n\r\n")).status in (400, 501)
        assert await client.rest() == b""


async def test_a_post_whose_first_bytes_drip_is_put_together() -> None:
    async with open_frontend() as frontend:
        client = await frontend.connect()
        for byte in post()[:6]:
            await client.send(bytes([byte]))
            await asyncio.sleep(0.005)
        assert (await client.ask(post()[6:])).message().answer


@pytest.mark.parametrize(
    "upgrade",
    [
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: h2c\r\n",
        "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n",
    ],
    ids=["whole", "without Connection", "among others"],
)
async def test_an_upgrade_is_ignored(upgrade: str) -> None:
    async with open_frontend() as frontend:
        client = await frontend.connect()
        for request in (get(fields=upgrade), post(fields=upgrade), get()):
            assert (await client.ask(request)).message().answer
        assert frontends_used(frontend) == ["HTTP1"] * 3


# --- Before anything is chosen ---


async def test_half_a_preface_is_waited_for_only_so_long() -> None:
    async with open_frontend() as frontend:
        client = await frontend.connect()
        await client.send(PREFACE[:10])
        assert await client.rest() == b""
        assert frontend.closed == {Closing.HEADER_DEADLINE: 1}


async def test_who_says_nothing_is_idle() -> None:
    async with open_frontend(Setting().with_connections(idle_seconds=0.3)) as frontend:
        client = await frontend.connect()
        assert await client.rest() == b""
        assert frontend.closed == {Closing.IDLE: 1}


@pytest.mark.parametrize("sent", [b"", PREFACE[:5]], ids=["nothing", "half a preface"])
async def test_who_leaves_before_the_choice_leaves_nothing_behind(sent: bytes) -> None:
    async with open_frontend() as frontend:
        client = await frontend.connect()
        await client.send(sent)
        await frontend.until(lambda: len(frontend.register._open) == 1, "the connection")
        client.reset()
        await frontend.until(lambda: frontend.register.slots_taken == 0, "its place")


@pytest.mark.parametrize("sent", [b"", PREFACE[:5]], ids=["nothing", "half a preface"])
async def test_a_drain_closes_who_has_not_chosen(sent: bytes) -> None:
    async with open_frontend() as frontend:
        client = await frontend.connect()
        await client.send(sent)
        await frontend.until(lambda: len(frontend.register._open) == 1, "the connection")
        frontend.register.drain()
        assert await client.rest() == b""
        await frontend.until(lambda: frontend.register.slots_taken == 0, "its place")


async def test_a_connection_that_lost_its_slot_before_it_began_is_cut() -> None:
    async with open_frontend() as frontend:
        slot = frontend.register.take_slot((), Standing.STRANGER, 0.0)
        assert slot is not None
        chooser = frontend.server._frontends.open(None, slot)
        slot.lose()
        transport = Mock()
        chooser.connection_made(transport)
        transport.abort.assert_called_once()
        slot.free()

"""The HTTP/1.1 frontend and requests that have come before, byte for byte."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from dohproxy.config import ClientsConfig
from tests.fakes.dialects import PARAMETER, POST_FIELD, CountedDialects, get_in_dialect
from tests.fakes.upstream import ANSWER, FakeUpstream
from tests.frontends.client import get, post, post_head
from tests.frontends.http2_client import Http2Client, get_fields
from tests.frontends.served import NO_LIMITS, QUICK, Certificate, Setting, open_frontend
from tests.http2.client import headers


@pytest.fixture(params=["plain", "tls"])
def setting(request: pytest.FixtureRequest, certificate: Certificate) -> Setting:
    """A frontend in the clear, and one with TLS."""
    return Setting(certificate=certificate if request.param == "tls" else None)


@pytest.mark.parametrize(
    "request_bytes",
    [get_in_dialect("known.example.net"), post("known.example.net", POST_FIELD)],
    ids=["GET", "POST"],
)
async def test_the_same_bytes_are_read_once_whoever_sends_them(setting: Setting, request_bytes: bytes) -> None:
    async with open_frontend(setting) as frontend:
        dialects = CountedDialects.of(frontend.core.service)
        responses = []
        for _ in range(3):
            client = await frontend.connect()
            responses += [await client.ask(request_bytes) for _ in range(3)]
        assert {response.body for response in responses} == {responses[0].body}
        assert {response.status for response in responses} == {200}
        # The first was a miss, and what it says was read already.
        assert dialects.reads == 1
        assert len(frontend.outcomes) == 9
        assert len(frontend.asked_limits) == 9


async def test_another_field_is_another_request() -> None:
    async with open_frontend() as frontend:
        dialects = CountedDialects.of(frontend.core.service)
        client = await frontend.connect()
        assert (await client.ask(get_in_dialect())).status == 200
        assert (await client.ask(get_in_dialect(fields="Accept: text/html\r\n"))).status == 406
        assert (await client.ask(get_in_dialect(fields="Accept: text/html\r\n"))).status == 406
        for _ in range(2):
            assert (await client.ask(get_in_dialect(fields="X: 1\r\n"))).status == 200
        assert (await client.ask(get_in_dialect())).status == 200
    assert dialects.reads == 2


HALF = b"GET /other HTTP/1.1\r\nHost: localhost\r\nX-Rest: "


async def test_known_bytes_behind_half_a_header_are_its_other_half(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        assert (await (await frontend.connect()).ask(get())).status == 200
        client = await frontend.connect()
        await client.send(HALF)
        await asyncio.sleep(0.05)
        # Two Host fields then: 400.
        assert (await client.ask(get())).status == 400


async def test_known_bytes_behind_half_a_header_that_came_during_a_miss_are_its_other_half() -> None:
    async with open_frontend(Setting(upstream=FakeUpstream(udp=(ANSWER.after(0.2),)))) as frontend:
        assert (await (await frontend.connect()).ask(get())).status == 200
        client = await frontend.connect()
        await client.send(get("slow.example.net"))
        await asyncio.sleep(0.05)
        await client.send(HALF)
        assert (await client.response()).status == 200
        assert (await client.ask(get())).status == 400


async def test_the_other_half_of_a_header_is_not_remembered_as_a_request() -> None:
    async with open_frontend(Setting(upstream=FakeUpstream(udp=(ANSWER.after(0.2),)))) as frontend:
        client = await frontend.connect()
        await client.send(get("slow.example.net"))
        await asyncio.sleep(0.05)
        await client.send(b"GET /other HTTP/1.1\r\nX-Rest: ")
        assert (await client.response()).status == 200
        assert (await client.ask(get("new.example.net"))).status == 404
        # To everybody else these bytes say what they say.
        assert (await (await frontend.connect()).ask(get("new.example.net"))).status == 200
        assert (await (await frontend.connect()).ask(get("new.example.net"))).status == 200


async def test_known_bytes_in_a_body_are_a_body(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        known = get()
        assert (await (await frontend.connect()).ask(known)).status == 200
        client = await frontend.connect()
        await client.send(post_head(f"Content-Length: {len(known)}\r\n"))
        await asyncio.sleep(0.05)
        await client.send(known)
        assert (await client.response()).status in (200, 400)
        assert (await client.ask(known)).status == 200
        assert len(frontend.outcomes) == 3


@pytest.mark.parametrize("request_bytes", [get(), post()], ids=["GET", "POST"])
async def test_empty_lines_between_known_requests_do_not_add_up(request_bytes: bytes) -> None:
    # Old clients send one behind each body, in a segment of its own (RFC 9112 section 2.2).
    async with open_frontend() as frontend:
        client = await frontend.connect()
        for _ in range(10):
            assert (await client.ask(request_bytes)).status == 200
            await client.send(b"\r\n")
            await asyncio.sleep(0.01)


async def test_a_known_request_is_turned_away_like_any_other() -> None:
    setting = Setting(limits=replace(NO_LIMITS, exempt_networks=(), requests_burst=3, requests_per_second=0.1))
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        assert [(await client.ask(get())).status for _ in range(5)] == [200] * 3 + [429] * 2


async def test_a_known_request_is_the_last_of_a_connection_that_has_had_enough() -> None:
    setting = Setting(connections=replace(QUICK, max_requests=3))
    async with open_frontend(setting) as frontend:
        await (await frontend.connect()).ask(get())
        client = await frontend.connect()
        assert [(await client.ask(get())).closes for _ in range(3)] == [False, False, True]


async def test_a_known_request_keeps_its_connection_from_being_idle() -> None:
    async with open_frontend(Setting(connections=replace(QUICK, idle_seconds=1.0))) as frontend:
        await (await frontend.connect()).ask(get())
        client = await frontend.connect()
        for _ in range(6):
            assert (await client.ask(get())).status == 200
            await asyncio.sleep(0.3)


async def test_known_requests_behind_a_front_proxy_are_those_of_their_clients() -> None:
    clients = ClientsConfig(address_from="x-forwarded-for", trusted_proxies=(ip_network("127.0.0.1/32"),))
    async with open_frontend(Setting(clients=clients)) as frontend:
        proxy = await frontend.connect()
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
            assert (await proxy.ask(get(fields=f"X-Forwarded-For: {address}\r\n"))).status == 200
        assert [client.address[-1] for client in frontend.asked_limits] == [1, 2, 1]


async def test_nothing_is_read_for_a_client_that_is_over_its_limit() -> None:
    async with open_frontend(
        Setting(limits=replace(NO_LIMITS, requests_per_second=0.01, requests_burst=2))
    ) as frontend:
        dialects = CountedDialects.of(frontend.core.service)
        client, other = await frontend.connect(), await Http2Client.connect(frontend)
        statuses = [(await client.ask(get_in_dialect(fields=f"X: {number}\r\n"))).status for number in range(5)]
        for stream_id in (1, 3):
            target = dict(get_fields(f"n{stream_id}.example"))[":path"] + PARAMETER
            fields = {**dict(get_fields()), ":path": target}.items()
            await other.send(headers(stream_id, tuple(fields)))
            statuses.append((await other.response(stream_id)).status)
        assert statuses == [200, 200, 429, 429, 429, 429, 429]
        assert dialects.reads == 2

"""The one place where our own bugs end: each costs one request, and is counted, logged and answered."""

import asyncio
from dataclasses import replace

import pytest
import structlog

from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.exits import Miss
from dohproxy.outcomes import Client, Reason
from dohproxy.outcomes import Frontend as FrontendKind
from dohproxy.parsed_request import ParsedRequest
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from tests.fakes.dialects import break_reading, get_in_dialect
from tests.fakes.resolver import FakeResolver
from tests.fakes.walk import CLIENT as WALKER
from tests.fakes.walk import Limits, Walk, address_of, ask_for, client_of, post
from tests.frontends.client import get, query
from tests.frontends.served import RunningFrontend, open_frontend

NOBODY_THERE = UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)
CLIENT = client_of(b"\xc0\x00\x02\x01", (1, 2), (3, 4))


async def test_a_bug_before_the_miss_is_an_answer() -> None:
    async with open_frontend() as frontend:

        def broken(client: Client, now: float) -> float:
            raise ValueError("secret.example.net")

        frontend.core.request_limiter.admit_request = broken
        with structlog.testing.capture_logs() as lines:
            response = frontend.core.service.begin(
                ParsedRequest(FrontendKind.HTTP1, 1, "GET", Dialect.RFC_GET), CLIENT, 0.0
            )
        assert isinstance(response, HttpResponse)
        assert (response.status, response.body, response.close) == (500, b"", True)
        assert frontend.outcomes[-1].reason is Reason.BUG
        assert [(line["event"], line["stage"], line["log_level"]) for line in lines] == [
            ("a request met a bug", "begin", "error")
        ]


async def test_a_bug_while_reading_is_an_answer() -> None:
    async with open_frontend() as frontend:
        break_reading(frontend.core.service)
        client = await frontend.connect()
        with structlog.testing.capture_logs() as lines:
            response = await client.ask(get_in_dialect("www.example.net"))
        assert (response.status, response.closes) == (500, True)
        assert [line["stage"] for line in lines if line["event"] == "a request met a bug"] == ["read"]


async def test_a_bug_after_the_miss_is_an_answer_and_keeps_no_place() -> None:
    async with open_frontend() as frontend:

        def broken(_: Query) -> Answer:
            raise ValueError("secret.example.net")

        upstreams = FakeResolver(lambda *_: None, broken)
        frontend.lead_to(upstreams)
        client = await frontend.connect()
        with structlog.testing.capture_logs() as lines:
            response = await client.ask(get("www.example.net"))
        assert (response.status, response.closes) == (500, True)
        assert [line["stage"] for line in lines if line["event"] == "a request met a bug"] == ["resolve"]
        assert frontend.misses == 0
        upstreams.script = address_of
        assert (await (await frontend.connect()).ask(get("www.example.net"))).status == 200


def missed(frontend: RunningFrontend) -> Miss:
    """Walk with a question that only an upstream can answer."""
    service = frontend.core.service
    request = HttpRequest("POST", "/dns-query", query("www.example.net"), content_type="application/dns-message")
    miss = service.begin(service.read(request, FrontendKind.HTTP1), CLIENT, frontend.clock())
    assert isinstance(miss, Miss)
    return miss


async def test_a_miss_can_be_given_back_unasked() -> None:
    async with open_frontend() as frontend:
        miss = missed(frontend)
        assert frontend.misses == 1
        miss.slot.give_back()
        assert frontend.misses == 0


async def test_a_hang_up_in_the_same_turn_of_the_loop_as_the_answer_is_no_bug() -> None:
    async with open_frontend() as frontend:
        upstreams = FakeResolver(lambda *_: None, address_of)
        upstreams.is_silent = True
        frontend.lead_to(upstreams)
        waiting = asyncio.get_running_loop().create_task(frontend.core.service.resolve(missed(frontend)))
        await asyncio.sleep(0)
        with structlog.testing.capture_logs() as lines:
            waiting.cancel()
            upstreams.waiting[0](NOBODY_THERE)
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert lines == []
        assert frontend.misses == 0


async def test_a_bug_in_who_takes_notice_is_an_answer() -> None:
    async with open_frontend() as frontend:

        def broken(_: Client) -> None:
            raise ValueError("secret.example.net")

        service = replace(frontend.core.service, observe=broken)
        parsed = ParsedRequest(FrontendKind.HTTP1, 1, "GET", Dialect.RFC_GET, refused=Reason.WRONG_PATH)
        with structlog.testing.capture_logs() as lines:
            response = service.begin(parsed, CLIENT, 0.0)
        assert isinstance(response, HttpResponse)
        assert response.status == 500
        assert [line["stage"] for line in lines if line["event"] == "a request met a bug"] == ["begin"]


async def test_who_watches_sees_how_every_request_ends_and_nobody_watches_by_itself() -> None:
    async with open_frontend() as frontend:
        assert frontend.core.service.watch is None
        seen: list[tuple[Reason, bool]] = []
        frontend.core.service.be_watched(
            lambda _, parsed, reason: seen.append((reason, parsed is not None and parsed.query is not None))
        )
        client = await frontend.connect()
        for _ in range(3):
            assert (await client.ask(get("www.example.net"))).status == 200
        assert (await client.ask(get("localhost"))).status == 200
        assert (await client.ask(get("www.example.net", path="/wrong"))).status == 404
        assert (await client.ask(b"GET / HTTP/1.1\r\n\r\n")).status == 400
        frontend.core.service.be_watched(None)
        await (await frontend.connect()).ask(get("localhost"))
    assert seen == [
        (Reason.FORWARDED, True),
        (Reason.CACHED, True),
        (Reason.CACHED, True),
        (Reason.LOCAL, True),
        (Reason.WRONG_PATH, False),
        (Reason.BAD_HTTP, False),
    ]


async def test_who_watches_sees_what_is_turned_away_unread() -> None:
    walk = Walk(Limits(requests=1))
    seen: list[tuple[Client, ParsedRequest | None, Reason]] = []
    walk.service.be_watched(lambda client, parsed, reason: seen.append((client, parsed, reason)))
    assert walk.service.turn_away_early(WALKER, "/dns-query", FrontendKind.HTTP2, walk.clock()) is None
    walk.service.begin(walk.service.read(post(ask_for("localhost")), FrontendKind.HTTP2), WALKER, walk.clock())
    assert walk.service.turn_away_early(WALKER, "/dns-query", FrontendKind.HTTP2, walk.clock()) is not None
    assert [reason for _, _, reason in seen] == [Reason.LOCAL, Reason.CLIENT_LIMIT]
    assert seen[1][:2] == (WALKER, None)


def test_whom_a_request_is_from_is_noticed_whether_somebody_looks_or_not() -> None:
    walk = Walk()
    noticed: list[Client] = []
    service = replace(walk.service, observe=noticed.append)
    parsed = service.read(post(ask_for("localhost")), FrontendKind.HTTP2)
    seen: list[Reason] = []
    for watch in (None, lambda *told: seen.append(told[2]), lambda *told: seen.append(told[2]), None):
        service.be_watched(watch)
        service.begin(parsed, WALKER, walk.clock())
    assert noticed == [WALKER] * 4
    assert seen == [Reason.LOCAL] * 2

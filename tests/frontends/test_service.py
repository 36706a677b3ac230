"""The one place where our own bugs end: each costs one request, and is counted, logged and answered."""

import asyncio
from dataclasses import replace

import pytest
import structlog

from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.outcomes import Client, Reason
from dohproxy.outcomes import Frontend as FrontendKind
from dohproxy.parsed_request import ParsedRequest
from dohproxy.pipeline import Miss
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from tests.fakes.dialects import break_reading, get_in_dialect
from tests.fakes.resolver import FakeResolver
from tests.fakes.walk import address_of, client_of
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

"""The one place where our own bugs end: each costs one request, and is counted, logged and answered."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import structlog

from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.doh.request import AcceptedRequest
from dohproxy.outcomes import Client, Reason, Refused, Reply
from dohproxy.outcomes import Frontend as FrontendKind
from dohproxy.parsed_request import ParsedRequest
from dohproxy.pipeline import Miss, MissResult
from dohproxy.upstream.resolver import UpstreamFailure
from tests.fakes.walk import client_of
from tests.frontends.client import get, query
from tests.frontends.served import open_frontend

NOBODY_THERE = UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)
CLIENT = client_of(b"\xc0\x00\x02\x01", (1, 2), (3, 4))


async def test_a_bug_before_the_miss_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_frontend() as frontend:

        def broken(*_: Any) -> HttpResponse:
            raise ValueError("secret.example.net")

        monkeypatch.setattr(frontend.core.service.pipeline, "begin", broken)
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


async def test_a_bug_while_reading_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_frontend() as frontend:

        def broken(*_: Any) -> AcceptedRequest:
            raise ValueError("secret.example.net")

        monkeypatch.setattr("dohproxy.frontends.service.read_request", broken)
        client = await frontend.connect()
        with structlog.testing.capture_logs() as lines:
            response = await client.ask(get("www.example.net"))
        assert (response.status, response.closes) == (500, True)
        assert [line["stage"] for line in lines if line["event"] == "a request met a bug"] == ["read"]


@pytest.mark.interpreted
async def test_a_bug_after_the_miss_is_an_answer_and_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_frontend() as frontend:

        def broken(*_: Any, **__: Any) -> None:
            raise ValueError("secret.example.net")

        monkeypatch.setattr("dohproxy.upstream.resolver.Resolver.ask", broken)
        client = await frontend.connect()
        with structlog.testing.capture_logs() as lines:
            response = await client.ask(get("www.example.net"))
        assert (response.status, response.closes) == (500, True)
        assert [line["stage"] for line in lines if line["event"] == "a request met a bug"] == ["resolve"]
        assert frontend.misses == 0
        monkeypatch.undo()
        assert (await (await frontend.connect()).ask(get("www.example.net"))).status == 200


@pytest.mark.interpreted
async def test_a_miss_can_be_given_back_unasked() -> None:
    async with open_frontend() as frontend:
        seen: list[Miss] = []
        begin = frontend.core.service.pipeline.begin

        def keep(*arguments: Any) -> Reply | Refused | Miss:
            found = begin(*arguments)
            if isinstance(found, Miss):
                seen.append(found)
                return Refused(Reason.BUG)
            return found

        frontend.core.service.pipeline.begin = keep  # type: ignore[assignment]  # stops between the two halves
        await (await frontend.connect()).ask(get("www.example.net"))
        assert frontend.misses == 1
        seen[0].slot.give_back()
        assert frontend.misses == 0


async def test_a_hang_up_in_the_same_turn_of_the_loop_as_the_answer_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_frontend() as frontend:
        service = frontend.core.service
        told: list[Callable[[MissResult], None]] = []

        def ask(_: Miss, notify: Callable[[MissResult], None]) -> None:
            told.append(notify)

        monkeypatch.setattr(service.pipeline, "ask", ask)
        request = HttpRequest("POST", "/dns-query", query("www.example.net"), content_type="application/dns-message")
        miss = service.begin(service.read(request, FrontendKind.HTTP1), CLIENT, frontend.clock())
        assert isinstance(miss, Miss)
        waiting = asyncio.get_running_loop().create_task(service.resolve(miss))
        await asyncio.sleep(0)
        with structlog.testing.capture_logs() as lines:
            waiting.cancel()
            told[0](NOBODY_THERE)
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

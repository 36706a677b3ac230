"""The one place where our own bugs end: each costs one request, and is counted, logged and answered."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.frontends.service import Service
from dohproxy.outcomes import Client, Reason
from dohproxy.outcomes import Door as DoorKind
from dohproxy.parsed_request import Reading
from dohproxy.pipeline import Found, Miss
from dohproxy.upstream.resolver import UpstreamFailure
from tests.frontends.client import get, query
from tests.frontends.door import open_door

NOBODY_THERE = UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)
CLIENT = Client(b"\xc0\x00\x02\x01", ())


async def test_a_bug_before_the_miss_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door() as door:

        def broken(*_: Any) -> HttpResponse:
            raise ValueError("secret.example.net")

        monkeypatch.setattr(door.core.service.pipeline, "begin", broken)
        with structlog.testing.capture_logs() as lines:
            response = door.core.service.begin(Reading(DoorKind.HTTP1, "GET", Dialect.RFC_GET), CLIENT, 0.0)
        assert isinstance(response, HttpResponse)
        assert (response.status, response.body, response.close) == (500, b"", True)
        assert door.outcomes[-1].reason is Reason.BUG
        assert [(line["event"], line["stage"], line["log_level"]) for line in lines] == [
            ("a request met a bug", "begin", "error")
        ]


async def test_a_bug_while_reading_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door() as door:

        def broken(*_: Any) -> Reading:
            raise ValueError("secret.example.net")

        monkeypatch.setattr(door.core.service.pipeline, "read", broken)
        client = await door.connect()
        with structlog.testing.capture_logs() as lines:
            response = await client.ask(get("www.example.net"))
        assert (response.status, response.closes) == (500, True)
        assert [line["stage"] for line in lines if line["event"] == "a request met a bug"] == ["read"]


@pytest.mark.interpreted
async def test_a_bug_after_the_miss_is_an_answer_and_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door() as door:

        def broken(*_: Any, **__: Any) -> None:
            raise ValueError("secret.example.net")

        monkeypatch.setattr("dohproxy.upstream.resolver.Resolver.ask", broken)
        client = await door.connect()
        with structlog.testing.capture_logs() as lines:
            response = await client.ask(get("www.example.net"))
        assert (response.status, response.closes) == (500, True)
        assert [line["stage"] for line in lines if line["event"] == "a request met a bug"] == ["resolve"]
        assert door.misses == 0
        monkeypatch.undo()
        assert (await (await door.connect()).ask(get("www.example.net"))).status == 200


@pytest.mark.interpreted
async def test_a_miss_can_be_given_back_unasked() -> None:
    async with open_door() as door:
        seen: list[Miss] = []
        begin = door.core.service.pipeline.begin

        def keep(*arguments: Any) -> HttpResponse | Miss:
            found = begin(*arguments)
            if isinstance(found, Miss):
                seen.append(found)
                return door.core.service.turn_away(Reason.BUG, CLIENT, DoorKind.HTTP1, 0.0)
            return found

        door.core.service.pipeline.begin = keep  # type: ignore[assignment]  # stops between the two halves
        await (await door.connect()).ask(get("www.example.net"))
        assert door.misses == 1
        seen[0].place.give_back()
        assert door.misses == 0


async def test_a_hang_up_in_the_same_turn_of_the_loop_as_the_answer_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door() as door:
        service = door.core.service
        told: list[Callable[[Found], None]] = []

        def ask(_: Miss, tell: Callable[[Found], None]) -> None:
            told.append(tell)

        monkeypatch.setattr(service.pipeline, "ask", ask)
        request = HttpRequest("POST", "/dns-query", query("www.example.net"), content_type="application/dns-message")
        client = Client(CLIENT.address, ((1, 2), (3, 4)))
        miss = service.begin(service.read(request, DoorKind.HTTP1), client, door.clock())
        assert isinstance(miss, Miss)
        waiting = asyncio.get_running_loop().create_task(service.resolve(miss))
        await asyncio.sleep(0)
        with structlog.testing.capture_logs() as lines:
            waiting.cancel()
            told[0](NOBODY_THERE)
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert lines == []
        assert door.misses == 0


async def test_a_bug_in_who_takes_notice_is_an_answer() -> None:
    async with open_door() as door:

        def broken(_: Client) -> None:
            raise ValueError("secret.example.net")

        service = Service(door.core.service.pipeline, broken)
        reading = Reading(DoorKind.HTTP1, "GET", Dialect.RFC_GET, refused=Reason.WRONG_PATH)
        with structlog.testing.capture_logs() as lines:
            response = service.begin(reading, CLIENT, 0.0)
        assert isinstance(response, HttpResponse)
        assert response.status == 500
        assert [line["stage"] for line in lines if line["event"] == "a request met a bug"] == ["begin"]

"""The admin socket: what is carried out, what is refused, and that every answer is a sentence."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dohproxy.control import desk as desk_module
from dohproxy.control import server
from dohproxy.control.desk import Said
from dohproxy.control.server import MOST_BODY_BYTES, admin_application
from tests.control.command_samples import FakeService, Handlers, commands
from tests.control.served import served
from tests.fakes.steps import turns_beside
from tests.frontends.served import until


class Desk:
    """An admin socket of a few commands, and who asks there."""

    def __init__(self, url: str, session: aiohttp.ClientSession, handlers: Handlers, service: FakeService) -> None:
        self.handlers = handlers
        self.service = service
        self._url = url
        self._session = session

    async def post(self, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """Return status and object; a body that is no text is sent as JSON."""
        data = body if isinstance(body, str | bytes | None) else json.dumps(body)
        async with self._session.post(f"{self._url}{path}", data=data) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    """Give one."""
    handlers, service = Handlers(), FakeService()
    application = admin_application(service, commands(handlers))
    async with served(application) as url, aiohttp.ClientSession() as session:
        yield Desk(url, session, handlers, service)


async def test_the_status_is_json_whatever_is_in_it() -> None:
    service = FakeService()
    service.figures = {"cache": {"entries": 1}, "path": Path("/a"), "name": 'a "b"\n'}
    async with (
        served(admin_application(service)) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/status") as page,
    ):
        assert await page.json() == {"cache": {"entries": 1}, "path": "/a", "name": 'a "b"\n'}


async def test_a_command_is_carried_out_and_told() -> None:
    async with desk() as one:
        status, answer = await one.post("/v1/change", {"name": "A"})
        assert status == 200
        assert answer == {"sentence": "It was changed.", "well": True, "lines": ["a line"], "count": 1}
        assert one.handlers.given == [{"name": "a", "minutes": 5, "mode": None, "below": False}]


async def test_others_have_their_turns_while_a_long_answer_is_written() -> None:
    rows = [{"name": f"n{number}.example", "text": "blocked"} for number in range(20_000)]
    answer, turns = await turns_beside(server._json_in_turns(Said(200, {"sentence": "There are many.", "rows": rows})))
    assert json.loads(answer.text or "")["rows"] == rows
    assert turns > 10


async def test_what_is_not_well_is_told_apart_from_what_was_refused() -> None:
    async with desk() as one:
        assert await one.post("/v1/look/at/it") == (
            200,
            {"sentence": "It is not well.", "well": False, "lines": [], "minutes": 5, "mode": None, "below": False},
        )
        assert await one.post("/v1/refuse") == (
            409,
            {"sentence": "It cannot be done: do something else.", "well": False, "lines": ["why"]},
        )


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("/v1/change", "", 400, "NAME is missing"),
        ("/v1/change", "{", 400, "The body is no JSON"),
        ("/v1/change", b"\xff", 400, "The body is no JSON"),
        ("/v1/change", "[" * 4_000, 400, "The body is no JSON"),
        ("/v1/change", "[]", 400, "no JSON object"),
        ("/v1/change", "x" * (MOST_BODY_BYTES + 1), 413, "longer than the 4096 bytes"),
        ("/v1/chnge", "", 404, "did you mean change?"),
        ("/v1/", "", 404, "is no command"),
        ("/nothing", "", 404, "commands are at /v1/NAME"),
        ("/", "", 405, "commands are at /v1/NAME"),
        ("/status", "", 405, "commands are at /v1/NAME"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_what_cannot_be_carried_out_is_told_in_a_sentence(
    path: str, body: str | bytes, status: int, told: str
) -> None:
    async with desk() as one:
        found, answer = await one.post(path, body)
        assert (found, told in answer["sentence"], answer["well"]) == (status, True, False), answer
        assert one.handlers.given == []


async def test_a_command_is_not_carried_out_by_get() -> None:
    async with (
        served(admin_application(FakeService(), commands(Handlers()))) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/v1/change") as page,
    ):
        assert (page.status, (await page.json())["sentence"]) == (405, "change is a command: send it by POST.")


async def test_a_bug_is_logged_and_its_words_are_not_repeated() -> None:
    async with desk() as one:
        status, answer = await one.post("/v1/fail")
    assert status == 500
    assert "A bug kept fail from being carried out" in answer["sentence"]
    assert "secret" not in json.dumps(answer)


async def test_commands_that_change_something_wait_for_each_other_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "BUSY_SECONDS", 0.05)
    async with desk() as one, asyncio.TaskGroup() as tasks:
        one.handlers.may_end.clear()
        first = tasks.create_task(one.post("/v1/change", {"name": "a"}))
        await until(lambda: bool(one.handlers.given), "the first command")
        status, answer = await one.post("/v1/refuse")
        assert (status, answer["sentence"]) == (503, "The service is busy with change; try again in a moment.")
        # Who only looks is not kept waiting, nor who is in nobody's way.
        assert (await one.post("/v1/take/long"))[0] == 200
        assert (await one.post("/v1/look/at/it"))[0] == 200
        one.handlers.may_end.set()
        assert (await first)[0] == 200
        assert (await one.post("/v1/refuse"))[0] == 409


async def test_what_may_change_something_is_written_down_and_what_only_looks_is_not() -> None:
    noted: list[tuple[Any, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dohproxy.control.audit.note", lambda *line: noted.append(line))
        async with desk() as one:
            for path in ("/v1/change", "/v1/look/at/it", "/v1/refuse", "/v1/fail"):
                await one.post(path, {"name": "a"} if path == "/v1/change" else None)
            await one.post("/v1/change", {"wrong": 1})
    assert [(line[0], line[3]) for line in noted] == [("change", "done"), ("refuse", "refused"), ("fail", "bug")]
    assert noted[0][1] == {"name": "a", "minutes": 5, "below": False}


async def test_who_looks_for_a_while_is_told_what_there_was_to_see_and_is_written_down() -> None:
    noted: list[tuple[Any, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dohproxy.control.audit.note", lambda *line: noted.append(line))
        async with desk() as one:
            assert (await one.post("/v1/watch"))[1]["sentence"] == "It was seen."
    assert [(line[0], line[3]) for line in noted] == [("watch", "begun")]


async def test_nobody_looks_on_for_somebody_who_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GONE_SECONDS", 0.01)
    async with desk() as one, asyncio.TaskGroup() as tasks:
        one.handlers.may_end.clear()
        asking = tasks.create_task(one.post("/v1/watch"))
        await until(lambda: bool(one.handlers.given), "the look")
        asking.cancel()
        await until(lambda: one.handlers.given[-1] == {"looks": False}, "the end of the look")


async def test_nobody_looks_on_while_the_service_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GONE_SECONDS", 0.01)
    async with desk() as one, asyncio.TaskGroup() as tasks:
        one.handlers.may_end.clear()
        asking = tasks.create_task(one.post("/v1/watch"))
        await until(lambda: bool(one.handlers.given), "the look")
        one.service.is_ending = True
        assert (await asking)[0] == 503
        assert one.handlers.given[-1] == {"looks": False}

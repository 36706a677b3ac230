"""The page over HTTP: what it brings, who is let in, who sees the news, and who is turned away."""

import asyncio
import json
import socket as connecting
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from dohproxy.control.audit import Login
from dohproxy.control.console import application as page
from dohproxy.control.console.application import COOKIE, EVENTS, LOG_IN, LOG_OUT
from dohproxy.control.console.guard import HEADER
from dohproxy.control.console.live import MOST_VIEWERS, Live
from dohproxy.control.console.sessions import MOST_FAILURES
from dohproxy.control.console.static_files import FILES, POLICY
from dohproxy.control.server import admin_application
from tests.control.command_samples import FakeService, Handlers, commands
from tests.control.console.samples import snapshot
from tests.control.served import served
from tests.frontends.served import until


class Visitor:
    """A browser that shows the page, and the service behind it."""

    def __init__(
        self, url: str, session: aiohttp.ClientSession, service: FakeService, handlers: Handlers, live: Live
    ) -> None:
        self.live = live
        self.url = url
        self.session = session
        self.service = service
        self.handlers = handlers
        self.fields = {HEADER: "1", "Content-Type": "application/json", "Origin": url, "Sec-Fetch-Site": "same-origin"}

    async def post(self, path: str, body: Any = None, **fields: str | None) -> tuple[int, dict[str, Any]]:
        """Send something as the page does, but for these fields; return status and what is said."""
        headers = {name: value for name, value in {**self.fields, **_named(fields)}.items() if value is not None}
        async with self.session.post(f"{self.url}{path}", data=json.dumps(body or {}), headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> aiohttp.ClientResponse:
        """Ask for something, and read it."""
        async with self.session.get(f"{self.url}{path}", headers=headers) as answer:
            await answer.read()
            return answer

    async def log_in(self) -> None:
        """Log in with a token of the service."""
        assert (await self.post(LOG_IN, {"token": self.token()}))[0] == 200

    def token(self) -> str:
        """Return what the command shows."""
        return self.service.sessions.issue(time.monotonic())


def _named(fields: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name.replace("_", "-"): value for name, value in fields.items()}


@asynccontextmanager
async def visiting(*, with_login: bool, every_seconds: float = 0.01) -> AsyncIterator[Visitor]:
    """Serve the page as the loopback listener does, or as the admin socket."""
    handlers, service = Handlers(), FakeService()
    service.figures = snapshot()

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(every_seconds if seconds else 0.0)

    live = Live(service, sleep=sleep)
    sessions = service.sessions if with_login else None
    made = admin_application(service, commands(handlers), live=live, sessions=sessions)
    jar = aiohttp.CookieJar(unsafe=True)
    async with served(made) as url, aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Visitor(url, session, service, handlers, live)


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """Somebody at the loopback listener who has not logged in."""
    async with visiting(with_login=True) as one:
        yield one


@pytest.fixture
async def socket() -> AsyncIterator[Visitor]:
    """Somebody at the admin socket."""
    async with visiting(with_login=False) as one:
        yield one


@pytest.mark.parametrize("path", FILES)
async def test_every_file_is_served_with_what_holds_a_browser_to_it(visitor: Visitor, path: str) -> None:
    answer = await visitor.get(path)
    assert (answer.status, answer.content_type) == (200, FILES[path][1])
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert (answer.headers["X-Content-Type-Options"], answer.headers["X-Frame-Options"]) == ("nosniff", "DENY")
    again = await visitor.get(path, {"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304


async def test_everything_that_is_said_is_held_by_the_policy(visitor: Visitor) -> None:
    for path in ("/status", "/v1/status", "/nothing", EVENTS):
        answer = await visitor.get(path)
        assert answer.headers["Content-Security-Policy"] == POLICY


async def test_without_a_login_nothing_is_told_and_nothing_done(visitor: Visitor) -> None:
    assert (await visitor.get("/status")).status == 401
    assert (await visitor.get(EVENTS)).status == 401
    status, said = await visitor.post("/v1/change", {"name": "a"})
    assert (status, said["sentence"].startswith("Log in first: dohproxy console")) == (401, True)
    assert (await visitor.get("/status", {"Cookie": f"{COOKIE}=guessed"})).status == 401
    assert visitor.handlers.given == []


async def test_whoever_has_logged_in_may_everything_until_he_logs_out(visitor: Visitor) -> None:
    await visitor.log_in()
    (cookie,) = visitor.session.cookie_jar
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (
        True,
        "Strict",
        "/",
        "127.0.0.1",
    )
    assert (await visitor.get("/status")).status == 200
    assert (await visitor.post("/v1/change", {"name": "a"}))[0] == 200
    kept = {"Cookie": f"{COOKIE}={cookie.value}"}
    assert (await visitor.post(LOG_OUT))[0] == 200
    assert (await visitor.get("/status", kept)).status == 401


async def test_what_is_done_with_a_login_is_written_down_with_its_number(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[tuple[Any, ...]] = []
    monkeypatch.setattr("dohproxy.control.audit.note", lambda *line: noted.append(line))
    for _ in range(2):
        await visitor.log_in()
        assert (await visitor.post("/v1/change", {"name": "a"}))[0] == 200
    assert [(command, giver) for command, _, giver, _ in noted] == [("change", Login(1)), ("change", Login(2))]


async def test_a_token_is_good_once_and_guessing_is_limited(visitor: Visitor) -> None:
    token = visitor.token()
    assert (await visitor.post(LOG_IN, {"token": token}))[0] == 200
    for body in ({"token": token}, {}, {"token": 1}, [1]):
        assert (await visitor.post(LOG_IN, body))[0] == 403
    for _ in range(MOST_FAILURES - 4):
        await visitor.post(LOG_IN, {"token": "guessed"})
    status, said = await visitor.post(LOG_IN, {"token": visitor.token()})
    assert (status, said["sentence"]) == (429, "Too many wrong tokens within a minute; wait one.")


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": None},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Content_Type": "text/plain"},
        {"X_Dohproxy_Console": None},
    ],
    ids=str,
)
async def test_another_page_in_the_same_browser_can_do_nothing(visitor: Visitor, fields: dict[str, str | None]) -> None:
    await visitor.log_in()
    status, said = await visitor.post("/v1/change", {"name": "a"}, **fields)
    assert (status, said["well"], visitor.handlers.given) == (403, False, [])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "192.0.2.1"])
async def test_another_name_for_this_machine_gets_nothing(socket: Visitor, visitor: Visitor, host: str) -> None:
    for one in (socket, visitor):
        for path in ("/", "/status", EVENTS):
            answer = await one.get(path, {"Host": host})
            assert (answer.status, "localhost" in (await answer.json())["sentence"]) == (421, True)
        assert (await one.post("/v1/change", {"name": "a"}, Host=host, Origin=f"http://{host}"))[0] == 421
        assert one.handlers.given == []


async def test_at_the_socket_a_tool_needs_no_login_and_no_field_and_another_page_is_turned_away(
    socket: Visitor,
) -> None:
    bare: dict[str, str | None] = {HEADER.replace("-", "_"): None, "Content_Type": None, "Sec_Fetch_Site": None}
    assert (await socket.post("/v1/change", {"name": "a"}, Origin=None, **bare))[0] == 200
    assert (await socket.post("/v1/change", {"name": "a"}, Origin="http://evil.example", **bare))[0] == 403
    assert (await socket.post(LOG_IN))[1]["sentence"] == "There is no login at the admin socket."
    assert (await socket.post("/v1/change", {"name": "a"}))[0] == 200
    assert len(socket.handlers.given) == 2


# --- News ---


async def _events(answer: aiohttp.ClientResponse, count: int) -> list[str]:
    names = []
    async for line in answer.content:
        if line.startswith(b"event: "):
            names.append(line.decode().removeprefix("event: ").strip())
        if len(names) == count:
            return names
    return names


async def test_news_come_as_long_as_somebody_looks(socket: Visitor) -> None:
    async with socket.session.get(f"{socket.url}{EVENTS}") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        assert await _events(answer, 4) == ["past", "state", "state", "state"]


async def test_the_sixth_who_looks_is_told_so_and_a_place_that_is_left_is_free(socket: Visitor) -> None:
    async with AsyncExitStack() as looking:
        for _ in range(MOST_VIEWERS):
            answer = await looking.enter_async_context(socket.session.get(f"{socket.url}{EVENTS}"))
            assert await _events(answer, 1) == ["past"]
        sixth = await socket.get(EVENTS)
        assert (sixth.status, (await sixth.json())["sentence"].startswith("5 people look")) == (503, True)
    await until(lambda: socket.live.viewers == 0, "that all have gone")
    async with socket.session.get(f"{socket.url}{EVENTS}") as again:
        assert again.status == 200


async def test_whoever_is_logged_out_sees_nothing_more(visitor: Visitor) -> None:
    await visitor.log_in()
    async with visitor.session.get(f"{visitor.url}{EVENTS}") as answer:
        assert await _events(answer, 2) == ["past", "state"]
        await visitor.post(LOG_OUT)
        async with asyncio.timeout(5):
            await answer.read()


async def test_the_end_of_the_service_ends_the_news(socket: Visitor) -> None:
    async with socket.session.get(f"{socket.url}{EVENTS}") as answer:
        assert await _events(answer, 1) == ["past"]
        socket.service.is_ending = True
        async with asyncio.timeout(5):
            await answer.read()


async def test_the_server_ends_although_somebody_looks() -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(visiting(with_login=False, every_seconds=3_600))
        answer = await stack.enter_async_context(one.session.get(f"{one.url}{EVENTS}"))
        assert await _events(answer, 1) == ["past"]
        async with asyncio.timeout(5):
            await stack.aclose()


async def test_a_viewer_that_does_not_read_is_dropped_and_keeps_nobody_waiting(
    socket: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "WRITE_SECONDS", 0.2)
    socket.service.figures = snapshot() | {"left_out": ["x" * 1_000] * 300}
    host, _, port = socket.url.removeprefix("http://").partition(":")
    with connecting.socket() as silent:
        silent.setsockopt(connecting.SOL_SOCKET, connecting.SO_RCVBUF, 4_096)
        silent.connect((host, int(port)))
        silent.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await until(lambda: socket.live.viewers == 1, "who does not read")
        async with socket.session.get(f"{socket.url}{EVENTS}") as answer:
            assert (await answer.content.readexactly(2_000_000)).count(b"event: state") >= 6
            await until(lambda: socket.live.viewers == 1, "the drop of who does not read")
            assert await answer.content.readexactly(1_000_000)

"""The operator's page over HTTP: its files, its news, login and logout, and who is let through to the commands."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import structlog
from aiohttp import web

from dohproxy.control.audit import LOGGER
from dohproxy.control.console.guard import HEADER, Asked, TurnedAway, judge
from dohproxy.control.console.live import MOST_VIEWERS, Live, TooManyViewers
from dohproxy.control.console.sessions import LoginResult, Sessions
from dohproxy.control.console.static_files import FILES, HEADERS, StaticFile, read_files
from dohproxy.control.service import Service

COOKIE: Final = "dohproxy_console"
WRITE_SECONDS: Final = 5.0
"""For a viewer to take what it is sent; who does not is dropped, and its browser asks again."""
LOGIN: Final = "dohproxy.login"
"""What a request that was let through with a login has its number under."""
EVENTS: Final = "/console/events"
LOG_IN: Final = "/console/login"
LOG_OUT: Final = "/console/logout"

_SAID: Final = {
    LoginResult.WRONG: (403, "This token is not valid, or was used, or its time is over: dohproxy console shows one."),
    LoginResult.TOO_MANY: (429, "Too many wrong tokens within a minute; wait one."),
}

_log = structlog.get_logger("dohproxy.control")
_audit = structlog.get_logger(LOGGER)
"""What a line of a command refers to has to be there at whatever level."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Console:
    """The page on one listener: that of the admin socket, or with `sessions` that of who has logged in."""

    def __init__(self, service: Service, live: Live, sessions: Sessions | None = None) -> None:
        self._service = service
        self._live = live
        self._sessions = sessions
        self._files = read_files()
        self._watching: set[asyncio.Task[Any]] = set()

    def add_to(self, application: web.Application) -> None:
        """Serve the page beside what the application serves."""
        for path in FILES:
            application.router.add_get(path, self._file)
        application.router.add_get(EVENTS, self._events)
        application.router.add_post(LOG_IN, self._log_in)
        application.router.add_post(LOG_OUT, self._log_out)
        application.on_shutdown.append(self._end)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Carry out what comes from the page or from a person's tool; used as a middleware. Raises TurnedAway."""
        is_page = request.path in FILES
        judge(_asked(request), is_page=is_page, is_socket=self._sessions is None)
        if self._sessions is not None and not (is_page or request.path == LOG_IN):
            request[LOGIN] = self._sessions.login_of(_secret(request), time.monotonic())
            if request[LOGIN] is None:
                raise TurnedAway(401, "Log in first: dohproxy console, at a terminal of the service, shows a link.")
        return await handler(request)

    async def _file(self, request: web.Request) -> web.Response:
        found: StaticFile = self._files[request.path]
        headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
        if found.is_known(request.headers.get("If-None-Match", "")):
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.body, content_type=found.media_type, charset="utf-8", headers=headers)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send news until somebody goes away, does not read, or is logged out, or the service ends."""
        try:
            with self._live.looking(), self._noted():
                return await self._send_news(request)
        except TooManyViewers:
            raise TurnedAway(
                503, f"{MOST_VIEWERS} people look at this page already, and no more may: ask one of them."
            ) from None

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Remember the task that sends news, as nobody waits for one that never ends by itself."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a handler that runs in no task")
        self._watching.add(task)
        try:
            yield
        finally:
            self._watching.discard(task)

    async def _end(self, _: web.Application) -> None:
        for task in tuple(self._watching):
            task.cancel()

    async def _send_news(self, request: web.Request) -> web.StreamResponse:
        number, news = await self._live.after(0)
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream",
                                               "Cache-Control": "no-store"})  # fmt: skip
        await response.prepare(request)
        news = self._live.past() + news
        while True:
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    await response.write(news)
            except (TimeoutError, ConnectionError):
                if request.transport is not None:
                    request.transport.abort()
                return response
            number, news = await self._live.after(number)
            if self._service.is_ending or not self._is_welcome(request):
                return response

    def _is_welcome(self, request: web.Request) -> bool:
        return self._sessions is None or self._sessions.login_of(_secret(request), time.monotonic()) is not None

    async def _log_in(self, request: web.Request) -> web.Response:
        if self._sessions is None:
            return web.json_response({"sentence": "There is no login at the admin socket.", "well": True})
        now = time.monotonic()
        result, secret = self._sessions.log_in(await _token(request), now)
        if result is not LoginResult.DONE:
            _log.warning("a login to the operator's page was refused", why=result.value)
            raise TurnedAway(*_SAID[result])
        _audit.info("somebody has logged in to the operator's page", login=self._sessions.login_of(secret, now))
        response = web.json_response({"sentence": "You are logged in.", "well": True})
        response.set_cookie(COOKIE, secret, httponly=True, samesite="Strict", path="/")
        return response

    async def _log_out(self, request: web.Request) -> web.Response:
        if self._sessions is not None:
            self._sessions.log_out(_secret(request), time.monotonic())
        response = web.json_response({"sentence": "You are logged out.", "well": True})
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add to every response what holds a browser to the page; for `Application.on_response_prepare`."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _asked(request: web.Request) -> Asked:
    headers = request.headers
    return Asked(
        request.method,
        headers.get("Host", ""),
        headers.get("Origin", ""),
        headers.get("Sec-Fetch-Site", ""),
        headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        HEADER in headers,
    )


def _secret(request: web.Request) -> str:
    return request.cookies.get(COOKIE, "")


async def _token(request: web.Request) -> str:
    try:
        given: Any = json.loads(await request.read())
    except (ValueError, RecursionError):
        return ""
    token = given.get("token", "") if isinstance(given, Mapping) else ""
    return token if isinstance(token, str) else ""

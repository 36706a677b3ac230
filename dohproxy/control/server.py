"""The admin socket's application: serves the table of commands as HTTP and JSON.

`POST /v1/NAME` with the arguments as a JSON object (or nothing) carries a command out. What comes back is an object
with a `sentence` whatever happens, and with the HTTP status:

| status | the command |
|---|---|
| 200 | was carried out; `well` is false if what it looked at is not |
| 400 | was told what it cannot be told |
| 401 | needs a login first, on the loopback listener |
| 403 | was sent by another page than the operator's |
| 404 | does not exist |
| 405 | was not sent by POST |
| 409 | was refused, and nothing has changed |
| 413 | had a body longer than any has |
| 421 | was asked for under a name that is not this machine's own |
| 500 | met a bug, which is in the log |
| 503 | has to wait for another one that changes something; or another node cannot be asked |
| 504 | was for another node, which has not answered |

`node` among the arguments is the name of the node that is to carry it out, or "all".

`GET /status` is what `status` shows, for scripts that read it already.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from aiohttp import web

from dohproxy.control import audit
from dohproxy.control.command import Command, WrongArguments
from dohproxy.control.commands import COMMANDS
from dohproxy.control.console.application import LOGIN, Console, add_headers
from dohproxy.control.console.guard import TurnedAway
from dohproxy.control.console.live import Live
from dohproxy.control.console.sessions import Sessions
from dohproxy.control.desk import Desk, Said
from dohproxy.control.service import Service
from dohproxy.jobs.turns import in_turns

MOST_BODY_BYTES: Final = 4_096
"""Of a command's arguments: a name of 255 bytes and an address are the longest of them."""
STEP_PARTS: Final = 64
"""Pieces of JSON, each a value or a key, that are written between two steps: 0.1 ms."""
_ENCODER: Final = json.JSONEncoder(indent=1, default=str)

GONE_SECONDS: Final = 0.25
"""Between two looks at whether somebody still waits, and the service goes on."""


class _Entrance:
    """Takes requests, and has them carried out at the desk."""

    def __init__(self, service: Service, desk: Desk) -> None:
        self._service = service
        self._desk = desk

    async def post(self, request: web.Request) -> web.Response:
        """Answer one request."""
        command = self._desk.find(request.path)
        if command is None:
            return _say(404, self._desk.advise(request.path))
        if request.method != "POST":
            return _say(405, f"{command.name} is a command: send it by POST.")
        try:
            given = await _arguments(request)
        except WrongArguments as error:
            return _say(400, str(error))
        work = self._desk.carry_out(command, given, _giver(request))
        if command.ends_with_asker:
            return await self._while_wanted(request, work)
        return await _json_in_turns(await work)

    async def _while_wanted(self, request: web.Request, work: Coroutine[Any, Any, Said]) -> web.Response:
        """Return what the work comes to, and end it when who waits for it has gone, or when the service ends."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(work)
            while not task.done() and request.transport is not None and not self._service.is_ending:
                await asyncio.wait((task,), timeout=GONE_SECONDS)
            task.cancel()  # Of one that has ended this does nothing.
        return _say(503, "The service ends.") if task.cancelled() else await _json_in_turns(task.result())


def _giver(request: web.Request) -> audit.Giver | None:
    login = request.get(LOGIN)
    if login is not None:
        return audit.Login(login)
    transport = request.transport
    return audit.peer_of(None if transport is None else transport.get_extra_info("socket"))


async def _arguments(request: web.Request) -> Mapping[str, object]:
    body = await request.read()
    if not body:
        return {}
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise WrongArguments("The body is no JSON; send the arguments as an object, or nothing.") from None
    if not isinstance(given, dict):
        raise WrongArguments("The body is no JSON object; send the arguments by their names.")
    return given


async def _json_in_turns(said: Said) -> web.Response:
    """Return an answer however long it is: ten thousand entries are 100 ms of work."""
    written = await in_turns(_write(said.body))
    return web.Response(status=said.status, body=written, content_type="application/json", charset="utf-8")


def _write(body: Mapping[str, Any]) -> Generator[None, None, bytes]:
    written, parts = [], _ENCODER.iterencode(body)
    while step := "".join(islice(parts, STEP_PARTS)):
        written.append(step.encode())
        yield
    return b"".join(written)


def _say(status: int, sentence: str, lines: Sequence[str] = ()) -> web.Response:
    return web.json_response(
        {"sentence": sentence, "well": False, "lines": lines}, status=status, dumps=_ENCODER.encode
    )


@web.middleware
async def _in_sentences(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn what aiohttp refuses by itself into the form that all answers have."""
    try:
        return await handler(request)
    except TurnedAway as turned:
        return _say(turned.status, turned.sentence)
    except web.HTTPRequestEntityTooLarge:
        return _say(413, f"The body is longer than the {MOST_BODY_BYTES} bytes that any command takes.")
    except web.HTTPException as error:
        return _say(error.status, f"{error.reason}: commands are at /v1/NAME, and /status.")


def admin_application(
    service: Service,
    commands: Sequence[Command[Service]] = COMMANDS,
    *,
    live: Live | None = None,
    sessions: Sessions | None = None,
    desk: Desk | None = None,
    most_body_bytes: int = MOST_BODY_BYTES,
) -> web.Application:
    """Return the application behind `[admin] socket`, or with `sessions` that behind `[admin] listen`, which is for who
    has logged in. `live` is what all viewers of the operator's page share, `desk` where all commands are carried
    out; without it there is one for this application."""
    entrance = _Entrance(service, Desk(service, commands) if desk is None else desk)
    console = Console(service, Live(service) if live is None else live, sessions)

    async def status(_: web.Request) -> web.Response:
        return await _json_in_turns(Said(200, await service.snapshot()))

    application = web.Application(client_max_size=most_body_bytes, middlewares=[_in_sentences, console.guard])
    application.on_response_prepare.append(add_headers)
    application.router.add_get("/status", status)
    application.router.add_route("*", "/v1/{name:.*}", entrance.post)
    console.add_to(application)
    return application

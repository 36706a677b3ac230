"""What one worker tells its supervisor, at the socket where it takes commands: figures as they are, its state in words,
what another worker needs to know, and the bans that it has made.

| request | what comes back |
|---|---|
| GET /worker/look | what is wrong in words, the snapshot without figures, and the figures with their labels |
| GET /worker/state | what another worker goes on with |
| POST /worker/view | what the operator's page shows of the snapshot in the body |
| GET /worker/bans | bans by rule since the last time; POST: those of the others |

The socket lies in a directory that is the service's user's alone, so nobody else can ask.
"""

import json
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, Final

from aiohttp import web

from dohproxy.control.console.view import view
from dohproxy.control.service import Service
from dohproxy.control.status import troubles
from dohproxy.jobs.ban_exchange import BanExchange
from dohproxy.jobs.turns import in_turns
from dohproxy.observability.figures import Distribution, FigureRegistry, Reading
from dohproxy.saved import Saved
from dohproxy.workers.handover import BANS, LOOK, STATE, VIEW

MOST_BODY_BYTES: Final = 16_777_216
"""Of what the supervisor sends: a snapshot of a hundred upstreams and lists, or some thousand bans."""


class WorkerDesk:
    """Answers the supervisor."""

    def __init__(
        self,
        service: Service,
        figures: FigureRegistry,
        export: Callable[[], Awaitable[Saved]],
        exchange: BanExchange,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._figures = figures
        self._export = export
        self._exchange = exchange
        self._clock = clock

    def add_to(self, application: web.Application) -> None:
        """Answer at these paths beside what the application answers."""
        router = application.router
        router.add_get(LOOK, self._look)
        router.add_get(STATE, self._state)
        router.add_post(VIEW, self._view)
        router.add_get(BANS, self._tell_bans)
        router.add_post(BANS, self._take_bans)

    async def _look(self, _: web.Request) -> web.Response:
        snapshot = await self._service.snapshot()
        told = troubles(snapshot, self._service.alerts())
        rest = {name: one for name, one in snapshot.items() if name != "figures"}
        figures = [plain_reading(reading) for reading in self._figures.read()]
        return await _json({"told": told, "snapshot": rest, "figures": figures})

    async def _state(self, _: web.Request) -> web.Response:
        return await _json(await self._export())

    async def _view(self, request: web.Request) -> web.Response:
        snapshot: Mapping[str, Any] = json.loads(await request.read())
        return await _json(view(self._service, snapshot, self._clock(), time.time()))

    async def _tell_bans(self, _: web.Request) -> web.Response:
        return await _json({"bans": self._exchange.told()})

    async def _take_bans(self, request: web.Request) -> web.Response:
        told = json.loads(await request.read())
        return await _json({"taken": self._exchange.take(told.get("bans"), self._clock())})


def plain_reading(reading: Reading) -> list[Any]:
    """Return a figure's name and its values with their labels; numbers that are none, such as infinity, stay as they
    are, which Python's JSON can write and read."""
    values = []
    for labels, found in reading.values.items():
        number = {"buckets": found.buckets, "total": found.total} if isinstance(found, Distribution) else found
        values.append([labels, number])
    return [reading.figure.sample_name, values]


async def _json(body: Mapping[str, Any]) -> web.Response:
    written = await in_turns(_write(body))
    return web.Response(body=written, content_type="application/json")


def _write(body: Mapping[str, Any]) -> Generator[None, None, bytes]:
    """Write JSON in steps: all figures are a millisecond or two."""
    parts = [b"{"]
    for number, (name, one) in enumerate(body.items()):
        parts.append(b"," if number else b"")
        parts.append(json.dumps(name).encode() + b":" + json.dumps(one, default=str).encode())
        yield
    return b"".join((*parts, b"}"))

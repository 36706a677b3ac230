"""What a frontend calls: the walk, with the one place where our own bugs end.

Everything that can go wrong by design is a value. So an exception that reaches this file is a bug: it is logged with
its traceback, counted, and answered with 500; the process and all other requests go on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.outcomes import Client, Frontend, Reason
from dohproxy.parsed_request import ParsedRequest
from dohproxy.pipeline import Miss, MissResult, Pipeline
from dohproxy.upstream.sends import Stoppable

_log = structlog.get_logger("dohproxy.service")


@dataclass(frozen=True, slots=True)
class Service:
    """The walk as frontends see it: it never raises."""

    pipeline: Pipeline
    observe: Callable[[Client], None] = lambda _: None
    """Takes notice of whom each request is from."""

    def turn_away_early(self, client: Client, frontend: Frontend, now: float) -> HttpResponse | None:
        """Refuse a request that is not read yet, if its client is over its limit already."""
        try:
            response = self.pipeline.turn_away_early(client, frontend, now)
            if response is not None:
                self.observe(client)
        except Exception:
            _log.exception("a request met a bug", stage="early")
            response = self.turn_away(Reason.BUG, client, frontend, now)
        return response

    def read(self, request: HttpRequest, frontend: Frontend) -> ParsedRequest:
        """Read what a request says, whoever sends it and whenever; a frontend may keep it for the same bytes."""
        try:
            return self.pipeline.read(request, frontend)
        except Exception:
            _log.exception("a request met a bug", stage="read")
            return ParsedRequest(frontend, "other", Dialect.OTHER, refused=Reason.BUG)

    def begin(self, parsed: ParsedRequest, client: Client, now: float) -> HttpResponse | Miss:
        """Walk as far as can be gone without waiting."""
        try:
            self.observe(client)
            return self.pipeline.begin(parsed, client, now)
        except Exception:
            _log.exception("a request met a bug", stage="begin")
            return self.turn_away(Reason.BUG, client, parsed.frontend, now)

    async def resolve(self, miss: Miss) -> HttpResponse:
        """Walk the rest of the way, and wait for it; whoever is cancelled meanwhile gives the miss up."""
        told: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()

        def notify(response: HttpResponse) -> None:
            if not told.done():  # Whoever waited may have been cancelled in this very turn of the loop.
                told.set_result(response)

        asked = self.pursue(miss, notify)
        try:
            return await told
        finally:
            miss.slot.give_back()
            if asked is not None:
                asked.stop()

    def pursue(self, miss: Miss, notify: Callable[[HttpResponse], None]) -> Stoppable | None:
        """Walk the rest of the way without a task: `notify` is called with the response, once, perhaps before this
        returns; not if what is returned is stopped first."""

        def conclude(found: MissResult) -> None:
            try:
                response = self.pipeline.conclude(miss, found)
            except Exception:
                response = self._meet_bug(miss)
            notify(response)

        try:
            return self.pipeline.ask(miss, conclude)
        except Exception:
            notify(self._meet_bug(miss))
            return None

    def _meet_bug(self, miss: Miss) -> HttpResponse:
        _log.exception("a request met a bug", stage="resolve")
        arrival = miss.arrival
        return self.turn_away(Reason.BUG, arrival.client, arrival.parsed.frontend, arrival.started)

    def turn_away(self, reason: Reason, client: Client, frontend: Frontend, now: float) -> HttpResponse:
        """Refuse what never became a request: broken HTTP, a header or body that does not end."""
        return self.pipeline.turn_away(reason, client, frontend, now)

"""What a frontend calls: the walk between requests and responses, with the one place where our own bugs end.

Everything that can go wrong by design is a value. So an exception that reaches this file is a bug: it is logged with
its traceback, counted, and answered with 500; the process and all other requests go on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.doh.request import RefusedRequest, RequestRules, find_token, read_request
from dohproxy.doh.response import http_response
from dohproxy.exits import Miss
from dohproxy.frontends.router import Router
from dohproxy.observability.top_talkers import Watch
from dohproxy.outcomes import Client, Frontend, Reason, Refused, Reply, Said
from dohproxy.parsed_request import ParsedRequest
from dohproxy.pipeline import MissResult, Pipeline
from dohproxy.policy.penalties import Offence
from dohproxy.upstream.sends import Stoppable

OTHER_METHOD: Final = "other"
"""What the books have for every method by which no query comes, and for what never became a request: the set is
closed."""

_JSON: Final = (Dialect.JSON_CLOUDFLARE, Dialect.JSON_GOOGLE)

_log = structlog.get_logger("dohproxy.service")


@dataclass(slots=True)
class Service:
    """The walk as frontends see it: it never raises. Those of DoH get responses, that of DoT what is said in DNS."""

    pipeline: Pipeline
    rules: RequestRules
    """What a request must be; a reload brings others."""
    observe: Callable[[Client], bool | None] = lambda _: None
    """Takes notice of whom each request is from; true while somebody looks at how requests end. To ask for that apart
    costs a cached answer 1.5 % more, and hardly anybody ever looks."""
    watch: Watch | None = None
    """Takes notice of how each request ends, while somebody looks; `be_watched` sets it."""
    unwatched: Callable[[Client], bool | None] | None = None
    """What `observe` is when nobody looks, while somebody does."""
    pages: Router = field(default_factory=Router)
    """The public pages, if there are any."""

    def be_watched(self, watch: Watch | None) -> None:
        """Tell `watch` how each request ends from now on; None if nobody looks any more."""
        if watch is not None and self.unwatched is None:
            self.unwatched, self.observe = self.observe, _looked_at(self.observe)
        elif watch is None and self.unwatched is not None:
            self.observe, self.unwatched = self.unwatched, None
        self.watch = watch

    def adopt(self, rules: RequestRules) -> None:
        """Take other rules about HTTP requests: the next one meets them, on open connections too."""
        self.rules = rules
        self.pipeline.rules_changed()

    def adopt_tokens(self, tokens: frozenset[bytes]) -> None:
        """Take other members' tokens, by their digests: the next request meets them, on open connections too."""
        self.adopt(replace(self.rules, tokens=tokens, takes_tokens=True))

    def turn_away_early(self, client: Client, target: str, frontend: Frontend, now: float) -> HttpResponse | None:
        """Refuse a request that is not read yet, if its client is over its limit already. A member's is read: he has
        a limit of his own, whoever else has his address."""
        try:
            if self.rules.tokens and find_token(target, self.rules) is not None:
                return None
            refused = self._refuse_early(client, frontend, now)
        except Exception:
            _log.exception("a request met a bug", stage="early")
            return self.turn_away(Reason.BUG, client, frontend, now)
        return None if refused is None else self._turned_away(refused)

    def turn_away_early_in_dns(self, client: Client, frontend: Frontend, now: float) -> Refused | None:
        """Do the same for a frontend whose requests name nobody."""
        try:
            return self._refuse_early(client, frontend, now)
        except Exception:
            _log.exception("a request met a bug", stage="early")
            return self.pipeline.turn_away(Reason.BUG, client, frontend, now)

    def _refuse_early(self, client: Client, frontend: Frontend, now: float) -> Refused | None:
        refused = self.pipeline.turn_away_early(client, frontend, now)
        if refused is not None:
            self.observe(client)
            if self.watch is not None:
                self.watch(client, None, refused.reason)
        return refused

    def read(self, request: HttpRequest, frontend: Frontend) -> ParsedRequest:
        """Read what a request says, whoever sends it and whenever; a frontend may keep it for the same bytes."""
        version = self.pipeline.rules_version
        try:
            # HTTP shape and dialect stand first: a request that cannot be DNS costs no base64 and no DNS work.
            found = read_request(request, self.rules)
            method = request.method if request.method in ("GET", "HEAD", "POST") else OTHER_METHOD
            if isinstance(found, RefusedRequest):
                parsed = ParsedRequest(
                    frontend, version, method, found.dialect, refused=found.reason, member=found.token
                )
                parsed.page = self.pages.find(request, found)
                return parsed
            parsed = ParsedRequest(
                frontend, version, method, found.dialect, found.wire, shadow=found.shadow, member=found.token
            )
            parsed.is_list_stub = request.list_stub
            return parsed
        except Exception:
            _log.exception("a request met a bug", stage="read")
            return ParsedRequest(frontend, version, refused=Reason.BUG)

    def begin(self, parsed: ParsedRequest, client: Client, now: float) -> HttpResponse | Miss:
        """Walk as far as can be gone without waiting."""
        try:
            is_watched = self.observe(client)
            if parsed.page is not None:
                return self._show_page(parsed, client, now)
            found = self.pipeline.begin(parsed, client, now)
            if not isinstance(found, Said):
                return found
            if is_watched and self.watch is not None:
                self.watch(client, parsed, found.reason)
            # Most of what is said is said again, and has its response; the call is for the rest.
            response: HttpResponse | None = found.rendered
            return self._response(found, parsed) if response is None else response
        except Exception:
            _log.exception("a request met a bug", stage="begin")
            return self.turn_away(Reason.BUG, client, parsed.frontend, now)

    def begin_in_dns(self, parsed: ParsedRequest, client: Client, now: float) -> Reply | Refused | Miss:
        """Walk as far as can be gone without waiting, for a frontend that has no HTTP around what is said."""
        try:
            is_watched = self.observe(client)
            found = self.pipeline.begin(parsed, client, now)
            if is_watched and self.watch is not None and isinstance(found, Said):
                self.watch(client, parsed, found.reason)
            return found
        except Exception:
            _log.exception("a request met a bug", stage="begin")
            self.pipeline.turn_away(Reason.BUG, client, parsed.frontend, now)
            return Refused(Reason.BUG)  # One of its own: what is said to this query would be kept with it.

    def _show_page(self, parsed: ParsedRequest, client: Client, now: float) -> HttpResponse:
        refused = self.pipeline.admit_page_view(client, parsed.frontend, now)
        if refused is not None:
            return self._turned_away(refused)
        return self.pages.show(parsed.page, parsed.frontend, now, is_member=client.member)

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
        return self._pursue(miss, notify, self._response)

    def pursue_in_dns(self, miss: Miss, notify: Callable[[Reply | Refused], None]) -> Stoppable | None:
        """Do the same for a frontend that has no HTTP around what is said."""
        return self._pursue(miss, notify, _as_it_is)

    def _pursue(
        self, miss: Miss, notify: Callable[[Any], None], face: Callable[[Reply | Refused, ParsedRequest], Any]
    ) -> Stoppable | None:
        def conclude(found: MissResult) -> None:
            try:
                said, arrival = self.pipeline.conclude(miss, found), miss.arrival
                if self.watch is not None:
                    self.watch(arrival.client, arrival.parsed, said.reason)
                response = face(said, arrival.parsed)
            except Exception:
                response = face(self._meet_bug(miss), miss.arrival.parsed)
            notify(response)

        try:
            return self.pipeline.ask(miss, conclude)
        except Exception:
            notify(face(self._meet_bug(miss), miss.arrival.parsed))
            return None

    def _meet_bug(self, miss: Miss) -> Refused:
        _log.exception("a request met a bug", stage="resolve")
        arrival = miss.arrival
        if self.watch is not None:
            self.watch(arrival.client, None, Reason.BUG)
        self.pipeline.turn_away(Reason.BUG, arrival.client, arrival.parsed.frontend, arrival.started)
        return Refused(Reason.BUG)  # One of its own, as in `begin_in_dns`: what is said to it is kept with it.

    def turn_away(self, reason: Reason, client: Client, frontend: Frontend, now: float) -> HttpResponse:
        """Refuse what never became a request: broken HTTP, a header or body that does not end."""
        if self.watch is not None:
            self.watch(client, None, reason)
        return self._turned_away(self.pipeline.turn_away(reason, client, frontend, now))

    def note(self, client: Client, offence: Offence, now: float) -> None:
        """Hold against a client what it has done on a connection."""
        self.pipeline.penalties.note(client, offence, now)

    def _response(self, said: Reply | Refused, parsed: ParsedRequest) -> HttpResponse:
        """Return what is said to a request that was read. Only of the path where queries are answered may scripts of
        other pages know."""
        refused = parsed.refused
        return http_response(
            said,
            parsed.variant,
            is_private=parsed.member is not None,
            any_origin=self.rules.any_origin and refused is not Reason.WRONG_PATH,
            wants_json=refused is not None and parsed.dialect in _JSON,
        )

    def _turned_away(self, refused: Refused) -> HttpResponse:
        """Return what is said to a request that was not read, wherever it would have gone. A script has to see it, or
        it asks again and again what it takes for a broken network."""
        return http_response(refused, OTHER_METHOD, any_origin=self.rules.any_origin)


def _as_it_is(said: Reply | Refused, _: ParsedRequest) -> Reply | Refused:
    return said


def _looked_at(observe: Callable[[Client], bool | None]) -> Callable[[Client], bool | None]:
    """Return what takes notice in the same way, and says that somebody looks."""

    def also(client: Client) -> bool | None:
        observe(client)
        return True

    return also

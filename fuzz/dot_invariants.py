"""What must hold whatever bytes a client of DoT sends. The fuzz target calls this, and so does pytest.

1. How the bytes are cut changes nothing of what is said, but for its order.
2. Each whole message is answered once and under its ID, at once or later, refused or not, known or new; those at once
   in their order.
3. What cannot be replied to ends the connection: all before it is answered, and nothing behind it.
4. A client that says that it is at its end gets what is owed, and then the end.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final, cast

from dohproxy.config import ClientsConfig, ConnectionsConfig
from dohproxy.doh.request import RequestRules
from dohproxy.dot.framing import framed
from dohproxy.dot.refusal import refuse_message, refuse_query
from dohproxy.exits import Arrival, Miss
from dohproxy.frontends.client_resolver import ClientResolver
from dohproxy.frontends.connections import Connections
from dohproxy.frontends.dot.connection import DotServer
from dohproxy.frontends.service import Service
from dohproxy.outcomes import Client, Frontend, Priority, Reason, Refused, Reply
from dohproxy.parsed_request import ParsedRequest
from dohproxy.policy.identity import Identities
from dohproxy.policy.penalties import Offence
from dohproxy.policy.request_limiter import MissSlot
from dohproxy.policy.standing import Standing
from dohproxy.upstream.sends import Stoppable
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.query import Query, parse_query
from fuzz.http1_invariants import Sink

MOST_BYTES: Final = 512
MOST_IN_FLIGHT: Final = 4
MOST_PIECES: Final = 64
"""Long inputs are cut into larger pieces: byte by byte they take most of a campaign, and find no more."""


@dataclass
class Owed:
    """What a client is to be told for its bytes, each behind its length."""

    at_once: list[bytes] = field(default_factory=list)
    later: list[bytes] = field(default_factory=list)
    is_cut_short: bool = False
    """Something in them ends the connection."""


def check_dot(data: bytes) -> Owed:
    """Hold every promise of the frontend on what one client sends; return what it is owed."""
    owed = owed_for(data)
    for size in (len(data) or 1, 1, 7):
        for says_end in (False, True):
            written, has_ended = _loop().run_until_complete(
                _speak(data, max(size, len(data) // MOST_PIECES), says_end=says_end)
            )
            said = list(messages_of(written))
            assert Counter(said) == Counter(owed.at_once + owed.later), "not each is answered, or not once"
            if not owed.later:
                assert said == owed.at_once, "what is answered at once is not in its order"
            assert has_ended is (owed.is_cut_short or says_end)
    return owed


def owed_for(data: bytes) -> Owed:
    """Return what a client is to be told, read apart from the frontend."""
    owed = Owed()
    while len(data) >= 2:
        size = int.from_bytes(data[:2])
        message, rest = data[2 : 2 + size], data[2 + size :]
        if size > MOST_BYTES:
            owed.is_cut_short = True
            break
        if len(message) < size:
            break
        verdict = verdict_on(bytes(2) + message[2:])
        wire = verdict.wire(bytes(2) + message[2:])
        if wire is None:
            owed.is_cut_short = True
            break
        (owed.later if verdict.is_late else owed.at_once).append(framed(message[:2], wire))
        data = rest
    return owed


def messages_of(written: bytes) -> Iterator[bytes]:
    """Yield what was written, message by message; there is nothing behind the last."""
    while written:
        end = 2 + int.from_bytes(written[:2])
        assert end <= len(written), "a message is cut short"
        yield written[:end]
        written = written[end:]


@dataclass(frozen=True)
class Verdict:
    """What the walk of these tests says to a message: by its bytes alone, so that it is the same each time."""

    query: Query | None
    refused: Reason | None
    is_late: bool

    def wire(self, message: bytes) -> bytes | None:
        """Return the reply; None if there is none to be had."""
        if self.refused is None:
            return message
        return refuse_message(message, self.refused) if self.query is None else refuse_query(self.query, self.refused)


def verdict_on(message: bytes) -> Verdict:
    """Return what is said: an echo or a refusal, at once or later; what is less than a header is unreadable."""
    kind = sum(message) % 6
    if len(message) < 12 or message[2] & 0x80:
        return Verdict(None, Reason.UNREADABLE, is_late=False)
    try:
        query = parse_query(message)
    except Malformed:
        return Verdict(None, None if kind % 2 else Reason.CLIENT_LIMIT, is_late=False)
    return Verdict(query, Reason.SERVICE_LIMIT if kind in (1, 4) else None, is_late=kind >= 3)


@dataclass
class Echo:
    """A service that says to everybody what it was asked, or that it does not."""

    later: list[tuple[Callable[[Reply | Refused], None], Reply | Refused]] = field(default_factory=list)
    rules: RequestRules = field(default_factory=lambda: RequestRules("/", MOST_BYTES, {}))
    pipeline: "Unruled" = field(default_factory=lambda: Unruled())

    def turn_away_early_in_dns(self, client: Client, frontend: Frontend, now: float) -> Refused | None:
        """Nobody is over a limit."""
        return None

    def begin_in_dns(self, parsed: ParsedRequest, client: Client, now: float) -> Reply | Refused | Miss:
        """Answer it at once, or not."""
        verdict = verdict_on(parsed.wire)
        parsed.query = verdict.query
        said = Refused(verdict.refused) if verdict.refused is not None else Reply(parsed.wire, Reason.CACHED, 0)
        if not verdict.is_late:
            return said
        assert verdict.query is not None
        place, priority = cast(MissSlot, _Place(said)), Priority(0, (), 0.0)
        return Miss(verdict.query, cast(Arrival, None), None, place, priority)

    def pursue_in_dns(self, miss: Miss, notify: Callable[[Reply | Refused], None]) -> Stoppable | None:
        """Answer it later."""
        self.later.append((notify, cast(_Place, miss.slot).said))
        return None

    def turn_away(self, reason: Reason, client: Client, frontend: Frontend, now: float) -> None:
        """A bug is one here too."""
        assert reason is Reason.BODY_TOO_LARGE

    def note(self, client: Client, offence: Offence, now: float) -> None:
        """Hold nothing against anybody."""


class Unruled:
    """A walk whose rules never change."""

    rules_version = 0


class _Place:
    """A miss's place, and what it will be told."""

    taken = 0

    def __init__(self, said: Reply | Refused) -> None:
        self.said = said
        _Place.taken += 1
        assert _Place.taken <= MOST_IN_FLIGHT, "more wait than may"

    def give_back(self) -> None:
        """It is free."""
        _Place.taken -= 1


@cache
def _server() -> tuple[DotServer, Echo]:
    """One for all that is tried in this process, so that what is known and what is new come by."""
    echo = Echo()
    register = Connections(ConnectionsConfig(max_requests=1_000_000))
    peers = ClientResolver(Identities(bytes(32)), ClientsConfig())
    server = DotServer(
        cast(Service, echo),
        peers,
        register,
        lambda: 0.0,
        max_query_bytes=MOST_BYTES,
        max_in_flight=MOST_IN_FLIGHT,
        host="localhost",
    )
    return server, echo


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


async def _speak(data: bytes, size: int, *, says_end: bool) -> tuple[bytes, bool]:
    server, echo = _server()
    place = server.register.take_slot((), Standing.MEMBER, 0.0)
    assert place is not None
    frontend, sink = server.frontend(None, place), Sink()
    frontend.connection_made(sink)
    try:
        for start in range(0, len(data), size):
            frontend.data_received(data[start : start + size])
            if start % 3:
                await _let_it_answer(echo)
        if says_end and not frontend.eof_received():
            sink.has_ended = True  # The event loop closes it.
        await _let_it_answer(echo)
        return sink.written, sink.has_ended
    finally:
        frontend.connection_lost(None)
        echo.later.clear()
        assert _Place.taken == 0, "a place is not given back"


async def _let_it_answer(echo: Echo) -> None:
    quiet = 0
    while quiet < 2:
        later, echo.later = echo.later, []
        for notify, said in later:
            notify(said)
        await asyncio.sleep(0)
        quiet = 0 if later or echo.later else quiet + 1

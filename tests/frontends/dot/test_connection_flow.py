"""What the DoT frontend begins and writes while its client takes some of it: bytes are given, and time is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from dohproxy.config import ClientsConfig, ConnectionsConfig
from dohproxy.doh.request import RequestRules
from dohproxy.dot.answers import PIECE_BYTES
from dohproxy.exits import Arrival, Miss
from dohproxy.frontends.client_resolver import ClientResolver
from dohproxy.frontends.connections import Closing, Connections, overdue_reason
from dohproxy.frontends.dot.connection import MOST_QUEUED_BYTES, DotFrontend, DotServer
from dohproxy.frontends.service import Service
from dohproxy.outcomes import Client, Frontend, Priority, Reason, Refused, Reply
from dohproxy.parsed_request import ParsedRequest
from dohproxy.policy.identity import Identities
from dohproxy.policy.penalties import Offence
from dohproxy.policy.request_limiter import MissSlot
from dohproxy.policy.standing import Standing
from dohproxy.upstream.sends import Stoppable
from dohproxy.wire.query import parse_query
from tests.frontends.dot_client import framed, query

LARGE = 60_000
"""Bytes of each answer."""
IN_FLIGHT = 8
LIMITS = ConnectionsConfig(write_seconds=10.0, max_requests=1_000)


class SlowTransport(asyncio.Transport):
    """Holds what is written until its client takes it, and pauses its protocol as event loops do."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: asyncio.Protocol | None = None
        self.written = b""
        self.queued = 0
        self.high = 0
        self.is_paused = self.has_ended = False

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += data
        self.queued += len(data)
        if self.queued > self.high and not self.is_paused and self.protocol is not None:
            self.is_paused = True
            self.protocol.pause_writing()

    def take(self, count: int) -> None:
        """The client's TCP takes so many bytes, or all there are."""
        self.queued = max(0, self.queued - count)
        if self.is_paused and self.queued <= self.high // 4 and self.protocol is not None:
            self.is_paused = False
            self.protocol.resume_writing()

    def write_eof(self) -> None:
        """Note it."""
        self.has_ended = True

    close = abort = write_eof

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is neither a socket nor TLS."""
        return default

    def get_write_buffer_size(self) -> int:
        """Return what waits."""
        return self.queued

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Note it."""
        self.high = high or 0

    def pause_reading(self) -> None:
        """It gives what it is told to."""

    def resume_reading(self) -> None:
        """It gives what it is told to."""


class Slot:
    """A miss's, for ever."""

    def give_back(self) -> None:
        """It is free."""


@dataclass
class LargeAnswers:
    """A service whose answers are all large: at once, or when `answer_all` says so."""

    is_late: bool = False
    begun: int = 0
    later: list[Callable[[Reply | Refused], None]] = field(default_factory=list)
    rules: RequestRules = field(default_factory=lambda: RequestRules("/", 512, {}))

    rules_version = 0

    @property
    def pipeline(self) -> "LargeAnswers":
        """The walk, of which only the version of its rules is asked."""
        return self

    def turn_away_early_in_dns(self, client: Client, frontend: Frontend, now: float) -> Refused | None:
        """Nobody is over a limit."""
        return None

    def begin_in_dns(self, parsed: ParsedRequest, client: Client, now: float) -> Reply | Miss:
        """Answer it now, or later."""
        self.begun += 1
        if not self.is_late:
            return Reply(bytes(LARGE), Reason.CACHED, 0)
        slot, priority = cast(MissSlot, Slot()), Priority(0, (), 0.0)
        return Miss(parse_query(parsed.wire), cast(Arrival, None), None, slot, priority)

    def pursue_in_dns(self, miss: Miss, notify: Callable[[Reply | Refused], None]) -> Stoppable | None:
        """Answer it later."""
        self.later.append(notify)
        return None

    def answer_all(self) -> None:
        """Answer all that wait."""
        later, self.later = self.later, []
        for notify in later:
            notify(Reply(bytes(LARGE), Reason.FORWARDED, 0))

    def note(self, client: Client, offence: Offence, now: float) -> None:
        """Hold nothing against anybody."""


class Scene:
    """One connection, its client and the time."""

    def __init__(self, *, is_late: bool = False, limits: ConnectionsConfig = LIMITS) -> None:
        self.now = 1_000.0
        self.service = LargeAnswers(is_late)
        self.register = Connections(limits)
        server = DotServer(
            cast(Service, self.service),
            ClientResolver(Identities(bytes(32)), ClientsConfig()),
            self.register,
            lambda: self.now,
            max_query_bytes=512,
            max_in_flight=IN_FLIGHT,
            host="localhost",
        )
        slot = self.register.take_slot((), Standing.MEMBER, self.now)
        assert slot is not None
        self.frontend: DotFrontend = server.frontend(None, slot)
        self.transport = SlowTransport()
        self.transport.protocol = self.frontend
        self.frontend.connection_made(self.transport)

    def ask(self, count: int, *, half: bool = False) -> None:
        """Send so many queries, and half of another one behind them."""
        sent = framed(*(query(number=number) for number in range(count)))
        self.frontend.data_received(sent + (framed(query())[:20] if half else b""))

    async def let_go_on(self) -> None:
        """Let the event loop have as many turns as it wants."""
        for _ in range(50):
            await asyncio.sleep(0)

    @property
    def said(self) -> int:
        """How many answers have been written, all of them whole."""
        count, rest = divmod(len(self.transport.written), LARGE + 2)
        assert not rest
        return count

    def overdue(self) -> Closing | None:
        """Why the connection would be closed now."""
        return overdue_reason(self.frontend.waiting(self.now), self.now, LIMITS)


async def test_no_query_is_begun_while_large_answers_wait_for_their_client() -> None:
    scene = Scene()
    scene.ask(64)
    await scene.let_go_on()
    assert scene.service.begun == scene.said == 2
    assert scene.frontend.held_bytes() < MOST_QUEUED_BYTES + PIECE_BYTES + LARGE + 8_192
    assert scene.overdue() is None
    scene.frontend.connection_lost(None)


async def test_all_are_answered_as_their_client_takes_them() -> None:
    scene = Scene()
    scene.ask(64)
    most = 0
    for _ in range(100):
        await scene.let_go_on()
        most = max(most, scene.transport.queued)
        assert scene.overdue() is None
        scene.transport.take(LARGE)
    assert scene.said == 64
    assert most <= MOST_QUEUED_BYTES + PIECE_BYTES + LARGE
    scene.frontend.connection_lost(None)


async def test_answers_that_come_while_nothing_is_taken_wait_unwritten_and_are_accounted_for() -> None:
    scene = Scene(is_late=True)
    scene.ask(IN_FLIGHT)
    scene.service.answer_all()
    await scene.let_go_on()
    assert scene.transport.queued <= MOST_QUEUED_BYTES + PIECE_BYTES + LARGE
    assert scene.frontend.held_bytes() == IN_FLIGHT * (LARGE + 2)
    assert scene.register.held.total >= IN_FLIGHT * LARGE - 8_192
    assert scene.overdue() is None
    for _ in range(IN_FLIGHT):
        scene.transport.take(2 * LARGE)
        await scene.let_go_on()
    assert scene.said == IN_FLIGHT
    assert scene.frontend.held_bytes() == 0
    scene.frontend.connection_lost(None)


async def test_no_more_than_may_be_in_flight_can_bring_answers_beyond_the_bound() -> None:
    scene = Scene(is_late=True)
    scene.ask(3 * IN_FLIGHT)
    for _ in range(5):
        await scene.let_go_on()
        scene.service.answer_all()
    assert scene.service.begun == IN_FLIGHT
    scene.frontend.connection_lost(None)


async def test_who_takes_nothing_is_cut_after_its_deadline_and_who_takes_what_it_can_is_not() -> None:
    scene = Scene()
    scene.ask(64)
    for _ in range(40):
        scene.transport.take(LARGE)
        await scene.let_go_on()
        scene.now += 1.0
        assert scene.transport.queued > 0
        assert scene.overdue() is None
    verdicts = []
    for _ in range(11):
        scene.now += 1.0
        verdicts.append(scene.overdue())
    assert verdicts[-1] is Closing.WRITE_DEADLINE
    scene.frontend.connection_lost(None)


# --- What has been read whole is answered ---


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
async def test_draining_answers_what_has_been_read_whole_and_nothing_behind_it(*, is_late: bool) -> None:
    scene = Scene(is_late=is_late)
    scene.ask(2 * IN_FLIGHT)
    await scene.let_go_on()
    assert scene.service.begun < 2 * IN_FLIGHT
    scene.register.drain()
    scene.ask(1)
    for _ in range(4 * IN_FLIGHT):
        scene.service.answer_all()
        scene.transport.take(2 * LARGE)
        await scene.let_go_on()
    assert scene.service.begun == scene.said == 2 * IN_FLIGHT
    assert scene.transport.has_ended
    scene.frontend.connection_lost(None)


async def test_draining_waits_for_the_message_that_has_begun_and_for_nothing_behind_it() -> None:
    scene = Scene()
    scene.ask(1, half=True)
    scene.register.drain()
    await scene.let_go_on()
    assert not scene.transport.has_ended
    scene.frontend.data_received(framed(query())[20:] + framed(query()))
    await scene.let_go_on()
    assert (scene.said, scene.transport.has_ended) == (2, True)
    scene.frontend.connection_lost(None)


async def test_a_connection_that_has_had_its_queries_answers_those_that_had_come_with_the_last() -> None:
    scene = Scene(limits=ConnectionsConfig(max_requests=3))
    scene.ask(5)
    for _ in range(5):
        scene.transport.take(2 * LARGE)
        await scene.let_go_on()
        scene.ask(1)
    assert (scene.said, scene.transport.has_ended) == (5, True)
    scene.frontend.connection_lost(None)

"""The store as everybody here sees it: one connection, commands that go out together, and nobody who waits for it.

Each command has a time after which whoever asked goes on without. What all commands of one turn of the event loop have
to say is written at once, and replies come in the order of the commands, so that one connection is enough, and what a
lookup costs is a quarter of what it would alone.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import Any, Final

import structlog
from valkey.asyncio.connection import AbstractConnection
from valkey.exceptions import (
    AuthenticationError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    ValkeyError,
)

from dohproxy.sharing.commands import Argument, Asked, Command, Notify, Reply, Script, StoreFailure
from dohproxy.sharing.connecting import CONNECT_SECONDS, StoreSettings, Unfit, connect, drop, explain
from dohproxy.sharing.store_figures import StoreStatistics

SILENT_SECONDS: Final = 0.5
"""A store that has said nothing for so long to what was asked is gone: what hangs is to be known within a second."""
LOOK_SECONDS: Final = 0.2
"""Between two looks whether it has; each asks something where nothing is under way."""
SHORTEST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 2.0
"""Between two attempts to connect. A store that is back is to be used within five seconds, and a connection attempt
every two seconds from each of a hundred nodes disturbs nobody."""
MOST_UNDER_WAY: Final = 4_096
"""Commands that wait for a reply: half a second's at eight thousand a second, which is more than a node can ask."""
MOST_UNDER_WAY_BYTES: Final = 8_388_608
"""What they hold, and so about what lies in the socket's buffers and the store's when it hangs."""
REPLIES_AT_ONCE: Final = 10
"""So many of them are told in one turn of the event loop. With what follows, an answer to a client, each takes up to
half a millisecond: nobody else waits longer than 5 for their sake."""
HASTY_SECONDS: Final = 0.1
"""Who waits no longer than this is somebody's question that is to be answered meanwhile."""
MOST_LATE: Final = 5
"""So many of those in a row that came too late, and for a while none is asked."""
SHORTEST_REST_SECONDS: Final = 1.0
LONGEST_REST_SECONDS: Final = 30.0

_DRAW: Final = random.SystemRandom()

_log = structlog.get_logger("dohproxy.store")


class Store:
    """One connection to the store, made anew when it is lost. `run` keeps it."""

    def __init__(self, settings: StoreSettings, clock: Callable[[], float]) -> None:
        """`clock` must be the event loop's."""
        self._settings = settings
        self._clock = clock
        self._connection: AbstractConnection | None = None
        self._queued: list[tuple[Command, int, Asked]] = []
        self._sent: deque[tuple[float, int, Asked]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._late = 0
        self._rest_seconds = SHORTEST_REST_SECONDS
        self._rests_until = -math.inf
        self._commands = 0
        self._connections = 0
        self._failures = dict.fromkeys(StoreFailure, 0)
        self._round_trip = 0.0
        self.why_down: str = f"at {settings.address} has not been reached yet"
        """Continues "the store "; empty while there is a connection."""
        self.when_up: list[Callable[[], None]] = []
        """Called each time there is a connection again."""
        self.when_down: list[Callable[[], None]] = []

    @property
    def is_up(self) -> bool:
        """Whether there is a connection, and the store has answered what it was asked last."""
        return self._connection is not None

    @property
    def is_hasty(self) -> bool:
        """Whether it has lately answered soon enough for those who wait for a question's answer."""
        return self.is_up and self._clock() >= self._rests_until

    def ask(self, command: Command, notify: Notify, *, until: float) -> Asked:
        """Have the store do `command`. `notify` is called once, at `until` at the latest, perhaps before this returns.

        What is late is done all the same, and who asks for a script does it by `run_script`.
        """
        asked = Asked(notify)
        now = self._clock()
        is_hasty = until - now <= HASTY_SECONDS
        size = sum(len(part) if isinstance(part, str | bytes) else 8 for part in command)
        if self._connection is None:
            self._end(asked, StoreFailure.DOWN)
        elif is_hasty and now < self._rests_until:
            self._end(asked, StoreFailure.SLOW)
        elif self._under_way >= MOST_UNDER_WAY or self._bytes + size > MOST_UNDER_WAY_BYTES:
            self._end(asked, StoreFailure.BUSY)
        else:
            asked.timer = asyncio.get_running_loop().call_at(until, self._expire, asked, is_hasty)
            self._queued.append((command, size, asked))
            self._bytes += size
            self._commands += 1
            self._wake.set()
        return asked

    async def command(self, *command: Argument, seconds: float) -> Reply | StoreFailure:
        """Have the store do `command`, and wait for what it says."""
        ended: asyncio.Future[Reply | StoreFailure] = asyncio.get_running_loop().create_future()

        def end(reply: Reply | StoreFailure) -> None:
            if not ended.done():  # Whoever waited may have been cancelled in this very turn of the loop.
                ended.set_result(reply)

        asked = self.ask(command, end, until=self._clock() + seconds)
        try:
            return await ended
        finally:
            asked.stop()

    async def run_script(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], *, seconds: float
    ) -> Reply | StoreFailure:
        """Have the store run a script, which it is told if it does not know it."""
        until = self._clock() + seconds
        reply = await self.command(*script.command(keys, arguments), seconds=seconds)
        if reply is UNKNOWN_SCRIPT:
            reply = await self.command(*script.whole(keys, arguments), seconds=max(0.0, until - self._clock()))
        return reply

    def statistics(self) -> StoreStatistics:
        """Return a snapshot."""
        return StoreStatistics(
            is_up=self.is_up,
            is_hasty_resting=self._clock() < self._rests_until,
            commands=self._commands,
            failures=dict(self._failures),
            connections=self._connections,
            under_way=self._under_way,
            max_under_way=MOST_UNDER_WAY,
            under_way_bytes=self._bytes,
            max_under_way_bytes=MOST_UNDER_WAY_BYTES,
            round_trip_seconds=self._round_trip,
        )

    async def run(self) -> None:
        """Keep a connection until cancelled."""
        pause = SHORTEST_PAUSE_SECONDS
        while True:
            try:
                async with asyncio.timeout(2 * CONNECT_SECONDS):
                    connection = await connect(self._settings)
            except (Unfit, OSError, ValkeyError) as error:
                self._tell_down(explain(error, self._settings.address))
                # Nodes that have lost it all at once do not come back in step.
                await asyncio.sleep(pause * _DRAW.uniform(0.75, 1.25))
                pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
                continue
            pause = SHORTEST_PAUSE_SECONDS
            await self._carry(connection)

    async def _carry(self, connection: AbstractConnection) -> None:
        """Use a connection until it is lost."""
        self._connections += 1
        self._connection = connection
        self._late, self._rests_until, self._rest_seconds = 0, -math.inf, SHORTEST_REST_SECONDS
        _log.info("the store can be used", store=str(self._settings.address))
        self.why_down = ""
        for call in self.when_up:
            call()
        # None of the three ends in an error of its own: a group of tasks that has one forgets that it was cancelled.
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        why = ""
        try:
            async with asyncio.TaskGroup() as tasks:
                carrying = [
                    tasks.create_task(self._until_lost(work, lost))
                    for work in (self._write(connection), self._read(connection), self._watch())
                ]
                try:
                    why = await lost
                finally:
                    for one in carrying:
                        one.cancel()
        finally:
            self._connection = None
            await drop(connection)
            self._tell_down(why)
            self._give_up()
            for call in self.when_down:
                call()

    async def _until_lost(self, work: Coroutine[Any, Any, None], lost: asyncio.Future[str]) -> None:
        try:
            await work
        except (OSError, ValkeyError) as error:
            if not lost.done():
                lost.set_result(explain(error, self._settings.address))

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            queued, self._queued = self._queued, []
            now = self._clock()
            for _, size, asked in queued:
                self._sent.append((now, size, asked))
            packed = connection.pack_commands(command for command, _, _ in queued)
            await connection.send_packed_command(packed, check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        for number in count(1):
            if not number % REPLIES_AT_ONCE:
                # What lies there already is read without giving way.
                await asyncio.sleep(0)
            try:
                reply = await connection.read_response(disconnect_on_error=False)
            except ResponseError as error:
                reply = _failure_of(error)
            sent_at, size, asked = self._sent.popleft()
            self._bytes -= size
            self._round_trip = self._clock() - sent_at
            if asked.is_waited_for:
                self._late = 0
                self._rest_seconds = SHORTEST_REST_SECONDS
            self._end(asked, reply)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = self._clock()
            if self._sent and now - self._sent[0][0] > SILENT_SECONDS:
                raise TimeoutError
            if not self._sent and not self._queued:
                self.ask(("PING",), lambda _: None, until=now + SILENT_SECONDS)

    @property
    def _under_way(self) -> int:
        return len(self._sent) + len(self._queued)

    def _expire(self, asked: Asked, is_hasty: bool) -> None:
        if is_hasty:
            self._late += 1
            if self._late >= MOST_LATE:
                self._late = 0
                self._rests_until = self._clock() + self._rest_seconds
                self._rest_seconds = min(LONGEST_REST_SECONDS, 2 * self._rest_seconds)
        self._end(asked, StoreFailure.SLOW)

    def _end(self, asked: Asked, reply: Reply | StoreFailure) -> None:
        if isinstance(reply, StoreFailure) and asked.is_waited_for:
            self._failures[reply] += 1
        asked.end(reply)

    def _give_up(self) -> None:
        """Tell all who wait that nothing will come."""
        lost = [asked for *_, asked in self._sent] + [asked for *_, asked in self._queued]
        self._sent.clear()
        self._queued.clear()
        self._bytes = 0
        for asked in lost:
            self._end(asked, StoreFailure.DOWN)

    def _tell_down(self, why: str) -> None:
        if why not in ("", self.why_down):  # There is no reason where the service ends.
            _log.warning("the store cannot be used; this node goes on alone", why=f"the store {why}")
        self.why_down = why


UNKNOWN_SCRIPT: Final = "the store does not know the script"
"""What a command that names a script by its digest gets where nobody has told the store of it yet."""


def _failure_of(error: ResponseError) -> Any:
    if isinstance(error, NoScriptError):
        return UNKNOWN_SCRIPT
    if isinstance(error, OutOfMemoryError):
        return StoreFailure.FULL
    if isinstance(error, NoPermissionError | AuthenticationError | ReadOnlyError):
        return StoreFailure.REFUSED
    return StoreFailure.WRONG

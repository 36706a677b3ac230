"""DNS over TCP and over TLS: a few connections, kept and shared by all queries (RFC 7766, RFC 7858).

Which connection a query takes is decided in one synchronous function, so no await stands between counting the
connections and opening one more: the cap holds at every moment.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.abilities import OVER_TCP, OVER_TLS, Abilities
from dohproxy.upstream.connection_budget import ConnectionBudget
from dohproxy.upstream.results import Bug, Result, result_of
from dohproxy.upstream.sends import Done, Outcome
from dohproxy.upstream.transports.connection import Asked, Connection
from dohproxy.upstream.transports.tls import name_to_verify
from dohproxy.upstream.trial import Additions
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

BUSY_QUERIES: Final = 8
"""Queries on every open connection before another one is opened. RFC 7766 section 6.2.2 asks for as few as possible;
servers that answer in order make a second one worth while."""
CLOSE_SECONDS: Final = 1.0
"""For the last words of a connection. asyncio's default for TLS is 30, longer than a drain may take."""

LEAST_OPENING_SECONDS: Final = 1.0
"""A connection that was given less time and did not come to be says nothing: TCP repeats a lost SYN after a second
(RFC 6298), and TLS takes two round trips more."""


class StreamTransport:
    """Asks one upstream over as many connections as its `budget` allows; over TLS if it is given a `context`."""

    def __init__(
        self,
        address: UpstreamAddress,
        budget: ConnectionBudget,
        *,
        idle_seconds: float,
        context: ssl.SSLContext | None,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float],
        abilities: Abilities | None = None,
    ) -> None:
        self.abilities = Abilities(OVER_TCP if context is None else OVER_TLS) if abilities is None else abilities
        self._address = address
        self._budget = budget
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._context = context
        self._tasks = tasks
        self._connections: list[Connection] = []
        self._closing: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._ignored_before = 0
        self._is_closed = False
        self._is_refused = False

    @property
    def connections(self) -> int:
        """How many connections hold a socket, or are about to."""
        return len(self._connections) + len(self._closing)

    @property
    def ignored_packets(self) -> int:
        """Frames that matched no query."""
        return self._ignored_before + sum(connection.ignored_frames for connection in self._connections)

    def send(self, query: Query, done: Done, *, until: float, additions: Additions | None = None) -> "Waiting | Result":
        """Send `query` on one of the connections with these `additions`, or with what the upstream can stand; `done` is
        told its answer, or at `until` (the event loop's clock) that there is none. Returns a Result instead where
        nothing could be sent."""
        connection = self._choose(until)
        if connection is None:
            return Result.UNSENT
        added = self.abilities.in_use if additions is None else additions

        def learn(outcome: Outcome) -> None:
            if not isinstance(outcome, Bug):
                self.abilities.heard(added, outcome, self._clock())
            done(outcome)

        return Waiting(connection, connection.ask(query, added), self._budget, learn, until)

    async def close(self) -> None:
        """Close all connections and wait until their sockets are gone."""
        self._is_closed = True
        for task in self._connecting:
            task.cancel()
        for connection in tuple(self._connections):
            connection.end(Result.ABANDONED)
        ending: list[asyncio.Future[None]] = [*self._connecting, *(one.closed for one in self._closing)]
        if ending:
            await asyncio.wait(ending, timeout=CLOSE_SECONDS)

    def _choose(self, until: float) -> Connection | None:
        """Return the connection for the next query: the least loaded, or a new one if all are busy."""
        if self._is_closed:
            return None
        best = min(
            (connection for connection in self._connections if connection.takes_queries),
            key=lambda connection: connection.load,
            default=None,
        )
        now = self._clock()
        if best is not None and (best.load < BUSY_QUERIES or not self._budget.may_open(now)):
            return best
        if not self._budget.may_replace(now):
            return None
        if not self._budget.may_open(now) and not self._make_room():
            return None
        return self._open(until)

    def _make_room(self) -> bool:
        """Drop a connection when none can be asked: one at its last words, or one whose waiters wait in vain.

        Its socket closes before the next one opens: both wait for the event loop, in this order. False, if all belong
        to other addresses of the same group.
        """
        if self._closing:
            next(iter(self._closing)).abort()
        elif self._connections:
            self._connections[0].end(Result.TIMEOUT)
        else:
            return False
        return True

    def _open(self, until: float) -> Connection | None:
        connection = Connection(padded=self._context is not None, idle_seconds=self._idle_seconds, on_end=self._remove)
        coroutine = self._connect(connection, until)
        try:
            task = self._tasks.create_task(coroutine)
        except RuntimeError:
            # The group is shutting down and takes no tasks any more.
            coroutine.close()
            return None
        self._budget.take(self._clock())
        connection.closed.add_done_callback(lambda _: self._budget.release())
        self._connections.append(connection)
        self._connecting.add(task)
        task.add_done_callback(lambda done: self._connected(done, connection))
        return connection

    async def _connect(self, connection: Connection, until: float) -> None:
        """Open the socket and make the TLS handshake; a failure ends the connection and raises nothing."""
        loop = asyncio.get_running_loop()
        encrypted = self._context is not None
        self._is_refused = False
        had_time = until - self._clock() >= LEAST_OPENING_SECONDS
        try:
            async with asyncio.timeout_at(until):
                await loop.create_connection(
                    lambda: connection,
                    self._address.host,
                    self._address.port,
                    ssl=self._context,
                    server_hostname=name_to_verify(self._address) if encrypted else None,
                    ssl_shutdown_timeout=CLOSE_SECONDS if encrypted else None,
                )
        except TimeoutError:
            connection.end(Result.UNREACHABLE if had_time else Result.TIMEOUT)
        except ssl.SSLError:
            # Its numbers are OpenSSL's, and mean something else than those of the system.
            connection.end(Result.UNREACHABLE)
        except ConnectionRefusedError as error:
            self._is_refused = True
            connection.end(result_of(error))
        except OSError as error:
            connection.end(result_of(error))
        except Exception as error:
            connection.end(Result.UNREACHABLE)
            context = {"message": "opening a connection to an upstream failed", "exception": error}
            loop.call_exception_handler(context)

    def _connected(self, task: asyncio.Task[None], connection: Connection) -> None:
        self._connecting.discard(task)
        if task.cancelled():
            connection.end(Result.ABANDONED)

    def _remove(self, connection: Connection, result: Result | None) -> None:
        """Take a connection out of use; it counts until its socket is gone."""
        if result is Result.LOST:
            self._budget.cut(self._clock())
        elif result in (Result.UNREACHABLE, Result.NO_ROUTE):
            self._budget.failed(self._clock(), nobody_listens=self._is_refused)
        self._connections.remove(connection)
        self._ignored_before += connection.ignored_frames
        if not connection.closed.done():
            self._closing.add(connection)
            connection.closed.add_done_callback(lambda _: self._closing.discard(connection))


class Waiting:
    """One query on a connection, and the wait for the reply."""

    __slots__ = ("_alarm", "_asked", "_budget", "_connection", "_done", "_is_over")

    def __init__(
        self, connection: Connection, asked: Asked, budget: ConnectionBudget, done: Done, until: float
    ) -> None:
        self._connection = connection
        self._asked = asked
        self._budget = budget
        self._done = done
        self._is_over = False
        self._alarm = asyncio.get_running_loop().call_at(until, self._expire)
        asked.reply.add_done_callback(self._replied)

    def stop(self) -> None:
        """Wait no longer; a reply that comes late is ignored."""
        if not self._is_over:
            self._is_over = True
            self._alarm.cancel()
            self._connection.forget(self._asked)

    def _replied(self, reply: asyncio.Future[Answer | Result]) -> None:
        if not self._is_over:
            self._end(reply.result())

    def _expire(self) -> None:
        if not self._asked.reply.done():  # Else `_replied` is about to be called.
            self._end(self._connection.give_up(self._asked))

    def _end(self, outcome: Answer | Result) -> None:
        if isinstance(outcome, Answer):
            self._budget.answered()
        self.stop()
        self._done(outcome)

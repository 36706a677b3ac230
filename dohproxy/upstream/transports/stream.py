"""DNS over TCP and over TLS: a few connections, kept and shared by all queries (RFC 7766, RFC 7858).

Which connection a query takes is decided in one synchronous function, so no await stands between counting the
connections and opening one more: the cap holds at every moment.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.health.signals import ConnectFailure, Signal
from dohproxy.upstream.results import SendStatus, result_of
from dohproxy.upstream.sends import Done, Late
from dohproxy.upstream.transports.connection import Asked, Connection
from dohproxy.upstream.transports.socket_address import host_of
from dohproxy.upstream.transports.tls_client import CLOSE_SECONDS, connect
from dohproxy.upstream.workarounds.trial import Additions
from dohproxy.upstream.workarounds.workarounds import OVER_TCP, OVER_TLS, Workarounds
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

BUSY_QUERIES: Final = 8
"""Queries on every open connection before another one is opened. RFC 7766 section 6.2.2 asks for as few as possible;
servers that answer in order make a second one worth while."""
LOOK_AGAIN_SECONDS: Final = 0.02
"""The pause between two looks at the rate of new connections while queries wait for one; the end of a connection is
seen at once."""
KEPT_OPEN_SECONDS: Final = 1.0
"""A connection still open so long after the answer after which the upstream is said to close will not be closed."""
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
        workarounds: Workarounds | None = None,
    ) -> None:
        self.workarounds = (
            Workarounds(OVER_TCP if context is None else OVER_TLS) if workarounds is None else workarounds
        )
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
        self._refusal: ConnectFailure | None = None
        self._line: deque[ConnectionWaiter] = deque()
        """Queries for which there is no connection yet. No more than the upstream's in-flight cap, as all queries."""
        self._timer: asyncio.TimerHandle | None = None
        self._taken = 0
        """Connections of the budget that are this address's own."""

    @property
    def connections(self) -> int:
        """How many connections hold a socket, or are about to."""
        return len(self._connections) + len(self._closing)

    @property
    def ignored_packets(self) -> int:
        """Frames that matched no query."""
        return self._ignored_before + sum(connection.ignored_frames for connection in self._connections)

    def send(
        self, query: Query, done: Done, *, until: float, additions: Additions | None = None, late: Late | None = None
    ) -> "ConnectionWaiter | SendStatus":
        """Send `query` with these `additions`, or with what the upstream can stand, on one of the connections, or on
        the next that is free; `done` is told its answer, or at `until` (the event loop's clock), or the end of `late`,
        that there is none. Returns a SendStatus instead where nothing can be sent."""
        connection = self._choose(until) if not self._line else None
        if connection is None and not self._may_wait():
            return SendStatus.UNSENT
        added = self.workarounds.in_use if additions is None else additions
        waiting = ConnectionWaiter(self, query, added, done, until, late)
        if connection is None:
            self._line.append(waiting)
            self._look_again_later()
        else:
            waiting.go(connection)
        return waiting

    def heard(self, added: Additions, outcome: Answer | SendStatus) -> None:
        """A query with what was `added` to it has ended so, or is overdue."""
        self.workarounds.heard(added, outcome, self._clock())

    def leave(self, waiting: "ConnectionWaiter") -> None:
        """Take out a query that waits for a connection no more."""
        with contextlib.suppress(ValueError):
            self._line.remove(waiting)

    def answered(self, connection: Connection) -> None:
        """An answer has come over this connection."""
        self._budget.answered()
        most = self._budget.most_questions(self._clock())
        if most is not None and connection.asked >= most and not connection.load:
            asyncio.get_running_loop().call_later(KEPT_OPEN_SECONDS, self._judge, connection)

    def shed(self) -> None:
        """Have connections end once nobody waits on them, as long as there are more than there may be: another node
        has a part of them now."""
        surplus = self._budget.open - self._budget.most(self._clock())
        for connection in sorted(self._connections, key=lambda one: (one.takes_queries, one.load))[: max(0, surplus)]:
            connection.wind_up()

    async def close(self) -> None:
        """Close all connections and wait until their sockets are gone."""
        self._is_closed = True
        for task in self._connecting:
            task.cancel()
        while self._line:
            self._line[0].give_up(SendStatus.ABANDONED)
        for connection in tuple(self._connections):
            connection.end(SendStatus.ABANDONED)
        ending: list[asyncio.Future[None]] = [*self._connecting, *(one.closed for one in self._closing)]
        if ending:
            await asyncio.wait(ending, timeout=CLOSE_SECONDS)

    def _choose(self, until: float) -> Connection | None:
        """Return the connection for the next query: the least loaded, or a new one if all are busy."""
        if self._is_closed:
            return None
        now = self._clock()
        most = self._budget.most_questions(now)
        best = min(
            (connection for connection in self._connections if _takes(connection, most)),
            key=lambda connection: connection.load,
            default=None,
        )
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
        to other addresses of the same group, or have been asked all they may be.
        """
        retired = [connection for connection in self._connections if not connection.takes_queries]
        if self._closing:
            next(iter(self._closing)).abort()
        elif retired:
            retired[0].end(SendStatus.TIMEOUT)
        else:
            return False
        return True

    def _may_wait(self) -> bool:
        """Tell whether there will be a connection, as far as that is in our hands."""
        if self._is_closed:
            return False
        return self._taken > 0 or self._budget.may_open_soon(self._clock())

    def _serve(self) -> None:
        """Give those in line a connection, as far as there are any."""
        while self._line:
            connection = self._choose(self._line[0].until)
            if connection is not None:
                self._line.popleft().go(connection)
            elif self._may_wait():
                self._look_again_later()
                return
            else:
                self._line[0].give_up(SendStatus.UNSENT)

    def _look_again_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_AGAIN_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._serve()

    def _judge(self, connection: Connection) -> None:
        """See whether the upstream has closed a connection that has had its answers."""
        if connection.load:
            return
        if connection not in self._connections:
            self._budget.closed_as_expected(self._clock())
        elif self._budget.stays_open(self._clock()):
            self._serve()
        else:
            connection.finish()

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
        self._taken += 1
        connection.closed.add_done_callback(self._release)
        self._connections.append(connection)
        self._connecting.add(task)
        task.add_done_callback(lambda done: self._connected(done, connection))
        return connection

    def _release(self, _: asyncio.Future[None]) -> None:
        self._budget.release()
        self._taken -= 1
        self._serve()

    async def _connect(self, connection: Connection, until: float) -> None:
        """Open the socket and make the TLS handshake; a failure ends the connection and raises nothing."""
        loop = asyncio.get_running_loop()
        self._is_refused = False
        had_time = until - self._clock() >= LEAST_OPENING_SECONDS
        try:
            async with asyncio.timeout_at(until):
                host, port = host_of(self._address), self._address.port
                if self._context is None:
                    await loop.create_connection(lambda: connection, host, port)
                else:
                    await connect(connection, host, port, self._context, self._address.name_to_verify)
        except TimeoutError:
            self._fail(connection, SendStatus.UNREACHABLE if had_time else SendStatus.TIMEOUT)
        except ssl.SSLCertVerificationError as error:
            self._fail(connection, SendStatus.UNTRUSTED, _refusal_of(error))
        except ssl.SSLError as error:
            # Its numbers are OpenSSL's, and mean something else than those of the system.
            self._fail(connection, SendStatus.UNREACHABLE, _refusal_of(error))
        except ConnectionRefusedError as error:
            self._is_refused = True
            self._fail(connection, result_of(error))
        except OSError as error:
            self._fail(connection, result_of(error))
        except Exception as error:
            self._fail(connection, SendStatus.UNREACHABLE)
            context = {"message": "opening a connection to an upstream failed", "exception": error}
            loop.call_exception_handler(context)

    def _fail(self, connection: Connection, result: SendStatus, refusal: ConnectFailure | None = None) -> None:
        """It did not come to be. Where there is another one, who waits for this may ask on that."""
        has_other = any(other.is_open and other.takes_queries for other in self._connections)
        self._refusal = refusal
        connection.end(result, told=SendStatus.LOST if has_other else result)
        self._refusal = None

    def _connected(self, task: asyncio.Task[None], connection: Connection) -> None:
        self._connecting.discard(task)
        if task.cancelled():
            connection.end(SendStatus.ABANDONED)

    def _remove(self, connection: Connection, result: SendStatus | None) -> None:
        """Take a connection out of use; it counts until its socket is gone."""
        if result is SendStatus.LOST:
            self._budget.cut(self._clock())
            if connection.closed.done() and not connection.is_flooded:
                # Who closes with queries unread resets, and what it had answered may be lost on the way.
                self._budget.closed_after(max(1, connection.heard), self._clock())
        elif result in (SendStatus.UNREACHABLE, SendStatus.NO_ROUTE, SendStatus.UNTRUSTED):
            self._budget.failed(self._clock(), nobody_listens=self._is_refused, refusal=self._refusal)
        if connection.is_flooded:
            self._budget.flooded(self._clock())
        self._connections.remove(connection)
        self._ignored_before += connection.ignored_frames
        if not connection.closed.done():
            self._closing.add(connection)
            connection.closed.add_done_callback(lambda _: self._closing.discard(connection))


def _refusal_of(error: ssl.SSLError) -> ConnectFailure | None:
    """Return why there is no TLS, as OpenSSL says it; None if the upstream has only closed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectFailure(Signal.CERTIFICATE, error.verify_message.rstrip("."))
    if isinstance(error, ssl.SSLZeroReturnError):
        return None
    return ConnectFailure(Signal.HANDSHAKE, (error.reason or "").lower().replace("_", " "))


def _takes(connection: Connection, most: int | None) -> bool:
    """Tell whether a connection may be given one more question, if `most` is what each may be asked in all."""
    return connection.takes_queries and (most is None or connection.asked < most)


class ConnectionWaiter:
    """One query, the wait for a connection if there is none, and the wait for the reply."""

    __slots__ = (
        *("_added", "_alarm", "_asked", "_connection", "_done", "_is_over", "_late", "_pool", "_query"),
        *("_was_overdue", "until"),
    )

    def __init__(
        self, pool: StreamTransport, query: Query, added: Additions, done: Done, until: float, late: Late | None
    ) -> None:
        self._added = added
        self.until = until
        self._pool = pool
        self._query = query
        self._done = done
        self._late = late
        self._was_overdue = False
        self._is_over = False
        self._connection: Connection | None = None
        self._asked: Asked | None = None
        self._alarm = asyncio.get_running_loop().call_at(until, self._expire)

    def go(self, connection: Connection) -> None:
        """Ask on this one."""
        self._connection = connection
        self._asked = connection.ask(self._query, self._added)
        self._asked.reply.add_done_callback(self._replied)

    def stop(self) -> None:
        """Wait no longer; a reply that comes late is ignored."""
        if self._is_over:
            return
        self._is_over = True
        self._alarm.cancel()
        if self._connection is not None and self._asked is not None:
            self._connection.forget(self._asked)
        else:
            self._pool.leave(self)

    def give_up(self, result: SendStatus) -> None:
        """There will be no connection."""
        self.stop()
        self._done(result)

    def _replied(self, reply: asyncio.Future[Answer | SendStatus]) -> None:
        if not self._is_over:
            self._end(reply.result())

    def _expire(self) -> None:
        if self._connection is None or self._asked is None:
            self.give_up(SendStatus.UNSENT)
            return
        if self._asked.reply.done():  # `_replied` is about to be called.
            return
        late, self._late = self._late, None
        if late is None or not self._connection.is_open:
            self._end(self._connection.give_up(self._asked))
        elif not self._connection.is_acknowledged:
            self._connection.retire()
            self._end(SendStatus.LOST)
        else:
            self._alarm = asyncio.get_running_loop().call_at(late.until, self._expire)
            self._was_overdue = True
            self._pool.heard(self._added, SendStatus.TIMEOUT)
            late.notify()

    def _end(self, outcome: Answer | SendStatus) -> None:
        self.stop()
        if not (self._was_overdue and outcome is SendStatus.TIMEOUT):
            self._pool.heard(self._added, outcome)
        if isinstance(outcome, Answer) and self._connection is not None:
            self._pool.answered(self._connection)
        self._done(outcome)

"""Many questions, few places, and anything that may become of a send: everybody is told, once, and all is given back.

Time is made up, so that minutes pass in a moment and the same seed leads the same way each time.
"""

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from dohproxy.outcomes import Priority, Reason
from dohproxy.upstream.attempts import Attempts, Send
from dohproxy.upstream.budget.queries import Budget
from dohproxy.upstream.fetch import Fetch, Land
from dohproxy.upstream.flight import Flights, Waiter
from dohproxy.upstream.health.breaker import Breaker
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.queue.waiting import BudgetQueue
from dohproxy.upstream.results import Bug, SendStatus, UpstreamFailure
from dohproxy.upstream.selection import Selection
from dohproxy.upstream.sends import Done
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from tests.fakes.upstream import make_query
from tests.fakes.upstream_health import connections, longest_draw
from tests.fakes.walk import address_of

QUERIES = [make_query(f"n{number}.example.") for number in range(8)]
DEADLINE_SECONDS = 0.3
ATTEMPT_SECONDS = 0.05
TURNS = 300
LATE = UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
ENDS = (
    SendStatus.TRUNCATED,
    SendStatus.LOST,
    SendStatus.UNPROVEN,
    SendStatus.UNUSABLE,
    SendStatus.BAD_COOKIE,
    SendStatus.UNSENT,
)

Told = Answer | UpstreamFailure | Bug


class _Waits(selectors.DefaultSelector):
    """Waits for nothing: the time is over at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing is to come any more"
        self.now += timeout
        return []


class MadeUpTime(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while it waits."""

    def __init__(self) -> None:
        self._waits = _Waits()
        super().__init__(self._waits)

    def time(self) -> float:
        return self._waits.now


class Sending:
    """One send, of which anything may become; or nothing, to the end of the time in which it is listened for."""

    def __init__(self, world: "World", query: Query, send: Send, done: Done, notify: Callable[[], None]) -> None:
        self.world, self.done = world, done
        loop, draw = asyncio.get_running_loop(), world.draw
        self.timers = [loop.call_at(send.until, notify), loop.call_at(send.late_until, self.end, SendStatus.TIMEOUT)]
        fate = draw.random()
        if fate < 0.5:
            self.timers.append(loop.call_later(draw.random() * 0.25, self.end, address_of(query)))
        elif fate < 0.7:
            self.timers.append(loop.call_later(draw.random() * ATTEMPT_SECONDS, self.end, draw.choice(ENDS)))

    def end(self, outcome: Answer | SendStatus) -> None:
        self.stop()
        self.done(outcome)

    def stop(self) -> None:
        for timer in self.timers:
            timer.cancel()


class World:
    """Two upstreams with few places, and clients that ask for few names."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.clock = asyncio.get_running_loop().time
        now = self.clock()
        self.budgets = [Budget(60, 8, draw.choice([1, 2, 3]), now=now) for _ in range(2)]
        self.selection = Selection(
            [
                UpstreamHealth(one, Breaker(longest_draw), connections(now=now), over_stream=False)
                for one in self.budgets
            ],
            "ordered",
            longest_draw,
        )
        self.queue = BudgetQueue(self.selection, self.clock, wait_seconds=0.15)
        self.flights: Flights[Told] = Flights(most_fetches=100, most_waiters=50, when_stopped=LATE)
        self.late: dict[bytes, Fetch] = {}
        self.told = Counter[int]()
        self.asked = 0

    def ask(self, query: Query, priority: Priority) -> None:
        number, deadline = self.asked, self.clock() + DEADLINE_SECONDS
        self.asked += 1

        def notify(_: Told) -> None:
            self.told[number] += 1

        waiter: Waiter[Told] = Waiter(notify, until=deadline, late=LATE)
        if query.key in self.flights:
            self.queue.promote(query.key, priority)
            assert self.flights.join(query.key, waiter)
        else:
            assert self.flights.start(query.key, partial(self.begin, query, priority, deadline), waiter, until=deadline)

    def begin(self, query: Query, priority: Priority, deadline: float, land: Land) -> Fetch:
        late = self.late.get(query.key)
        if late is not None:
            late.stop()
        attempts = Attempts(
            self.selection,
            zone=b"\x00",
            deadline=deadline,
            attempt_seconds=ATTEMPT_SECONDS,
            most_sends=3,
            late_until=deadline + DEADLINE_SECONDS,
        )
        fetch = Fetch(query, attempts, self.queue, self.carry, lambda *_: None, self.clock, land, self.late)
        fetch.begin(priority, deadline)
        return fetch

    def carry(self, query: Query, send: Send, done: Done, notify: Callable[[], None]) -> Sending | SendStatus:
        assert all(one.in_flight <= one.most_in_flight for one in self.budgets)
        if self.draw.random() < 0.05:
            return self.draw.choice([SendStatus.UNSENT, SendStatus.UNREACHABLE])
        return Sending(self, query, send, done, notify)


async def live(seed: int) -> None:
    bugs: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context))
    draw = random.Random(seed)  # noqa: S311 - nothing secret.
    world = World(draw)
    for _ in range(TURNS):
        for _ in range(draw.choice([1, 1, 2, 4, 8])):
            priority = Priority(draw.randrange(3), (draw.randrange(4),), draw.choice([0.0, 0.3]))
            world.ask(draw.choice(QUERIES), priority)
        await asyncio.sleep(draw.choice([0, 0, 0.01, 0.03, 0.2]))
    await asyncio.sleep(3 * DEADLINE_SECONDS)
    assert bugs == []
    assert world.told == Counter(range(world.asked))
    held = [one.in_flight for one in world.budgets]
    assert (held, len(world.late), len(world.flights), world.queue.is_empty) == ([0, 0], 0, 0, True)


@pytest.mark.parametrize("seed", range(8))
def test_everybody_is_told_once_and_nothing_stays_behind(seed: int) -> None:
    with asyncio.Runner(loop_factory=MadeUpTime) as runner:
        runner.run(live(seed))

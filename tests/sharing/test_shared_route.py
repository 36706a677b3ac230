"""What nodes share of one route, with a store that does what it is told, and a clock that stands still."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from dohproxy.cache import Cache, Freshness
from dohproxy.config import CacheConfig
from dohproxy.outcomes import Reason
from dohproxy.sharing.commands import StoreFailure
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.question_scripts import LOOK
from dohproxy.sharing.shared_answers import pack_answer
from dohproxy.sharing.shared_cache import QUESTION_SECONDS, SharedCache
from dohproxy.sharing.shared_route import WAIT_SECONDS, SharedRoute, SharedRoutes
from dohproxy.upstream.elsewhere import Finding
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.query import Query
from tests.cache.answers import ask, negative, positive
from tests.fakes.clock import FakeClock
from tests.fakes.question_store import FakeStore
from tests.wire import messages as m

SECRET = bytes(range(32))
WALL = 1_800_000_000.0
RULES = CacheConfig(jitter_percent=0)
DEADLINE = 1e9
QUERY = ask()


@dataclass(slots=True)
class Node:
    """One node and its cache."""

    store: FakeStore
    secret: bytes = SECRET
    number: int = 1
    wall_off: float = 0.0
    rules: CacheConfig = RULES
    pressure: float = 0.0
    cache: Cache = field(init=False)
    shared: SharedCache = field(init=False)
    route: SharedRoute = field(init=False)

    def __post_init__(self) -> None:
        self.cache = Cache(self.rules)
        self.shared = SharedCache(
            self.store,
            Keys("dohproxy", self.secret),
            bytes([self.number]),
            0.02,
            self.clock,
            lambda: WALL + self.clock() + self.wall_off,
        )
        route = SharedRoutes(self.shared).of(self.cache, (), ())
        assert route is not None
        self.route = route

    def clock(self) -> float:
        return self.store.clock()

    def learn(self, query: Query, found: Answer) -> None:
        """Take in an upstream's answer, as `learning` does."""
        self.cache.store(query.key, found, self.clock())
        self.route.publish(query, found)

    def fail(self, query: Query, failure: UpstreamFailure) -> None:
        self.cache.remember_failure(query.key, 2, (), self.clock())
        self.route.publish(query, failure)

    async def look(self, query: Query = QUERY, *, deadline: float = DEADLINE) -> Finding | None:
        """Look and wait; None if nobody was asked."""
        found: asyncio.Future[Finding] = asyncio.get_running_loop().create_future()
        looking = self.route.look(query, lambda _: self.pressure, deadline, found.set_result)
        return None if looking is None else await found

    def begin_look(self, query: Query = QUERY) -> list[Finding]:
        """Look, and go on; what is found stands in what is returned, by and by."""
        found: list[Finding] = []
        assert self.route.look(query, lambda _: self.pressure, DEADLINE, found.append) is not None
        return found

    def state(self, query: Query = QUERY) -> Freshness:
        return self.cache.lookup(query.key, self.clock(), 0.0)[1]


@dataclass(slots=True)
class Nodes:
    """Two nodes, their store, and the time that all of them have."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeStore = field(init=False)
    one: Node = field(init=False)
    other: Node = field(init=False)

    def __post_init__(self) -> None:
        self.store = FakeStore(self.clock)
        self.one, self.other = Node(self.store), Node(self.store, number=2)


async def turns() -> None:
    """Let everything be done that is to be done at once."""
    for _ in range(10):
        await asyncio.sleep(0)


def failure_of(rcode: int = 2) -> UpstreamFailure:
    flags = m.QR | m.RD | m.RA | rcode
    return UpstreamFailure(Reason.UPSTREAM_REFUSED, parse_answer(m.answer(asked=QUERY.question, flags=flags), QUERY))


# --- What one has asked, the other need not ask ---


@pytest.mark.parametrize("make", [positive, negative], ids=["an answer", "a denial"])
async def test_what_one_node_has_learnt_the_other_finds(make: Callable[[Query], Answer]) -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, make(QUERY))
    await turns()
    assert await nodes.other.look() is Finding.KNOWN
    entry, state = nodes.other.cache.lookup(QUERY.key, nodes.clock(), 0.0)
    assert entry is not None
    assert (state, entry.records) == (Freshness.FRESH, make(QUERY).records)
    assert (nodes.other.shared.counts.lookups, nodes.other.shared.counts.hits) == (1, 1)


async def test_an_answer_ends_at_every_node_when_it_ends_at_the_first() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY, ttl=300))
    await turns()
    nodes.clock.pass_by(200.5)
    assert await nodes.other.look() is Finding.KNOWN
    nodes.clock.pass_by(99.4)
    assert nodes.other.state() is nodes.one.state() is Freshness.FRESH
    nodes.clock.pass_by(0.2)
    assert nodes.other.state() is nodes.one.state() is Freshness.STALE


@pytest.mark.parametrize("off", [-3600.0, 3600.0])
async def test_it_ends_then_at_the_latest_if_a_clock_is_off(off: float) -> None:
    nodes = Nodes()
    nodes.one.wall_off = off
    nodes.one.learn(QUERY, positive(QUERY, ttl=300))
    await turns()
    nodes.clock.pass_by(200)
    await nodes.other.look()
    nodes.clock.pass_by(100.1)
    assert nodes.other.state() in (Freshness.STALE, Freshness.DEAD)


async def test_nothing_known_is_nothing_found() -> None:
    nodes = Nodes()
    assert await nodes.one.look() is Finding.NOTHING
    assert nodes.one.shared.counts.misses == 1


async def test_another_question_or_another_secret_finds_nothing() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY))
    await turns()
    assert await nodes.other.look(ask(dnssec_ok=True)) is Finding.NOTHING
    assert await Node(nodes.store, secret=bytes(32)).look() is Finding.NOTHING


async def test_todays_rules_of_who_reads_hold() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY, ttl=86_400))
    await turns()
    strict = Node(nodes.store, rules=replace(RULES, maximum_ttl_seconds=60))
    assert await strict.look() is Finding.KNOWN
    nodes.clock.pass_by(61)
    assert strict.state() is Freshness.STALE


async def test_what_is_only_passed_on_is_not_shared() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, parse_answer(m.answer(asked=QUERY.question), QUERY))
    await turns()
    assert nodes.store.values == {}


# --- What is past its time ---


async def test_a_stale_answer_is_told_as_stale_and_left_to_be_asked() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY, ttl=300))
    await turns()
    nodes.clock.pass_by(301)
    assert await nodes.other.look() is Finding.STALE
    assert nodes.other.state() is Freshness.STALE
    assert nodes.other.shared.counts.stale == 1


async def test_under_pressure_an_old_answer_is_good_enough() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY, ttl=300))
    await turns()
    nodes.clock.pass_by(301)
    nodes.other.pressure = 1.0
    assert await nodes.other.look() is Finding.KEPT


async def test_who_renews_what_is_fresh_wants_something_newer() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY, ttl=300))
    await turns()
    assert await nodes.other.look() is Finding.KNOWN
    nodes.clock.pass_by(280)
    assert await nodes.other.look() is Finding.NOTHING
    nodes.other.learn(QUERY, positive(QUERY, ttl=300))
    await turns()
    assert await nodes.one.look() is Finding.KNOWN
    entry = nodes.one.cache.peek(QUERY.key)
    assert entry is not None
    assert entry.stored_at == pytest.approx(nodes.clock(), abs=0.01)


async def test_what_is_newer_here_stays() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY, ttl=300))
    await turns()
    nodes.clock.pass_by(400)
    nodes.other.cache.store(QUERY.key, positive(QUERY, ttl=60), nodes.clock() - 70)
    before = nodes.other.cache.peek(QUERY.key)
    assert await nodes.other.look() is Finding.STALE
    assert nodes.other.cache.peek(QUERY.key) == before


# --- Failures (RFC 9520) ---


async def test_a_failure_in_the_upstreams_own_words_forbids_asking_at_every_node() -> None:
    nodes = Nodes()
    nodes.one.fail(QUERY, failure_of())
    await turns()
    assert await nodes.other.look() is Finding.KNOWN
    assert nodes.other.cache.recall_failure(QUERY.key, nodes.clock()) is not None
    assert nodes.other.shared.counts.failures == 1
    nodes.clock.pass_by(RULES.failure_ttl_seconds + 0.1)
    assert await nodes.other.look() is Finding.NOTHING


@pytest.mark.parametrize(
    ("reason", "answered", "is_shared"),
    [
        (Reason.UPSTREAM_TIMEOUT, True, True),
        (Reason.UPSTREAM_TIMEOUT, False, False),
        (Reason.UPSTREAM_UNREACHABLE, True, False),
        (Reason.BUDGET_SPENT, True, False),
    ],
    ids=["silence of one that answers", "silence of one that does not", "nobody there", "no budget"],
)
async def test_what_may_be_this_nodes_own_trouble_is_told_to_nobody(
    reason: Reason, answered: bool, is_shared: bool
) -> None:
    nodes = Nodes()
    if answered:
        nodes.one.learn(ask("other.example.net"), positive(ask("other.example.net")))
    nodes.one.fail(QUERY, UpstreamFailure(reason))
    await turns()
    assert (await nodes.other.look() is Finding.KNOWN) is is_shared


async def test_what_was_answered_since_does_not_fail_any_more() -> None:
    nodes = Nodes()
    nodes.one.fail(QUERY, failure_of())
    nodes.clock.pass_by(1)
    nodes.one.learn(QUERY, positive(QUERY))
    await turns()
    assert await nodes.other.look() is Finding.KNOWN
    assert nodes.other.cache.recall_failure(QUERY.key, nodes.clock()) is None


async def test_a_failure_leaves_the_stale_answer_where_it_is() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY, ttl=300))
    await turns()
    nodes.clock.pass_by(301)
    nodes.one.fail(QUERY, failure_of())
    await turns()
    assert await nodes.other.look() is Finding.KNOWN
    assert nodes.other.state() is Freshness.STALE
    assert nodes.other.cache.recall_failure(QUERY.key, nodes.clock()) is not None


# --- One question, several nodes ---


async def test_an_equal_question_of_another_node_waits_for_the_answer() -> None:
    nodes = Nodes()
    assert await nodes.one.look() is Finding.NOTHING
    found = nodes.other.begin_look()
    await asyncio.sleep(0.03)
    assert found == []
    nodes.one.learn(QUERY, positive(QUERY))
    await asyncio.sleep(0.06)
    assert found == [Finding.KNOWN]
    counts = nodes.other.shared.counts
    assert (counts.waits, counts.waits_in_vain) == (1, 0)


@pytest.mark.parametrize("end", ["let go", "spent"])
async def test_a_question_that_is_let_go_is_the_others(end: str) -> None:
    nodes = Nodes()
    await nodes.one.look()
    found = nodes.other.begin_look()
    await asyncio.sleep(0.02)
    if end == "let go":
        nodes.one.route.let_go(QUERY)
    else:
        nodes.one.route.publish(QUERY, UpstreamFailure(Reason.BUDGET_SPENT))
    await asyncio.sleep(0.06)
    assert found == [Finding.NOTHING]
    assert nodes.other.shared.counts.waits_in_vain == 1


async def test_a_question_of_a_node_that_has_died_is_anothers_before_long() -> None:
    nodes = Nodes()
    await nodes.one.look()
    nodes.one.shared.stop()
    found = nodes.other.begin_look()
    await asyncio.sleep(0.06)
    assert found == []
    nodes.clock.pass_by(QUESTION_SECONDS + 0.01)
    await asyncio.sleep(0.06)
    assert found == [Finding.NOTHING]


async def test_nobody_waits_for_ever_for_one_that_takes_its_time() -> None:
    nodes = Nodes()
    await nodes.one.look()
    found = nodes.other.begin_look()
    for _ in range(4):
        await asyncio.sleep(0.06)
        nodes.clock.pass_by(WAIT_SECONDS / 3)
    await asyncio.sleep(0.06)
    assert found == [Finding.NOTHING]
    nodes.one.shared.stop()


async def test_who_has_no_time_left_does_not_wait() -> None:
    nodes = Nodes()
    await nodes.one.look()
    assert await nodes.other.look(deadline=nodes.clock() + 0.5) is Finding.NOTHING
    assert nodes.other.shared.counts.waits == 0


@pytest.mark.parametrize("seconds", [0.0, 0.005], ids=["before the reply", "while it waits"])
async def test_a_look_that_is_stopped_says_nothing(seconds: float) -> None:
    nodes = Nodes()
    await nodes.other.look()
    found: list[Finding] = []
    looking = nodes.one.route.look(QUERY, lambda _: 0.0, DEADLINE, found.append)
    assert looking is not None
    if seconds:
        await asyncio.sleep(seconds)
    looking.stop()
    nodes.other.route.let_go(QUERY)
    looks = nodes.store.calls_of(LOOK)
    await asyncio.sleep(0.03)
    assert (found, nodes.store.calls_of(LOOK)) == ([], looks)


# --- When the store is not well ---


@pytest.mark.parametrize("failure", list(StoreFailure), ids=lambda failure: failure.value)
async def test_where_the_store_does_not_serve_nobody_looks(failure: StoreFailure) -> None:
    nodes = Nodes()
    nodes.store.failure = failure
    assert await nodes.one.look() is None
    counts = nodes.one.shared.counts
    assert counts.late + counts.lost == counts.lookups == 1
    nodes.one.learn(QUERY, positive(QUERY))
    assert (counts.writes, counts.writes_failed, counts.writes_under_way) == (1, 1, 0)


async def test_where_there_is_none_it_is_not_asked() -> None:
    nodes = Nodes()
    nodes.store.is_hasty = nodes.store.is_up = False
    assert await nodes.one.look() is None
    nodes.one.learn(QUERY, positive(QUERY))
    assert nodes.store.asked == []


async def test_one_that_fails_later_finds_nothing() -> None:
    nodes = Nodes()
    nodes.store.hangs = True
    found = nodes.one.begin_look()
    for _, asked in nodes.store.waiting:
        asked.end(StoreFailure.SLOW)
    assert found == [Finding.NOTHING]
    assert nodes.one.shared.counts.late == 1


async def test_a_full_store_is_read_all_the_same() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY))
    await turns()
    nodes.store.is_full = True
    assert await nodes.other.look() is Finding.KNOWN
    new = ask("new.example.net")
    assert await nodes.other.look(new) is Finding.NOTHING
    nodes.other.learn(new, positive(new))
    await turns()
    assert nodes.other.shared.counts.writes_failed == 1


@pytest.mark.parametrize(
    "value",
    [b"", b"\x00", bytes(4), bytes(200), b"\xff" * 300, bytes(4) + b"\x01" * 100, bytes(100_000)],
    ids=lambda value: f"{len(value)} bytes",
)
async def test_what_is_none_of_ours_is_nothing(value: bytes) -> None:
    nodes = Nodes()
    nodes.store.set(nodes.one.route.name(QUERY), value, 1_000_000)
    nodes.store.set(nodes.one.route.name(QUERY) + ":failed", value, 1_000_000)
    assert await nodes.one.look() is Finding.NOTHING
    assert nodes.one.shared.counts.unreadable > 0
    nodes.one.learn(QUERY, positive(QUERY))
    await turns()
    assert await nodes.other.look() is Finding.KNOWN


async def test_what_is_not_sealed_is_not_believed_however_good_it_is() -> None:
    nodes = Nodes()
    entry = nodes.one.cache.store(QUERY.key, positive(QUERY), nodes.clock())
    assert entry is not None
    packed = pack_answer(QUERY.key, entry, now=nodes.clock(), wall_now=nodes.one.shared.wall_clock(), stale_seconds=60)
    assert packed is not None
    nodes.store.set(nodes.one.route.name(QUERY), packed.clear + packed.plain, packed.milliseconds)
    assert await nodes.other.look() is Finding.NOTHING
    assert nodes.other.shared.counts.unreadable == 1


async def test_no_value_can_be_put_in_the_place_of_another() -> None:
    nodes = Nodes()
    other = ask("bank.example.net")
    nodes.one.learn(QUERY, positive(QUERY))
    await turns()
    value, until = nodes.store.values[nodes.one.route.name(QUERY)]
    nodes.store.values[nodes.one.route.name(other)] = (value, until)
    nodes.store.values[nodes.one.route.name(other) + ":failed"] = (value, until)
    assert await nodes.other.look(other) is Finding.NOTHING
    assert nodes.other.shared.counts.unreadable > 0


async def test_what_is_said_of_how_long_it_is_stale_cannot_be_changed() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY))
    await turns()
    name = nodes.one.route.name(QUERY)
    value, until = nodes.store.values[name]
    nodes.store.values[name] = (bytes(4) + value[4:], until)
    assert await nodes.other.look() is Finding.NOTHING


@pytest.mark.parametrize("reply", [None, b"OK", [], [0, None], ["x", None, 0, None, 0]], ids=str)
async def test_a_reply_of_another_kind_is_nothing(reply: object) -> None:
    nodes = Nodes()
    nodes.store.hangs = True
    found = nodes.one.begin_look()
    for _, asked in nodes.store.waiting:
        asked.end(reply)
    assert found == [Finding.NOTHING]
    assert nodes.one.shared.counts.lost == 1


# --- By order ---


async def test_what_was_flushed_does_not_come_back_from_the_others() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY))
    await turns()
    nodes.clock.pass_by(1)
    nodes.other.shared.forget(QUERY.qname.__eq__)
    assert await nodes.other.look() is Finding.NOTHING
    nodes.clock.pass_by(1)
    nodes.one.learn(QUERY, positive(QUERY))
    await turns()
    assert await nodes.other.look() is Finding.KNOWN


async def test_each_look_is_one_command() -> None:
    nodes = Nodes()
    nodes.one.learn(QUERY, positive(QUERY))
    await turns()
    nodes.store.asked.clear()
    await nodes.other.look()
    assert (len(nodes.store.asked), nodes.store.calls_of(LOOK)) == (1, 1)

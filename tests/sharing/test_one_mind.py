"""Nodes that share a store in memory: what is said at one holds at all, whatever becomes of the store and of them."""

import asyncio
import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from dohproxy.policy.prefixes import parse_prefix
from dohproxy.sharing.events import Kind
from tests.fakes.clock import FakeClock
from tests.fakes.memory_store import MemoryStore
from tests.fakes.minds import Mind

STRANGER = "198.51.100.7"


class Cluster:
    """Some nodes."""

    def __init__(self, count: int) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock(0.0)
        self.minds = [Mind(self.store, self.clock, number, {}) for number in range(count)]

    async def turns(self, seconds: float = 8.0) -> None:
        """Let all have their turns for so long: after a second all is told, after some more what was lost."""
        for _ in range(round(seconds / 0.5)):
            self.clock.pass_by(0.5)
            for mind in self.minds:
                mind.expire()
                await mind.mind.turn()


async def test_what_is_said_is_known_after_the_next_look_of_each() -> None:
    cluster = Cluster(3)
    a, b, c = cluster.minds
    a.say("x", "hello")
    for mind in cluster.minds:
        await mind.mind.turn()
    assert b.notes.all == c.notes.all == {"x": ("hello", math.inf)}
    c.take_back("x")
    for mind in (c, a, b):
        await mind.mind.turn()
    assert a.notes.all == b.notes.all == {}


async def test_what_was_learnt_is_not_told_on() -> None:
    cluster = Cluster(3)
    cluster.minds[0].say("x", "hello")
    await cluster.turns()
    assert len(next(iter(cluster.store.streams.values()))) == 1
    assert [mind.notes.taken for mind in cluster.minds] == [0, 1, 1]


async def test_what_is_over_at_its_time_is_not_taken_back() -> None:
    cluster = Cluster(2)
    cluster.minds[0].say("x", "hello", seconds=4.0)
    await cluster.turns()
    assert [mind.notes.all for mind in cluster.minds] == [{}, {}]
    assert len(next(iter(cluster.store.streams.values()))) == 1


async def test_a_node_that_was_away_catches_up_and_what_was_said_last_holds() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    a.say("x", "first")
    a.say("z", "lasting")
    await cluster.turns()
    b.link.is_up = False
    b.say("x", "of b")
    await cluster.turns()
    assert a.notes.all["x"][0] == "first"
    a.say("x", "of a, later")
    a.take_back("z")
    await cluster.turns()
    b.link.is_up = True
    await cluster.turns()
    assert a.notes.all == b.notes.all == {"x": ("of a, later", math.inf)}


async def test_a_clock_that_is_off_does_not_keep_a_person_from_having_the_last_word() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    a.clock_error = 86_400.0
    a.say("x", "from tomorrow")
    await cluster.turns()
    b.take_back("x")
    await cluster.turns()
    assert (a.notes.all, b.notes.all) == ({}, {})


async def test_a_flushed_store_is_told_again_what_it_had_and_by_one_node_alone() -> None:
    cluster = Cluster(3)
    a, b, c = cluster.minds
    for number in range(20):
        a.say(f"n{number}", "hello")
    await cluster.turns()
    b.take_back("n0")
    c.take_back("n1")
    await cluster.turns()
    cluster.store.flush()
    await cluster.turns()
    [events] = cluster.store.streams.values()
    assert len(events) == 20, "each subject once"
    late = Mind(cluster.store, cluster.clock, 3, {"n1": ("brought back", math.inf)})
    cluster.minds.append(late)
    await cluster.turns()
    assert late.notes.all == a.notes.all == b.notes.all == c.notes.all
    assert len(late.notes.all) == 18


async def test_a_stream_that_was_cut_is_told_what_it_lacks() -> None:
    cluster = Cluster(2)
    cluster.store.most = 8
    a, b = cluster.minds
    for number in range(5):
        a.say(f"n{number}", "hello")
        await cluster.turns(1.0)
    for number in range(6):
        b.say("x", f"{number}")
        await cluster.turns(1.0)
    await cluster.turns()
    late = Mind(cluster.store, cluster.clock, 3, {})
    cluster.minds.append(late)
    await cluster.turns()
    assert late.notes.all == a.notes.all
    assert len(late.notes.all) == 6


async def test_a_store_whose_clock_was_set_back_after_a_flush_is_read_from_its_start() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    a.say("x", "hello")
    await cluster.turns()
    cluster.store.flush()
    cluster.store.milliseconds -= 500_000
    a.say("y", "hello")
    await cluster.turns()
    assert a.notes.all == b.notes.all
    assert b.notes.all.keys() == {"x", "y"}


async def test_a_reply_that_is_lost_doubles_nothing() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    await cluster.turns()
    a.say("x", "hello")
    a.link.loses_replies = True
    await cluster.turns(1.0)
    a.link.loses_replies = False
    await cluster.turns()
    assert b.notes.all == {"x": ("hello", math.inf)}
    assert b.notes.taken == 1


async def test_what_cannot_hold_at_a_node_is_not_taken_back_elsewhere() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    b.notes.unwanted = "unwanted"
    a.say("x", "first")
    await cluster.turns()
    a.say("x", "unwanted")
    await cluster.turns()
    assert (a.notes.all["x"][0], b.notes.all["x"][0]) == ("unwanted", "first")
    assert b.mind.statistics().not_taken == 1


async def test_what_a_node_brings_goes_behind_what_any_has_said_since() -> None:
    cluster = Cluster(1)
    a = cluster.minds[0]
    a.say("x", "of a")
    a.say("y", "of a")
    await cluster.turns()
    a.take_back("y")
    await cluster.turns()
    b = Mind(cluster.store, cluster.clock, 7, dict.fromkeys("xyz", ("of b", math.inf)))
    cluster.minds.append(b)
    await cluster.turns()
    assert a.notes.all == b.notes.all == {"x": ("of a", math.inf), "z": ("of b", math.inf)}


async def test_an_unban_goes_before_a_ban_of_any_width_that_was_said_earlier_however_they_arrive() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    await cluster.turns()
    a.link.is_up = b.link.is_up = False
    a.bans.ban(parse_prefix("198.51.100.0/25"), 3_600, "", cluster.clock(), spares=True)
    await cluster.turns(1.0)
    b.bans.unban(parse_prefix("198.51.100.0/24"), 3_600, cluster.clock())
    await cluster.turns(1.0)
    b.link.is_up = True
    await cluster.turns(1.0)
    a.link.is_up = True
    await cluster.turns()
    assert not a.is_banned(STRANGER)
    assert not b.is_banned(STRANGER)
    # And a ban that is said after it goes before it.
    a.bans.ban(parse_prefix("198.51.0.0/16"), 3_600, "", cluster.clock(), spares=True)
    await cluster.turns()
    assert a.is_banned(STRANGER)
    assert b.is_banned(STRANGER)


async def test_a_ban_that_was_lifted_while_a_node_was_away_is_lifted_there_even_when_the_unban_is_over() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    a.bans.ban(parse_prefix(STRANGER), 36_000, "", cluster.clock(), spares=True)
    await cluster.turns()
    assert b.is_banned(STRANGER)
    b.link.is_up = False
    a.bans.unban(parse_prefix(STRANGER), 2, cluster.clock())
    await cluster.turns()
    b.link.is_up = True
    await cluster.turns()
    assert not a.is_banned(STRANGER)
    assert not b.is_banned(STRANGER)


async def test_a_ban_ends_everywhere_and_a_lost_store_does_not_bring_it_back() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    a.bans.ban(parse_prefix(STRANGER), 5, "", cluster.clock(), spares=True)
    await cluster.turns(2.0)
    assert b.is_banned(STRANGER)
    b.link.is_up = False
    await cluster.turns()
    cluster.store.flush()
    b.link.is_up = True
    await cluster.turns()
    assert not a.is_banned(STRANGER)
    assert not b.is_banned(STRANGER)


async def test_how_far_behind_a_node_is_grows_while_it_hears_nothing() -> None:
    cluster = Cluster(1)
    a = cluster.minds[0]
    await a.mind.turn()
    assert a.mind.behind == 0.0
    a.link.is_up = False
    cluster.clock.pass_by(10.0)
    await a.mind.turn()
    assert a.mind.behind == pytest.approx(9.8)


async def test_figures_tell_what_was_said_and_learnt() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    a.say("x", "hello")
    await cluster.turns()
    assert (a.mind.statistics().said[Kind.NAME], b.mind.statistics().learnt[Kind.NAME]) == (1, 1)
    a.link.is_up = False
    a.say("y", "hello")
    await a.mind.turn()
    assert (a.mind.statistics().waiting, a.mind.statistics().held) == (1, 2)


SUBJECTS = st.sampled_from("wxyz")
NUMBERS = st.integers(0, 2)


class Interleavings(RuleBasedStateMachine):
    """Three nodes; whatever happens to them and to the store, they agree in the end, on what was said last."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.cluster = Cluster(3)
        self.last: dict[str, str | None] = {}
        self.said = 0

    def _mind(self, number: int) -> Mind:
        return self.cluster.minds[number]

    def _pass(self) -> None:
        # Who says something later says it at a later time: that is all that "last" can mean among nodes that do not
        # hear of each other.
        self.cluster.clock.pass_by(0.01)

    @rule(number=NUMBERS, subject=SUBJECTS)
    def say(self, number: int, subject: str) -> None:
        self._pass()
        self.said += 1
        self.last[subject] = f"{self.said}"
        self._mind(number).say(subject, f"{self.said}")
        self._mind(number).mind.listen()

    @rule(number=NUMBERS, subject=SUBJECTS)
    def take_back(self, number: int, subject: str) -> None:
        if subject in self._mind(number).notes.all:
            self._pass()
            self.last[subject] = None
            self._mind(number).take_back(subject)
            self._mind(number).mind.listen()

    @rule(number=NUMBERS)
    def turn(self, number: int) -> None:
        self._pass()
        self.runner.run(self._mind(number).mind.turn())

    @rule(number=NUMBERS, is_up=st.booleans())
    def cut(self, number: int, is_up: bool) -> None:
        self._mind(number).link.is_up = is_up

    @rule(number=NUMBERS, loses=st.booleans())
    def lose_replies(self, number: int, loses: bool) -> None:
        self._mind(number).link.loses_replies = loses

    @rule(seconds=st.integers(0, 5))
    def wait(self, seconds: int) -> None:
        self.cluster.clock.pass_by(seconds)

    @rule()
    def flush(self) -> None:
        self.cluster.store.flush()

    def teardown(self) -> None:
        if not hasattr(self, "cluster"):
            return
        for mind in self.cluster.minds:
            mind.link.is_up, mind.link.loses_replies = True, False
        with self.runner:
            self.runner.run(self.cluster.turns(10.0))
        wanted = {subject: text for subject, text in self.last.items() if text is not None}
        for mind in self.cluster.minds:
            assert {subject: text for subject, (text, _) in mind.notes.all.items()} == wanted


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

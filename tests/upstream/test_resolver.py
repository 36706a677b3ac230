"""The resolver with real sockets and scripted upstreams: what is promised to clients and to upstreams."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from dohproxy.config import ResolverConfig, UpstreamConfig
from dohproxy.config.additions import Addition
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.outcomes import Priority, Purpose, Reason
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.health.health import SILENT_PROBES, STANDBY_SECONDS
from dohproxy.upstream.health.round_trip import LEAST_REPLIES
from dohproxy.upstream.health.signals import RUN, Signal
from dohproxy.upstream.resolver import Resolver, UpstreamFailure, may_vouch
from dohproxy.upstream.results import SendStatus
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from tests.fakes import upstream as fakes
from tests.fakes.asking import ask
from tests.fakes.upstream import Act, FakeUpstream, make_query

LONG = 10.0
USUAL = ResolverConfig()
QUICK = ResolverConfig(attempt_seconds=0.15)
"""Attempts that end soon, for scripts in which they must."""
EVERYTHING = tuple(Addition)
"""To be left out, where a failure must not look like a thing that the upstream cannot stand."""
IN_A_HURRY = ResolverConfig(attempt_seconds=0.3, budget_wait_seconds=0.2)
"""Who finds the budget spent soon gives up too, where nothing more is to be had in the test's time."""


@dataclass(slots=True)
class Rig:
    """A clock that can be put forward, what the resolver taught, and the resolver."""

    ahead: float = 0.0
    stopped_at: float | None = None
    learnt: list[tuple[Query, Answer | UpstreamFailure]] = field(default_factory=list)
    made: list[Resolver] = field(default_factory=list)

    @property
    def resolver(self) -> Resolver:
        return self.made[0]

    def now(self) -> float:
        return time.monotonic() + self.ahead if self.stopped_at is None else self.stopped_at

    def learn(self, query: Query, outcome: Answer | UpstreamFailure) -> None:
        self.learnt.append((query, outcome))

    async def ask(
        self, query: Query | None = None, *, seconds: float = LONG, patience: float | None = None
    ) -> Answer | UpstreamFailure | None:
        return await ask(self.resolver, query or make_query(), deadline=self.now() + seconds, patience=patience)

    async def probe(self, *, after: float) -> None:
        """Let so many seconds pass, then wait for the probe that is due."""
        self.ahead += after
        probes = self.probes()
        self.resolver.tick()
        assert self.probes() == probes + 1
        await self.idle()

    async def probed(self, times: int) -> None:
        """Wait until there have been so many probes, and nothing is in flight."""
        async with asyncio.timeout(2 * LONG):
            while self.probes() < times:  # noqa: ASYNC110  # nobody to tell us
                await asyncio.sleep(0.001)
            await self.idle()

    def stop(self) -> None:
        """Stop the clock: on a busy machine budget would come back before all have asked."""
        self.stopped_at = self.now()

    async def go_on(self, *, when: int) -> None:
        """Let it run again when so many have been told to wait, or that they need not."""
        while True:
            turns = self.resolver.statistics(self.now()).turns
            if turns.waiting + turns.refused + turns.given_up >= when:
                break
            await asyncio.sleep(0)
        self.stopped_at = None

    async def idle(self) -> None:
        """Wait until nothing is in flight, nor about to be."""
        for _ in range(3):
            while self.resolver.statistics(self.now()).upstreams[0].in_flight:  # noqa: ASYNC110  # nobody to tell us
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)

    def probes(self) -> int:
        return sum(upstream.probes for upstream in self.resolver.statistics(self.now()).upstreams)

    async def ask_many(self, count: int, *, seconds: float = LONG) -> list[Answer | UpstreamFailure | None]:
        queries = [make_query(f"name{number}.example.") for number in range(count)]
        return await asyncio.gather(*(self.ask(query, seconds=seconds) for query in queries))


@asynccontextmanager
async def _rig(upstreams: Sequence[UpstreamConfig], settings: ResolverConfig) -> AsyncIterator[Rig]:
    rig = Rig()
    rng = random.Random(1)  # noqa: S311  # jitter only
    async with asyncio.TaskGroup() as tasks:
        rig.made.append(Resolver(upstreams, settings, rig.learn, tasks, rig.now, rng))
        try:
            yield rig
        finally:
            await rig.resolver.close()


@asynccontextmanager
async def _resolver(
    *upstreams: FakeUpstream, transport: str = "udp", settings: ResolverConfig = USUAL, **keys: object
) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        for upstream in upstreams:
            await stack.enter_async_context(upstream.running())
        configs = [upstream.config(transport, **keys) for upstream in upstreams]
        yield await stack.enter_async_context(_rig(configs, settings))


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_address_may_have_an_interface(transport: str) -> None:
    fake = FakeUpstream(host="::1")
    async with fake.running():
        config = fake.config(transport)
        config = replace(config, url=replace(config.url, host="::1%lo"))
        async with _rig([config], USUAL) as rig:
            assert isinstance(await rig.ask(), Answer)


async def test_a_datagram_that_was_cut_without_a_word_is_fetched_over_tcp() -> None:
    fake = FakeUpstream(udp=[fakes.SILENTLY_CUT])
    async with _resolver(fake) as rig:
        assert isinstance(await rig.ask(), Answer)
    assert (len(fake.asked_over_udp), len(fake.asked_over_stream)) == (1, 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_question_gets_its_answer(transport: str, host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    async with _resolver(FakeUpstream(host=host), transport=transport) as rig:
        assert isinstance(await rig.ask(), Answer)


class TestEqualQuestions:
    async def test_fifty_equal_questions_are_one_send(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.1)])
        async with _resolver(fake) as rig:
            outcomes = await asyncio.gather(*(rig.ask() for _ in range(50)))
            assert all(isinstance(outcome, Answer) for outcome in outcomes)
            assert len(rig.learnt) == 1
        assert fake.asked == 1

    async def test_case_and_id_do_not_matter_but_dnssec_does(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.1)])
        queries = [make_query("a.example."), make_query("A.eXample."), make_query("a.example.", dnssec_ok=True)]
        async with _resolver(fake) as rig:
            await asyncio.gather(*(rig.ask(query) for query in queries))
        assert fake.asked == 2

    async def test_the_first_client_may_leave_without_harm_to_the_others(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.1)])
        async with _resolver(fake) as rig, asyncio.TaskGroup() as tasks:
            first = tasks.create_task(rig.ask())
            await fake.wait_asked()
            second = tasks.create_task(rig.ask())
            await asyncio.sleep(0)
            first.cancel()
            assert isinstance(await second, Answer)
        assert fake.asked == 1

    async def test_an_answer_is_learnt_although_nobody_waits_any_more(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.05)])
        async with _resolver(fake) as rig:
            async with asyncio.TaskGroup() as tasks:
                only = tasks.create_task(rig.ask())
                await fake.wait_asked()
                only.cancel()
            await asyncio.sleep(0.3)
            assert isinstance(rig.learnt[0][1], Answer)

    async def test_a_hundred_and_fifty_clients_of_one_name_get_its_answer(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.1)])
        async with _resolver(fake) as rig:
            outcomes = await asyncio.gather(*(rig.ask() for _ in range(150)))
        assert all(isinstance(outcome, Answer) for outcome in outcomes)
        assert fake.asked == 1

    async def test_who_stands_behind_too_many_waits_for_a_moment_and_who_comes_then_not_at_all(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.4)])
        settings = ResolverConfig(waiters_per_query=2, budget_wait_seconds=0.05)
        async with _resolver(fake, settings=settings) as rig:
            outcomes = await asyncio.gather(*(rig.ask() for _ in range(5)))
            assert rig.resolver.statistics(rig.now()).refused_waiters == 1
        assert outcomes[2:] == [UpstreamFailure(Reason.SERVICE_LIMIT)] * 3
        assert all(isinstance(outcome, Answer) for outcome in outcomes[:2])

    async def test_who_has_something_stale_need_not_stand(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.2)])
        async with _resolver(fake, settings=ResolverConfig(waiters_per_query=1)) as rig, asyncio.TaskGroup() as tasks:
            tasks.create_task(rig.ask())
            await fake.wait_asked()
            assert await rig.ask(patience=10) == UpstreamFailure(Reason.SERVICE_LIMIT)

    async def test_what_is_learnt_is_learnt_before_anybody_is_woken(self) -> None:
        async with _resolver(FakeUpstream()) as rig:
            outcome = await rig.ask()
            assert [learnt for _, learnt in rig.learnt] == [outcome]

    async def test_a_failure_is_learnt_too(self) -> None:
        async with _resolver(FakeUpstream(udp=[fakes.SERVFAIL])) as rig:
            outcome = await rig.ask()
            assert isinstance(outcome, UpstreamFailure)
            assert [learnt for _, learnt in rig.learnt] == [outcome]


class TestTime:
    async def test_who_has_something_stale_waits_no_longer_than_its_patience(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.3)])
        async with _resolver(fake) as rig:
            assert await rig.ask(patience=0.05) is None
            # The fetch went on, so this is no second send.
            assert isinstance(await rig.ask(), Answer)
        assert fake.asked == 1

    async def test_the_deadline_ends_the_question(self) -> None:
        async with _resolver(FakeUpstream(udp=[fakes.SILENCE])) as rig:
            assert await rig.ask(seconds=0.2, patience=LONG) == UpstreamFailure(Reason.UPSTREAM_TIMEOUT)

    async def test_a_refresh_is_learnt_without_anybody_waiting(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.05)])
        async with _resolver(fake) as rig:
            assert rig.resolver.refresh(make_query(), deadline=rig.now() + LONG, purpose=Purpose.REVALIDATION)
            assert not rig.resolver.refresh(make_query(), deadline=rig.now() + LONG, purpose=Purpose.REVALIDATION)
            assert isinstance(await rig.ask(), Answer)
            assert len(rig.learnt) == 1
        assert fake.asked == 1


@pytest.mark.parametrize(
    ("transport", "script"),
    [
        pytest.param("udp", [fakes.ANSWER], id="answers"),
        pytest.param("udp", [fakes.SILENCE], id="silence"),
        pytest.param("udp", [fakes.TRUNCATED], id="cut answers"),
        pytest.param("udp", [fakes.SERVFAIL], id="failures"),
        pytest.param("udp", [fakes.WRONG_ID], id="forgeries"),
        pytest.param("udp", [fakes.WRONG_COOKIE], id="wrong cookies"),
        pytest.param("udp", [fakes.BAD_COOKIE], id="cookies that are never right"),
        pytest.param("tcp", [fakes.ANSWER], id="answers over tcp"),
        pytest.param("tcp", [fakes.SILENCE], id="silence over tcp"),
        pytest.param("tcp", [fakes.CLOSE], id="connections that close"),
        pytest.param("tcp", [fakes.ANSWER, fakes.CLOSE], id="connections that close after a while"),
    ],
)
class TestPromisesToAnUpstream:
    async def test_a_crowd_of_questions_never_costs_more_than_the_budget(
        self, transport: str, script: Sequence[Act]
    ) -> None:
        fake = FakeUpstream(udp=script, stream=script)
        async with _resolver(fake, transport=transport, settings=IN_A_HURRY, burst=7, queries_per_second=0.1) as rig:
            outcomes = await rig.ask_many(20, seconds=1.0)
            await rig.ask_many(20, seconds=1.0)
            for number in range(20):
                rig.resolver.refresh(
                    make_query(f"fresh{number}.example."), deadline=rig.now() + 1, purpose=Purpose.REVALIDATION
                )
            await asyncio.sleep(0.05)
        assert 1 <= fake.asked <= 7
        assert UpstreamFailure(Reason.BUDGET_SPENT) in outcomes

    async def test_one_question_is_sent_three_times_at_most(self, transport: str, script: Sequence[Act]) -> None:
        fake = FakeUpstream(udp=script, stream=script)
        async with _resolver(fake, transport=transport, settings=QUICK) as rig:
            await rig.ask(seconds=0.6)
        assert 1 <= fake.asked <= 3

    async def test_no_more_are_in_flight_than_allowed(self, transport: str, script: Sequence[Act]) -> None:
        fake = FakeUpstream(udp=script, stream=script)
        async with _resolver(fake, transport=transport, settings=QUICK, in_flight=4) as rig:
            asked = asyncio.gather(rig.ask_many(20, seconds=0.4))
            most = 0
            while not asked.done():
                most = max(most, rig.resolver.statistics(rig.now()).upstreams[0].in_flight)
                await asyncio.sleep(0)
            await asked
        assert 1 <= most <= 4


class TestOtherUpstreams:
    @pytest.mark.parametrize("bad", [fakes.SERVFAIL, fakes.REFUSED, fakes.BAD_VERSION, fakes.SILENCE])
    async def test_the_next_one_may_do_better(self, bad: Act) -> None:
        first, second = FakeUpstream(udp=[bad]), FakeUpstream()
        async with _resolver(first, second, settings=QUICK) as rig:
            assert isinstance(await rig.ask(), Answer)
        assert (first.asked, second.asked) == (1, 1)

    async def test_one_that_is_not_there_is_passed_over(self) -> None:
        gone, second = FakeUpstream(), FakeUpstream()
        async with gone.running():
            pass
        async with second.running(), _rig([gone.config(), second.config()], ResolverConfig()) as rig:
            assert isinstance(await rig.ask(), Answer)

    @pytest.mark.parametrize("noise", [fakes.WRONG_ID, fakes.WRONG_QUESTION, fakes.GARBAGE, fakes.UNREADABLE])
    async def test_wrong_packets_never_drive_us_to_another(self, noise: Act) -> None:
        first, second = FakeUpstream(udp=[noise.then(fakes.ANSWER)]), FakeUpstream()
        async with _resolver(first, second) as rig:
            assert isinstance(await rig.ask(), Answer)
            assert rig.resolver.statistics(rig.now()).upstreams[0].ignored_packets == 1
        assert (first.asked, second.asked) == (1, 0)

    async def test_a_failure_everywhere_is_passed_on_as_it_came(self) -> None:
        first, second = FakeUpstream(udp=[fakes.SERVFAIL]), FakeUpstream(udp=[fakes.REFUSED])
        async with _resolver(first, second, leave_out=EVERYTHING) as rig:
            outcome = await rig.ask()
        assert isinstance(outcome, UpstreamFailure)
        assert outcome.reason is Reason.UPSTREAM_REFUSED
        assert outcome.answer is not None
        assert outcome.answer.rcode == 5


class TestTruncation:
    async def test_a_cut_answer_is_fetched_over_tcp_from_the_same_upstream(self) -> None:
        first, second = FakeUpstream(udp=[fakes.TRUNCATED]), FakeUpstream()
        async with _resolver(first, second) as rig:
            outcome = await rig.ask()
        assert isinstance(outcome, Answer)
        assert not outcome.truncated
        assert (len(first.asked_over_udp), len(first.asked_over_stream), second.asked) == (1, 1, 0)

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_an_answer_cut_even_over_tcp_is_never_given_to_anybody(self, transport: str) -> None:
        fake = FakeUpstream(udp=[fakes.TRUNCATED], stream=[fakes.TRUNCATED])
        async with _resolver(fake, transport=transport) as rig:
            assert await rig.ask() == UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)


class TestWhatIsAskedOnceMore:
    @pytest.mark.parametrize("starts", [True, False], ids=["just after the start", "later"])
    async def test_no_first_half_is_paid_for_whose_second_does_not_follow(self, *, starts: bool) -> None:
        """The budget is that of the default preset; every answer over UDP is cut."""
        fake = FakeUpstream(udp=[fakes.TRUNCATED])
        async with _resolver(fake, queries_per_second=10, burst=40, in_flight=20) as rig:
            if starts:
                rig.resolver.begin_slowly()
            outcomes = await rig.ask_many(8 if starts else 30, seconds=3 * LONG)
        answered = sum(isinstance(outcome, Answer) for outcome in outcomes)
        assert answered == len(fake.asked_over_udp) == len(fake.asked_over_stream)
        assert answered >= (5 if starts else 20)


class TestSlowUpstreams:
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_an_answer_later_than_an_attempt_answers(self, transport: str) -> None:
        slow = [fakes.ANSWER.after(0.4)]
        fake = FakeUpstream(udp=slow, stream=slow)
        async with _resolver(fake, transport=transport, settings=QUICK) as rig:
            assert isinstance(await rig.ask(), Answer)
        assert fake.connections_made == (transport == "tcp")

    async def test_one_of_another_attempt_than_the_last_answers_too(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.3), fakes.SILENCE])
        async with _resolver(fake, settings=QUICK) as rig:
            assert isinstance(await rig.ask(), Answer)

    async def test_no_name_is_asked_more_than_once_when_it_is_known_to_be_slow(self) -> None:
        fake = FakeUpstream(udp=[fakes.ANSWER.after(0.4)])
        async with _resolver(fake, settings=QUICK) as rig:
            for number in range(LEAST_REPLIES):
                await rig.ask(make_query(f"first{number}.example."))
            before = fake.asked
            outcomes = await rig.ask_many(10)
        assert all(isinstance(outcome, Answer) for outcome in outcomes)
        assert fake.asked == before + 10

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_an_answer_for_which_nobody_waits_any_more_is_learnt(self, transport: str) -> None:
        slow = [fakes.ANSWER.after(0.7)]
        fake = FakeUpstream(udp=slow, stream=slow)
        async with _resolver(fake, transport=transport, settings=QUICK) as rig:
            assert await rig.ask(seconds=0.5) == UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
            async with asyncio.timeout(LONG):
                while len(rig.learnt) < 2:  # noqa: ASYNC110  # nobody to tell us
                    await asyncio.sleep(0.01)
            assert isinstance(rig.learnt[1][1], Answer)
            await rig.idle()
            upstream = rig.resolver.statistics(rig.now()).upstreams[0]
        assert (upstream.breaker, upstream.budget_share) == (BreakerState.CLOSED, 1.0)

    async def test_who_asks_again_ends_the_wait_for_what_is_late(self) -> None:
        fake = FakeUpstream(udp=[fakes.SILENCE])
        async with _resolver(fake, settings=QUICK) as rig:
            for _ in range(2):
                await rig.ask(seconds=0.4)
            assert rig.resolver.statistics(rig.now()).upstreams[0].in_flight <= USUAL.max_sends

    async def test_closing_ends_the_wait_for_what_is_late(self) -> None:
        fake = FakeUpstream(udp=[fakes.SILENCE])
        async with _resolver(fake, settings=QUICK) as rig:
            await rig.ask(seconds=0.4)
            assert rig.resolver.statistics(rig.now()).upstreams[0].in_flight > 0
            await rig.resolver.close()
            assert rig.resolver.statistics(rig.now()).upstreams[0].in_flight == 0

    async def test_what_is_late_is_in_no_new_question_s_way(self) -> None:
        fake = FakeUpstream(udp=[fakes.SILENCE] * 3 + [fakes.ANSWER])
        at_once = replace(QUICK, max_sends=1, budget_wait_seconds=0.0)
        async with _resolver(fake, settings=at_once, in_flight=3) as rig:
            await rig.ask_many(3, seconds=0.3)
            assert rig.resolver.statistics(rig.now()).upstreams[0].in_flight == 3
            assert isinstance(await rig.ask(), Answer)


class TestComingAndGoing:
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_an_upstream_that_went_and_came_back_is_found_again_after_a_pause(self, transport: str) -> None:
        fake = FakeUpstream()
        async with fake.running():
            pass
        async with _rig([fake.config(transport)], ResolverConfig()) as rig:
            await rig.ask_many(3)
            assert rig.resolver.statistics(rig.now()).upstreams[0].breaker is BreakerState.OPEN
            assert rig.resolver.pressure(rig.now()) == 1.0
            async with fake.running():
                assert await rig.ask() == UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)
                assert fake.asked == 0
                await rig.probe(after=1.0)
                assert rig.resolver.statistics(rig.now()).upstreams[0].breaker is BreakerState.CLOSED
                assert fake.asked == 1
                assert isinstance(await rig.ask(), Answer)
                await rig.resolver.close()

    async def test_a_connection_lost_under_a_question_costs_a_send_and_no_answer(self) -> None:
        fake = FakeUpstream(stream=[fakes.ANSWER, fakes.CLOSE, fakes.ANSWER])
        async with _resolver(fake, transport="tcp") as rig:
            assert isinstance(await rig.ask(make_query("first.example.")), Answer)
            assert isinstance(await rig.ask(make_query("second.example.")), Answer)
        assert fake.asked == 3

    @pytest.mark.parametrize("answers", [1, 3])
    @pytest.mark.parametrize("transport", ["tcp", "udp"], ids=["TCP", "TCP after UDP"])
    async def test_an_upstream_that_closes_after_so_many_answers_answers_all(
        self, transport: str, answers: int
    ) -> None:
        fake = FakeUpstream(udp=[fakes.TRUNCATED], answers_to_a_connection=answers)
        async with _resolver(fake, transport=transport, new_connections_per_second=100.0) as rig:
            for name in ("first", "again"):
                queries = [make_query(f"{name}{number}.example.") for number in range(10)]
                outcomes = await asyncio.gather(*(rig.ask(query) for query in queries))
                assert all(isinstance(outcome, Answer) for outcome in outcomes)
            sends = rig.resolver.statistics(rig.now()).upstreams[0].sends
        # What was lost before it was known, and nothing after it.
        assert 0 < sends[SendStatus.LOST] <= 10
        assert 20 <= len(fake.asked_over_stream) <= 22
        assert fake.most_open <= 2

    async def test_an_upstream_that_closes_after_each_answer_is_told_for_it(self) -> None:
        fake = FakeUpstream(answers_to_a_connection=1)
        async with _resolver(fake, transport="tcp", new_connections_per_second=100.0) as rig:
            await rig.ask_many(10)
            async with asyncio.timeout(5):
                while rig.resolver.statistics(rig.now()).upstreams[0].finding is None:  # noqa: ASYNC110  # nobody to tell us
                    await asyncio.sleep(0.01)
            finding = rig.resolver.statistics(rig.now()).upstreams[0].finding
        assert finding is not None
        assert finding.signal is Signal.FEW_ANSWERS

    @pytest.mark.parametrize("transport", ["tcp", "udp"], ids=["TCP", "TCP after UDP"])
    async def test_its_connections_are_not_opened_faster_than_allowed(self, transport: str) -> None:
        fake = FakeUpstream(udp=[fakes.TRUNCATED], answers_to_a_connection=1)
        async with _resolver(fake, transport=transport, new_connections_per_second=4.0) as rig:
            began = time.monotonic()
            outcomes = await rig.ask_many(10, seconds=1.5)
            connections = 2 + 4 * (time.monotonic() - began)
        # Two at first, then four a second.
        assert 6 <= sum(isinstance(outcome, Answer) for outcome in outcomes) <= fake.connections_made <= connections

    async def test_a_probe_is_asked_again_whose_connection_was_closed_under_it(self) -> None:
        fake = FakeUpstream(stream=[fakes.ANSWER, *[fakes.REFUSED] * (RUN + 1), fakes.CLOSE, fakes.ANSWER])
        async with _resolver(fake, transport="tcp", settings=QUICK) as rig:
            await rig.ask()
            await rig.ask_many(RUN)
            await rig.probe(after=0.0)
            await rig.probe(after=60.0)
            assert rig.resolver.statistics(rig.now()).upstreams[0].finding is None

    async def test_closing_tells_who_waits_and_leaves_nothing(self) -> None:
        fake = FakeUpstream(stream=[fakes.SILENCE])
        async with _resolver(fake, transport="tcp") as rig:
            asked = asyncio.gather(rig.ask())
            await fake.wait_asked()
            await rig.resolver.close()
            assert list(await asked) == [UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)]
            assert rig.learnt == []
            upstream = rig.resolver.statistics(rig.now()).upstreams[0]
            assert (upstream.in_flight, upstream.connections) == (0, 0)
            assert await rig.ask() == UpstreamFailure(Reason.BUDGET_SPENT)

    async def test_a_group_that_is_cancelled_leaves_nothing_in_flight(self) -> None:
        fake = FakeUpstream(stream=[fakes.SILENCE])
        async with _resolver(fake, transport="tcp") as rig:
            inner = asyncio.gather(rig.ask())
            await fake.wait_asked()
            inner.cancel()
            await asyncio.wait([inner])
            # The client is gone and its question is not.
            assert rig.resolver.statistics(rig.now()).fetches == 1
        assert rig.resolver.statistics(rig.now()).upstreams[0].in_flight == 0


class TestAuthenticData:
    @pytest.mark.parametrize("validates", [True, False], ids=["trusted to validate", "not trusted"])
    @pytest.mark.parametrize(
        ("address", "is_safe"),
        [
            pytest.param(UpstreamAddress("tls", "192.0.2.53", 853), True, id="tls"),
            pytest.param(UpstreamAddress("udp", "127.0.0.1", 53), True, id="loopback"),
            pytest.param(UpstreamAddress("tcp", "::1", 53), True, id="loopback of IPv6"),
            pytest.param(UpstreamAddress("udp", "192.0.2.53", 53), False, id="udp through the world"),
            pytest.param(UpstreamAddress("tcp", "2001:db8::53", 53), False, id="tcp through the world"),
        ],
    )
    def test_trust_and_the_way_decide_whether_ad_means_anything(
        self, address: UpstreamAddress, *, is_safe: bool, validates: bool
    ) -> None:
        assert may_vouch(UpstreamConfig("ns0", address, validates=validates)) is (is_safe and validates)

    @pytest.mark.parametrize("validates", [True, False], ids=["believed", "not believed"])
    async def test_ad_is_taken_off_where_it_means_nothing(self, *, validates: bool) -> None:
        async with _resolver(FakeUpstream(udp=[fakes.AUTHENTIC]), validates=validates) as rig:
            outcome = await rig.ask()
        assert isinstance(outcome, Answer)
        assert outcome.authentic is validates

    def test_nobody_is_trusted_unasked(self) -> None:
        assert not may_vouch(UpstreamConfig("ns0", UpstreamAddress("tls", "192.0.2.53", 853)))


async def test_the_query_that_goes_out_tells_nothing_of_the_client() -> None:
    fake = FakeUpstream()
    async with _resolver(fake) as rig:
        await rig.ask(replace(make_query("WwW.Example.ORG."), id=4711))
    # In a case that is drawn: the test of `wire` holds it against the client's.
    assert b"\x03www\x07example\x03org\x00" in fake.asked_over_udp[0].lower()


def _priority(rank: int, prefix: int = 1, reserve: float = 0.0) -> Priority:
    return Priority(rank, (prefix,), reserve)


class TestSharedBudgets:
    async def test_a_group_has_one_budget_for_all_its_addresses(self) -> None:
        first, second = FakeUpstream(udp=[fakes.SERVFAIL]), FakeUpstream(udp=[fakes.SERVFAIL])
        async with _resolver(first, second, group="fdn", burst=5, queries_per_second=0.1) as rig:
            await rig.ask_many(10)
        assert first.asked + second.asked == 5

    async def test_without_a_group_each_has_its_own(self) -> None:
        first, second = FakeUpstream(udp=[fakes.SERVFAIL]), FakeUpstream(udp=[fakes.SERVFAIL])
        async with _resolver(first, second, burst=5, queries_per_second=0.1) as rig:
            await rig.ask_many(10)
        assert (first.asked, second.asked) == (5, 5)

    async def test_a_group_s_connections_are_counted_together(self) -> None:
        first = FakeUpstream(stream=[fakes.SERVFAIL.after(0.1)])
        second = FakeUpstream(stream=[fakes.SERVFAIL.after(0.1)])
        async with _resolver(first, second, transport="tcp", group="fdn", connections=1) as rig:
            await rig.ask_many(6)
        assert first.connections_made + second.connections_made == 1


class TestOrderOfSpending:
    async def _spend(self, rig: Rig, count: int) -> None:
        await asyncio.gather(*(rig.ask(make_query(f"spent{number}.example.")) for number in range(count)))

    async def test_who_finds_the_budget_spent_waits_for_it(self) -> None:
        fake = FakeUpstream()
        async with _resolver(fake, burst=2, queries_per_second=20.0) as rig:
            outcomes = await rig.ask_many(8)
            turns = rig.resolver.statistics(rig.now()).turns
        assert all(isinstance(outcome, Answer) for outcome in outcomes)
        assert turns.served == 6

    async def test_a_better_rank_is_asked_first_whoever_came_first(self) -> None:
        fake = FakeUpstream()
        async with _resolver(fake, burst=1, queries_per_second=5.0) as rig:
            rig.stop()
            await self._spend(rig, 1)
            ranks = [5, 3, 0, 4]
            queries = [make_query(f"rank{rank}.example.") for rank in ranks]
            asked = asyncio.gather(
                *(
                    ask(rig.resolver, query, deadline=rig.now() + LONG, priority=_priority(rank))
                    for query, rank in zip(queries, ranks, strict=True)
                )
            )
            await rig.go_on(when=len(ranks))
            await asked
        order = [wire[13:18].lower() for wire in fake.asked_over_udp[1:]]
        assert order == [b"rank0", b"rank3", b"rank4", b"rank5"]

    async def test_there_is_no_more_line_than_can_be_served(self) -> None:
        fake = FakeUpstream()
        settings = ResolverConfig(budget_wait_seconds=0.5)
        async with _resolver(fake, settings=settings, burst=1, queries_per_second=10.0) as rig:
            rig.stop()
            asked = asyncio.gather(rig.ask_many(30))
            await rig.go_on(when=30 - 1)
            [outcomes] = await asked
            turns = rig.resolver.statistics(rig.now()).turns
        assert turns.refused == 30 - 1 - 5
        assert outcomes.count(UpstreamFailure(Reason.BUDGET_SPENT)) == turns.refused + turns.given_up

    async def test_a_question_waits_with_the_best_of_those_who_ask_it(self) -> None:
        fake = FakeUpstream()
        async with _resolver(fake, burst=1, queries_per_second=5.0) as rig:
            rig.stop()
            await self._spend(rig, 1)
            shared, other = make_query("share.example."), make_query("other.example.")
            async with asyncio.TaskGroup() as tasks:
                for query, rank in ((shared, 9), (other, 5), (shared, 0)):
                    tasks.create_task(ask(rig.resolver, query, deadline=rig.now() + LONG, priority=_priority(rank)))
                    await asyncio.sleep(0.01)
                await rig.go_on(when=2)
        assert [wire[13:18].lower() for wire in fake.asked_over_udp[1:]] == [b"share", b"other"]

    async def test_the_reserve_is_left_to_others(self) -> None:
        fake = FakeUpstream()
        settings = ResolverConfig(budget_wait_seconds=0.01)
        async with _resolver(fake, settings=settings, burst=8, queries_per_second=0.1) as rig:
            asked = [
                ask(rig.resolver, make_query(f"n{n}.example."), deadline=rig.now() + 1, priority=_priority(9, n, 0.25))
                for n in range(10)
            ]
            await asyncio.gather(*asked)
            assert fake.asked == 6
            await self._spend(rig, 4)
        assert fake.asked == 8

    @pytest.mark.parametrize(
        ("purpose", "spent", "is_begun"),
        [
            pytest.param(Purpose.PREFETCH, 1, True, id="names are fetched ahead while there is plenty"),
            pytest.param(Purpose.PREFETCH, 3, False, id="and not with a quarter gone"),
            pytest.param(Purpose.REVALIDATION, 6, True, id="stale ones are renewed from half a burst down"),
            pytest.param(Purpose.REVALIDATION, 8, False, id="and not in its last quarter"),
        ],
    )
    async def test_what_nobody_waits_for_leaves_more(self, purpose: Purpose, spent: int, *, is_begun: bool) -> None:
        async with _resolver(FakeUpstream(), burst=10, queries_per_second=0.1) as rig:
            await self._spend(rig, spent)
            assert rig.resolver.refresh(make_query(), deadline=rig.now() + 1, purpose=purpose) is is_begun

    async def test_a_slow_beginning_is_a_quarter_of_the_burst(self) -> None:
        fake = FakeUpstream()
        settings = ResolverConfig(budget_wait_seconds=0.01)
        async with _resolver(fake, settings=settings, burst=40, queries_per_second=0.1) as rig:
            rig.resolver.begin_slowly()
            await rig.ask_many(30)
        assert fake.asked == 10


class TestProbes:
    async def _ban(self, rig: Rig) -> None:
        """Ask names of many zones until the refusals are suspect."""
        for number in range(RUN):
            await rig.ask(make_query(f"www.zone{number}.example{number}."))

    async def test_a_ban_is_confirmed_by_one_probe_and_then_nobody_is_sent(self) -> None:
        fake = FakeUpstream(udp=[fakes.REFUSED])
        async with _resolver(fake, leave_out=EVERYTHING) as rig:
            await self._ban(rig)
            await rig.probe(after=0.0)
            before = fake.asked
            assert await rig.ask(make_query("other.example.")) == UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)
            upstream = rig.resolver.statistics(rig.now()).upstreams[0]
        assert fake.asked == before == RUN + 1
        assert upstream.finding is not None
        assert upstream.finding.signal is Signal.REFUSED
        assert upstream.breaker is BreakerState.OPEN

    async def test_names_that_are_blocked_are_no_ban(self) -> None:
        fake = FakeUpstream(udp=[*[fakes.REFUSED] * RUN, fakes.ANSWER])
        async with _resolver(fake, leave_out=EVERYTHING) as rig:
            await self._ban(rig)
            await rig.probe(after=0.0)
            assert isinstance(await rig.ask(), Answer)
            assert rig.resolver.statistics(rig.now()).upstreams[0].finding is None

    async def test_silence_that_tcp_answers_halves_the_budget(self) -> None:
        fake = FakeUpstream(udp=[fakes.SILENCE])
        async with _resolver(fake, settings=QUICK, burst=100) as rig:
            await rig.ask_many(9, seconds=0.2)
            await rig.probed(SILENT_PROBES)
            upstream = rig.resolver.statistics(rig.now()).upstreams[0]
        assert len(fake.asked_over_stream) == 1
        assert upstream.finding is not None
        assert upstream.finding.signal is Signal.UDP_SILENT
        assert upstream.halvings == 1
        assert upstream.budget_share == pytest.approx(0.5, abs=0.05)

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_one_that_is_never_asked_is_probed_at_the_start_and_every_hour(self, transport: str) -> None:
        first, standby = FakeUpstream(), FakeUpstream()
        async with _resolver(first, standby, transport=transport) as rig:
            for after in (0.0, STANDBY_SECONDS):
                rig.ahead += after
                await rig.ask(make_query(f"after{after}.example."))
                rig.resolver.tick()
                await standby.wait_asked(1 + (after > 0))
                while any(  # noqa: ASYNC110  # nobody to tell us
                    one.in_flight for one in rig.resolver.statistics(rig.now()).upstreams
                ):
                    await asyncio.sleep(0.001)
        assert standby.asked == 2

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_names_whose_servers_are_silent_cost_neither_budget_nor_upstream(self, transport: str) -> None:
        silent = [fakes.SILENCE] * 9
        fake = FakeUpstream(udp=[*silent, fakes.ANSWER] * 3, stream=[*silent, fakes.ANSWER] * 3)
        # Each is sent once, however busy the machine: longer than it may be held up, shorter than an attempt.
        async with _resolver(fake, transport=transport, settings=ResolverConfig(attempt_seconds=0.4)) as rig:
            for number in range(3):
                queries = [make_query(f"www.silent{number}-{zone}.example.") for zone in range(9)]
                await asyncio.gather(*(rig.ask(query, seconds=0.35) for query in queries))
                await rig.probed(number + 1)
            upstream = rig.resolver.statistics(rig.now()).upstreams[0]
            assert isinstance(await rig.ask(), Answer)
        assert (upstream.halvings, upstream.budget_share, upstream.finding) == (0, 1.0, None)
        assert upstream.breaker is BreakerState.CLOSED

    async def test_an_upstream_that_drops_out_does_not_throw_its_questions_at_the_next(self) -> None:
        first, second = FakeUpstream(udp=[fakes.SILENCE], stream=[fakes.SILENCE]), FakeUpstream()
        async with first.running(), second.running():
            gone, other = first.config(), second.config(burst=40, queries_per_second=0.1)
            async with _rig([gone, other], QUICK) as rig:
                await rig.ask_many(9)
                await rig.probed(SILENT_PROBES)
                shares = [one.budget_share for one in rig.resolver.statistics(rig.now()).upstreams]
        assert shares[0] == 1.0
        assert shares[1] < 0.5

    async def test_closing_ends_probes_too(self) -> None:
        fake = FakeUpstream(udp=[*[fakes.REFUSED] * RUN, fakes.SILENCE])
        async with _resolver(fake, leave_out=EVERYTHING) as rig:
            await self._ban(rig)
            rig.resolver.tick()
            await fake.wait_asked(RUN + 1)
            await rig.resolver.close()
            assert rig.resolver.statistics(rig.now()).upstreams[0].in_flight == 0

"""TCP: which connection a query takes, how many there are, and what their end means."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.sends import Late, SendOutcome
from dohproxy.upstream.transports import stream
from dohproxy.upstream.transports.connection import Connection
from dohproxy.upstream.transports.stream import BUSY_QUERIES, StreamTransport
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from tests.fakes import upstream as fakes
from tests.fakes.asking import exchange
from tests.fakes.upstream import Act, FakeUpstream, make_query
from tests.fakes.upstream_health import connections

QUERY = make_query()
SOON = 0.3
LONG = 10.0


@asynccontextmanager
async def _transport(
    fake: FakeUpstream,
    *,
    most_connections: int = 2,
    idle_seconds: float = 60,
    budget: ConnectionBudget | None = None,
) -> AsyncIterator[StreamTransport]:
    async with fake.running(), asyncio.TaskGroup() as tasks:
        transport = StreamTransport(
            fake.config("tcp").url,
            budget or connections(most_connections),
            idle_seconds=idle_seconds,
            context=None,
            tasks=tasks,
            clock=time.monotonic,
        )
        try:
            yield transport
        finally:
            await transport.close()
    assert transport.connections == 0


async def _ask(
    transport: StreamTransport, query: Query = QUERY, seconds: float = LONG
) -> Answer | Unproven | SendStatus:
    return await exchange(transport, query, until=time.monotonic() + seconds)


async def _ask_many(transport: StreamTransport, count: int) -> list[Answer | Unproven | SendStatus]:
    return await asyncio.gather(*(_ask(transport, make_query(f"name{number}.example.")) for number in range(count)))


async def _until_closed(transport: StreamTransport) -> None:
    for _ in range(5000):
        if not transport.connections:
            return
        await asyncio.sleep(0.001)
    pytest.fail("a connection was not closed")


async def test_one_connection_carries_one_query_after_the_other() -> None:
    fake = FakeUpstream()
    async with _transport(fake) as transport:
        for _ in range(5):
            assert isinstance(await _ask(transport), Answer)
    assert fake.connections_made == 1


async def test_replies_in_any_order_find_their_queries() -> None:
    fake = FakeUpstream(stream=[fakes.ANSWER.after(0.1), fakes.ANSWER.after(0.05), fakes.ANSWER])
    async with _transport(fake) as transport:
        outcomes = await _ask_many(transport, 3)
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert fake.connections_made == 1


@pytest.mark.parametrize("most_connections", [1, 2, 3])
async def test_a_crowd_never_opens_more_connections_than_allowed(most_connections: int) -> None:
    fake = FakeUpstream(stream=[fakes.ANSWER.after(0.05)])
    async with _transport(fake, most_connections=most_connections) as transport:
        outcomes = await _ask_many(transport, 10 * BUSY_QUERIES)
        assert transport.connections == most_connections
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert fake.connections_made == most_connections


async def test_queries_on_one_connection_have_ids_of_their_own() -> None:
    fake = FakeUpstream(stream=[fakes.ANSWER.after(0.05)])
    async with _transport(fake, most_connections=1) as transport:
        await _ask_many(transport, 300)
    assert len({wire[:2] for wire in fake.asked_over_stream}) == 300


@pytest.mark.parametrize(
    "noise",
    [pytest.param(fakes.WRONG_ID, id="another id"), pytest.param(fakes.WRONG_QUESTION, id="another question")],
)
async def test_frames_that_match_nothing_are_counted_and_waited_past(noise: Act) -> None:
    fake = FakeUpstream(stream=[noise.then(fakes.ANSWER)])
    async with _transport(fake) as transport:
        assert isinstance(await _ask(transport), Answer)
        assert transport.ignored_packets == 1
    assert transport.ignored_packets == 1


async def test_frames_without_end_close_the_connection() -> None:
    flood = Act(lambda query: [fakes.WRONG_ID.packets(query)[0]] * 1000)
    async with _transport(FakeUpstream(stream=[flood])) as transport:
        assert await _ask(transport) is SendStatus.LOST
        assert transport.ignored_packets == 256


@pytest.mark.parametrize(
    ("script", "result"),
    [
        pytest.param([fakes.CLOSE], SendStatus.LOST, id="a new connection is closed on the query"),
        pytest.param([fakes.ECHO], SendStatus.UNREACHABLE, id="our own query comes back"),
        pytest.param([Act(lambda _: [b""])], SendStatus.UNREACHABLE, id="an empty frame"),
        pytest.param([Act(lambda _: [b"short"])], SendStatus.UNREACHABLE, id="a frame without a header"),
        pytest.param([fakes.UNREADABLE], SendStatus.UNUSABLE, id="a reply that cannot be read"),
        pytest.param([fakes.SILENCE], SendStatus.TIMEOUT, id="silence"),
    ],
)
async def test_what_went_wrong_is_told_apart(script: Sequence[Act], result: SendStatus) -> None:
    async with _transport(FakeUpstream(stream=script)) as transport:
        assert await _ask(transport, seconds=SOON if result is SendStatus.TIMEOUT else LONG) is result


async def test_a_connection_closed_while_idle_is_replaced_unnoticed() -> None:
    fake = FakeUpstream()
    async with _transport(fake) as transport:
        await _ask(transport)
        fake.close_connections()
        await _until_closed(transport)
        assert isinstance(await _ask(transport), Answer)
    assert fake.connections_made == 2


async def test_a_used_connection_that_closes_on_the_query_is_no_failure_of_the_upstream() -> None:
    fake = FakeUpstream(stream=[fakes.ANSWER, fakes.CLOSE, fakes.ANSWER])
    async with _transport(fake) as transport:
        await _ask(transport)
        assert await _ask(transport) is SendStatus.LOST
        assert isinstance(await _ask(transport), Answer)


async def test_who_waits_for_a_connection_that_does_not_come_to_be_may_ask_on_one_that_is_there() -> None:
    fake = FakeUpstream(stream=[fakes.ANSWER.after(0.2)])
    async with _transport(fake) as transport:
        asked = asyncio.gather(*(_ask(transport) for _ in range(BUSY_QUERIES)))
        await fake.wait_asked(BUSY_QUERIES)
        # Their server takes no more.
        fake.stop_listening()
        assert await _ask(transport) is SendStatus.LOST
        assert all(isinstance(outcome, Answer) for outcome in await asked)


class TestAnUpstreamThatClosesAfterSoManyAnswers:
    @pytest.mark.parametrize("answers", [1, 3])
    async def test_gets_no_more_questions_on_a_connection_once_that_is_known(self, answers: int) -> None:
        fake = FakeUpstream(answers_to_a_connection=answers)
        async with _transport(fake, most_connections=1) as transport:
            outcomes = await _ask_many(transport, 6)
            # It closes with queries unread, which resets the connection and may destroy what is under way.
            answered = [isinstance(outcome, Answer) for outcome in outcomes].count(True)
            assert answered <= answers
            assert outcomes.count(SendStatus.LOST) == 6 - answered
            again = await _ask_many(transport, 6)
        assert all(isinstance(outcome, Answer) for outcome in again)
        assert 1 + 6 // answers <= fake.connections_made <= 1 + 6
        assert len(fake.asked_over_stream) == answers + 6
        assert fake.most_open == 1

    async def test_is_asked_on_as_many_connections_as_there_may_be(self) -> None:
        fake = FakeUpstream(answers_to_a_connection=1)
        async with _transport(fake, most_connections=4) as transport:
            await _ask_many(transport, 2)
            await _until_closed(transport)
            outcomes = await _ask_many(transport, 4)
        assert all(isinstance(outcome, Answer) for outcome in outcomes)
        assert fake.connections_made == 1 + 4

    async def test_was_only_restarted_if_the_next_connection_stays_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stream, "KEPT_OPEN_SECONDS", 0.02)
        fake = FakeUpstream(stream=[fakes.ANSWER, fakes.CLOSE, fakes.ANSWER])
        async with _transport(fake, most_connections=1) as transport:
            await _ask_many(transport, 2)
            await _until_closed(transport)
            assert all(isinstance(outcome, Answer) for outcome in await _ask_many(transport, 8))
        assert fake.connections_made == 2

    async def test_is_rid_of_connections_that_it_leaves_open_for_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stream, "KEPT_OPEN_SECONDS", 0.02)
        fake, budget = FakeUpstream(), connections(1)
        for ago in (100.0, 0.0):
            budget.closed_after(1, time.monotonic() - ago)
        async with _transport(fake, budget=budget) as transport:
            for _ in range(3):
                assert isinstance(await _ask(transport), Answer)
                await _until_closed(transport)
        assert fake.connections_made == 3


class TestTheLine:
    async def test_who_finds_the_rate_of_new_connections_spent_waits_for_it(self) -> None:
        fake, budget = FakeUpstream(answers_to_a_connection=1), connections(1, 5.0)
        async with _transport(fake, budget=budget) as transport:
            for _ in range(3):
                assert isinstance(await _ask(transport), Answer)
                await _until_closed(transport)
        assert fake.connections_made == 3

    async def test_who_is_stopped_or_waits_in_vain_was_not_sent(self) -> None:
        fake, budget = FakeUpstream(), connections(1, 1.0)
        budget.take(time.monotonic())
        budget.release()
        async with _transport(fake, budget=budget) as transport:
            stopped = asyncio.gather(_ask(transport))
            await asyncio.sleep(0)
            stopped.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stopped
            assert await _ask(transport, seconds=SOON) is SendStatus.UNSENT
        assert fake.connections_made == 0

    async def test_closing_tells_who_waits_for_a_connection(self) -> None:
        fake, budget = FakeUpstream(), connections(1, 1.0)
        budget.take(time.monotonic())
        budget.release()
        async with _transport(fake, budget=budget) as transport:
            asked = asyncio.gather(_ask(transport), _ask(transport))
            await asyncio.sleep(0)
            await transport.close()
            assert list(await asked) == [SendStatus.ABANDONED, SendStatus.ABANDONED]

    async def test_nobody_waits_for_what_will_not_come(self) -> None:
        fake, budget = FakeUpstream(), connections(1, 1.0)
        budget.take(time.monotonic())
        budget.release()
        async with _transport(fake, budget=budget) as transport:
            asked = asyncio.gather(_ask(transport))
            await asyncio.sleep(0)
            for _ in range(5):
                budget.failed(time.monotonic(), nobody_listens=True)
            assert list(await asked) == [SendStatus.UNSENT]


async def test_an_unused_connection_is_closed_after_a_while() -> None:
    fake = FakeUpstream()
    async with _transport(fake, idle_seconds=0.05) as transport:
        await _ask(transport)
        await _until_closed(transport)
        assert isinstance(await _ask(transport), Answer)


async def test_a_connection_in_use_is_not_idle() -> None:
    fake = FakeUpstream(stream=[fakes.ANSWER.after(0.2)])
    async with _transport(fake, idle_seconds=0.05) as transport:
        assert isinstance(await _ask(transport), Answer)


async def test_a_connection_that_went_silent_gets_no_further_query() -> None:
    fake = FakeUpstream(stream=[fakes.ANSWER, fakes.SILENCE, fakes.ANSWER])
    async with _transport(fake, most_connections=1) as transport:
        await _ask(transport)
        assert await _ask(transport, seconds=SOON) is SendStatus.TIMEOUT
        assert isinstance(await _ask(transport), Answer)
    assert fake.connections_made == 2


async def test_a_connection_that_brings_other_answers_is_kept() -> None:
    fake = FakeUpstream(stream=[fakes.SILENCE, fakes.ANSWER])
    async with _transport(fake, most_connections=1) as transport:
        slow, quick = await asyncio.gather(_ask(transport, seconds=SOON), _ask(transport))
        assert slow is SendStatus.TIMEOUT
        assert isinstance(quick, Answer)
        assert isinstance(await _ask(transport), Answer)
    assert fake.connections_made == 1


class TestLateReplies:
    @staticmethod
    async def _ask(transport: StreamTransport, *, until: float, late_until: float) -> tuple[SendOutcome, int]:
        ended: asyncio.Future[SendOutcome] = asyncio.get_running_loop().create_future()
        overdue: list[int] = []
        now = time.monotonic()
        late = Late(now + late_until, lambda: overdue.append(1))
        sending = transport.send(QUERY, ended.set_result, until=now + until, late=late)
        assert not isinstance(sending, SendStatus)
        async with asyncio.timeout(LONG):
            return await ended, len(overdue)

    async def test_one_counts_and_costs_no_connection(self) -> None:
        fake = FakeUpstream(stream=[fakes.ANSWER.after(2 * SOON)])
        async with _transport(fake) as transport:
            outcome, overdue = await self._ask(transport, until=SOON, late_until=LONG)
            assert isinstance(outcome, Answer)
            assert overdue == 1
            assert isinstance(await _ask(transport), Answer)
        assert fake.connections_made == 1

    async def test_there_is_an_end_to_it(self) -> None:
        async with _transport(FakeUpstream(stream=[fakes.SILENCE])) as transport:
            outcome, overdue = await self._ask(transport, until=SOON, late_until=2 * SOON)
        assert (outcome, overdue) == (SendStatus.TIMEOUT, 1)

    async def test_where_nothing_arrives_there_is_nothing_to_wait_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = FakeUpstream(stream=[fakes.SILENCE, fakes.ANSWER])
        async with _transport(fake, most_connections=1) as transport:
            with monkeypatch.context() as patch:
                patch.setattr(Connection, "is_acknowledged", False)
                outcome, overdue = await self._ask(transport, until=SOON, late_until=LONG)
            assert (outcome, overdue) == (SendStatus.LOST, 0)
            assert isinstance(await _ask(transport), Answer)
        assert fake.connections_made == 2


async def test_silent_connections_make_room_for_new_ones() -> None:
    fake = FakeUpstream(stream=[fakes.SILENCE, fakes.SILENCE, fakes.ANSWER])
    async with _transport(fake, most_connections=1) as transport:
        first, second = await asyncio.gather(_ask(transport, seconds=SOON), _ask_later(transport))
        assert first is SendStatus.TIMEOUT
        assert isinstance(second, SendStatus)
        assert isinstance(await _ask(transport), Answer)
    assert fake.most_open == 1


async def _ask_later(transport: StreamTransport) -> Answer | Unproven | SendStatus:
    """Ask on the same connection a little later, so that this one still waits when the first gives up."""
    await asyncio.sleep(SOON / 2)
    asked = asyncio.gather(_ask(transport, seconds=LONG))
    await asyncio.sleep(SOON)
    # The connection has been retired with this query on it; the next one needs its place.
    assert isinstance(await _ask(transport), Answer)
    return (await asked)[0]


async def test_nobody_listening_is_known_at_once() -> None:
    fake = FakeUpstream()
    async with fake.running():
        pass
    async with asyncio.TaskGroup() as tasks:
        transport = StreamTransport(
            fake.config("tcp").url, connections(2), idle_seconds=60, context=None, tasks=tasks, clock=time.monotonic
        )
        async with asyncio.timeout(LONG):
            outcome = await exchange(transport, QUERY, until=time.monotonic() + 10 * LONG)
        assert outcome is SendStatus.UNREACHABLE
        assert transport.connections == 0


async def test_a_large_answer_arrives_whole() -> None:
    large = Act(lambda query: [fakes.make_reply(query, records=500)])
    async with _transport(FakeUpstream(stream=[large])) as transport:
        outcome = await _ask(transport)
    assert isinstance(outcome, Answer)
    assert outcome.counts[0] == 500


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_bug_while_connecting_is_reported_and_ends_no_other_task() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    async with asyncio.TaskGroup() as tasks:
        # No port; the configuration would not let it through. uvloop makes an ordinary OSError of it.
        url = UpstreamAddress("tcp", "127.0.0.1", 70_000)
        transport = StreamTransport(
            url, connections(1), idle_seconds=60, context=None, tasks=tasks, clock=time.monotonic
        )
        assert await _ask(transport) is SendStatus.UNREACHABLE
    assert [type(error) for error in reported] == [OverflowError]


async def test_a_group_that_is_over_opens_no_connection() -> None:
    async with asyncio.TaskGroup() as tasks:
        url = UpstreamAddress("tcp", "127.0.0.1", 53)
        transport = StreamTransport(
            url, connections(1), idle_seconds=60, context=None, tasks=tasks, clock=time.monotonic
        )
    assert await _ask(transport, seconds=0.2) is SendStatus.UNSENT
    assert transport.connections == 0


class TestEnds:
    async def test_closing_tells_who_waits(self) -> None:
        fake = FakeUpstream(stream=[fakes.SILENCE])
        async with _transport(fake) as transport:
            asked = asyncio.gather(_ask(transport))
            await fake.wait_asked()
            await transport.close()
            assert list(await asked) == [SendStatus.ABANDONED]
            assert await _ask(transport) is SendStatus.UNSENT

    async def test_closing_ends_a_connection_that_is_being_opened(self) -> None:
        async with _transport(FakeUpstream()) as transport:
            asked = asyncio.gather(_ask(transport))
            await asyncio.sleep(0)
            await transport.close()
            assert list(await asked) == [SendStatus.ABANDONED]

    async def test_a_cancelled_query_leaves_the_connection_to_the_others(self) -> None:
        fake = FakeUpstream(stream=[fakes.ANSWER.after(0.1)])
        async with _transport(fake) as transport, asyncio.TaskGroup() as tasks:
            cancelled = tasks.create_task(_ask(transport))
            other = tasks.create_task(_ask(transport))
            await fake.wait_asked(2)
            cancelled.cancel()
            assert isinstance(await other, Answer)
        assert fake.connections_made == 1


async def test_connections_that_are_another_node_s_now_end_as_soon_as_nobody_waits_on_them() -> None:
    fake = FakeUpstream(stream=[fakes.ANSWER.after(0.2)])
    budget = connections(2)
    async with _transport(fake, budget=budget) as transport:
        asked = asyncio.gather(*(_ask(transport, make_query(f"name{n}.example.")) for n in range(2 * BUSY_QUERIES)))
        await asyncio.sleep(0.05)  # Within the time that the upstream takes.
        assert transport.connections == 2
        budget.hold(0.5, time.monotonic())
        transport.shed()
        transport.shed()
        assert budget.open == 2
        assert all(isinstance(answer, Answer) for answer in await asked)
        for _ in range(5000):
            if budget.open < 2:
                break
            await asyncio.sleep(0.001)
        assert isinstance(await _ask(transport), Answer)
        assert transport.connections == 1
        assert budget.signal(time.monotonic()) is None

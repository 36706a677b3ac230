"""TCP: which connection a query takes, how many there are, and what their end means."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.results import Result, Unproven
from dohproxy.upstream.transports.stream import BUSY_QUERIES, StreamTransport
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from tests.fakes import upstream as fakes
from tests.fakes.asking import exchange
from tests.fakes.standing import connections
from tests.fakes.upstream import Act, FakeUpstream, make_query

QUERY = make_query()
SOON = 0.3
LONG = 10.0


@asynccontextmanager
async def _transport(
    fake: FakeUpstream, *, most_connections: int = 2, idle_seconds: float = 60
) -> AsyncIterator[StreamTransport]:
    async with fake.running(), asyncio.TaskGroup() as tasks:
        transport = StreamTransport(
            fake.config("tcp").url,
            connections(most_connections),
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


async def _ask(transport: StreamTransport, query: Query = QUERY, seconds: float = LONG) -> Answer | Unproven | Result:
    return await exchange(transport, query, until=time.monotonic() + seconds)


async def _ask_many(transport: StreamTransport, count: int) -> list[Answer | Unproven | Result]:
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
        assert await _ask(transport) is Result.LOST
        assert transport.ignored_packets == 256


@pytest.mark.parametrize(
    ("script", "result"),
    [
        pytest.param([fakes.CLOSE], Result.UNREACHABLE, id="a new connection is closed on the query"),
        pytest.param([fakes.ECHO], Result.UNREACHABLE, id="our own query comes back"),
        pytest.param([Act(lambda _: [b""])], Result.UNREACHABLE, id="an empty frame"),
        pytest.param([Act(lambda _: [b"short"])], Result.UNREACHABLE, id="a frame without a header"),
        pytest.param([fakes.UNREADABLE], Result.UNUSABLE, id="a reply that cannot be read"),
        pytest.param([fakes.SILENCE], Result.TIMEOUT, id="silence"),
    ],
)
async def test_what_went_wrong_is_told_apart(script: Sequence[Act], result: Result) -> None:
    async with _transport(FakeUpstream(stream=script)) as transport:
        assert await _ask(transport, seconds=SOON if result is Result.TIMEOUT else LONG) is result


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
        assert await _ask(transport) is Result.LOST
        assert isinstance(await _ask(transport), Answer)


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
        assert await _ask(transport, seconds=SOON) is Result.TIMEOUT
        assert isinstance(await _ask(transport), Answer)
    assert fake.connections_made == 2


async def test_a_connection_that_brings_other_answers_is_kept() -> None:
    fake = FakeUpstream(stream=[fakes.SILENCE, fakes.ANSWER])
    async with _transport(fake, most_connections=1) as transport:
        slow, quick = await asyncio.gather(_ask(transport, seconds=SOON), _ask(transport))
        assert slow is Result.TIMEOUT
        assert isinstance(quick, Answer)
        assert isinstance(await _ask(transport), Answer)
    assert fake.connections_made == 1


async def test_silent_connections_make_room_for_new_ones() -> None:
    fake = FakeUpstream(stream=[fakes.SILENCE, fakes.SILENCE, fakes.ANSWER])
    async with _transport(fake, most_connections=1) as transport:
        first, second = await asyncio.gather(_ask(transport, seconds=SOON), _ask_later(transport))
        assert first is Result.TIMEOUT
        assert isinstance(second, Result)
        assert isinstance(await _ask(transport), Answer)
    assert fake.most_open == 1


async def _ask_later(transport: StreamTransport) -> Answer | Unproven | Result:
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
        assert outcome is Result.UNREACHABLE
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
        assert await _ask(transport) is Result.UNREACHABLE
    assert [type(error) for error in reported] == [OverflowError]


async def test_a_group_that_is_over_opens_no_connection() -> None:
    async with asyncio.TaskGroup() as tasks:
        url = UpstreamAddress("tcp", "127.0.0.1", 53)
        transport = StreamTransport(
            url, connections(1), idle_seconds=60, context=None, tasks=tasks, clock=time.monotonic
        )
    assert await _ask(transport) is Result.UNSENT
    assert transport.connections == 0


class TestEnds:
    async def test_closing_tells_who_waits(self) -> None:
        fake = FakeUpstream(stream=[fakes.SILENCE])
        async with _transport(fake) as transport:
            asked = asyncio.gather(_ask(transport))
            await fake.wait_asked()
            await transport.close()
            assert list(await asked) == [Result.ABANDONED]
            assert await _ask(transport) is Result.UNSENT

    async def test_closing_ends_a_connection_that_is_being_opened(self) -> None:
        async with _transport(FakeUpstream()) as transport:
            asked = asyncio.gather(_ask(transport))
            await asyncio.sleep(0)
            await transport.close()
            assert list(await asked) == [Result.ABANDONED]

    async def test_a_cancelled_query_leaves_the_connection_to_the_others(self) -> None:
        fake = FakeUpstream(stream=[fakes.ANSWER.after(0.1)])
        async with _transport(fake) as transport, asyncio.TaskGroup() as tasks:
            cancelled = tasks.create_task(_ask(transport))
            other = tasks.create_task(_ask(transport))
            await fake.wait_asked(2)
            cancelled.cancel()
            assert isinstance(await other, Answer)
        assert fake.connections_made == 1

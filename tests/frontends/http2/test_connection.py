"""The HTTP/2 frontend under clients that do what they should, and under those that do not."""

import asyncio
import contextlib
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from h2.errors import ErrorCodes

from dohproxy.config import ClientsConfig, ResolverConfig
from dohproxy.frontends.connections import Closing
from dohproxy.frontends.http2.connection import Http2Frontend
from tests.fakes.upstream import ANSWER, LARGE_RECORDS, SILENCE, TRUNCATED, Act, FakeUpstream, large_reply
from tests.frontends.by_hand import connected
from tests.frontends.client import query
from tests.frontends.http2_client import ACKNOWLEDGED, POST_FIELDS, Http2Client, get, get_fields, post
from tests.frontends.served import Certificate, RunningFrontend, Setting, open_frontend, resident_bytes
from tests.http2 import client as frames
from tests.http2.client import HEADERS, HELLO, INITIAL_WINDOW, PREFACE, data, headers, rst_stream, window_update

LARGE = "large.example.net"
MEBIBYTE = 2**20
CALM, PROTOCOL = int(ErrorCodes.ENHANCE_YOUR_CALM), int(ErrorCodes.PROTOCOL_ERROR)
REFUSED = int(ErrorCodes.REFUSED_STREAM)
NO_WINDOW = PREFACE + frames.settings((INITIAL_WINDOW, 0)) + ACKNOWLEDGED
WIDE = (
    PREFACE
    + frames.settings((INITIAL_WINDOW, frames.LARGEST_WINDOW))
    + ACKNOWLEDGED
    + window_update(0, frames.LARGEST_WINDOW - 65_535)
)


def slow(seconds: float = 0.3) -> Setting:
    """A frontend whose upstream takes its time."""
    return Setting(upstream=FakeUpstream(udp=(ANSWER.after(seconds),)))


def silent() -> Setting:
    """A frontend whose upstream says nothing."""
    return Setting(upstream=FakeUpstream(udp=(SILENCE,)))


def large() -> Setting:
    """A frontend whose upstream has large answers."""
    return Setting(upstream=FakeUpstream(udp=(TRUNCATED,), stream=(Act(large_reply),)))


def get_large(stream_id: int) -> bytes:
    """A GET of a large answer."""
    return get(stream_id, LARGE, rdtype="TXT")


@pytest.fixture(params=["plain", "tls"])
def setting(request: pytest.FixtureRequest, certificate: Certificate) -> Setting:
    """A frontend in the clear with prior knowledge, and one with TLS and ALPN."""
    return Setting(certificate=certificate if request.param == "tls" else None)


def over(setting: Setting, of: Setting) -> Setting:
    """The one's listener in front of the other's upstream."""
    return replace(of, certificate=setting.certificate)


def frontends(frontend: RunningFrontend) -> list[Http2Frontend]:
    """The server's side of every connection."""
    return [connection for connection in frontend.register._open if isinstance(connection, Http2Frontend)]


def streams(count: int, first: int = 1) -> range:
    """So many stream ids."""
    return range(first, first + 2 * count, 2)


# --- Requests as they should be ---


async def test_both_methods_are_answered_on_one_connection(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        for number, name in enumerate(("localhost", "www.example.net", "www.example.net")):
            await client.send(get(4 * number + 1, name), post(4 * number + 3, name))
            for stream_id in (4 * number + 1, 4 * number + 3):
                assert (await client.message(stream_id)).answer
        assert sorted(frontend.reasons)[:2] == ["CACHED", "CACHED"]
        assert {outcome.frontend.name for outcome in frontend.outcomes} == {"HTTP2"}


async def test_single_bytes_change_nothing(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(header_seconds=10.0)) as frontend:
        client = await Http2Client.connect(frontend, b"")
        for byte in HELLO + get(1) + post(3, "www.example.net"):
            await client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.message(1)).answer
        assert (await client.message(3)).answer


async def test_a_hit_is_answered_where_its_bytes_arrive() -> None:
    async with open_frontend() as frontend:
        assert (await (await Http2Client.connect(frontend)).ask(1, "www.example.net")).status == 200
        with connected(frontend.server.http2.frontend, frontend.register) as client:
            client.send(HELLO)
            answers = [client.send(get(stream_id, "www.example.net")) for stream_id in streams(5)]
            # A header block, and a frame of data that ends the stream.
            assert {(answer[3], answer[-1] != 0) for answer in answers} == {(HEADERS, True)}
            assert all(len(answer) > 60 for answer in answers)
            assert client.send(headers(13, get_fields(path="/wrong")))[3] == HEADERS
        assert frontend.reasons == ["FORWARDED", *["CACHED"] * 5, "WRONG_PATH"]


async def test_a_hit_does_not_wait_for_the_miss_before_it() -> None:
    async with open_frontend(slow()) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get(1, "slow.example.net"), get(3))
        assert (await client.message(3)).answer
        assert (await client.message(1)).answer
        assert client.ended == [3, 1]


async def test_a_hundred_streams_at_once_are_all_answered(setting: Setting) -> None:
    async with open_frontend(over(setting, slow())) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(*(get(stream_id, f"n{stream_id}.example.net") for stream_id in streams(100)))
        await frontend.until(lambda: frontend.misses == 100, "a hundred misses")
        for stream_id in streams(100):
            assert f"n{stream_id}.example" in str((await client.message(stream_id)).question[0])
        assert (client.goaways, client.resets) == ([], {})


async def test_one_stream_more_than_allowed_is_refused_and_may_ask_again() -> None:
    # A hundred answers at once keep a busy machine from all else for longer than the quick deadlines are.
    async with open_frontend(slow().with_connections(header_seconds=5.0, write_seconds=5.0)) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(*(get(stream_id, f"n{stream_id}.example.net") for stream_id in streams(101)))
        await client.until(lambda: len(client.ended) == 100)
        assert client.resets == {201: REFUSED}
        assert (await client.ask(203)).message().answer


async def test_a_body_beyond_the_limit_is_refused_before_its_end(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(headers(1, POST_FIELDS, end=False), data(1, bytes(1025)))
        assert (await client.response(1)).status == 413
        assert (await client.ask(3)).message().answer


async def test_a_bug_in_writing_a_response_costs_one_connection_and_not_the_service() -> None:
    async with open_frontend(slow(0.1)) as frontend:
        victim, other = await Http2Client.connect(frontend), await Http2Client.connect(frontend)
        assert (await other.ask(1)).status == 200
        await victim.send(get(1, "www.example.net"))
        await frontend.until(lambda: frontend.misses == 1, "a miss")

        def broken_once() -> float:
            frontend.server.http2.clock = frontend.clock
            raise RuntimeError("a bug")

        # Nobody else asks for the time before the answer is there.
        frontend.server.http2.clock = broken_once
        await victim.until_closed()
        assert (await other.ask(3)).message().answer


# --- Streams and connections that end early ---


async def test_a_reset_ends_the_wait_and_gives_back_place_and_stream(setting: Setting) -> None:
    async with open_frontend(over(setting, silent())) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get(1, "www.example.net"))
        await frontend.until(lambda: frontend.misses == 1, "a miss")
        (connection,) = frontends(frontend)
        await client.send(rst_stream(1))
        await frontend.until(lambda: frontend.misses == 0, "its place")
        await frontend.until(lambda: not connection._misses.waiting and connection._engine.is_idle, "its stream")
        assert (await client.ask(3)).message().answer


async def test_a_reset_in_the_same_read_as_its_request_leaves_nothing_behind() -> None:
    # CVE-2023-44487; a task that is cancelled before its first step never says that it has ended.
    async with open_frontend(silent()) as frontend:
        client = await Http2Client.connect(frontend)
        pairs = [get(stream_id, f"n{stream_id}.example.net") + rst_stream(stream_id) for stream_id in streams(50)]
        await client.send(*pairs, get(101))
        assert (await client.message(101)).answer
        await frontend.until(lambda: frontend.misses == 0, "every place")
        (connection,) = frontends(frontend)
        await frontend.until(lambda: connection._engine.is_idle, "every stream")


async def test_a_reset_request_counts_as_under_way_until_its_work_has_ended() -> None:
    # At the end each miss is waited for, so it must not take all the time that a test has for that.
    setting = replace(silent(), resolver=ResolverConfig(deadline_seconds=3.0))
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        ids = streams(90)
        await client.send(*(get(stream_id, f"n{stream_id}.example.net") for stream_id in ids))
        await frontend.until(lambda: frontend.misses == 90, "the misses")
        more = streams(20, 181)
        await client.send(*map(rst_stream, ids), *(get(stream_id, f"n{stream_id}.example.net") for stream_id in more))
        # Ten more are a hundred, whatever was reset in the same breath.
        await client.until(lambda: len(client.resets) == 10)
        assert set(client.resets) == set(streams(10, 201))


async def test_what_was_asked_is_fetched_though_its_client_has_left(setting: Setting) -> None:
    async with open_frontend(over(setting, slow())) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get(1, "www.example.net"))
        await frontend.setting.upstream.wait_asked()
        client.raw.reset()
        await frontend.until(lambda: frontend.misses == 0, "its place")
        await frontend.until(lambda: frontend.core.cache.statistics().positive_entries == 1, "the answer in the cache")
        assert (await (await Http2Client.connect(frontend)).ask(1, "www.example.net")).message().answer
        assert frontend.setting.upstream.asked == 1


async def test_a_connection_lost_with_many_misses_gives_all_places_back(setting: Setting) -> None:
    async with open_frontend(over(setting, silent())) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(*(get(stream_id, f"n{stream_id}.example.net") for stream_id in streams(100)))
        await frontend.until(lambda: frontend.misses == 100, "a hundred misses")
        client.raw.cut()
        await frontend.until(lambda: frontend.misses == 0, "every place")
        await frontend.until(lambda: frontend.register.slots_taken == 0, "the connection's place")


# --- Clients that do not take what they asked for ---


async def test_a_large_answer_waits_for_the_window_and_goes_on(setting: Setting) -> None:
    async with open_frontend(over(setting, large()).with_connections(write_seconds=5.0)) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get_large(1), get_large(3))
        await client.until(lambda: len(client.body(1) + client.body(3)) == 65_535)
        (connection,) = frontends(frontend)
        assert connection._engine.windows.blocked_bytes > 0
        await client.send(window_update(0, 65_535), window_update(3, 65_535))
        for stream_id in (1, 3):
            assert len(await _large_body(client, stream_id)) > 250 * LARGE_RECORDS


async def _large_body(client: Http2Client, stream_id: int) -> bytes:
    response = await client.response(stream_id)
    assert response.fields["content-length"] == str(len(response.body))
    return response.body


async def test_a_client_without_a_window_is_given_up_at_the_write_deadline(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend, NO_WINDOW)
        await client.send(get(1))
        await client.until_closed()
        assert frontend.closed == {Closing.WRITE_DEADLINE: 1}


async def test_a_window_that_opens_byte_by_byte_is_no_escape_from_the_deadline() -> None:
    async with open_frontend() as frontend:
        client = await Http2Client.connect(frontend, NO_WINDOW)
        await client.send(get(1))
        while not client.is_closed:
            with contextlib.suppress(RuntimeError):  # uvloop's word for a connection that has been reset.
                await client.send(window_update(1, 1))
            await client.read()
            await asyncio.sleep(0.02)
        assert frontend.closed == {Closing.WRITE_DEADLINE: 1}


async def test_answers_without_a_window_are_not_heaped_up() -> None:
    async with open_frontend(large().with_connections(write_seconds=30.0)) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get_large(1))
        assert (await client.response(1)).status == 200
        before = resident_bytes()
        await client.send(*(get_large(stream_id) for stream_id in streams(50, 3)))
        await client.until_closed()
        assert client.goaways == [CALM]
        assert resident_bytes() - before < 8 * MEBIBYTE


async def test_clients_that_hold_too_much_between_them_are_cut_and_nobody_else(setting: Setting) -> None:
    # Each is within its own limits, and so are their deadlines.
    wanted = over(setting, large()).with_connections(write_seconds=30.0, max_held_bytes=MEBIBYTE)
    async with open_frontend(wanted) as frontend:
        bystander = await Http2Client.connect(frontend)
        await bystander.send(get_large(1))
        assert (await bystander.response(1)).status == 200
        greedy = [await Http2Client.connect(frontend, NO_WINDOW) for _ in range(12)]
        for client in greedy:
            await client.send(*(get_large(stream_id) for stream_id in streams(3)))
        await frontend.until(lambda: bool(frontend.closed), "the first cut")
        held = frontend.register.statistics()
        assert set(held.closed) == {Closing.ALL_QUEUES_FULL}
        assert held.held_bytes <= MEBIBYTE
        await bystander.send(get(3))
        assert (await bystander.response(3)).status == 200


async def test_a_client_that_never_reads_is_cut_and_its_answers_are_not_heaped_up(setting: Setting) -> None:
    # Its windows are as wide as they go: only TCP says that nobody takes anything.
    wanted = over(setting, large()).with_connections(write_seconds=0.5, max_requests=1_000_000, max_queued_bytes=2**24)
    async with open_frontend(wanted) as frontend:
        client = await Http2Client.connect(frontend, WIDE)
        await client.send(get_large(1))
        assert (await client.response(1)).status == 200
        client.raw.stop_reading()
        (connection,) = frontends(frontend)
        before, most = resident_bytes(), 0
        for stream_id in streams(300, 3):
            if frontend.closed:
                break
            client.raw.write(get_large(stream_id))
            await asyncio.sleep(0.001)
            most = max(most, connection.waiting(frontend.clock()).queued_bytes)
        await frontend.until(lambda: bool(frontend.closed), "the cut")
        assert frontend.closed == {Closing.WRITE_DEADLINE: 1}
        assert most < 8 * MEBIBYTE
        assert resident_bytes() - before < 32 * MEBIBYTE


async def test_a_client_that_lets_more_queue_up_than_allowed_is_cut(setting: Setting) -> None:
    wanted = over(setting, large()).with_connections(
        write_seconds=30.0, max_queued_bytes=65_536, max_requests=1_000_000
    )
    async with open_frontend(wanted) as frontend:
        client = await Http2Client.connect(frontend, WIDE)
        await client.send(get_large(1))
        assert (await client.response(1)).status == 200
        client.raw.stop_reading()
        # At once, as the frontend reads nothing more while so much is queued; and more than the kernel takes.
        client.raw.write(b"".join(get_large(stream_id) for stream_id in streams(90, 3)))
        await frontend.until(lambda: frontend.closed == {Closing.QUEUE_FULL: 1}, "the cut")
        await frontend.until(lambda: frontend.register.slots_taken == 0, "its place")


# --- Deadlines ---


@pytest.mark.parametrize(
    "half",
    [
        PREFACE[:20],
        HELLO[:-1],
        HELLO + get(1)[:-1],
        HELLO + frames.frame(frames.HEADERS, frames.END_STREAM, 1, frames.block(get_fields())),
        HELLO + headers(1, POST_FIELDS, end=False) + data(1, query()[:5]),
    ],
    ids=["the preface", "the first settings", "a frame", "a header block without its end", "a body without its end"],
)
async def test_what_does_not_end_is_waited_for_only_so_long(setting: Setting, half: bytes) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend, half)
        await client.until_closed()
        assert frontend.closed == {Closing.HEADER_DEADLINE: 1}


async def test_a_frame_that_drips_is_not_saved_by_the_requests_around_it(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(headers(1, POST_FIELDS, end=False))
        for stream_id in streams(2_000, 3):
            await client.read()
            if client.is_closed:
                break
            await client.send(get(stream_id))
            await asyncio.sleep(0.01)
        assert frontend.closed == {Closing.HEADER_DEADLINE: 1}


async def test_a_client_that_always_has_half_a_frame_out_is_served_as_long_as_each_ends(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        rest = b""
        for stream_id in streams(60):
            request = get(stream_id)
            await client.send(rest + request[:20])
            rest = request[20:]
            await asyncio.sleep(0.01)
        await client.send(rest)
        await client.until(lambda: len(client.ended) == 60)
        assert frontend.closed == {}


async def test_an_idle_connection_is_closed_politely(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(idle_seconds=0.4)) as frontend:
        client = await Http2Client.connect(frontend)
        assert (await client.ask(1)).status == 200
        await client.until_closed()
        assert (client.goaways, frontend.closed) == ([0], {Closing.IDLE: 1})


async def test_pings_without_queries_keep_no_connection_open(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(idle_seconds=0.5)) as frontend:
        client = await Http2Client.connect(frontend)
        assert (await client.ask(1)).status == 200
        while not client.goaways:
            await client.send(frames.ping())
            await client.read()
            await asyncio.sleep(0.05)
        assert frontend.closed == {Closing.IDLE: 1}


async def test_a_connection_that_takes_its_time_to_close_is_counted_once(certificate: Certificate) -> None:
    # Over TLS the end waits for the client, and sweeps go on meanwhile.
    async with open_frontend(Setting(certificate=certificate).with_connections(idle_seconds=0.3)) as frontend:
        client = await Http2Client.connect(frontend)
        assert (await client.ask(1)).status == 200
        client.raw.stop_reading()
        await frontend.until(lambda: frontend.register.slots_taken == 0, "its place")
        assert frontend.closed == {Closing.IDLE: 1}


async def test_a_connection_that_waits_for_an_answer_is_not_idle() -> None:
    async with open_frontend(slow(0.8).with_connections(idle_seconds=0.3)) as frontend:
        client = await Http2Client.connect(frontend)
        assert (await client.ask(1, "www.example.net")).message().answer


async def test_an_old_connection_is_closed_when_it_is_idle(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        assert (await client.ask(1)).status == 200
        frontend.clock.ahead = frontend.setting.connections.max_age_seconds + 1
        await client.until_closed()
        assert (client.goaways, frontend.closed) == ([0], {Closing.AGE: 1})


async def test_an_old_connection_that_is_never_idle_takes_no_more_requests(setting: Setting) -> None:
    wanted = replace(over(setting, slow()), sweeps=False)
    async with open_frontend(wanted) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get(1, "www.example.net"))
        await frontend.until(lambda: frontend.misses == 1, "a miss")
        frontend.clock.ahead = frontend.setting.connections.max_age_seconds + 1
        await client.send(get(3))
        await client.until_closed()
        assert (client.goaways, client.ended) == ([0, 0], [3, 1])


async def test_a_connection_ends_politely_after_its_number_of_requests(setting: Setting) -> None:
    async with open_frontend(over(setting, slow()).with_connections(max_requests=5)) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(*(get(stream_id, f"n{stream_id}.example.net") for stream_id in streams(7)))
        await client.until_closed()
        assert client.goaways == [0, 0]
        assert sorted(client.ended) == list(streams(7))  # The last two have crossed our goodbye.
        assert client.resets == {}
        assert frontend.closed == {}


# --- Bodies that are announced, and ends that are ---


async def test_a_client_that_waits_to_be_told_to_send_its_body_is_told(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(headers(1, (*POST_FIELDS, ("expect", "100-continue")), end=False))
        await client.until(lambda: client.informed == ["100"])
        await client.send(data(1, query(), end=True))
        assert (await client.message(1)).answer
        assert frontend.closed == {}


async def test_a_body_that_is_too_long_is_not_waited_for(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        fields = (*POST_FIELDS, ("expect", "100-continue"), ("content-length", "5000"))
        await client.send(headers(1, fields, end=False))
        assert (await client.response(1)).status == 413
        assert client.informed == []


async def test_a_body_that_never_comes_gets_a_word_at_its_deadline(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(headers(1, POST_FIELDS, end=False), headers(3, POST_FIELDS, end=False) + data(3, b"\0"))
        await client.until_closed()
        assert [(await client.response(stream_id)).status for stream_id in (1, 3)] == [408, 408]
        assert frontend.closed == {Closing.HEADER_DEADLINE: 1}


async def test_a_client_that_has_nothing_more_to_say_gets_its_answers() -> None:
    async with open_frontend(slow()) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get(1), get(3, "www.example.net"))
        client.raw.half_close()
        await client.until_closed()
        assert client.ended == [1, 3]
        assert client.goaways == [0]


# --- Drain ---


async def test_a_drain_says_goodbye_and_lets_requests_under_way_finish(setting: Setting) -> None:
    async with open_frontend(over(setting, slow())) as frontend:
        client, idle = await Http2Client.connect(frontend), await Http2Client.connect(frontend)
        assert (await idle.ask(1)).status == 200
        await client.send(get(1, "www.example.net"), get(3, "mail.example.net"))
        await frontend.until(lambda: frontend.misses == 2, "two misses")
        frontend.register.drain()
        await client.send(get(5))  # On its way when we said goodbye.
        await idle.until_closed()
        await client.until(lambda: len(client.goaways) == 2)
        await client.send(get(7))
        await client.until_closed()
        assert sorted(client.ended) == [1, 3, 5]
        assert client.resets == {7: REFUSED}
        assert (idle.goaways, client.goaways) == ([0, 0], [0, 0])


async def test_requests_that_cross_a_goodbye_are_answered_however_long_their_way_is(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        assert (await client.ask(1)).status == 200
        frontend.register.drain()
        # What the client sends for 50 ms more, until it hears of the goodbye.
        for stream_id in streams(70, 3):
            await client.send(get(stream_id))
            await asyncio.sleep(0.0007)
        await client.until_closed()
        assert client.ended == [1, *streams(70, 3)]
        assert client.resets == {}


async def test_a_client_that_does_not_answer_our_goodbye_is_left_after_a_second(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        client.answers_pings = False
        assert (await client.ask(1)).status == 200
        frontend.register.drain()
        await client.until_closed()
        assert client.goaways == [0, 0]


async def test_who_comes_during_the_drain_is_answered_once(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        frontend.register.drain()
        client = await Http2Client.connect(frontend)
        assert (await client.ask(1)).message().answer
        await client.until_closed()
        assert client.goaways == [0, 0]


async def test_what_outlasts_the_drain_is_cut(setting: Setting) -> None:
    async with open_frontend(over(setting, silent())) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get(1, "www.example.net"))
        await frontend.until(lambda: frontend.misses == 1, "a miss")
        frontend.register.drain()
        frontend.register.cut()
        await client.until_closed()
        assert frontend.closed == {Closing.DRAIN: 1}


async def test_a_closing_connection_that_its_client_keeps_open_is_cut(certificate: Certificate) -> None:
    # Over TLS the end waits for the client; asyncio cannot cut what was closed twice.
    async with open_frontend(replace(large(), certificate=certificate, sweeps=False)) as frontend:
        client = await Http2Client.connect(frontend, WIDE)
        await client.send(get_large(1))
        assert (await client.response(1)).status == 200
        client.raw.stop_reading()
        client.raw.write(b"".join(get_large(stream_id) for stream_id in streams(60, 3)))
        (connection,) = frontends(frontend)
        await frontend.until(lambda: connection.waiting(0.0).queued_bytes > MEBIBYTE, "a queue")
        connection.close_for(Closing.IDLE)
        connection.close_for(Closing.IDLE)
        assert connection.waiting(0.0).queued_bytes
        frontend.register.cut()
        await frontend.until(lambda: frontend.register.slots_taken == 0, "its place")


# --- Whom a request is from ---


@pytest.fixture
def behind_proxy() -> Setting:
    """A frontend that believes loopback."""
    return Setting(clients=ClientsConfig("x-forwarded-for", (ip_network("127.0.0.0/8"),)))


def seen(frontend: RunningFrontend) -> list[str]:
    """The addresses of all clients that the limits have been asked about."""
    return [str(ip_address(client.address)) for client in frontend.asked_limits]


async def test_each_stream_has_its_own_client(behind_proxy: Setting) -> None:
    async with open_frontend(behind_proxy) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(
            get(1, "localhost", ("x-forwarded-for", "198.51.100.7")),
            get(3, "localhost", ("x-forwarded-for", "203.0.113.9, 198.51.100.8")),
            get(5, "localhost", ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "198.51.100.9")),
            get(7),
        )
        await client.until(lambda: len(client.ended) == 4)
        assert seen(frontend) == ["198.51.100.7", "198.51.100.8", "198.51.100.9", "127.0.0.1"]


@pytest.mark.parametrize(
    "field",
    [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=198.51.100.7"), ("x-real-ip", "198.51.100.7")],
    ids=lambda field: field[0],
)
async def test_a_forged_address_changes_nothing(setting: Setting, field: tuple[str, str]) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get(1, "localhost", field))
        assert (await client.response(1)).status == 200
        assert seen(frontend) == ["127.0.0.1"]


async def test_a_forged_address_from_a_stranger_changes_nothing(behind_proxy: Setting) -> None:
    elsewhere = ClientsConfig("x-forwarded-for", (ip_network("192.0.2.0/24"),))
    async with open_frontend(replace(behind_proxy, clients=elsewhere)) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get(1, "localhost", ("x-forwarded-for", "198.51.100.7")))
        assert (await client.response(1)).status == 200
        assert seen(frontend) == ["127.0.0.1"]


async def test_a_proxy_header_stands_before_everything(setting: Setting) -> None:
    clients = ClientsConfig("proxy-protocol", (ip_network("127.0.0.0/8"),))
    async with open_frontend(replace(setting, clients=clients)) as frontend:
        client = await Http2Client.connect(frontend, before=b"PROXY TCP4 198.51.100.7 203.0.113.1 1000 443\r\n")
        assert (await client.ask(1)).message().answer
        assert seen(frontend) == ["198.51.100.7"]


# --- Attacks: each limit of `http2.limits`, over a real socket ---


def _bomb() -> bytes:
    """Header blocks of one byte a field: CVE-2026-49975."""
    block = b"\x82\x86\x84\x41\x01a" + 12_000 * b"\x82"
    return b"".join(frames.frame(frames.HEADERS, 0x5, stream_id, block) for stream_id in streams(400))


def _continuations() -> bytes:
    first = frames.frame(frames.HEADERS, frames.END_STREAM, 1, frames.block(get_fields()))
    return first + frames.frame(frames.CONTINUATION, 0, 1) * 10_000


def _long_block() -> bytes:
    first = frames.frame(frames.HEADERS, frames.END_STREAM, 1, frames.block(get_fields()))
    return first + frames.frame(frames.CONTINUATION, 0, 1, frames.literal("x", 16_000 * "x")) * 8


def _rapid_reset() -> bytes:
    return b"".join(get(stream_id) + rst_stream(stream_id) for stream_id in streams(2_000))


def _made_you_reset() -> bytes:
    return b"".join(get(stream_id) + window_update(stream_id, 0) for stream_id in streams(2_000))


def _self_dependency() -> bytes:
    block = frames.block(get_fields())
    return b"".join(
        frames.frame(frames.HEADERS, 0x25, stream_id, stream_id.to_bytes(4) + b"\x00" + block)
        for stream_id in streams(2_000)
    )


def _too_many_streams() -> bytes:
    return b"".join(headers(stream_id, POST_FIELDS, end=False) for stream_id in streams(2_000))


def _crumbs() -> bytes:
    return b"".join(headers(stream_id, POST_FIELDS, end=False) + data(stream_id) * 20 for stream_id in streams(2_000))


def _strangers() -> bytes:
    return b"".join(headers(stream_id, get_fields(path="/wrong")) for stream_id in streams(2_000))


ATTACKS = {
    "pings": frames.ping() * 5_000,
    "settings": frames.settings() * 5_000,
    "acknowledged settings": ACKNOWLEDGED * 5_000,
    "priorities": frames.priority(1) * 5_000,
    "unknown frames": frames.frame(frames.UNKNOWN, 0, 0, bytes(100)) * 5_000,
    "empty data": headers(1, POST_FIELDS, end=False) + data(1) * 5_000,
    "a settings frame of many entries": frames.settings(*[(INITIAL_WINDOW, 65_535)] * 2_000),
    "window updates": window_update(0, 1) * 5_000,
    "continuations": _continuations(),
    "a long header block": _long_block(),
    "a header bomb": _bomb(),
    "rapid reset": _rapid_reset(),
    "made you reset": _made_you_reset(),
    "self-dependency": _self_dependency(),
    "streams": _too_many_streams(),
    "bodies in crumbs": _crumbs(),
    "streams without a query": _strangers(),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_an_attack_ends_its_connection_and_harms_no_other(setting: Setting, attack: bytes) -> None:
    async with open_frontend(setting.with_connections(max_requests=1_000_000)) as frontend:
        friend = await Http2Client.connect(frontend)
        assert (await friend.ask(1)).status == 200
        before = resident_bytes()
        attacker = await Http2Client.connect(frontend)
        sending = asyncio.gather(attacker.send(attack), attacker.until_closed())
        number = 1
        while not sending.done():
            number += 2
            assert (await friend.ask(number)).message().answer
            await asyncio.sleep(0.001)
        # However much it had on the way: what it still sends is read until it has read that.
        assert attacker.goaways == [CALM]
        await frontend.until(lambda: frontend.closed == {Closing.HTTP2_FAULT: 1}, "the close")
        assert list(frontend.register.statistics().excesses.values()) == [1]
        assert resident_bytes() - before < 16 * MEBIBYTE
        assert (await friend.ask(number + 2)).message().answer


async def test_what_is_asked_beyond_goodbye_ends_in_a_fault(setting: Setting) -> None:
    async with open_frontend(over(setting, slow(1.0)).with_connections(max_requests=1)) as frontend:
        client = await Http2Client.connect(frontend)
        await client.send(get(1, "www.example.net"), *(get(stream_id) for stream_id in streams(1_000, 3)))
        await client.until_closed()
        await frontend.until(lambda: frontend.closed == {Closing.HTTP2_FAULT: 1}, "the close")


async def test_garbage_after_the_preface_is_a_fault(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await Http2Client.connect(frontend, PREFACE + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.until_closed()
        assert len(client.goaways) <= 1
        await frontend.until(lambda: frontend.closed == {Closing.HTTP2_FAULT: 1}, "the close")
        assert frontend.register.statistics().excesses == {}

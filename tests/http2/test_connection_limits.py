"""Each limit of a connection under attack: it ends with GOAWAY, in time, and has kept nothing; and honest clients that
do much of the same do not meet it."""

from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import RstStreamFrame

from dohproxy.http2.limits import Http2Limits
from tests.http2 import client as c
from tests.http2.client import Client
from tests.http2.events import HeaderTooLarge, StreamReset

CALM = ErrorCodes.ENHANCE_YOUR_CALM
LIMITS = Http2Limits()
POST_WITHOUT_END = c.headers(1, c.POST, end=False)


def frames_until_calm(client: Client, attack: Callable[[int], bytes], *, most: int = 5_000) -> int:
    """Return how many rounds of an attack the engine took before it ended the connection for it."""
    for number in range(most):
        client.events.clear()
        for event in client.send(attack(2 * number + 3)).events:
            if isinstance(event, StreamReset):
                client.engine.abandon(event.stream_id)
        if client.engine.is_closing:
            assert client.goaways[-1] == CALM
            assert client.engine.fault is not None
            assert client.engine.fault.excess is not None
            assert client.engine.streams_under_way == 0
            return number
    return most


BURSTS = {
    "3.5 PING": (lambda _: c.ping(), LIMITS.control_burst),
    "3.5 answers to PING": (lambda _: c.ping(flags=c.ACK), LIMITS.control_burst),
    "3.6 SETTINGS": (lambda _: c.settings(), LIMITS.control_burst),
    "3.6 answers to SETTINGS": (lambda _: c.frame(c.SETTINGS, c.ACK, 0), LIMITS.control_burst),
    "3.7 PRIORITY of idle streams": (lambda at: c.priority(at), LIMITS.control_burst),
    "3.7 PRIORITY of one stream": (lambda _: c.priority(1, 3), LIMITS.control_burst),
    "3.7 unknown frames": (lambda _: c.frame(c.UNKNOWN, 0, 0), LIMITS.control_burst),
    "3.7 WINDOW_UPDATE of the connection": (
        lambda _: c.window_update(0, 1),
        LIMITS.window_updates_base + LIMITS.window_updates_per_stream,
    ),
    "3.7 WINDOW_UPDATE of a stream": (
        lambda _: c.window_update(1, 1),
        LIMITS.window_updates_base + LIMITS.window_updates_per_stream,
    ),
    "3.11 rapid reset": (lambda at: c.headers(at) + c.rst_stream(at), LIMITS.stream_end_burst),
    "3.11 rapid reset before the end of a request": (
        lambda at: c.headers(at, c.POST, end=False) + c.rst_stream(at),
        LIMITS.stream_end_burst,
    ),
    "3.11 resets of streams that are gone": (lambda _: c.rst_stream(1), LIMITS.stream_end_burst),
    "3.2 MadeYouReset by a window that overflows": (
        lambda at: c.headers(at) + c.window_update(at, c.LARGEST_WINDOW),
        LIMITS.stream_end_burst // LIMITS.stream_error_cost,
    ),
    "3.2 MadeYouReset by an increment of nothing": (
        lambda at: c.headers(at) + c.window_update(at, 0),
        LIMITS.stream_end_burst // LIMITS.stream_error_cost,
    ),
    "3.3 MadeYouReset by DATA behind the end": (
        lambda at: c.headers(at) + c.data(at, b"x"),
        LIMITS.stream_end_burst // LIMITS.stream_error_cost,
    ),
    "3.3 MadeYouReset by HEADERS behind the end": (
        lambda at: c.headers(at) + c.headers(at),
        LIMITS.stream_end_burst // LIMITS.stream_error_cost,
    ),
    "3.4 MadeYouReset by a PRIORITY on itself": (
        lambda at: c.headers(at) + c.priority(at, at),
        LIMITS.stream_end_burst // LIMITS.stream_error_cost,
    ),
    "MadeYouReset by a malformed request": (
        lambda at: c.headers(at, c.GET[:2]),
        LIMITS.stream_end_burst // LIMITS.stream_error_cost,
    ),
    "MadeYouReset by a wrong content-length": (
        lambda at: c.headers(at, (*c.GET, ("content-length", "1"))),
        LIMITS.stream_end_burst // LIMITS.stream_error_cost,
    ),
}


@pytest.mark.parametrize("attack", BURSTS)
def test_a_flood_ends_the_connection_at_its_limit(attack: str) -> None:
    sends, allowed = BURSTS[attack]
    client = Client(limits=Http2Limits(max_requests=100_000, window_updates_per_stream=4)).send(POST_WITHOUT_END)
    assert frames_until_calm(client, sends) == allowed


@pytest.mark.parametrize(
    ("frame", "per_second"),
    [(c.ping(), LIMITS.control_per_second), (c.rst_stream(1), LIMITS.stream_ends_per_second)],
    ids=["control frames", "resets"],
)
def test_what_a_client_may_do_now_and_then_comes_back_with_time(frame: bytes, per_second: float) -> None:
    client = Client().send(POST_WITHOUT_END)
    for _ in range(1_000):
        client.now += 1 / per_second
        client.send(frame)
    assert not client.goaways


def test_empty_data_frames_of_one_body_are_counted() -> None:
    """CVE-2019-9518 and RUSTSEC-2026-0258: the stream goes first, then, as they go on, the connection."""
    client = Client().send(POST_WITHOUT_END)
    client.send(*(c.data(1) for _ in range(16)))
    assert not client.resets
    client.send(c.data(1))
    assert client.resets == [(1, CALM)]
    assert frames_until_calm(client, lambda _: c.data(1)) < LIMITS.control_burst


def test_frames_of_one_byte_of_one_body_are_counted() -> None:
    client = Client().send(POST_WITHOUT_END, *(c.data(1, b"x") for _ in range(17)))
    assert client.resets == [(1, CALM)]


@pytest.mark.parametrize(
    "late",
    [c.data(1, b"x"), c.data(1, end=True), c.headers(1), c.headers(1, (("x", "y" * 4_000),))],
    ids=["DATA", "empty DATA that ends", "HEADERS", "long HEADERS"],
)
def test_frames_for_a_stream_that_we_reset_are_ignored_but_not_for_ever(late: bytes) -> None:
    client = Client().send(c.headers(1, c.GET[:2], end=False))
    # A block so long that it has to be paid for is too much sooner.
    sent = frames_until_calm(client, lambda _: late)
    assert sent == LIMITS.control_burst if len(late) < LIMITS.free_block_bytes else 0 < sent < LIMITS.control_burst


def test_large_header_blocks_are_an_allowance() -> None:
    # Huffman's code, because that is what costs: the longest that a block may be takes as long as fifty answers.
    block = c.block((*c.GET, ("x-pad", "v" * 12_000)))
    assert 7_000 < len(block) <= LIMITS.max_block_bytes
    client = Client()
    requests = (c.frame(c.HEADERS, c.END_HEADERS | c.END_STREAM, number, block) for number in range(1, 100, 2))
    assert client.send(next(requests)).is_well
    assert client.send(*requests).goaways == [CALM]
    assert len(client.events) <= 3


def test_the_path_of_a_query_of_512_bytes_makes_no_large_block() -> None:
    client = Client()
    for number in range(1, 199, 2):
        client.send(c.headers(number, (*c.GET[:3], (":path", f"/dns-query?dns={number:05}{'A' * 678}"))))
        client.answer(number)
    assert client.is_well


def test_continuations_of_one_block_are_counted() -> None:
    client = Client().send(c.frame(c.HEADERS, c.END_STREAM, 1, b""))
    assert frames_until_calm(client, lambda _: c.frame(c.CONTINUATION, 0, 1)) == 8


def test_the_bytes_of_one_block_are_counted() -> None:
    client = Client().send(c.frame(c.HEADERS, c.END_STREAM, 1, c.block(c.GET) + b"\x00\x01a" + c.integer(10**6, 7)))
    client.send(c.frame(c.CONTINUATION, 0, 1, bytes(12_000)))
    assert not client.goaways
    client.send(c.frame(c.CONTINUATION, 0, 1, bytes(300)))
    assert client.goaways == [CALM]


@pytest.mark.parametrize(
    "many",
    [
        pytest.param((("x-pad", "v" * 8_192),), id="one long value"),
        pytest.param((("n" * 8_192, ""),), id="one long name"),
        pytest.param((("a", ""),) * 61, id="too many fields, CVE-2026-49975"),
        pytest.param((("cookie", "a=b"),) * 70, id="too many crumbs of a cookie"),
    ],
)
def test_a_header_list_over_its_limits_is_told_to_the_frontend_and_the_connection_lives(many: c.Fields) -> None:
    client = Client().send(c.headers(1, (*c.GET, *many)))
    assert client.events == [HeaderTooLarge(1)]
    assert client.answer(1, status=431).responses[1] == [(":status", "431")]
    assert client.is_well


def test_one_byte_that_stands_for_a_field_is_counted_as_a_field() -> None:
    """The HTTP/2 bomb: a field of the dynamic table, asked for again and again."""
    bomb = b"\x40" + c.string("x") + c.string("v" * 4_000) + b"\xbe" * 50
    client = Client().send(c.frame(c.HEADERS, c.END_HEADERS | c.END_STREAM, 1, c.block(c.GET) + bomb))
    assert client.events == [HeaderTooLarge(1)]


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b"\x90", id="of the static table"),
        pytest.param(b"\x60\x00", id="each of which goes into the dynamic table"),
        pytest.param(b"\x00\x01a\x00", id="spelled out"),
    ],
)
def test_a_block_of_thousands_of_fields_is_not_followed_to_its_end(field: bytes) -> None:
    block = c.block(c.GET)
    assert Client().send(c.frame(c.HEADERS, c.END_HEADERS | c.END_STREAM, 1, block + field * 72)).is_well
    client = Client().send(c.frame(c.HEADERS, c.END_HEADERS | c.END_STREAM, 1, block + field * 73))
    assert client.goaways == [CALM]
    assert not client.events


def test_a_header_list_at_its_limits_is_taken() -> None:
    size = sum(len(name) + len(value) + 32 for name, value in c.GET)
    assert Client().send(c.headers(1, (*c.GET, ("x-pad", "v" * (8_192 - size - 37))))).is_well
    assert Client().send(c.headers(1, (*c.GET, *((("a", ""),) * 60)))).is_well


def test_a_request_with_a_header_that_is_too_large_may_be_finished_before_it_is_answered() -> None:
    client = Client().send(c.headers(1, (*c.POST, ("x", "v" * 9_000)), end=False), c.data(1, b"query", end=True))
    assert client.events == [HeaderTooLarge(1)]
    assert client.answer(1, status=431).is_well


def test_a_request_with_a_header_that_is_too_large_is_stopped_by_its_answer() -> None:
    client = Client().send(c.headers(1, (*c.POST, ("x", "v" * 9_000)), end=False)).answer(1, status=431)
    assert client.resets == [(1, ErrorCodes.NO_ERROR)]
    assert not client.send(c.data(1, b"query", end=True)).goaways


def test_the_entries_of_one_settings_frame_are_counted() -> None:
    assert Client().send(c.settings(*[(c.MAX_STREAMS, 1)] * 32)).is_well
    assert Client().send(c.settings(*[(c.MAX_STREAMS, 1)] * 33)).goaways == [CALM]


# --- Streams ---


def test_a_stream_too_many_is_refused_and_may_be_asked_again() -> None:
    client = Client().send(*(c.headers(stream_id) for stream_id in range(1, 203, 2)))
    assert client.resets == [(201, ErrorCodes.REFUSED_STREAM)]
    assert len(client.requests) == 100
    client.answer(1, b"answer").send(c.headers(203))
    assert len(client.requests) == 101


def test_unfinished_requests_count_as_streams() -> None:
    client = Client().send(*(c.headers(stream_id, c.POST, end=False) for stream_id in range(1, 203, 2)))
    assert client.resets == [(201, ErrorCodes.REFUSED_STREAM)]


def test_answers_that_wait_for_a_window_count_as_streams() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)))
    for stream_id in range(1, 203, 2):
        client.send(c.headers(stream_id)).answer(stream_id, b"answer")
    assert client.resets == [(201, ErrorCodes.REFUSED_STREAM)]


def test_a_stream_that_was_reset_counts_until_the_work_for_it_has_ended() -> None:
    """Rapid reset: a client does not get more work done at once by resetting what it asked for."""
    client = Client().send(*(c.headers(at) for at in range(1, 201, 2)), *(c.rst_stream(at) for at in range(1, 21, 2)))
    client.send(c.headers(201))
    assert client.resets == [(201, ErrorCodes.REFUSED_STREAM)]
    client.engine.abandon(1)
    client.answer(3, b"too late").send(c.headers(203), c.headers(205), c.headers(207))
    assert [request.stream_id for request in client.requests[-2:]] == [203, 205]
    assert client.resets[1:] == [(207, ErrorCodes.REFUSED_STREAM)]


def test_a_stream_that_the_client_made_us_reset_counts_until_the_work_for_it_has_ended() -> None:
    client = Client(limits=Http2Limits(max_streams=1)).send(c.headers(1), c.data(1, b"more"), c.headers(3))
    assert client.resets == [(1, ErrorCodes.STREAM_CLOSED), (3, ErrorCodes.REFUSED_STREAM)]


def test_a_stream_that_nobody_works_for_does_not_count_once_it_is_reset() -> None:
    client = Client(limits=Http2Limits(max_streams=1)).send(POST_WITHOUT_END, c.rst_stream(1), c.headers(3))
    assert [request.stream_id for request in client.requests] == [3]


def test_refused_streams_are_counted() -> None:
    client = Client().send(*(c.headers(stream_id) for stream_id in range(1, 201, 2)))
    assert frames_until_calm(client, lambda at: c.headers(at + 400)) == LIMITS.stream_end_burst


def test_a_stranger_without_a_valid_request_is_cut_off() -> None:
    client = Client(is_known=False)
    for number in range(51):
        assert not client.goaways, number
        client.send(c.headers(2 * number + 1)).answer(2 * number + 1, status=404)
    assert client.goaways == [CALM]


def test_a_valid_request_makes_a_stranger_known() -> None:
    client = Client(is_known=False)
    for number in range(500):
        client.send(c.headers(2 * number + 1)).answer(2 * number + 1, status=404)
        if number == 40:
            client.engine.note_valid_request()
    assert not client.goaways


def test_a_first_flight_of_as_many_requests_as_may_be_is_no_attack() -> None:
    """They come in one read, before anybody could say whether one of them is valid: h2load and forwarders do this."""
    client = Client(is_known=False).send(*(c.headers(stream_id) for stream_id in range(1, 201, 2)))
    assert len(client.requests) == 100
    assert client.is_well or client.resets == [(999_999, ErrorCodes.REFUSED_STREAM)]


# --- What we keep for a client that does not take it ---


def test_answers_that_wait_are_bounded() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)))
    for stream_id in range(1, 200, 2):
        client.send(c.headers(stream_id)).answer(stream_id, bytes(65_535))
        assert client.engine.windows.blocked_bytes <= LIMITS.max_blocked_bytes
        if client.engine.is_closing:
            break
    assert (client.goaways, stream_id) == ([CALM], 9)
    assert client.engine.windows.blocked_bytes == 0


def test_a_client_that_takes_one_byte_at_a_time_is_cut_off() -> None:
    """CVE-2019-9511, data dribble: each byte costs a frame."""
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1)).answer(1, bytes(65_535))
    assert frames_until_calm(client, lambda _: c.window_update(1, 1)) == 36


@pytest.mark.parametrize("window", [4_096, 16_384, 65_535, 1_000_000])
def test_a_client_that_opens_both_windows_for_each_piece_of_large_answers_is_not(window: int) -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, window)))
    for stream_id in range(1, 401, 2):
        client.send(c.headers(stream_id)).answer(stream_id, bytes(65_535))
        for _ in range(100):
            taken = client.frames.copy()
            client.frames.clear()
            for each in taken:
                if type(each).__name__ == "DataFrame" and each.body_len:
                    client.send(c.window_update(0, each.body_len))
                    if "END_STREAM" not in each.flags:
                        client.send(c.window_update(stream_id, each.body_len))
            if not client.frames:
                break
        assert not client.engine.is_closing, stream_id
    assert client.engine.streams_under_way == 0


def test_a_thousand_requests_are_the_end_of_a_connection() -> None:
    client = Client()
    for stream_id in range(1, 2_001, 2):
        assert not client.goaways
        client.send(c.headers(stream_id))
        client.answer(stream_id, b"answer")
    assert (client.goaways, client.engine.is_leaving, client.engine.is_closing) == ([0], True, False)
    assert len(client.requests) == 1_000
    assert client.send(c.ping(b"goodbye!", c.ACK)).engine.is_closing


# --- Memory ---


def test_a_stream_that_ended_leaves_nothing_behind() -> None:
    client = Client(limits=Http2Limits(max_requests=10**6))
    sizes = []
    for stream_id in range(1, 10_001, 2):
        client.send(c.headers(stream_id)).answer(stream_id, b"answer")
        client.frames.clear()
        client.events.clear()
        sizes.append(kept_by(client))
    assert max(sizes[500:]) == min(sizes[500:])


def kept_by(client: Client) -> int:
    """Return how many values the tables of an engine hold."""
    found, todo = 0, [vars(client.engine)]
    while todo:
        for value in todo.pop().values():
            if isinstance(value, (dict, set, list, bytearray)) or type(value).__name__ == "deque":
                found += len(value)
            elif type(value).__module__.startswith("dohproxy.http2") and hasattr(value, "__dict__"):
                todo.append(vars(value))
    return found


def test_a_client_that_sends_without_reading_makes_us_keep_little() -> None:
    """All that 256 KiB of the cheapest frames make us say, in one read."""
    client = Client()
    client.engine.receive(c.ping() * 15_000, client.now)
    assert len(client.engine.data_to_send()) < LIMITS.control_burst * 17 + 100


def test_a_flood_of_resets_makes_us_say_little() -> None:
    client = Client().send(*(c.headers(at, c.GET[:2]) for at in range(1, 1_001, 2)))
    assert sum(isinstance(each, RstStreamFrame) for each in client.frames) == 10

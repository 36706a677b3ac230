"""Flow control in both directions (RFC 9113 sections 5.2 and 6.9)."""

from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame, WindowUpdateFrame

from tests.http2 import client as c
from tests.http2.client import Client, refused_with, reset_with

PROTOCOL, FLOW = ErrorCodes.PROTOCOL_ERROR, ErrorCodes.FLOW_CONTROL_ERROR
TO_THE_TOP = 2**31 - 1 - 65_535


# --- What we send ---


def test_a_window_of_one_byte_lets_one_byte_out() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 1)), c.headers(1)).answer(1, b"answer")
    assert client.body(1) == b"a"
    assert not client.has_ended(1)


def test_a_waiting_answer_goes_on_with_the_window_of_its_stream() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1)).answer(1, b"answer")
    assert client.send(c.window_update(1, 4)).body(1) == b"answ"
    assert client.send(c.window_update(1, 2)).body(1) == b"answer"
    assert client.has_ended(1)


def test_a_waiting_answer_goes_on_with_the_window_of_the_connection() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 2**20)), c.headers(1)).answer(1, bytes(70_000))
    assert len(client.body(1)) == 65_535
    assert len(client.send(c.window_update(0, 465)).body(1)) == 66_000
    client.send(c.window_update(0, 10_000))
    assert (len(client.body(1)), client.has_ended(1)) == (70_000, True)


def test_a_window_of_the_connection_alone_opens_no_stream() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1)).answer(1, b"answer")
    assert client.send(c.window_update(0, 100)).body(1) == b""


def test_a_window_opened_before_the_answer_counts() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1), c.window_update(1, 6))
    assert client.answer(1, b"answer").has_ended(1)


def test_no_data_frame_is_larger_than_the_smallest_largest_frame() -> None:
    client = Client().send(c.settings((c.MAX_FRAME, 2**24 - 1)), c.headers(1)).answer(1, bytes(65_535))
    sizes = [len(each.data) for each in client.frames if isinstance(each, DataFrame)]
    assert sizes == [16_384, 16_384, 16_384, 16_383]


def test_an_answer_that_fills_the_window_to_the_byte_is_whole() -> None:
    client = Client().send(c.headers(1)).answer(1, bytes(65_535))
    assert client.has_ended(1)
    assert client.engine.is_idle


def test_the_header_of_an_answer_waits_for_no_window() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1)).answer(1, b"x", status=404)
    assert client.responses[1] == [(":status", "404")]


def test_an_answer_without_a_body_ends_with_its_header() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1)).answer(1, status=405)
    assert client.has_ended(1)
    assert client.engine.streams_under_way == 0


def test_streams_that_wait_for_the_connection_are_served_in_turn() -> None:
    client = Client().send(c.headers(1), c.headers(3), c.headers(5))
    client.answer(1, bytes(65_535)).answer(3, b"three").answer(5, b"five")
    client.send(c.window_update(0, 7))
    assert (client.body(3), client.body(5)) == (b"three", b"fi")


def test_the_oldest_waiting_answer_says_since_when_we_wait() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1), c.headers(3))
    seen = [client.engine.windows.blocked_since]
    steps: list[tuple[float, Callable[[], Client]]] = [
        (1_000.0, lambda: client.answer(1, b"first")),
        (1_005.0, lambda: client.answer(3, b"later")),
        (1_006.0, lambda: client.send(c.window_update(1, 4))),
        (1_007.0, lambda: client.send(c.window_update(1, 1))),
        (1_008.0, lambda: client.send(c.rst_stream(3))),
    ]
    for now, does in steps:
        client.now = now
        does()
        seen.append(client.engine.windows.blocked_since)
    assert seen == [None, 1_000.0, 1_000.0, 1_000.0, 1_005.0, None]


# --- WINDOW_UPDATE ---


def test_an_increment_of_nothing_for_the_connection_ends_it() -> None:
    assert refused_with(Client().send(c.window_update(0, 0)), PROTOCOL)


def test_an_increment_of_nothing_for_a_stream_ends_the_stream() -> None:
    assert reset_with(Client().send(c.headers(1), c.window_update(1, 0)), 1, PROTOCOL)


def test_the_windows_may_be_opened_to_their_largest_size() -> None:
    assert Client().send(c.headers(1), c.window_update(0, TO_THE_TOP), c.window_update(1, TO_THE_TOP)).is_well


def test_a_window_of_the_connection_over_the_largest_size_ends_it() -> None:
    assert refused_with(Client().send(c.window_update(0, TO_THE_TOP), c.window_update(0, 1)), FLOW)


def test_a_window_of_a_stream_over_the_largest_size_ends_the_stream() -> None:
    client = Client().send(c.headers(1), c.window_update(1, TO_THE_TOP), c.window_update(1, 1))
    assert reset_with(client, 1, FLOW)


def test_two_of_the_largest_increments_overflow() -> None:
    both = (c.window_update(0, c.LARGEST_WINDOW), c.window_update(0, c.LARGEST_WINDOW))
    assert refused_with(Client().send(*both), FLOW)


def test_a_window_that_is_in_use_may_be_opened_by_what_was_used() -> None:
    client = Client().send(c.window_update(0, TO_THE_TOP), c.headers(1)).answer(1, bytes(1_000))
    assert client.send(c.window_update(0, 1_000)).is_well


@pytest.mark.parametrize("increment", [0, 1, c.LARGEST_WINDOW])
def test_a_window_update_for_a_stream_that_has_ended_changes_nothing(increment: int) -> None:
    client = Client().send(c.headers(1)).answer(1, b"answer")
    client.frames.clear()
    assert client.send(c.window_update(1, increment)).is_well


# --- What we receive ---


def test_the_window_of_the_connection_is_opened_again_by_what_was_used() -> None:
    client = Client()
    for stream_id in range(1, 21, 2):
        client.send(c.headers(stream_id, c.POST, end=False), c.data(stream_id, bytes(4_096), end=True))
    updates = [(each.stream_id, each.window_increment) for each in client.frames if isinstance(each, WindowUpdateFrame)]
    assert updates == [(0, 8 * 4_096)]


def test_padding_counts_for_the_window() -> None:
    client = Client()
    padded = b"\xff" + b"x" + bytes(255)
    for stream_id in range(1, 2 * 128 + 1, 2):
        client.send(
            c.headers(stream_id, c.POST, end=False), c.frame(c.DATA, c.PADDED | c.END_STREAM, stream_id, padded)
        )
        client.answer(stream_id)
    [update] = [each for each in client.frames if isinstance(each, WindowUpdateFrame)]
    assert update.window_increment == 128 * 257


def test_data_for_a_stream_that_is_gone_counts_for_the_window_too() -> None:
    client = Client().send(c.headers(1, c.GET[:2], end=False))
    client.send(*(c.data(1, bytes(16_384)) for _ in range(12)))
    assert sum(each.window_increment for each in client.frames if isinstance(each, WindowUpdateFrame)) == 12 * 16_384


def test_a_client_that_sends_more_than_the_window_of_its_stream_loses_the_stream() -> None:
    client = Client().send(c.headers(1, c.POST, end=False))
    client.send(*(c.data(1, bytes(16_383)) for _ in range(4)), c.data(1, bytes(3)))
    assert not client.resets
    client.send(c.data(1, bytes(1)))
    assert reset_with(client, 1, FLOW)


def test_a_body_within_the_window_of_its_stream_is_taken_to_its_end() -> None:
    client = Client().send(c.headers(1, c.POST, end=False))
    client.send(*(c.data(1, bytes(16_383)) for _ in range(4)), c.data(1, bytes(3), end=True))
    assert client.is_well


def test_half_the_window_of_the_connection_is_always_open_and_so_it_cannot_be_overrun() -> None:
    """The largest frame is smaller than half the window: FLOW_CONTROL_ERROR is there for a window made smaller."""
    client = Client()
    for stream_id in range(1, 41, 2):
        client.send(c.headers(stream_id, c.GET[:2], end=False), c.data(stream_id, bytes(16_384)))
        client.now += 1
    assert not client.goaways

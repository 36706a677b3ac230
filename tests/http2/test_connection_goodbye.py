"""How a connection ends: GOAWAY from either side, and what happens to streams that cross it (RFC 9113 section 6.8)."""

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame

from dohproxy.http2.limits import Http2Limits
from tests.http2 import client as c
from tests.http2.client import Client, refused_with

REFUSED = ErrorCodes.REFUSED_STREAM
LARGEST_ID = 2**31 - 1
HEARD = c.ping(b"goodbye!", c.ACK)
"""The client's answer to the PING behind our goodbye."""


def last_streams(client: Client) -> list[int]:
    """Return the last stream of each GOAWAY."""
    return [each.last_stream_id for each in client.frames if isinstance(each, GoAwayFrame)]


def leaving(*stream_ids: int) -> Client:
    """Return a client whose server has said goodbye with these streams under way."""
    client = Client().send(*(c.headers(stream_id) for stream_id in stream_ids))
    client.engine.go_away()
    return client.read()


def test_an_idle_connection_ends_at_once() -> None:
    client = leaving()
    assert (client.goaways, last_streams(client), client.engine.is_closing) == ([0], [0], True)
    assert client.engine.fault is None


def test_requests_under_way_are_answered_first() -> None:
    client = leaving(1, 3)
    assert (client.goaways, last_streams(client), client.engine.is_closing) == ([0], [3], False)
    client.answer(3, b"three")
    assert not client.engine.is_closing
    client.answer(1, b"one")
    assert (client.body(1), client.body(3), client.engine.is_closing) == (b"one", b"three", True)


def test_an_answer_that_waits_for_its_window_is_finished_first() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 2)), c.headers(1)).answer(1, b"answer")
    client.engine.go_away()
    assert not client.read().engine.is_closing
    client.send(c.window_update(1, 100))
    assert (client.body(1), client.has_ended(1), client.engine.is_closing) == (b"answer", True, True)


def test_a_request_that_is_half_here_may_be_finished() -> None:
    client = Client().send(c.headers(1, c.POST, end=False))
    client.engine.go_away()
    client.send(c.data(1, b"query", end=True)).answer(1, b"answer")
    assert (client.body(1), client.engine.is_closing) == (b"answer", True)


def test_a_stream_that_crosses_our_goaway_is_refused_and_free_to_be_asked_elsewhere() -> None:
    client = leaving(1).send(c.headers(3), c.headers(5, c.POST, end=False), c.data(5, b"query", end=True))
    assert client.resets == [(3, REFUSED), (5, REFUSED)]
    assert [request.stream_id for request in client.requests] == [1]
    assert client.answer(1, b"answer").has_ended(1)


def test_a_full_flight_that_crosses_our_goaway_does_not_harm_those_under_way() -> None:
    client = leaving(1)
    for stream_id in range(3, 403, 2):
        client.send(c.headers(stream_id, c.POST, end=False), c.data(stream_id, b"query", end=True))
    assert client.answer(1, b"answer").has_ended(1)
    assert client.goaways == [0]


def test_a_client_that_never_stops_opening_streams_is_cut_off() -> None:
    client = leaving(1)
    for stream_id in range(3, 1_000, 2):
        client.send(c.headers(stream_id))
    assert client.goaways == [0, ErrorCodes.ENHANCE_YOUR_CALM]


def test_a_header_block_that_crosses_our_goaway_still_changes_the_dynamic_table() -> None:
    client = leaving(1).send(
        c.frame(c.HEADERS, c.END_HEADERS | c.END_STREAM, 3, c.block(c.GET) + b"\x40\x01a\x011"),
        c.frame(c.HEADERS, c.END_HEADERS | c.END_STREAM, 5, c.block(c.GET) + b"\xbe"),
    )
    assert client.goaways == [0]


def test_a_second_goaway_never_names_a_higher_stream() -> None:
    client = leaving(1).send(c.headers(3), c.headers(5), c.ping(b""))
    assert client.goaways == [0, ErrorCodes.FRAME_SIZE_ERROR]
    assert last_streams(client) == [1, 1]


def test_a_goodbye_is_said_once() -> None:
    client = leaving(1)
    client.engine.go_away()
    assert client.read().goaways == [0]


def test_nothing_is_read_once_the_connection_closes() -> None:
    client = leaving().send(c.headers(1), c.ping())
    assert client.events == []
    assert client.goaways == [0]


def test_nothing_is_answered_once_the_connection_closes() -> None:
    client = Client().send(c.headers(1), c.ping(b"")).answer(1, b"answer")
    assert client.responses == {}


@pytest.mark.parametrize("code", [0, 2, 11, 0xFF], ids=["without error", "INTERNAL", "CALM", "a code nobody knows"])
def test_a_client_that_says_goodbye_gets_its_answers_and_then_the_end(code: int) -> None:
    client = Client().send(c.headers(1), c.goaway(code, b"some words"))
    assert not client.engine.is_closing
    client.answer(1, b"answer")
    assert (client.body(1), client.goaways, client.engine.is_closing) == (b"answer", [0], True)


def test_a_client_that_says_goodbye_with_nothing_under_way_is_let_go() -> None:
    client = Client().send(c.goaway())
    assert (client.goaways, client.engine.is_closing, client.engine.fault) == ([0], True, None)


def test_a_ping_is_answered_while_we_leave() -> None:
    assert type(leaving(1).send(c.ping()).frames[-1]).__name__ == "PingFrame"


def test_a_reset_of_the_last_stream_ends_a_connection_that_is_leaving() -> None:
    assert leaving(1).send(c.rst_stream(1)).engine.is_closing


def test_a_stream_error_on_the_last_stream_ends_a_connection_that_is_leaving() -> None:
    client = leaving(1).send(c.data(1, b"more"))
    assert client.resets == [(1, ErrorCodes.STREAM_CLOSED)]
    assert client.engine.is_closing


def test_an_error_tells_the_last_stream_that_was_begun() -> None:
    client = Client().send(c.headers(1), c.headers(9), c.ping(b""))
    assert last_streams(client) == [9]


def test_an_error_drops_all_that_was_kept() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1), c.headers(3)).answer(1, bytes(9_000))
    client.send(c.ping(b""))
    engine = client.engine
    assert (engine.streams_under_way, engine.windows.blocked_bytes, engine.windows.blocked_since) == (0, 0, None)
    assert engine.is_idle


def test_the_last_request_of_a_connection_is_answered_and_so_are_those_that_cross_our_goodbye() -> None:
    client = Client(limits=Http2Limits(max_requests=3)).send(*(c.headers(stream_id) for stream_id in (1, 3, 5, 7)))
    assert (client.goaways, last_streams(client), client.resets) == ([0], [LARGEST_ID], [])
    client.send(HEARD, c.headers(9))
    assert (client.goaways, last_streams(client)) == ([0, 0], [LARGEST_ID, 7])
    assert client.resets == [(9, REFUSED)]
    for stream_id in (1, 3, 5, 7):
        assert not client.engine.is_closing
        client.answer(stream_id, b"answer")
    assert client.engine.is_closing
    assert client.engine.fault is None


def test_a_last_request_that_is_malformed_does_not_keep_the_connection() -> None:
    client = Client(limits=Http2Limits(max_requests=2)).send(c.headers(1)).answer(1)
    client.send(c.headers(3, c.GET[:2]), c.headers(5))
    assert client.answer(5, b"x").send(HEARD).engine.is_closing


def test_a_goodbye_that_has_begun_is_said_for_good_when_the_client_has_heard_of_it() -> None:
    client = Client().send(c.headers(1)).answer(1, b"answer")
    for _ in range(2):
        client.engine.begin_goodbye()
    assert (client.read().goaways, last_streams(client), client.engine.is_leaving) == ([0], [LARGEST_ID], True)
    client.send(c.headers(3)).answer(3, b"answer")
    client.send(c.ping(flags=c.ACK))  # Not that one.
    assert (client.has_ended(3), client.engine.is_closing) == (True, False)
    client.send(HEARD)
    assert (last_streams(client), client.engine.is_leaving, client.engine.is_closing) == ([LARGEST_ID, 3], False, True)


def test_a_goodbye_that_nobody_answers_is_said_for_good_all_the_same() -> None:
    client = Client().send(c.headers(1))
    client.engine.begin_goodbye()
    client.read().engine.go_away()
    assert last_streams(client.read()) == [LARGEST_ID, 1]
    assert client.answer(1, b"answer").engine.is_closing


def test_a_client_that_will_not_hear_of_our_goodbye_has_its_requests_counted() -> None:
    client = Client(limits=Http2Limits(max_requests=2, max_streams=4))
    for stream_id in range(1, 21, 2):
        client.send(c.headers(stream_id)).answer(stream_id, b"answer")
    assert (len(client.requests), last_streams(client)) == (6, [LARGEST_ID, 11])


def test_a_connection_that_ends_in_error_says_so_once() -> None:
    client = Client().send(c.ping(b""), c.ping(b""), c.settings((c.MAX_FRAME, 0)))
    assert refused_with(client, ErrorCodes.FRAME_SIZE_ERROR)

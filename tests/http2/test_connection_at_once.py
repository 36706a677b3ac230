"""Requests that the frontend answers in the middle of `receive`: the same to a client, and counted like all others."""

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame, HeadersFrame

from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.response import Response
from tests.http2 import client as c
from tests.http2.client import Client, refused_with, reset_with
from tests.http2.events import Event, HeaderTooLarge, StreamReset

FIELDS = (("content-type", "application/dns-message"),)
ANSWER = Response(200, FIELDS, b"answer")
LARGE = Response(200, FIELDS, bytes(20_000))
NOTHING = Response(404, ())


def answered(response: Response = ANSWER, *, limits: Http2Limits | None = None, is_known: bool = True) -> Client:
    """Return a client that gets this response to everything that it asks."""

    def answer(event: Event) -> Response | None:
        return None if isinstance(event, StreamReset) else response

    return Client(limits or Http2Limits(), is_known=is_known, answers=answer)


def post(stream_id: int, body: bytes = b"query") -> bytes:
    """Return a POST."""
    return c.headers(stream_id, c.POST, end=False) + c.data(stream_id, body, end=True)


@pytest.mark.parametrize("response", [ANSWER, LARGE, NOTHING], ids=["small", "large", "empty"])
@pytest.mark.parametrize("ask", [c.headers, post])
def test_a_response_given_at_once_is_the_same_as_one_given_later(response: Response, ask: object) -> None:
    assert callable(ask)
    at_once, later = answered(response), Client()
    for stream_id in (1, 3, 5):
        at_once.send(ask(stream_id))
        later.send(ask(stream_id))
        later.engine.respond(stream_id, response, later.now)
        later.read()
    assert [each.serialize() for each in at_once.frames] == [each.serialize() for each in later.frames]
    assert at_once.responses[5][0] == (":status", "404" if response is NOTHING else "200")
    assert at_once.engine.is_idle


def test_a_request_answered_at_once_is_no_stream() -> None:
    client = answered().send(c.headers(1), c.headers(3), post(5))
    assert client.engine.streams_under_way == 0
    assert client.engine.is_idle
    assert [client.body(stream_id) for stream_id in (1, 3, 5)] == [b"answer"] * 3


def test_responses_stand_between_what_else_there_is_to_say_in_their_order() -> None:
    client = answered()
    client.frames.clear()
    client.send(c.headers(1), c.ping(), c.headers(3))
    kinds = [type(each).__name__ for each in client.frames]
    assert kinds == ["HeadersFrame", "DataFrame", "PingFrame", "HeadersFrame", "DataFrame"]


def test_a_response_that_does_not_fit_the_window_waits_for_it() -> None:
    client = answered().send(c.headers(1), c.settings((c.INITIAL_WINDOW, 2)), c.headers(3))
    assert (client.body(1), client.body(3), client.has_ended(3)) == (b"answer", b"an", False)
    assert client.engine.streams_under_way == 1
    assert client.send(c.window_update(3, 4)).body(3) == b"answer"
    assert client.engine.is_idle


def test_the_window_of_the_connection_is_used_up() -> None:
    client = answered(LARGE).send(*(c.headers(stream_id) for stream_id in (1, 3, 5, 7)))
    assert sum(len(each.data) for each in client.frames if isinstance(each, DataFrame)) == 65_535
    assert client.engine.windows.blocked_bytes == 80_000 - 65_535
    client.send(c.window_update(0, 20_000))
    assert [len(client.body(stream_id)) for stream_id in (1, 3, 5, 7)] == [20_000] * 4


def test_the_header_of_a_response_without_a_body_needs_no_window() -> None:
    client = answered(NOTHING).send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1), c.headers(3))
    assert client.has_ended(3)


def test_answers_that_wait_are_bounded() -> None:
    client = answered(Response(200, (), bytes(65_535))).send(c.settings((c.INITIAL_WINDOW, 0)))
    client.send(*(c.headers(stream_id) for stream_id in range(1, 21, 2)))
    assert client.goaways == [ErrorCodes.ENHANCE_YOUR_CALM]
    assert client.engine.windows.blocked_bytes == 0


def test_a_client_may_not_ask_for_more_at_once_because_it_is_answered_at_once() -> None:
    """It sent them all before it could know of an answer; and what one read makes us say stays bounded."""
    client = answered().send(*(c.headers(stream_id) for stream_id in range(1, 205, 2)), post(205))
    assert client.resets == [(stream_id, ErrorCodes.REFUSED_STREAM) for stream_id in (201, 203, 205)]
    assert sum(isinstance(each, HeadersFrame) for each in client.frames) == 100
    assert client.send(c.headers(207)).has_ended(207)


def test_posts_answered_at_once_are_counted_with_the_rest() -> None:
    client = answered(limits=Http2Limits(max_streams=2)).send(post(1), post(3), post(5), c.headers(7))
    assert client.resets == [(5, ErrorCodes.REFUSED_STREAM), (7, ErrorCodes.REFUSED_STREAM)]


@pytest.mark.parametrize("ask", [c.headers, post])
def test_what_is_asked_after_a_goodbye_was_heard_is_not_read(ask: object) -> None:
    assert callable(ask)
    client = answered(limits=Http2Limits(max_requests=3)).send(*(ask(stream_id) for stream_id in (1, 3, 5, 7)))
    client.send(c.ping(b"goodbye!", c.ACK), ask(9))
    assert [client.has_ended(stream_id) for stream_id in (1, 3, 5, 7, 9)] == [True, True, True, True, False]
    assert (client.goaways, client.engine.is_closing, client.engine.fault) == ([0, 0], True, None)


def test_a_stranger_without_a_valid_request_is_cut_off() -> None:
    client = answered(NOTHING, is_known=False)
    for number in range(51):
        assert not client.goaways, number
        client.send(c.headers(2 * number + 1))
    assert client.goaways == [ErrorCodes.ENHANCE_YOUR_CALM]


def test_a_first_flight_of_as_many_requests_as_may_be_is_no_attack() -> None:
    client = answered(NOTHING, is_known=False).send(*(c.headers(stream_id) for stream_id in range(1, 201, 2)))
    assert sum(isinstance(each, HeadersFrame) for each in client.frames) == 100
    assert not client.goaways


@pytest.mark.parametrize(
    "late",
    [c.data(3, b"x"), c.headers(3), c.headers(3, (("x-sum", "1"),))],
    ids=["DATA", "HEADERS", "trailers"],
)
def test_frames_behind_the_end_of_a_request_that_was_answered_at_once_are_a_fault(late: bytes) -> None:
    assert refused_with(answered().send(c.headers(1), c.headers(3), late), ErrorCodes.STREAM_CLOSED)


@pytest.mark.parametrize("frame", [c.rst_stream(3), c.window_update(3, 1), c.priority(3)])
def test_frames_that_crossed_an_answer_are_not(frame: bytes) -> None:
    assert answered().send(c.headers(1), c.headers(3), frame, c.headers(5)).has_ended(5)


def test_a_request_of_another_length_than_announced_is_not_answered() -> None:
    fields = (*c.GET, ("content-length", "1"))
    client = answered().send(c.headers(1, fields))
    assert client.events == []
    assert reset_with(client, 1, ErrorCodes.PROTOCOL_ERROR)


def test_a_header_that_is_too_large_is_answered_at_once() -> None:
    client = answered(NOTHING).send(c.headers(1, (*c.GET, ("x", "v" * 9_000))))
    assert client.events == [HeaderTooLarge(1)]
    assert client.has_ended(1)
    assert client.is_well


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(c.headers(1, (*c.POST, ("x", "v" * 9_000)), end=False), id="a header that is too large"),
        pytest.param(c.headers(1, c.POST, end=False) + c.data(1, bytes(5_000)), id="a body that is too large"),
    ],
)
def test_a_request_answered_before_its_end_is_told_to_stop(begin: bytes) -> None:
    client = answered(NOTHING).send(begin)
    assert client.has_ended(1)
    client.send(c.data(1, b"more"), c.data(1, end=True))
    assert reset_with(client, 1, ErrorCodes.NO_ERROR)

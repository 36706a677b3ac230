"""Every frame in every state of a stream, and the ids that streams may have (RFC 9113 section 5.1)."""

import pytest
from h2.errors import ErrorCodes

from tests.http2 import client as c
from tests.http2.client import Client, refused_with, reset_with
from tests.http2.events import RequestReceived, StreamReset

PROTOCOL, CLOSED = ErrorCodes.PROTOCOL_ERROR, ErrorCodes.STREAM_CLOSED

# Each brings stream 3 into the state it is named for.
STATES = {
    "idle": lambda: Client().send(c.headers(1)),
    "open": lambda: Client().send(c.headers(3, c.POST, end=False)),
    "half-closed (remote)": lambda: Client().send(c.headers(3)),
    "closed by END_STREAM": lambda: Client().send(c.headers(3)).answer(3, b"answer"),
    "closed by the client's RST_STREAM": lambda: Client().send(c.headers(3), c.rst_stream(3)),
    "closed by our RST_STREAM": lambda: Client().send(c.headers(3, c.GET[:3], end=False)),
    "closed because a later one was begun": lambda: Client().send(c.headers(5)),
}
FRAMES = {
    "DATA": c.data(3, b"x", end=True),
    "HEADERS": c.headers(3, (("trailer", "1"),)),
    "PRIORITY": c.priority(3),
    "RST_STREAM": c.rst_stream(3),
    "WINDOW_UPDATE": c.window_update(3, 1),
    "CONTINUATION": c.frame(c.CONTINUATION, c.END_HEADERS, 3, c.block((("trailer", "1"),))),
    "PUSH_PROMISE": c.frame(c.PUSH_PROMISE, c.END_HEADERS, 3, bytes(4)),
}
FINE, STREAM, CONNECTION = "is no fault", "ends the stream", "ends the connection"
_ALWAYS = {"PRIORITY": (FINE, None), "CONTINUATION": (CONNECTION, PROTOCOL), "PUSH_PROMISE": (CONNECTION, PROTOCOL)}
_LATE = _ALWAYS | {"RST_STREAM": (FINE, None), "WINDOW_UPDATE": (FINE, None)}
EXPECTED = {
    "idle": _ALWAYS
    | {
        "DATA": (CONNECTION, PROTOCOL),
        "HEADERS": (STREAM, PROTOCOL),  # For want of pseudo-header fields: it is a request here.
        "RST_STREAM": (CONNECTION, PROTOCOL),
        "WINDOW_UPDATE": (CONNECTION, PROTOCOL),
    },
    "open": _LATE | {"DATA": (FINE, None), "HEADERS": (FINE, None)},
    "half-closed (remote)": _LATE | {"DATA": (STREAM, CLOSED), "HEADERS": (STREAM, CLOSED)},
    "closed by END_STREAM": _LATE | {"DATA": (CONNECTION, CLOSED), "HEADERS": (CONNECTION, CLOSED)},
    "closed by the client's RST_STREAM": _LATE | {"DATA": (CONNECTION, CLOSED), "HEADERS": (CONNECTION, CLOSED)},
    "closed by our RST_STREAM": _LATE | {"DATA": (FINE, None), "HEADERS": (FINE, None)},
    "closed because a later one was begun": _LATE | {"DATA": (CONNECTION, CLOSED), "HEADERS": (CONNECTION, PROTOCOL)},
}


@pytest.mark.parametrize(
    ("state", "kind"),
    [pytest.param(state, kind, id=f"{kind} on a stream that is {state}") for state in STATES for kind in FRAMES],
)
def test_what_a_frame_does_depends_on_the_state_of_its_stream(state: str, kind: str) -> None:
    client = STATES[state]()
    client.frames.clear()
    client.send(FRAMES[kind])
    effect, code = EXPECTED[state][kind]
    if code is None:
        assert client.is_well
    elif effect == STREAM:
        assert reset_with(client, 3, code)
    else:
        assert refused_with(client, code)


@pytest.mark.parametrize("stream_id", [2, 4, 0x7FFF_FFFE])
@pytest.mark.parametrize("kind", [c.DATA, c.HEADERS, c.RST_STREAM, c.WINDOW_UPDATE])
def test_an_even_stream_is_ours_to_begin_and_we_begin_none(kind: int, stream_id: int) -> None:
    payload = {c.HEADERS: c.block(c.GET), c.DATA: b"x"}.get(kind, b"\x00\x00\x00\x01")
    assert refused_with(Client().send(c.headers(1), c.frame(kind, 5, stream_id, payload)), PROTOCOL)


@pytest.mark.parametrize("lower", [1, 3], ids=["the first", "the one before"])
def test_a_new_stream_has_a_higher_id_than_all_before(lower: int) -> None:
    assert refused_with(Client().send(c.headers(5), c.headers(lower)), PROTOCOL)


def test_ids_may_be_skipped() -> None:
    client = Client().send(c.headers(1), c.headers(7), c.headers(0x7FFF_FFFF))
    assert [request.stream_id for request in client.requests] == [1, 7, 0x7FFF_FFFF]
    assert not client.goaways


def test_a_priority_on_a_higher_idle_stream_closes_no_lower_one() -> None:
    client = Client().send(c.priority(101, 0, 255), c.priority(9), c.headers(1))
    assert [request.stream_id for request in client.requests] == [1]


@pytest.mark.parametrize("weight", [0, 255], ids=["weight 1", "weight 256"])
def test_a_priority_of_any_weight_is_taken(weight: int) -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.priority(1, 0x8000_0003, weight))
    assert client.send(c.data(1, end=True)).is_well


def test_headers_that_depend_on_their_own_stream_end_it() -> None:
    payload = b"\x00\x00\x00\x01\x0f" + c.block(c.GET)
    client = Client().send(c.frame(c.HEADERS, c.PRIORITISED | c.END_HEADERS | c.END_STREAM, 1, payload))
    assert reset_with(client, 1, PROTOCOL)
    assert client.requests[0].stream_id == 999_999


def test_headers_that_depend_on_another_stream_are_taken() -> None:
    payload = b"\x80\x00\x00\x63\xff" + c.block(c.GET)
    client = Client().send(c.frame(c.HEADERS, c.PRIORITISED | c.END_HEADERS | c.END_STREAM, 1, payload))
    assert client.is_well


def test_a_priority_of_an_idle_stream_on_itself_ends_the_connection() -> None:
    assert refused_with(Client().send(c.priority(1, 1)), PROTOCOL)


def test_a_priority_of_an_open_stream_on_itself_ends_the_stream() -> None:
    assert reset_with(Client().send(c.headers(1, c.POST, end=False), c.priority(1, 1)), 1, PROTOCOL)


# --- What the frontend hears of a reset ---


def test_a_reset_is_told_to_whoever_works_on_the_answer() -> None:
    client = Client().send(c.headers(1), c.rst_stream(1))
    assert client.events[1:] == [StreamReset(1)]


def test_an_error_on_a_stream_is_told_to_whoever_works_on_the_answer() -> None:
    client = Client().send(c.headers(1), c.data(1, b"more"))
    assert client.events[1:] == [StreamReset(1)]


def test_a_reset_of_an_unfinished_request_is_nobodys_concern() -> None:
    assert Client().send(c.headers(1, c.POST, end=False), c.rst_stream(1)).events == []


def test_a_reset_of_an_answered_request_is_nobodys_concern() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1)).answer(1, b"answer").send(c.rst_stream(1))
    assert [type(event) for event in client.events] == [RequestReceived]
    assert client.engine.windows.blocked_bytes == 0


def test_a_second_reset_says_nothing_new() -> None:
    client = Client().send(c.headers(1), c.rst_stream(1), c.rst_stream(1))
    assert client.events[1:] == [StreamReset(1)]


def test_an_answer_for_a_stream_that_was_reset_is_not_sent() -> None:
    client = Client().send(c.headers(1), c.rst_stream(1)).answer(1, b"too late")
    assert 1 not in client.responses
    assert client.is_well


def test_a_second_answer_is_not_sent() -> None:
    client = Client().send(c.headers(1)).answer(1, b"first").answer(1, b"second")
    assert client.body(1) == b"first"


def test_frames_on_their_way_when_we_reset_a_stream_are_no_fault() -> None:
    client = Client().send(c.headers(1, c.GET[:2], end=False), c.data(1, b"x"), c.headers(1, ()), c.data(1, end=True))
    assert client.resets == [(1, PROTOCOL)]
    assert not client.goaways


def test_a_stream_that_was_reset_is_remembered_while_others_come_and_go() -> None:
    client = Client().send(c.headers(1, c.GET[:2], end=False))
    for stream_id in range(3, 403, 2):
        client.send(c.headers(stream_id)).answer(stream_id)
    assert not client.send(c.data(1, b"late")).goaways


def test_headers_of_a_stream_that_we_reset_still_change_the_dynamic_table() -> None:
    """The table belongs to the connection, whatever becomes of the stream."""
    indexed = b"\x40" + c.string("x-new") + c.string("value")
    late = c.frame(c.HEADERS, c.END_HEADERS | c.END_STREAM, 1, indexed)
    asks_by_index = c.frame(c.HEADERS, c.END_HEADERS | c.END_STREAM, 3, c.block(c.GET) + b"\xbe")
    client = Client().send(c.headers(1, c.GET[:2], end=False), late, asks_by_index)
    assert client.requests[0].head.fields == (("x-new", "value"),)

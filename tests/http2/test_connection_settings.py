"""What a client may set, and what follows from it (RFC 9113 sections 6.5 and 6.9.2, RFC 8441, RFC 9218)."""

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import HeadersFrame

from tests.http2 import client as c
from tests.http2.client import Client, refused_with

PROTOCOL, FLOW = ErrorCodes.PROTOCOL_ERROR, ErrorCodes.FLOW_CONTROL_ERROR
LARGEST = 2**32 - 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(c.HEADER_TABLE_SIZE, 0, id="no header table"),
        pytest.param(c.HEADER_TABLE_SIZE, LARGEST, id="a header table of 4 GiB"),
        pytest.param(c.ENABLE_PUSH, 0, id="no push"),
        pytest.param(c.ENABLE_PUSH, 1, id="push"),
        pytest.param(c.MAX_STREAMS, 0, id="no streams of ours"),
        pytest.param(c.MAX_STREAMS, LARGEST, id="any number of streams of ours"),
        pytest.param(c.INITIAL_WINDOW, 0, id="no window"),
        pytest.param(c.INITIAL_WINDOW, 2**31 - 1, id="the largest window"),
        pytest.param(c.MAX_FRAME, 16_384, id="the smallest largest frame"),
        pytest.param(c.MAX_FRAME, 2**24 - 1, id="the largest largest frame"),
        pytest.param(c.MAX_HEADER_LIST, 0, id="no header list"),
        pytest.param(c.MAX_HEADER_LIST, LARGEST, id="a header list of 4 GiB"),
        pytest.param(8, 0, id="no extended CONNECT"),
        pytest.param(8, 1, id="extended CONNECT"),
        pytest.param(9, 0, id="priorities of RFC 7540"),
        pytest.param(9, 1, id="none of them"),
        pytest.param(0, 5, id="setting 0"),
        pytest.param(7, LARGEST, id="setting 7"),
        pytest.param(0xFFFF, LARGEST, id="a setting that nobody knows"),
    ],
)
def test_a_setting_within_its_bounds_is_taken(key: int, value: int) -> None:
    assert Client().send(c.settings((key, value))).is_well


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        pytest.param(c.ENABLE_PUSH, 2, PROTOCOL, id="push: 2"),
        pytest.param(c.ENABLE_PUSH, LARGEST, PROTOCOL, id="push: largest"),
        pytest.param(c.INITIAL_WINDOW, 2**31, FLOW, id="window: one too many"),
        pytest.param(c.INITIAL_WINDOW, LARGEST, FLOW, id="window: largest"),
        pytest.param(c.MAX_FRAME, 16_383, PROTOCOL, id="frame: one too few"),
        pytest.param(c.MAX_FRAME, 0, PROTOCOL, id="frame: none"),
        pytest.param(c.MAX_FRAME, 2**24, PROTOCOL, id="frame: one too many"),
        pytest.param(8, 2, PROTOCOL, id="extended CONNECT: 2"),
        pytest.param(9, 2, PROTOCOL, id="no priorities: 2"),
    ],
)
def test_a_setting_out_of_its_bounds_ends_the_connection(key: int, value: int, code: ErrorCodes) -> None:
    assert refused_with(Client().send(c.settings((key, value))), code)


def test_bad_settings_are_not_acknowledged() -> None:
    client = Client()
    client.frames.clear()
    client.send(c.settings((c.ENABLE_PUSH, 0), (c.MAX_FRAME, 0)))
    assert [type(each).__name__ for each in client.frames] == ["GoAwayFrame"]


def test_empty_settings_are_taken() -> None:
    assert Client().send(c.settings()).is_well


def test_settings_are_followed_in_their_order() -> None:
    """Of two values the last one holds, and the first one may not be out of bounds."""
    client = Client().send(c.settings((c.INITIAL_WINDOW, 100), (c.INITIAL_WINDOW, 1)), c.headers(1))
    assert client.answer(1, b"answer").body(1) == b"a"
    assert refused_with(Client().send(c.settings((c.INITIAL_WINDOW, 2**31), (c.INITIAL_WINDOW, 1))), FLOW)


def test_an_acknowledgement_that_nobody_waits_for_is_no_fault() -> None:
    assert Client().send(c.frame(c.SETTINGS, c.ACK, 0), c.frame(c.SETTINGS, c.ACK, 0)).is_well


def test_a_smaller_window_holds_for_streams_begun_before() -> None:
    client = Client().send(c.headers(1), c.settings((c.INITIAL_WINDOW, 3)))
    assert client.answer(1, b"answer").body(1) == b"ans"


def test_a_larger_window_lets_waiting_answers_go_on() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 0)), c.headers(1)).answer(1, b"answer")
    assert client.body(1) == b""
    assert client.send(c.settings((c.INITIAL_WINDOW, 1))).body(1) == b"a"
    client.send(c.settings((c.INITIAL_WINDOW, 100)))
    assert client.body(1) == b"answer"
    assert client.has_ended(1)


def test_a_window_may_become_negative_and_has_to_be_filled_up_first() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 3)), c.headers(1)).answer(1, b"answer")
    assert client.body(1) == b"ans"
    client.send(c.settings((c.INITIAL_WINDOW, 1)), c.window_update(1, 2))
    assert client.body(1) == b"ans"
    assert client.send(c.window_update(1, 1)).body(1) == b"answ"
    client.send(c.settings((c.INITIAL_WINDOW, 3)))
    assert client.body(1) == b"answer"


def test_a_new_window_size_leaves_the_window_of_the_connection_alone() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 100_000)), c.headers(1), c.headers(3))
    client.answer(1, bytes(65_000)).answer(3, bytes(1_000))
    assert len(client.body(3)) == 535


def test_settings_that_push_an_open_stream_over_the_largest_window_end_the_connection() -> None:
    client = Client().send(c.headers(1), c.window_update(1, 2**31 - 1 - 65_535))
    assert not client.goaways
    assert refused_with(client.send(c.settings((c.INITIAL_WINDOW, 65_536))), FLOW)


def test_the_largest_window_holds_for_new_streams() -> None:
    client = Client().send(c.settings((c.INITIAL_WINDOW, 2**31 - 1)), c.headers(1))
    assert client.answer(1, b"answer").body(1) == b"answer"


def test_a_first_block_says_that_we_keep_no_table_whatever_the_client_offers() -> None:
    client = Client().send(c.settings((c.HEADER_TABLE_SIZE, 0)), c.headers(1), c.headers(3))
    client.answer(1, b"a", fields=(("x-long", "v" * 50),)).answer(3, b"a", fields=(("x-long", "v" * 50),))
    assert client.responses[1] == client.responses[3] == [(":status", "200"), ("x-long", "v" * 50)]
    blocks = [each.data for each in client.frames if isinstance(each, HeadersFrame)]
    assert blocks[0] == b"\x20" + blocks[1]

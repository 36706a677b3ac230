"""Messages in a stream: cut anywhere, one after the other, and none longer than may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.dot.framing import Messages, TooLong, framed


def taken(messages: Messages) -> list[bytes]:
    """All that are whole."""
    found = []
    while (message := messages.next_message()) is not None:
        found.append(message)
    return found


@given(st.lists(st.binary(max_size=300), max_size=12), st.lists(st.integers(1, 400), max_size=40))
def test_messages_are_the_same_wherever_the_stream_is_cut(sent: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(len(message).to_bytes(2) + message for message in sent)
    messages, found, start = Messages(300), [], 0
    for size in [*cuts, len(stream)]:
        messages.receive(stream[start : start + size])
        start += size
        found += taken(messages)
    assert found == sent
    assert not messages.has_begun
    assert messages.held_bytes == 0


def test_what_has_begun_is_held_and_known() -> None:
    messages = Messages(300)
    messages.receive(b"\x00\x03ab")
    assert messages.next_message() is None
    assert messages.has_begun
    assert messages.held_bytes == 4
    messages.receive(b"c\x00")
    assert messages.next_message() == b"abc"
    assert messages.next_message() is None
    assert messages.has_begun
    messages.forget()
    assert messages.held_bytes == 0


@pytest.mark.parametrize("behind", [b"", b"\x00"], ids=["nothing", "a beginning"])
def test_what_has_been_taken_is_not_kept_for_what_is_behind_it(behind: bytes) -> None:
    messages = Messages(300)
    messages.receive(bytes(2) * 10_000 + behind)
    taken(messages)
    messages.settle()
    assert messages._held == behind
    messages.receive(b"\x00\x01a"[len(behind) :])
    assert messages.next_message() == b"a"


@pytest.mark.parametrize("stream", [b"\x01\x2d", b"\xff\xff" + bytes(10)])
def test_a_longer_message_than_may_be_is_known_by_its_length_alone(stream: bytes) -> None:
    messages = Messages(300)
    messages.receive(stream)
    with pytest.raises(TooLong):
        messages.next_message()


def test_a_message_goes_out_behind_its_length_and_under_the_id_of_its_client() -> None:
    assert framed(b"\x12\x34", b"\x00\x00rest") == b"\x00\x06\x12\x34rest"

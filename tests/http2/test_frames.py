"""The layout of frames, written for others to read and read as others wrote it."""

import pytest
from hyperframe.frame import Frame, GoAwayFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from dohproxy.http2 import frames
from dohproxy.http2.errors import ConnectionFault, ErrorCode
from dohproxy.http2.frames import Type, check_layout


def parsed(wire: bytes) -> Frame:
    """Return what `hyperframe` makes of a frame."""
    found, length = Frame.parse_frame_header(memoryview(wire[:9]))
    assert length == len(wire) - 9
    found.parse_body(memoryview(wire[9:]))
    return found


@pytest.mark.parametrize("size", [0, 1, 255, 256, 16_384])
def test_the_length_of_a_frame_is_that_of_its_payload(size: int) -> None:
    assert parsed(frames.frame(Type.DATA, 0, 1, bytes(size))).body_len == size


def test_type_flags_and_stream_are_where_they_belong() -> None:
    assert frames.frame(Type.PING, 0x81, 0x7FFF_FFFF, b"12345678")[3:9] == b"\x06\x81\x7f\xff\xff\xff"


def test_settings_are_read_by_others() -> None:
    found = parsed(frames.settings([(3, 100), (6, 2**32 - 1)]))
    assert isinstance(found, SettingsFrame)
    assert found.settings == {3: 100, 6: 2**32 - 1}


def test_settings_of_others_are_read() -> None:
    wire = SettingsFrame(0, settings={4: 65_535, 5: 16_384}).serialize()
    assert frames.read_settings(wire[9:]) == [(4, 65_535), (5, 16_384)]


@pytest.mark.parametrize("size", [1, 5, 7, 11])
def test_settings_that_are_cut_are_a_fault(size: int) -> None:
    with pytest.raises(ConnectionFault) as caught:
        frames.read_settings(bytes(size))
    assert caught.value.code is ErrorCode.FRAME_SIZE_ERROR


def test_a_reset_is_read_by_others() -> None:
    found = parsed(frames.rst_stream(7, ErrorCode.CANCEL))
    assert isinstance(found, RstStreamFrame)
    assert (found.stream_id, found.error_code) == (7, 8)


def test_a_goodbye_is_read_by_others() -> None:
    found = parsed(frames.goaway(2**31 - 1, ErrorCode.HTTP_1_1_REQUIRED))
    assert isinstance(found, GoAwayFrame)
    assert (found.last_stream_id, found.error_code, found.additional_data) == (2**31 - 1, 13, b"")


def test_a_window_update_is_read_by_others() -> None:
    found = parsed(frames.window_update(3, 2**31 - 1))
    assert isinstance(found, WindowUpdateFrame)
    assert (found.stream_id, found.window_increment) == (3, 2**31 - 1)


STREAM_ONLY = [Type.DATA, Type.HEADERS, Type.PRIORITY, Type.RST_STREAM, Type.PUSH_PROMISE, Type.CONTINUATION]
LENGTHS = {Type.RST_STREAM: 4, Type.PING: 8, Type.GOAWAY: 8, Type.WINDOW_UPDATE: 4}


@pytest.mark.parametrize("kind", Type)
@pytest.mark.parametrize("stream_id", [0, 1])
def test_a_frame_stands_on_a_stream_or_on_none_as_its_type_wants(kind: Type, stream_id: int) -> None:
    is_wrong = kind is not Type.WINDOW_UPDATE and (kind in STREAM_ONLY) == (stream_id == 0)
    if not is_wrong:
        check_layout(kind, stream_id, LENGTHS.get(kind, 6))
        return
    with pytest.raises(ConnectionFault) as caught:
        check_layout(kind, stream_id, LENGTHS.get(kind, 6))
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize(("kind", "length"), LENGTHS.items(), ids=lambda value: str(value))
def test_a_frame_of_another_length_than_its_type_has_is_a_fault(kind: Type, length: int) -> None:
    stream_id = 1 if kind in STREAM_ONLY else 0
    check_layout(kind, stream_id, length)
    with pytest.raises(ConnectionFault) as caught:
        check_layout(kind, stream_id, length - 1)
    assert caught.value.code is ErrorCode.FRAME_SIZE_ERROR


def test_a_goodbye_may_have_words_at_its_end() -> None:
    check_layout(Type.GOAWAY, 0, 5_000)


@pytest.mark.parametrize(
    ("flags", "payload", "rest"),
    [(0, b"\x02abc", b"\x02abc"), (8, b"\x02abc", b"a"), (8, b"\x00", b""), (8, b"\x03abc", b"")],
    ids=["no padding", "some", "none of it", "nothing else"],
)
def test_padding_is_taken_off(flags: int, payload: bytes, rest: bytes) -> None:
    assert frames.without_padding(flags, payload) == rest

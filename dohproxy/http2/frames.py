"""The layout of frames (RFC 9113 sections 4 and 6): nine bytes of header, and what we send."""

import struct
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import Final

from dohproxy.http2.errors import ConnectionFault, ErrorCode

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_BYTES: Final = 9
LARGEST_FRAME: Final = 16_384
"""SETTINGS_MAX_FRAME_SIZE that holds for both sides: the default and the smallest there is. We never ask for more."""
LARGEST_WINDOW: Final = 2**31 - 1
DEFAULT_WINDOW: Final = 65_535
STREAM_ID_MASK: Final = 0x7FFF_FFFF
"""The top bit of a stream id is reserved and ignored (section 4.1)."""

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY_FLAG: Final = 0x20


class Type(IntEnum):
    """Frame types."""

    DATA = 0x0
    HEADERS = 0x1
    PRIORITY = 0x2
    RST_STREAM = 0x3
    SETTINGS = 0x4
    PUSH_PROMISE = 0x5
    PING = 0x6
    GOAWAY = 0x7
    WINDOW_UPDATE = 0x8
    CONTINUATION = 0x9


class Setting(IntEnum):
    """Settings that mean something to us (RFC 9113 section 6.5.2, RFC 8441, RFC 9218)."""

    HEADER_TABLE_SIZE = 0x1
    ENABLE_PUSH = 0x2
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6
    ENABLE_CONNECT_PROTOCOL = 0x8
    NO_RFC7540_PRIORITIES = 0x9


_OPENING = struct.Struct("!IB")
_SETTING = struct.Struct("!HI")
_GOAWAY = struct.Struct("!II")


def frame(kind: Type, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return opening(kind, flags, len(payload)) + stream_id.to_bytes(4) + payload


def opening(kind: int, flags: int, length: int) -> bytes:
    """Return the five bytes of a frame's header that do not depend on its stream."""
    return _OPENING.pack(length << 8 | kind, flags)


SETTINGS_ACK: Final = frame(Type.SETTINGS, ACK, 0)


def settings(entries: Iterable[tuple[int, int]]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(Type.SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in entries))


@lru_cache(maxsize=8)
def greeting(max_streams: int, max_header_bytes: int) -> bytes:
    """Return our settings, the first that a client hears; made each time, they are 5 % of a new connection."""
    return settings((
        (Setting.MAX_CONCURRENT_STREAMS, max_streams),
        (Setting.MAX_HEADER_LIST_SIZE, max_header_bytes),
        (Setting.ENABLE_CONNECT_PROTOCOL, 0),
        (Setting.NO_RFC7540_PRIORITIES, 1),
    ))  # fmt: skip


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return the entries of a SETTINGS payload. Raises ConnectionFault if it is cut."""
    if len(payload) % _SETTING.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR)
    return list(_SETTING.iter_unpack(payload))


def rst_stream(stream_id: int, code: ErrorCode) -> bytes:
    """Return a RST_STREAM frame."""
    return frame(Type.RST_STREAM, 0, stream_id, int(code).to_bytes(4))


def goaway(last_stream_id: int, code: ErrorCode) -> bytes:
    """Return a GOAWAY frame without debug data: what we think of a client is in the metrics."""
    return frame(Type.GOAWAY, 0, 0, _GOAWAY.pack(last_stream_id, code))


def window_update(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame."""
    return frame(Type.WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4))


_CONNECTION_ONLY: Final = frozenset({Type.SETTINGS, Type.PING, Type.GOAWAY})
_LENGTHS: Final[dict[int, int]] = {Type.RST_STREAM: 4, Type.PING: 8, Type.WINDOW_UPDATE: 4}


def check_layout(kind: int, stream_id: int, length: int) -> None:
    """Raise ConnectionFault if a frame of a known type stands on stream 0 and may not, or the reverse, or has a length
    that its type cannot have (section 6)."""
    if kind != Type.WINDOW_UPDATE and (kind in _CONNECTION_ONLY) != (stream_id == 0):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
    if length != _LENGTHS.get(kind, length) or (kind == Type.GOAWAY and length < _GOAWAY.size):
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR)


def without_padding(flags: int, payload: bytes) -> bytes:
    """Return a DATA or HEADERS payload without its padding (section 6.1)."""
    if not flags & PADDED:
        return payload
    if not payload:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR)
    padding = payload[0]
    if padding >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
    return payload[1 : len(payload) - padding]

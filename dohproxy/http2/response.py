"""What we answer: the frames of a response, made once for all the streams that get it."""

from typing import Final

from dohproxy.http2.frames import END_HEADERS, END_STREAM, Type, frame, opening
from dohproxy.http2.hpack import NO_TABLE, encode_response

# On an IntEnum each look for a member costs more than a frame's other steps.
_DATA: Final = int(Type.DATA)
_HEADERS: Final = int(Type.HEADERS)


class Response:
    """A status, fields with names in lower case, and a body. What others have too is shared with them: thousands are
    kept."""

    __slots__ = ("_before_body", "_before_id", "_block", "_flags", "_last_field", "body")

    def __init__(
        self, status: int, fields: tuple[tuple[str, str], ...], body: bytes = b"", last_field: bytes = b""
    ) -> None:
        """`last_field`: encoded already, because it is another each second."""
        self.body = body
        self._block = encode_response(status, fields)
        self._last_field = last_field
        self._flags = END_HEADERS if body else END_HEADERS | END_STREAM
        self._before_id = opening(_HEADERS, self._flags, len(self._block) + len(last_field))
        self._before_body = opening(_DATA, END_STREAM, len(body))

    def header(self, stream_id: int, *, is_first: bool) -> bytes:
        """Return the HEADERS frame. The first of a connection says that our encoder keeps no table."""
        block = self._block + self._last_field
        return frame(Type.HEADERS, self._flags, stream_id, NO_TABLE + block if is_first else block)

    def first_frames(self, stream_id: int) -> tuple[bytes, ...]:
        """Return what `frames` does, for the first response of a connection."""
        header = self.header(stream_id, is_first=True)
        return (header, self._before_body, stream_id.to_bytes(4), self.body) if self.body else (header,)

    def frames(self, stream_id: int) -> tuple[bytes, ...]:
        """Return the HEADERS frame and the DATA frame, in pieces to be joined; a body must fit one frame."""
        place = stream_id.to_bytes(4)
        if self.body:
            return self._before_id, place, self._block, self._last_field, self._before_body, place, self.body
        return self._before_id, place, self._block, self._last_field

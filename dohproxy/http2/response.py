"""What we answer: the frames of a response, made once for all the streams that get it."""

from dohproxy.http2.frames import END_HEADERS, END_STREAM, Type, frame, opening
from dohproxy.http2.hpack import NO_TABLE, encode_response


class Response:
    """A status, fields with names in lower case, and a body."""

    __slots__ = ("_before_id", "_between_ids", "_block", "_flags", "body")

    def __init__(
        self, status: int, fields: tuple[tuple[str, str], ...], body: bytes = b"", last_field: bytes = b""
    ) -> None:
        """`last_field`: encoded already, because it is the one that is another each time."""
        self.body = body
        self._block = encode_response(status, fields) + last_field
        self._flags = END_HEADERS if body else END_HEADERS | END_STREAM
        self._before_id = opening(Type.HEADERS, self._flags, len(self._block))
        self._between_ids = self._block + opening(Type.DATA, END_STREAM, len(body))

    def header(self, stream_id: int, *, is_first: bool) -> bytes:
        """Return the HEADERS frame. The first of a connection says that our encoder keeps no table."""
        block = NO_TABLE + self._block if is_first else self._block
        return frame(Type.HEADERS, self._flags, stream_id, block)

    def frames(self, stream_id: int) -> tuple[bytes, ...]:
        """Return the HEADERS frame and the DATA frame, in pieces to be joined; a body must fit one frame."""
        place = stream_id.to_bytes(4)
        if self.body:
            return self._before_id, place, self._between_ids, place, self.body
        return self._before_id, place, self._block

"""Bodies in chunks (RFC 9112 section 7.1): read as they come, with each fault told as soon as it is there."""

import re
from enum import IntEnum
from typing import Final

from dohproxy.http1.errors import BadRequest, Fault
from dohproxy.http1.head import check_field_line
from dohproxy.http1.limits import LARGEST_HEADER, LONGEST_CHUNK_LINE, LONGEST_FIELD, MOST_CHUNKS, MOST_TRAILERS

_DIGITS: Final = "0123456789abcdefABCDEF"
_SHORT_SIZES: Final = {
    digits.encode(): int(digits, 16) for high in ("", *_DIGITS) for digits in [high + low for low in _DIGITS]
}
"""The sizes in lines of one digit or two, as nearly all are: a pattern costs as much as the rest of a chunk."""
_EXTENSIONS: Final = rb"(?:[ \t]*+;[^\x00-\x08\x0a-\x1f\x7f]*+)?"
_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})" + _EXTENSIONS)
_BEGUN_LINE: Final = re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:[ \t]*+(?:;[^\x00-\x08\x0a-\x1f\x7f]*+)?)?\r?)?")

_NO_TRAILERS: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Fields that say where a message ends or goes come before it (RFC 9110 section 6.5.1)."""


class _Expects(IntEnum):
    SIZE = 0
    DATA = 1
    END_OF_DATA = 2
    TRAILER = 3


class ChunkedBody:
    """One body. Its trailers are checked and thrown away: nothing in them is of use here."""

    def __init__(self, most_bytes: int) -> None:
        self.is_complete = False
        self.is_too_long = False
        """Whether it has more bytes or more chunks than are read; what is behind it cannot be found any more."""
        self._most_bytes = most_bytes
        self._body = bytearray()
        self._expects = _Expects.SIZE
        self._left = 0
        self._chunks = 0
        self._trailers = 0
        self._trailer_bytes = 0

    def body(self) -> bytes:
        """Return what has been read of it."""
        return bytes(self._body)

    def read(self, data: bytes, at: int) -> int:
        """Read on from a place in some bytes; return how far it has come. The rest is to be given again, with more.

        Raises BadRequest.
        """
        while not self.is_complete and not self.is_too_long:
            before = at
            match self._expects:
                case _Expects.SIZE:
                    at = self._read_size(data, at)
                case _Expects.DATA:
                    at = self._read_data(data, at)
                case _Expects.END_OF_DATA:
                    at = self._read_end_of_data(data, at)
                case _Expects.TRAILER:
                    at = self._read_trailer(data, at)
            if at == before:
                break
        return at

    def _read_size(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n", at, at + LONGEST_CHUNK_LINE + 2)
        if end < 0:
            begun = data[at : at + LONGEST_CHUNK_LINE + 2]
            if len(begun) > LONGEST_CHUNK_LINE + 1 or _BEGUN_LINE.fullmatch(begun) is None:
                raise BadRequest(Fault.MALFORMED)
            return at
        line = data[at:end]
        size = _SHORT_SIZES.get(line)
        self._left = size if size is not None else _read_long_size(line)
        self._chunks += 1
        if not self._left:
            self._expects = _Expects.TRAILER
        elif self._chunks > MOST_CHUNKS or len(self._body) + self._left > self._most_bytes:
            self.is_too_long = True
        elif data.startswith(b"\r\n", end + 2 + self._left):  # All of it is there, as nearly always.
            at, end = end + 2, end + 2 + self._left
            self._body += data[at:end]
        else:
            self._expects = _Expects.DATA
        return end + 2

    def _read_data(self, data: bytes, at: int) -> int:
        piece = data[at : at + self._left]
        self._body += piece
        self._left -= len(piece)
        if not self._left:
            self._expects = _Expects.END_OF_DATA
        return at + len(piece)

    def _read_end_of_data(self, data: bytes, at: int) -> int:
        ending = data[at : at + 2]
        if ending == b"\r\n":
            self._expects = _Expects.SIZE
            return at + 2
        if ending not in (b"", b"\r"):
            raise BadRequest(Fault.MALFORMED)
        return at

    def _read_trailer(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n", at, at + LONGEST_FIELD + 2)
        if end < 0:
            check_field_line(data[at : at + LONGEST_FIELD + 2], is_begun=True)
            return at
        if end == at:
            self.is_complete = True
            return at + 2
        line = data[at:end]
        check_field_line(line)
        if line.partition(b":")[0].lower() in _NO_TRAILERS:
            raise BadRequest(Fault.MALFORMED)
        self._trailers += 1
        self._trailer_bytes += end + 2 - at
        if self._trailers > MOST_TRAILERS or self._trailer_bytes > LARGEST_HEADER:
            raise BadRequest(Fault.LARGE_HEADER)
        return end + 2


def _read_long_size(line: bytes) -> int:
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadRequest(Fault.MALFORMED)
    return int(match.group(1), 16)

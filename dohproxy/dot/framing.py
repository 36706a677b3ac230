"""DNS messages in a stream: each behind its length in two bytes (RFC 1035 section 4.2.2, RFC 7766 section 8)."""

from typing import Final

LENGTH_BYTES: Final = 2
ID_BYTES: Final = 2
_LENGTHS: Final = [size.to_bytes(LENGTH_BYTES) for size in range(1_024)]
"""Of most messages: to look one up costs a tenth of making it."""


class TooLong(ValueError):
    """A message is longer than any that is read; where the next one begins is known, and not waited for."""


class Messages:
    """What a client has sent and nobody has read yet."""

    __slots__ = ("_held", "_most_bytes", "_start")

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: of one message, without its length."""
        self._most_bytes = most_bytes
        self._held = b""
        self._start = 0

    @property
    def held_bytes(self) -> int:
        """Bytes in memory that belong to messages not taken yet."""
        return len(self._held) - self._start

    @property
    def has_begun(self) -> bool:
        """Whether a message, or its length, has begun to come in and is not whole, if `next_message` has just said
        that there is none."""
        return self._start < len(self._held)

    def receive(self, data: bytes) -> None:
        """Take in what has arrived."""
        self._held = data if self._start == len(self._held) else self._held[self._start :] + data
        self._start = 0

    def receive_rest(self, data: bytes) -> None:
        """Take in of what has arrived only the end of a message that had begun: nothing behind that is to be read."""
        held = self._held[self._start :] + data
        before, end = len(held) - len(data), 0
        while end < before:
            begin = end + LENGTH_BYTES
            end = begin + (held[end] << 8 | held[end + 1]) if begin <= len(held) else begin
        self._held, self._start = held[:end], 0

    def next_message(self) -> bytes | None:
        """Return the next message that is whole, without its length; None if there is none yet. Raises TooLong."""
        held, start = self._held, self._start
        if len(held) - start < LENGTH_BYTES:
            return None
        begin = start + LENGTH_BYTES
        size = held[start] << 8 | held[start + 1]
        if size > self._most_bytes:
            raise TooLong
        end = begin + size
        if end > len(held):
            return None
        self._start = end
        return held[begin:end]

    def settle(self) -> None:
        """Give back the memory of what has been taken, if that is the larger part: what was read at once came in one
        piece, and would be kept until more comes."""
        if self._start * 2 >= len(self._held):
            self._held, self._start = self._held[self._start :], 0

    def forget(self) -> None:
        """Let go of everything: nothing more will be read."""
        self._held, self._start = b"", 0


def framed(identifier: bytes, wire: bytes) -> bytes:
    """Return a message as it goes into the stream, with this ID in the place of its own."""
    size = len(wire)
    length = _LENGTHS[size] if size < len(_LENGTHS) else size.to_bytes(LENGTH_BYTES)
    return length + identifier + wire[ID_BYTES:]

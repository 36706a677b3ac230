"""Answers that have been given and not been written yet: written as fast as their client takes them, and no faster."""

from typing import Final

from dohproxy.dot.framing import framed

PIECE_BYTES: Final = 65_536
"""Written at once, and what may lie here before no other query is begun: one largest answer."""


class Answers:
    """Those of one connection, in the order in which they were given."""

    __slots__ = ("_frames", "held_bytes")

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self.held_bytes = 0
        """Bytes of all of them, as they go into the stream."""

    def add(self, identifier: bytes, wire: bytes) -> None:
        """Have a message written under this ID, behind all that are here."""
        frame = framed(identifier, wire)
        self._frames.append(frame)
        self.held_bytes += len(frame)

    def next_piece(self) -> bytes:
        """Take out what is to be written next: everything, or as many whole messages as PIECE_BYTES end in."""
        frames = self._frames
        if self.held_bytes <= PIECE_BYTES:
            self._frames, self.held_bytes = [], 0
            return frames[0] if len(frames) == 1 else b"".join(frames)
        size = count = 0
        while size < PIECE_BYTES:
            size += len(frames[count])
            count += 1
        piece = b"".join(frames[:count])
        del frames[:count]
        self.held_bytes -= size
        return piece

    def forget(self) -> None:
        """Let go of everything: nothing more will be written."""
        self._frames, self.held_bytes = [], 0

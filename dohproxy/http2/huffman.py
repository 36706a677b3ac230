"""The Huffman code of header blocks (RFC 7541 section 5.2 and appendix B), decoded a byte at a time.

The table of the `hpack` library takes four bits in a step, and its loop looks at each step's flags. Here a byte is one
step: put together from two of the library's when it first comes in some state, and kept. The path of a DNS query takes
less than half of the time.
"""

from typing import ClassVar, Final

from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_EMIT_SYMBOL, HUFFMAN_FAIL, HUFFMAN_TABLE

MOST_STEPS: Final = 20_000
"""That are kept, some 4 MB: six times as many as the paths of 10,000 names take. Others are put together each time."""


class BrokenString(Exception):
    """It has a code that stands for nothing, or ends within one."""


class _State:
    """Where a string stands between two bytes; what each byte does there is put together when it first comes."""

    __slots__ = ("number", "steps")

    kept: ClassVar[int] = 0
    """Steps of all states."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps: list[_Step | None] = [None] * 256

    def step(self, byte: int) -> "_Step":
        """Return the state that follows, the symbols that have ended, and whether a string may end there."""
        number, flags, symbols = self.number, 0, b""
        for nibble in (byte >> 4, byte & 0xF):
            number, flags, symbol = HUFFMAN_TABLE[number << 4 | nibble]
            if flags & HUFFMAN_FAIL:
                raise BrokenString
            if flags & HUFFMAN_EMIT_SYMBOL:
                symbols += bytes((symbol,))
        step = _STATES[number], symbols, flags & HUFFMAN_COMPLETE != 0
        if _State.kept < MOST_STEPS:
            _State.kept += 1
            self.steps[byte] = step
        return step


_Step = tuple[_State, bytes, bool]
_STATES: Final = [_State(number) for number in range(len(HUFFMAN_TABLE) >> 4)]


def decode(string: bytes) -> bytes:
    """Return what a string stands for. Raises BrokenString."""
    state, may_end = _STATES[0], True
    decoded = []
    for byte in string:
        state, symbols, may_end = state.steps[byte] or state.step(byte)
        decoded.append(symbols)
    if not may_end:
        raise BrokenString
    return b"".join(decoded)

"""The Huffman code of header blocks (RFC 7541 section 5.2 and appendix B), decoded a byte at a time.

The table of the `hpack` library takes four bits in a step, and its loop looks at each step's flags. Here a byte is one
step, put together from two of the library's when this is imported: what follows are two look-ups for each byte, which
cost little in the source and less compiled. A string in this code is read before any limit has seen its client.
"""

from typing import Final

from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_EMIT_SYMBOL, HUFFMAN_FAIL, HUFFMAN_TABLE

_NIBBLES: Final = 16
_STEPS: Final = 256
"""The steps of a state: one for each byte. A state is known by the number of its first step."""
_BROKEN: Final = len(HUFFMAN_TABLE) // _NIBBLES * _STEPS
"""The state behind a code that stands for nothing; it is never left, and no string may end there."""


class BrokenString(Exception):
    """Raised for a string that has a code which stands for nothing, or ends within one."""


def _join_steps() -> tuple[tuple[int, ...], tuple[bytes, ...]]:
    """Return, for each state and byte, the state that follows and the symbols that have ended: some 2 MB."""
    states: list[list[int]] = []
    symbols: list[list[bytes]] = []
    for start in range(0, len(HUFFMAN_TABLE), _NIBBLES):
        half = HUFFMAN_TABLE[start : start + _NIBBLES]
        states.append([_BROKEN if flags & HUFFMAN_FAIL else state * _STEPS for state, flags, _ in half])
        symbols.append([bytes((symbol,)) if flags & HUFFMAN_EMIT_SYMBOL else b"" for _, flags, symbol in half])
    known: dict[bytes, bytes] = {}
    next_states: list[int] = []
    ended: list[bytes] = []
    for first_states, first_symbols in zip(states, symbols, strict=True):
        for middle, first in zip(first_states, first_symbols, strict=True):
            if middle == _BROKEN:
                next_states += [_BROKEN] * _NIBBLES
                ended += [b""] * _NIBBLES
                continue
            next_states += states[middle // _STEPS]
            seconds = symbols[middle // _STEPS]
            # The same symbols end in many steps, which share them.
            ended += [known.setdefault(first + second, first + second) for second in seconds] if first else seconds
    return (*next_states, *[_BROKEN] * _STEPS), (*ended, *[b""] * _STEPS)


_TABLE: Final = _join_steps()
_FINAL_STATES: Final = frozenset(state * _STEPS for state, flags, _ in HUFFMAN_TABLE if flags & HUFFMAN_COMPLETE)
"""Where a string may end: behind a symbol, or behind fewer than eight ones."""


def decode(string: bytes) -> bytes:
    """Return what a string stands for. Raises BrokenString."""
    next_states, ended = _TABLE
    state = 0
    decoded = []
    for byte in string:
        step = state + byte
        decoded.append(ended[step])
        state = next_states[step]
    if state not in _FINAL_STATES:
        raise BrokenString
    return b"".join(decoded)

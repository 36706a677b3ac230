"""The Huffman code of header blocks (RFC 7541 section 5.2 and appendix B), decoded a byte at a time.

A table says, for each state and byte, which state follows and which symbols have ended: two look-ups for each byte,
which cost little in the source and less compiled. A string in this code is read before any limit has seen its client.

A step of the table is made of eight bits of the code's tree when it is first taken, and kept; the string is then read
once more. All at once they would be a tenth of a start, and most are never taken. Whoever takes all of them has the
table grow to 2 MB, and no further.
"""

from typing import Final

CODE_LENGTHS: Final = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c"
    "060a0a0c0d06080b0a0a080b080606060505050606060606060607080f060c0a"
    "0d06070707070707070707070707070707070707070707070807080d130d0e06"
    "0f05060506050606060507070606060506070605050607070707070f0b0e0d1c"
    "1416141416161617161717171717181718181617181717171715161716171718"
    "1615141616171715171616181516171715151615171617171416161617161617"
    "1a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b"
    "14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a"
    "1e"
)
"""The bits of each symbol's code (appendix B). Their lengths say all: codes are handed out in order, the shorter first
and those of one length by symbol. The last is the end of a string, which nobody may send."""
_END: Final = 256
_STEPS: Final = 256
"""The steps of a state: one for each byte. A state is known by the number of its first step."""
_BROKEN: Final = len(CODE_LENGTHS) - 1
"""The node behind a code that stands for nothing; it is never left, and no string may end there. A tree with so many
leaves has as many nodes before it."""
_NOT_YET: Final = (_BROKEN + 1) * _STEPS
"""The state behind a step that was not made yet; it is not left either."""
LONGEST_PADDING: Final = 7
"""Bits, all of them ones."""


class BrokenString(Exception):
    """Raised for a string that has a code which stands for nothing, or ends within one."""


def _grow_tree() -> list[int]:
    """Return where a 0 and a 1 lead from each node: to another node, or, below zero, to a symbol."""
    tree = [0, 0]
    code = bits_before = 0
    for bits, symbol in sorted((bits, symbol) for symbol, bits in enumerate(CODE_LENGTHS)):
        code <<= bits - bits_before
        node = 0
        for shift in range(bits - 1, 0, -1):
            branch = 2 * node + (code >> shift & 1)
            if not tree[branch]:
                tree[branch] = len(tree) // 2
                tree += [0, 0]
            node = tree[branch]
        tree[2 * node + (code & 1)] = _BROKEN if symbol == _END else ~symbol
        code, bits_before = code + 1, bits
    return [*tree, _BROKEN, _BROKEN]


def _states_of_padding() -> frozenset[int]:
    """Return where a string may end: behind a symbol, or behind fewer than eight ones."""
    nodes = [0]
    for _ in range(LONGEST_PADDING):
        nodes.append(_TREE[2 * nodes[-1] + 1])
    return frozenset(node * _STEPS for node in nodes)


_TREE: Final = _grow_tree()
_FINAL_STATES: Final = _states_of_padding()
_next_states: Final = [_NOT_YET] * (_NOT_YET + _STEPS)
_ended: Final = [b""] * (_NOT_YET + _STEPS)
_symbols: Final[dict[bytes, bytes]] = {}
"""The same symbols end in many steps, which share them."""


def decode(string: bytes) -> bytes:
    """Return what a string stands for. Raises BrokenString."""
    next_states, ended = _next_states, _ended
    state = 0
    decoded = []
    for byte in string:
        step = state + byte
        decoded.append(ended[step])
        state = next_states[step]
    if state in _FINAL_STATES:
        return b"".join(decoded)
    if state != _NOT_YET:
        raise BrokenString
    _make_steps(string)
    return decode(string)


def _make_steps(string: bytes) -> None:
    """Make every step that a string takes."""
    state = 0
    for byte in string:
        step = state + byte
        state = _next_states[step]
        if state == _NOT_YET:
            state = _make_step(step)


def _make_step(step: int) -> int:
    """Follow the byte of a step from its state through the tree, and keep what that gives; return the next state."""
    node, symbols = step // _STEPS, b""
    for shift in range(7, -1, -1):
        node = _TREE[2 * node + (step >> shift & 1)]
        if node < 0:
            symbols += bytes((~node,))
            node = 0
    _ended[step] = _symbols.setdefault(symbols, symbols)
    _next_states[step] = node * _STEPS
    return node * _STEPS

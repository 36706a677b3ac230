"""How many different ones there were, in 4 KiB and without keeping any of them: HyperLogLog.

Of each hash only this stays: in the register that its first bits name, how many zeros its other bits begin with, if
that is more than there were before. The estimate is that of Ertl (arXiv:1702.01284, section 4), which needs no table
of corrections and has no step where one formula follows another: so what it grows by within a minute means something
too. Its error is 1.6 % of all that were counted.

A sketch has a salt of its own, drawn by its owner and kept in memory alone: who finds two of them, or one and the key
of the hashes, cannot tell whether somebody is in both.
"""

import math
from typing import Final

INDEX_BITS: Final = 12
REGISTERS: Final = 1 << INDEX_BITS
"""4,096 bytes: 1.04 / sqrt(4096) is an error of 1.6 %, and half of it would cost four times the memory."""
HASH_BITS: Final = 64
_REST_BITS: Final = HASH_BITS - INDEX_BITS
_REST: Final = (1 << _REST_BITS) - 1
_MASK: Final = (1 << HASH_BITS) - 1
ODD: Final = 0x9E37_79B9_7F4A_7C15
"""2^64 divided by the golden ratio: an odd factor permutes all 64-bit numbers, and carries each bit to the first."""
_ALPHA: Final = 1 / (2 * math.log(2))


class HyperLogLog:
    """One sketch."""

    __slots__ = ("_registers", "_salt")

    def __init__(self, salt: int) -> None:
        """`salt`: 64 random bits."""
        self._registers = bytearray(REGISTERS)
        self._salt = salt

    @property
    def registers(self) -> bytes:
        """What has been counted, for `merge` of another sketch with the same salt."""
        return bytes(self._registers)

    @property
    def salt(self) -> int:
        """The 64 bits with which it was begun."""
        return self._salt

    def merge(self, registers: bytes) -> None:
        """Count also what another sketch with the same salt has counted; what comes from anything else is ignored."""
        if len(registers) == REGISTERS and max(registers) <= _REST_BITS + 1:
            self._registers = bytearray(map(max, self._registers, registers))

    def add(self, hashed: int) -> None:
        """Count one of which this is a keyed 64-bit hash; a second time changes nothing."""
        mixed = ((hashed ^ self._salt) * ODD) & _MASK
        place = mixed >> _REST_BITS
        rank = _REST_BITS + 1 - (mixed & _REST).bit_length()
        if rank > self._registers[place]:
            self._registers[place] = rank

    def estimate(self) -> float:
        """Return how many different ones were counted."""
        # 54 counts over 4 KiB take some 20 microseconds; nobody asks more often than every few seconds.
        counts = [self._registers.count(rank) for rank in range(_REST_BITS + 2)]
        if counts[0] == REGISTERS:
            return 0.0
        total = REGISTERS * _tau(1 - counts[_REST_BITS + 1] / REGISTERS)
        for rank in range(_REST_BITS, 0, -1):
            total = 0.5 * (total + counts[rank])
        total += REGISTERS * _sigma(counts[0] / REGISTERS)
        return _ALPHA * REGISTERS * REGISTERS / total if total else float(1 << HASH_BITS)


def _sigma(share: float) -> float:
    """Correct for registers in which nothing is yet; `share` of all, below 1."""
    weight, total = 1.0, share
    while True:
        share *= share
        before = total
        total += share * weight
        weight += weight
        if total == before:
            return total


def _tau(share: float) -> float:
    """Correct for registers that can hold no more."""
    if share in (0.0, 1.0):
        return 0.0
    weight, total = 1.0, 1 - share
    while True:
        share = math.sqrt(share)
        before = total
        weight *= 0.5
        total -= (1 - share) ** 2 * weight
        if total == before:
            return total / 3

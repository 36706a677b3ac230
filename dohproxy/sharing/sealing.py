"""What is written to the store is sealed: who reads it there learns nothing, and nothing that was changed is believed.

AES-256 in Galois/Counter Mode (NIST SP 800-38D) with a random nonce of 96 bits: with so many values as one key may seal
(2^32, section 8.3) a thousand a second last for 49 days, and each day has a key of its own.
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dohproxy.sharing.keys import Keys

FORM: Final = 1
"""The first byte: how the rest is to be read."""
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
DAY_SECONDS: Final = 86_400
_DAY_BYTES: Final = 4
_HEAD_BYTES: Final = 1 + _DAY_BYTES + NONCE_BYTES
OVERHEAD_BYTES: Final = _HEAD_BYTES + TAG_BYTES
_MOST_KEYS: Final = 4
"""Days whose keys are kept at hand: yesterday's, today's, and those of nodes whose clocks are off."""


class Seal:
    """Seals and opens values of one purpose."""

    def __init__(self, keys: Keys, purpose: str) -> None:
        self._keys = keys
        self._purpose = purpose
        self._ciphers: dict[int, AESGCM] = {}

    def seal(self, plain: bytes, about: bytes, wall_time: float) -> bytes:
        """Return `plain` sealed. It can be opened only together with `about`, which is not hidden: what one value is
        stored under, so that none can be put in the place of another. `wall_time` in Unix seconds."""
        day = int(wall_time) // DAY_SECONDS
        nonce = os.urandom(NONCE_BYTES)
        head = bytes([FORM]) + day.to_bytes(_DAY_BYTES) + nonce
        return head + self._cipher(day).encrypt(nonce, plain, head + about)

    def open(self, sealed: object, about: bytes) -> bytes | None:
        """Return what was sealed together with `about`; None for what is anything else."""
        if not isinstance(sealed, bytes) or len(sealed) < OVERHEAD_BYTES or sealed[0] != FORM:
            return None
        head = sealed[:_HEAD_BYTES]
        cipher = self._cipher(int.from_bytes(head[1 : 1 + _DAY_BYTES]))
        try:
            return cipher.decrypt(head[1 + _DAY_BYTES :], sealed[_HEAD_BYTES:], head + about)
        except InvalidTag:
            return None

    def _cipher(self, day: int) -> AESGCM:
        cipher = self._ciphers.get(day)
        if cipher is None:
            if len(self._ciphers) >= _MOST_KEYS:
                self._ciphers.clear()
            cipher = self._ciphers[day] = AESGCM(self._keys.derive(f"seal {self._purpose} {day}"))
        return cipher

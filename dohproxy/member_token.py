"""A member's token: who has it is a member, wherever he is.

A token is 128 random bits. It is known here by its hash alone, and looked up by that. Hence two things:

- The hash needs neither salt nor a slow function: those are for secrets that can be guessed, and nobody can try 2**128.
- The comparison tells nothing by its time. What is compared is the hash of what was sent, and which of its bits are
  right nobody can choose; and a look-up in a set compares bytes only where 64 bits of another keyed hash are equal.
"""

import base64
import hashlib
from typing import Final

TOKEN_BYTES: Final = 16
"""Random bytes of a token."""
TOKEN_CHARACTERS: Final = 22
"""The same as base64url without padding, whose characters mean themselves in a path."""
LABEL_CHARACTERS: Final = 26
"""The same as base32 without padding, for names, which have no case."""
DIGEST_BYTES: Final = 32


def token_of(drawn: bytes) -> str:
    """Return the text of a token. ValueError if `drawn` has not TOKEN_BYTES."""
    if len(drawn) != TOKEN_BYTES:
        raise ValueError(f"a token is made of {TOKEN_BYTES} bytes, not {len(drawn)}")
    return base64.urlsafe_b64encode(drawn).rstrip(b"=").decode()


def digest_of(token: str) -> bytes:
    """Return what a token is known by."""
    return hashlib.blake2b(token.encode(), digest_size=DIGEST_BYTES, person=b"member token").digest()

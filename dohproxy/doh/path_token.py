"""A member's token at the end of the path, `/dns-query/TOKEN`: who has it is a member, wherever he is.

Clients can be told a URL and nothing else, so that is where the secret stands. A token is 128 random bits. It is known
here by its hash alone, and looked up by that. Hence two things:

- The hash needs neither salt nor a slow function: those are for secrets that can be guessed, and nobody can try 2**128.
- The comparison tells nothing by its time. What is compared is the hash of what was sent, and which of its bits are
  right nobody can choose; and a look-up in a set compares bytes only where 64 bits of another keyed hash are equal.

All wrong tokens end alike, and cost as much: one hash more than another wrong path, of a text of known length.
"""

import base64
import hashlib
import re
from typing import Final

from dohproxy.value import value

TOKEN_BYTES: Final = 16
"""Random bytes of a token."""
TOKEN_CHARACTERS: Final = 22
"""The same as base64url without padding, whose characters mean themselves in a path."""
DIGEST_BYTES: Final = 32

_TOKEN: Final = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_CHARACTERS}}}", re.ASCII)


@value
class Invitation:
    """What a member is given: all that a client has to be told. It is a secret, and shown once."""

    url: str
    stamps: tuple[str, ...]
    """Stamps of the same, each for one address where clients connect."""
    remarks: tuple[str, ...] = ()
    """What to know of the stamps before they are given away."""


def token_of(drawn: bytes) -> str:
    """Return the text of a token. ValueError if `drawn` has not TOKEN_BYTES."""
    if len(drawn) != TOKEN_BYTES:
        raise ValueError(f"a token is made of {TOKEN_BYTES} bytes, not {len(drawn)}")
    return base64.urlsafe_b64encode(drawn).rstrip(b"=").decode()


def digest_of(token: str) -> bytes:
    """Return what a token is known by."""
    return hashlib.blake2b(token.encode(), digest_size=DIGEST_BYTES, person=b"member token").digest()


def member_path(path: str, token: str) -> str:
    """Return the path of the DoH resource for who has this token; `path` is everybody's."""
    return f"{path.removesuffix('/')}/{token}"


def digest_in(path: str, everybodys: str) -> bytes | None:
    """Return the digest of the token that a path ends with; None if there is none of its form."""
    before = len(path) - TOKEN_CHARACTERS
    if before <= 0 or path[:before] != member_path(everybodys, ""):
        return None
    token = path[before:]
    return digest_of(token) if _TOKEN.fullmatch(token) else None

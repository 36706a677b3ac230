"""A member's token at the end of the path, `/dns-query/TOKEN`: who has it is a member, wherever he is.

Clients of DoH can be told a URL and nothing else, so that is where the secret stands.

All wrong tokens end alike, and cost as much: one hash more than another wrong path, of a text of known length.
"""

import re
from typing import Final

from dohproxy.member_token import TOKEN_CHARACTERS, digest_of
from dohproxy.value import value

_TOKEN: Final = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_CHARACTERS}}}", re.ASCII)


@value
class Invitation:
    """What a member is given: all that a client has to be told. It is a secret, and shown once."""

    url: str
    stamps: tuple[str, ...]
    """Stamps of the same, each for one address where clients connect."""
    dot_name: str | None = None
    """The name for DNS over TLS, where that is served; the certificate has to be for it."""
    remarks: tuple[str, ...] = ()
    """What to know of the stamps before they are given away."""


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

"""A member's token as a name, `TOKEN.dot.example.net`: a client of DoT can be told a name and nothing else.

The name stands in the first message of the handshake (SNI), and there in the clear: unlike a path it is no secret to
whoever sees the packets. And names have no case: so the sixteen bytes of the token are written in base32, as the label
that Android, systemd-resolved and others take for a host name.
"""

import base64
import binascii
from typing import Final

from dohproxy.member_token import LABEL_CHARACTERS, TOKEN_BYTES, digest_of, token_of

_PADDING: Final = "=" * 6


def label_of(token: str) -> str:
    """Return a token as the first label of a name. ValueError if it is none."""
    drawn = base64.urlsafe_b64decode(token + "==")
    if len(drawn) != TOKEN_BYTES or token_of(drawn) != token:
        raise ValueError("that is no token")
    return base64.b32encode(drawn).decode().rstrip("=").lower()


def member_name(host: str, token: str) -> str:
    """Return the name that a member connects to; `host` is everybody's."""
    return f"{label_of(token)}.{host}"


def digest_in_name(name: str | None, host: str) -> bytes | None:
    """Return the digest of the token with which a client's name begins; None if there is none of its form."""
    if name is None or len(name) <= LABEL_CHARACTERS:
        return None
    label, dot, parent = name.lower().rstrip(".").partition(".")
    if not dot or parent != host.lower() or len(label) != LABEL_CHARACTERS:
        return None
    try:
        drawn = base64.b32decode(label.upper() + _PADDING)
    except (binascii.Error, ValueError):
        return None
    # One text a token: the last character has bits to spare.
    token = token_of(drawn)
    return digest_of(token) if label_of(token) == label else None

"""Handshakes that are begun within the process, to see what a server's context does with a client's first message.

The messages are written by hand (RFC 8446 section 4.1.2), because no client can be told to send what an attacker does:
a share that nobody has computed anything for. It is the first message that makes a server compute.
"""

import os
import ssl
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from typing import Final

X25519: Final = 0x001D
P256: Final = 0x0017
X25519_BYTES: Final = 32
FINITE_FIELDS: Final = {
    "ffdhe2048": 0x0100,
    "ffdhe3072": 0x0101,
    "ffdhe4096": 0x0102,
    "ffdhe6144": 0x0103,
    "ffdhe8192": 0x0104,
}
"""RFC 7919."""
DEAR_CURVES: Final = {"P-384": 0x0018, "P-521": 0x0019, "X448": 0x001E}
P256_POINT: Final = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
"""A share that needs no computing: the curve's own generator (SP 800-186)."""
SUITES_1_3: Final = (0x1301, 0x1303, 0x1302)
DHE_SUITES_1_2: Final = (0x009E, 0x009F, 0xCCAA, 0x0033, 0x0039)
"""The suites of TLS 1.2 with finite-field Diffie-Hellman, and AES-GCM, ChaCha20 or AES-CBC."""

_TLS_1_2: Final = b"\x03\x03"
_SIGNATURES: Final = (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601)
"""All that a certificate of today may need: ECDSA, Ed25519, Ed448, RSA-PSS, RSA."""
_HANDSHAKE: Final = 22
_SERVER_HELLO: Final = 2
_RETRY: Final = sha256(b"HelloRetryRequest").digest()
"""What stands for the server's random bytes if the client is to come again (RFC 8446 section 4.1.3)."""


class Reaction(Enum):
    """What a server does with a first message."""

    REFUSES = auto()
    ANSWERS = auto()
    ASKS_AGAIN = auto()
    """HelloRetryRequest: it wants a share of another group, which costs a round trip."""


@dataclass(frozen=True, slots=True)
class LocalHandshake:
    """What one first message has led to."""

    reaction: Reaction
    cpu_seconds: float
    """What the message has cost the server, of one core."""


def hello(shares: Iterable[tuple[int, bytes]], groups: Iterable[int]) -> bytes:
    """Return the record of a ClientHello of TLS 1.3 with these key shares, offering these groups."""
    named = _list(groups)
    shown = b"".join(struct.pack("!HH", group, len(share)) + share for group, share in shares)
    return _client_hello(
        SUITES_1_3,
        (0x002B, b"\x02\x03\x04"),
        (0x000A, struct.pack("!H", len(named)) + named),
        (0x0033, struct.pack("!H", len(shown)) + shown),
    )


def hello_1_2(suites: Iterable[int], groups: Iterable[int]) -> bytes:
    """Return the record of a ClientHello of TLS 1.2."""
    named = _list(groups)
    return _client_hello(suites, (0x000A, struct.pack("!H", len(named)) + named), (0x000B, b"\x01\x00"))


def ordinary_hello() -> bytes:
    """Return what most clients send: a share of X25519, P-256 beside it. Any 32 bytes are such a share."""
    return hello([(X25519, os.urandom(X25519_BYTES))], [X25519, P256])


def cheap_hello() -> bytes:
    """Return what costs a stranger nothing and a server a whole handshake, in either group."""
    return hello([(X25519, os.urandom(X25519_BYTES)), (P256, P256_POINT)], [X25519, P256])


def dheat_hello() -> bytes:
    """Return the message of the attack D(HE)at: random bytes for a share of ffdhe8192."""
    group = FINITE_FIELDS["ffdhe8192"]
    return hello([(group, b"\x00" + os.urandom(1023))], [group])


def attempt(context: ssl.SSLContext, message: bytes) -> LocalHandshake:
    """Show `message` to a server with this context."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    began = time.thread_time()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(message)
    try:
        server.do_handshake()
    except ssl.SSLWantReadError:
        reaction = _reaction(outgoing.read())
    except ssl.SSLError:
        reaction = Reaction.REFUSES
    else:
        reaction = Reaction.ANSWERS
    return LocalHandshake(reaction, time.thread_time() - began)


def _reaction(said: bytes) -> Reaction:
    # A record's header of 5 bytes, a message's of 4, a version of 2, and the random bytes.
    if len(said) < 43 or said[0] != _HANDSHAKE or said[5] != _SERVER_HELLO:
        return Reaction.REFUSES
    return Reaction.ASKS_AGAIN if said[11:43] == _RETRY else Reaction.ANSWERS


def _client_hello(suites: Iterable[int], *extensions: tuple[int, bytes]) -> bytes:
    signatures = _list(_SIGNATURES)
    every = (*extensions, (0x000D, struct.pack("!H", len(signatures)) + signatures))
    packed = b"".join(struct.pack("!HH", kind, len(body)) + body for kind, body in every)
    listed = _list(suites)
    message = b"".join((
        _TLS_1_2, os.urandom(32),
        b"\x20", os.urandom(32),
        struct.pack("!H", len(listed)), listed,
        b"\x01\x00",
        struct.pack("!H", len(packed)), packed,
    ))  # fmt: skip
    handshake = b"\x01" + len(message).to_bytes(3) + message
    return bytes((_HANDSHAKE,)) + b"\x03\x01" + struct.pack("!H", len(handshake)) + handshake


def _list(numbers: Iterable[int]) -> bytes:
    return b"".join(number.to_bytes(2) for number in numbers)

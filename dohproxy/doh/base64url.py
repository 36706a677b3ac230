"""The `dns` variable of a GET: base64url without padding, read strictly (RFC 8484 section 6, RFC 4648 section 5).

One query has exactly one spelling. A lenient decoder would let a cache in front of us be filled with millions of
spellings of the same question.
"""

import binascii
from typing import Final

_TO_STANDARD: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
"""What is no character of base64url becomes what is none of base64 either."""
_PADDING: Final = (b"", None, b"==", b"=")
"""The padding to add, by length modulo 4; no encoding leaves a single character over."""
_SPARE_BITS: Final = (0, 0, 0x0F, 0x03)
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def decoded_bytes(encoded: str) -> int:
    """Return how many bytes `encoded` stands for, before anything is decoded."""
    return len(encoded) * 3 // 4


def decode(encoded: str) -> bytes:
    """Return the bytes of a base64url text.

    Raises ValueError for "=", characters of another alphabet, an impossible length, or spare bits that are not zero.
    """
    rest = len(encoded) % 4
    padding = _PADDING[rest]
    if padding is None:
        raise ValueError("no base64url is so long")
    if rest and _ALPHABET.find(encoded[-1]) & _SPARE_BITS[rest]:
        raise ValueError("spare bits are set")
    return binascii.a2b_base64(encoded.encode("ascii").translate(_TO_STANDARD) + padding, strict_mode=True)

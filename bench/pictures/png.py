"""Pixels into a PNG of few bytes: a palette of the commonest colours, as pages have few of them (W3C PNG, third
edition)."""

import struct
import zlib
from collections import Counter
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MOST_COLOURS: Final = 64
"""A letter's edge has some shades between ink and paper; beyond these nobody sees the difference."""
APART: Final = 100
"""The least squared distance of two colours of the palette: shades that nobody tells apart would leave no room for a
thin line of a colour of its own."""
_INDEXED: Final = 3
"""The colour type of a picture with a palette."""


def indexed(pixels: bytes, width: int) -> bytes:
    """Return the file of a picture of these pixels, four bytes each (red, green, blue, and opacity, which is left out),
    row by row. Each colour becomes the one of the palette that is most like it."""
    colours = [pixels[place : place + 3] for place in range(0, len(pixels), 4)]
    common = Counter(colours).most_common()
    palette = _palette([colour for colour, _ in common])
    places = {colour: _nearest(colour, palette) for colour, _ in common}
    numbers = bytes(places[colour] for colour in colours)
    rows = b"".join(b"\x00" + numbers[first : first + width] for first in range(0, len(numbers), width))
    head = struct.pack("!IIBBBBB", width, len(numbers) // width, 8, _INDEXED, 0, 0, 0)
    return SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", head),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def size_of(file: bytes) -> tuple[int, int]:
    """Return width and height. Raises ValueError for what is no PNG."""
    if file[:8] != SIGNATURE or file[12:16] != b"IHDR":
        raise ValueError("this is no PNG")
    width, height = struct.unpack_from("!II", file, 16)
    return int(width), int(height)


def _palette(common: list[bytes]) -> list[bytes]:
    palette: list[bytes] = []
    for colour in common:
        if len(palette) < MOST_COLOURS and all(_distance(colour, other) >= APART for other in palette):
            palette.append(colour)
    return palette


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    return min(range(len(palette)), key=lambda place: _distance(palette[place], colour))


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))

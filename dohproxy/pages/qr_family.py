"""QR codes (ISO/IEC 18004) of texts that differ in some places alone, each drawn in less than a tenth of a millisecond.

To make one code takes some milliseconds, too long for a page view. But all between a text and its modules is linear
over single bits, as long as length and mask are the same: the error correction (section 7.5), the order of the bits
(section 7.6, 7.7), and the mask itself. So the code of a text is that of another one in which, for each bit in which
the two texts differ, certain modules are turned, whatever else stands there. Which ones, is found out beforehand.

Of eight bits in one codeword, one is found out by a code that is made, and the next ones follow: error correction is
linear over GF(256) too, where the next bit is twice the one before (section 7.5.2).
"""

import base64
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from segno import QRCode

QUIET_MODULES: Final = 4
"""Light ones around a code (section 6.3.8)."""
_BITS: Final = 7
"""Of a character of ASCII."""
_HALF: Final = 4
"""Mode and count are 12 or 20 bits, so that a character of eight bits stands in two codewords, half in each."""
_TIMING_COLUMN: Final = 6
_FORMAT_ROW: Final = 8
_PRIMITIVE: Final = 0x11D
"""x^8 + x^4 + x^3 + x^2 + 1, by which GF(256) is made (section 7.5.2)."""


@dataclass(frozen=True, slots=True)
class QrCode:
    """A code, as a page shows it."""

    address: str
    """Of its picture, which stands in the page itself."""
    size: int
    """Modules of a side, the light ones around it included."""


def qr_code(text: str) -> QrCode:
    """Return the code of a text; it takes some tens of milliseconds."""
    alone = QrFamily(text, (), lambda: None)
    return QrCode(alone.picture_in_page(text), alone.size)


class QrFamily:
    """The codes of a text, and of all that differ from it in these places alone, in ASCII."""

    def __init__(self, text: str, places: Sequence[int], pause: Callable[[], None]) -> None:
        """Find out what turns which modules: by a code for each place, and one more. `pause` is called between them,
        for others that want to run."""
        # Imported here because it takes as long as many pages, and nobody else in the service has use for it.
        import segno

        first = segno.make_qr(text, error="m", mode="byte", boost_error=False)

        def made(other: str) -> "QRCode":
            pause()
            return segno.make_qr(
                other, error="m", mode="byte", version=first.version, mask=first.mask, boost_error=False
            )

        self._text = text
        self._places = sorted(places, reverse=True)
        self.size = len(first.matrix) + 2 * QUIET_MODULES
        """Modules of a side, the light ones around it included."""
        order = _codewords(first)
        whole = [list(row) for row in first.matrix]
        self._first = self._pixels_of(whole)
        self._turned: list[list[int]] = []
        """For each place, the last first, and each bit of its character: the modules that it turns."""

        def turned_by(place: int, bit: int) -> list[int]:
            """Make a code in which one bit of a text is another; return its codewords where they are others."""
            changed = f"{text[:place]}{chr(ord(text[place]) ^ 1 << bit)}{text[place + 1 :]}"
            other = made(changed).matrix
            return [sum((whole[y][x] ^ other[y][x]) << place for place, (y, x) in enumerate(one)) for one in order]

        shared: dict[int, list[int]] = {}
        for place in sorted(places, reverse=True):
            upper = shared[place] = turned_by(place, _HALF)
            # The lower half of a character shares its codeword with the upper half of the next one.
            lower = _times(shared[place + 1], _HALF) if place + 1 in shared else turned_by(place, 0)
            bits = [_times(lower, bit) for bit in range(_HALF)] + [_times(upper, bit) for bit in range(_BITS - _HALF)]
            self._turned.append([self._bits_of(codewords, order) for codewords in bits])

    def picture(self, text: str) -> bytes:
        """Return a PNG of the code of a text, a pixel a module; all of a family have the same length."""
        rows = self._first
        for place, turned in zip(self._places, self._turned, strict=True):
            differing = ord(self._text[place]) ^ ord(text[place])
            for bit, modules in enumerate(turned):
                if differing >> bit & 1:
                    rows ^= modules
        return _png(rows.to_bytes(self.size * self._row_bytes), self.size)

    def picture_in_page(self, text: str) -> str:
        """Return the same as the address of a picture that stands in the page itself."""
        return f"data:image/png;base64,{base64.b64encode(self.picture(text)).decode()}"

    @property
    def _row_bytes(self) -> int:
        """Of a row of pixels, behind a byte that says that it is not filtered."""
        return 1 + (self.size + 7) // 8

    def _bits_of(self, codewords: Sequence[int], order: Sequence[Sequence[tuple[int, int]]]) -> int:
        """Return the pixels of the modules that are set in these codewords."""
        found = 0
        for codeword, modules in zip(codewords, order, strict=True):
            for bit, (y, x) in enumerate(modules):
                if codeword >> bit & 1:
                    found |= self._pixel(y, x)
        return found

    def _pixels_of(self, matrix: Sequence[Sequence[int]]) -> int:
        """Return the pixels of a whole code, of which those are set that are light."""
        around = range(-QUIET_MODULES, self.size - QUIET_MODULES)
        light = sum(self._pixel(y, x) for y in around for x in around)
        return light ^ sum(self._pixel(y, x) for y, row in enumerate(matrix) for x, dark in enumerate(row) if dark)

    def _pixel(self, y: int, x: int) -> int:
        """Return the one bit of a module, counted within the code."""
        row_bits = 8 * self._row_bytes
        place = (y + QUIET_MODULES) * row_bits + 8 + x + QUIET_MODULES
        return 1 << self.size * row_bits - 1 - place


def _codewords(code: "QRCode") -> list[list[tuple[int, int]]]:
    """Return where the bits of each codeword are, row and column, the lowest bit first; the few bits that are left are
    no codeword (section 7.6)."""
    from segno import consts

    is_data = [
        [kind in (consts.TYPE_DATA_DARK, consts.TYPE_DATA_LIGHT) for kind in row]
        for row in code.matrix_iter(border=0, verbose=True)
    ]
    # Which segno takes for the first of the eight beside it that say the format (section 7.9.1).
    is_data[_FORMAT_ROW][len(is_data) - 9] = True
    places = [(y, x) for y, x in _way_of_bits(len(is_data)) if is_data[y][x]]
    return [places[begin : begin + 8][::-1] for begin in range(0, len(places) - 7, 8)]


def _way_of_bits(size: int) -> Iterator[tuple[int, int]]:
    """Yield row and column of all modules in the order in which they are filled: two columns at a time from the right,
    upwards and downwards by turns (section 7.7.3)."""
    rights = [right if right > _TIMING_COLUMN else right - 1 for right in range(size - 1, 0, -2)]
    for number, right in enumerate(rights):
        rows = range(size) if number % 2 else range(size - 1, -1, -1)
        for y in rows:
            yield y, right
            yield y, right - 1


def _times(codewords: Sequence[int], power: int) -> list[int]:
    """Return codewords multiplied by so many twos in GF(256)."""
    found = list(codewords)
    for _ in range(power):
        found = [codeword << 1 ^ (_PRIMITIVE if codeword & 0x80 else 0) for codeword in found]
    return found


def _png(rows: bytes, size: int) -> bytes:
    """Return a picture of black and white (W3C PNG, third edition) of a square's rows. They are stored as they are
    (RFC 1951 section 3.2.4), so that the length does not depend on what they show."""
    head = struct.pack("!IIBBBBB", size, size, 1, 0, 0, 0, 0)
    stored = struct.pack("<BHH", 1, len(rows), len(rows) ^ 0xFFFF) + rows
    data = b"\x78\x01" + stored + zlib.adler32(rows).to_bytes(4)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)
        for kind, content in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    )

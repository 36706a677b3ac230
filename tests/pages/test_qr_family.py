"""The codes of a family are those that are made one by one, and a picture is what programs read as one."""

import random
import zlib
from functools import cache

import pytest
import segno

from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.pages.qr_family import QUIET_MODULES, QrFamily

TOKENS = [
    "-_" * 11,
    *(token_of(bytes([byte]) * TOKEN_BYTES) for byte in (0x00, 0xFF)),
    *(token_of(random.Random(seed).randbytes(TOKEN_BYTES)) for seed in range(4)),  # noqa: S311 - the same each time
]
MARK = "-" * 22
TEXTS = {
    "a URL": f"https://doh.example.net/setup/{MARK}",
    "something behind": f"https://[2001:db8::1]:8443/setup/{MARK}/x",
    "several blocks of error correction": f"sdns://{'AgcAAAAAAAAACzE5Mi4wLjIuMSA' * 3}{MARK}",
    "sixteen bits for the number of characters": f"https://{'a' * 150}.example.net/setup/{MARK}",
}


@cache
def family_of(text: str) -> QrFamily:
    begin = text.index(MARK)
    return QrFamily(text, range(begin, begin + len(MARK)), lambda: None)


def modules_in(picture: bytes) -> list[list[bool]]:
    """The pixels of a PNG without filters, one bit each, dark ones as True."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(picture):
        length = int.from_bytes(picture[place : place + 4])
        kind, content = picture[place + 4 : place + 8], picture[place + 8 : place + 8 + length]
        assert zlib.crc32(kind + content) == int.from_bytes(picture[place + 8 + length : place + 12 + length])
        chunks[kind] = content
        place += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    size = int.from_bytes(chunks[b"IHDR"][:4])
    assert chunks[b"IHDR"] == size.to_bytes(4) * 2 + bytes([1, 0, 0, 0, 0])
    rows = zlib.decompress(chunks[b"IDAT"])
    width = 1 + (size + 7) // 8
    assert len(rows) == size * width
    found = []
    for begin in range(0, len(rows), width):
        assert rows[begin] == 0
        bits = "".join(f"{byte:08b}" for byte in rows[begin + 1 : begin + width])
        assert set(bits[size:]) <= {"0"}
        found.append([bit == "0" for bit in bits[:size]])
    return found


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_each_is_the_code_of_its_text(text: str) -> None:
    family, first = family_of(text), segno.make_qr(text, error="m", mode="byte", boost_error=False)
    for token in TOKENS:
        wanted = text.replace(MARK, token)
        code = segno.make_qr(wanted, error="m", mode="byte", version=first.version, mask=first.mask, boost_error=False)
        expected = [[bool(module) for module in row] for row in code.matrix_iter(border=QUIET_MODULES)]
        assert modules_in(family.picture(wanted)) == expected
        assert len(expected) == family.size


def test_no_text_is_longer_in_a_page_than_another() -> None:
    text = TEXTS["a URL"]
    family = family_of(text)
    lengths = {len(family.picture_in_page(text.replace(MARK, token))) for token in TOKENS}
    assert len(lengths) == 1
    assert family.picture_in_page(text).startswith("data:image/png;base64,iVBOR")


def test_others_have_their_turn_while_it_is_found_out() -> None:
    turns: list[None] = []
    QrFamily("https://doh.example.net/setup/--", range(30, 32), lambda: turns.append(None))
    assert len(turns) == 3

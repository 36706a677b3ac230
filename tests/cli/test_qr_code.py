"""What is drawn at a terminal is the code of the text, module by module."""

import segno

from dohproxy.cli.qr_code import qr_code

URL = "https://doh.example.net/dns-query/AAECAwQFBgcICQoLDA0ODw"
BORDER = 4
"""Light modules around a code (ISO/IEC 18004 section 6.3.8)."""
UPPER, LOWER = "▀█", "▄█"


def _modules(text: str) -> list[list[bool]]:
    """Return which modules are dark, two rows to each line of half blocks; what is drawn is light."""
    rows = []
    for line in text.splitlines():
        rows.append([character not in UPPER for character in line])
        rows.append([character not in LOWER for character in line])
    return rows


def test_what_is_drawn_is_the_code_of_the_text_with_its_border() -> None:
    code = segno.make_qr(URL, error="m")
    expected = [[bool(module) for module in row] for row in code.matrix_iter(border=BORDER)]
    drawn = _modules(qr_code(URL))
    assert [row[: len(expected[0])] for row in drawn[: len(expected)]] == expected


def test_it_fits_a_terminal() -> None:
    lines = qr_code(URL).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_another_text_is_another_code() -> None:
    assert qr_code(URL) != qr_code(URL.replace("AAEC", "AAED"))

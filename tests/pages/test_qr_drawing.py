"""What is drawn in a page is the code of the text, module by module."""

import re

import segno

from dohproxy.pages.qr_drawing import qr_drawing

URL = "https://doh.example.net/dns-query"
BORDER = 4
"""Light modules around a code (ISO/IEC 18004 section 6.3.8)."""


def test_what_is_drawn_is_the_code_of_the_text_with_its_border() -> None:
    expected = [[bool(module) for module in row] for row in segno.make_qr(URL, error="m").matrix_iter(border=BORDER)]
    size = len(expected)
    drawn = [[False] * size for _ in range(size)]
    svg = qr_drawing(URL)("words")
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", svg):
        for column in range(int(x), int(x) + int(length)):
            drawn[int(y)][column] = True
    assert drawn == expected
    assert f'viewBox="0 0 {size} {size}"' in svg


def test_who_does_not_see_it_is_told_what_it_is() -> None:
    assert 'role="img" aria-label="&lt;words&gt;"' in qr_drawing(URL)("<words>")

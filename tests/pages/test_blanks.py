"""What in members' documents is made of a token is that of this token, as the programs that make it otherwise say."""

import base64

import pytest
import segno

from dohproxy.doh.stamp import Protocol, Stamp
from dohproxy.doh.stamp_codec import decode, encode
from dohproxy.pages.blanks import CodeBlank, blank_text, stamp_text, url_text
from dohproxy.pages.document import Blank
from dohproxy.pages.setup_paths import TOKEN_MARK
from tests.pages.test_qr_family import TOKENS, modules_in

URL = "https://doh.example.net/setup/"


def stamp_for(token: str, host: str = "doh.example.net") -> str:
    return encode(Stamp(Protocol.DOH, address="192.0.2.1", host=host, path=f"/dns-query/{token}"))


HOSTS = ["doh.example.net", "doh1.example.net", "doh12.example.net"]
"""So that a token begins at each of the three places of a group of base64."""
STAMPS = {host: stamp_text(stamp_for(TOKEN_MARK, host)) for host in HOSTS}


@pytest.mark.parametrize("host", HOSTS)
def test_a_stamp_is_that_of_the_token(host: str) -> None:
    for token in TOKENS:
        found = STAMPS[host](token)
        assert found == stamp_for(token, host)
        assert decode(found).path == f"/dns-query/{token}"


def test_where_a_text_stands_is_found_by_what_it_is_for_nobody() -> None:
    blank = blank_text(stamp_text(stamp_for(TOKEN_MARK)))
    assert blank.mark == stamp_for(TOKEN_MARK).encode()
    assert blank.fill("A" * 22) == stamp_for("A" * 22).encode()


@pytest.mark.parametrize("host", [None, *HOSTS], ids=str)
def test_a_code_is_that_of_the_text_with_the_token(host: str | None) -> None:
    fill = url_text(URL + TOKEN_MARK) if host is None else STAMPS[host]
    code = CodeBlank(fill, lambda: None)
    blank: Blank = code.blank
    assert blank.mark.decode() == code.code.address
    mask = segno.make_qr(fill(TOKEN_MARK), error="m", mode="byte", boost_error=False).mask
    for token in TOKENS:
        filled = blank.fill(token)
        assert len(filled) == len(blank.mark)
        expected = segno.make_qr(fill(token), error="m", mode="byte", boost_error=False, mask=mask)
        picture = base64.b64decode(filled.removeprefix(b"data:image/png;base64,"))
        assert modules_in(picture) == [[bool(module) for module in row] for row in expected.matrix_iter(border=4)]

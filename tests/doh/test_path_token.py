"""Which paths end with a token, and what is known of one."""

import re

import pytest

from dohproxy.doh.path_token import DIGEST_BYTES, TOKEN_BYTES, digest_in, digest_of, member_path, token_of

PATH = "/dns-query"
TOKEN = token_of(bytes(range(TOKEN_BYTES)))


def test_a_token_has_128_bits_in_characters_that_mean_themselves_in_a_path() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", TOKEN)
    assert TOKEN_BYTES * 8 == 128
    assert len({token_of(bytes([number]) * TOKEN_BYTES) for number in range(256)}) == 256


@pytest.mark.parametrize("length", [0, TOKEN_BYTES - 1, TOKEN_BYTES + 1])
def test_fewer_or_more_random_bytes_make_no_token(length: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        token_of(bytes(length))


@pytest.mark.parametrize("path", ["/dns-query", "/", "/a/b"])
def test_the_token_at_the_end_of_a_path_is_known_by_its_digest(path: str) -> None:
    assert digest_in(member_path(path, TOKEN), path) == digest_of(TOKEN)
    assert len(digest_of(TOKEN)) == DIGEST_BYTES


def test_the_digest_does_not_hold_the_token() -> None:
    assert TOKEN.encode() not in digest_of(TOKEN)
    assert digest_of(TOKEN) != digest_of(TOKEN[:-1] + "x")


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        f"{PATH}/",
        f"{PATH}/{TOKEN[:-1]}",
        f"{PATH}/{TOKEN}a",
        f"{PATH}/{TOKEN}/",
        f"{PATH}x{TOKEN}",
        f"/other/{TOKEN}",
        f"/{TOKEN}",
        TOKEN,
        f"{PATH}/{TOKEN[:-1]}.",
        f"{PATH}/{TOKEN[:-1]}\u00e9",
        f"{PATH}/{TOKEN[:-3]}%41",
        f"{PATH}//{TOKEN[:-1]}",
        "",
    ],
)
def test_a_path_of_another_form_has_none(path: str) -> None:
    assert digest_in(path, PATH) is None

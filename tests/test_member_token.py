"""What a member's token is, and what is known of one."""

import re

import pytest

from dohproxy.member_token import DIGEST_BYTES, TOKEN_BYTES, digest_of, token_of

TOKEN = token_of(bytes(range(TOKEN_BYTES)))


def test_a_token_has_128_bits_in_characters_that_mean_themselves_in_a_path() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", TOKEN)
    assert TOKEN_BYTES * 8 == 128
    assert len({token_of(bytes([number]) * TOKEN_BYTES) for number in range(256)}) == 256


@pytest.mark.parametrize("length", [0, TOKEN_BYTES - 1, TOKEN_BYTES + 1])
def test_fewer_or_more_random_bytes_make_no_token(length: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        token_of(bytes(length))


def test_the_digest_does_not_hold_the_token() -> None:
    assert len(digest_of(TOKEN)) == DIGEST_BYTES
    assert TOKEN.encode() not in digest_of(TOKEN)
    assert digest_of(TOKEN) != digest_of(TOKEN[:-1] + "x")

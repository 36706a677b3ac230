"""Which paths end with a token."""

import pytest

from dohproxy.doh.path_token import digest_in, member_path
from dohproxy.member_token import TOKEN_BYTES, digest_of, token_of

PATH = "/dns-query"
TOKEN = token_of(bytes(range(TOKEN_BYTES)))


@pytest.mark.parametrize("path", ["/dns-query", "/", "/a/b"])
def test_the_token_at_the_end_of_a_path_is_known_by_its_digest(path: str) -> None:
    assert digest_in(member_path(path, TOKEN), path) == digest_of(TOKEN)


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

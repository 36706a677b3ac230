"""A member's token as a name, which has no case."""

import pytest

from dohproxy.dot.member_name import digest_in_name, label_of, member_name
from dohproxy.member_token import TOKEN_BYTES, digest_of, token_of

HOST = "dot.example.net"
TOKEN = token_of(bytes(range(TOKEN_BYTES)))
NAME = member_name(HOST, TOKEN)


def test_a_label_is_a_host_names() -> None:
    label = label_of(TOKEN)
    assert label.isalnum()
    assert label.islower()
    assert len(label) == 26
    assert f"{label}.{HOST}" == NAME


@pytest.mark.parametrize("name", [NAME, NAME.upper(), f"{NAME}."])
def test_a_name_is_known_by_the_digest_of_its_token(name: str) -> None:
    assert digest_in_name(name, HOST) == digest_of(TOKEN)
    assert digest_in_name(name, HOST.upper()) == digest_of(TOKEN)


@pytest.mark.parametrize("number", range(0, 256, 5))
def test_every_token_has_a_name(number: int) -> None:
    token = token_of(bytes([number, *range(TOKEN_BYTES - 1)]))
    assert digest_in_name(member_name(HOST, token), HOST) == digest_of(token)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        HOST,
        f"a.{HOST}",
        f"{NAME[:-1]}",
        f"{NAME[1:]}",
        f"x{NAME}",
        f"{'1' * 26}.{HOST}",
        f"{NAME[:25]}b.{HOST}",
        f"{NAME[:26]}.other.example",
        f"\u00e9{NAME[1:]}",
    ],
)
def test_a_name_of_another_form_has_none(name: str | None) -> None:
    assert digest_in_name(name, HOST) is None


@pytest.mark.parametrize("text", ["", "short", TOKEN + "A"])
def test_what_is_no_token_has_no_label(text: str) -> None:
    with pytest.raises(ValueError, match=r"token|padd|base64"):
        label_of(text)

"""Which path is the members' page, whose, and which file of it."""

import pytest

from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.pages.document import Kind, Language
from dohproxy.pages.setup_paths import TOKEN_MARK, SetupTarget, setup_target
from dohproxy.profiles.kinds import KINDS

TOKEN = token_of(bytes(range(TOKEN_BYTES)))
FR = Language.FRENCH


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/setup", SetupTarget(Kind.SETUP, None, "", "")),
        ("/fr/setup", SetupTarget(Kind.SETUP, FR, "", "")),
        (f"/setup/{TOKEN}", SetupTarget(Kind.SETUP, None, TOKEN, "")),
        (f"/fr/setup/{TOKEN}", SetupTarget(Kind.SETUP, FR, TOKEN, "")),
        ("/setup/policies.json", SetupTarget(Kind.PROFILE, None, "", "policies.json")),
        (f"/setup/{TOKEN}/curlrc", SetupTarget(Kind.PROFILE, None, TOKEN, "curlrc")),
    ],
)
def test_each_path_is_one_thing(path: str, target: SetupTarget) -> None:
    assert setup_target(path) == target


@pytest.mark.parametrize(
    "path",
    [
        "/", "/setup/", "/de/setup", "/setup//", f"/setup/{TOKEN}/", f"/setup/{TOKEN}/{TOKEN}", f"/setup/{TOKEN[:-1]}",
        f"/setup/{TOKEN}x", "/setup/../policy", "/setup/a/b", "/fr/setup/policies.json", "/Setup", "/setup/é",
        f"/setup/{TOKEN}\n", "/setup/" + "a" * 4_000 + "!",
    ],
)  # fmt: skip
def test_other_paths_are_none_of_these(path: str) -> None:
    assert setup_target(path) is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
def test_every_file_can_be_named(kind: object) -> None:
    file = kind.file  # type: ignore[attr-defined]  # it is a kind
    found = setup_target(f"/setup/{TOKEN}/{file}")
    assert found is not None
    assert (found.file, found.token, found.prefix) == (file, TOKEN, "member ")


def test_no_member_has_the_token_that_stands_for_all() -> None:
    # Its last character has bits that sixteen bytes leave at zero.
    assert len(TOKEN_MARK) == len(TOKEN)
    assert all(token_of(bytes(15) + bytes([last]))[-1] != TOKEN_MARK[-1] for last in range(256))

"""SECURITY.md names settings and tests: each of them exists."""

import ast
import re
from pathlib import Path

import pytest

from dohproxy.config import reference

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
_NAMED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+(?:\.py)?(?:::\w+)*)`", PAGE)))
SETTINGS = sorted(set(re.findall(r"`([a-z]+\.[a-z_]+)`", re.sub(r"`[^`]*/[^`]*`", "", PAGE))))


def test_the_page_names_settings_and_tests() -> None:
    assert len(TESTS) > 30
    assert len(SETTINGS) > 20


@pytest.mark.parametrize("named", TESTS)
def test_a_named_test_exists(named: str) -> None:
    path, *names = named.split("::")
    assert (ROOT / path).exists()
    if names:
        body: list[ast.stmt] = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
        for name in names:  # As pytest takes it: a function, or a class and a method.
            (found,) = [one for one in body if isinstance(one, _NAMED) and one.name == name]
            body = found.body


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_named_setting_exists(setting: str) -> None:
    section, _, key = setting.partition(".")
    sections = re.split(r"^#?\[\[?(\w+)\]\]?$", reference(), flags=re.MULTILINE)
    keys = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert re.search(rf"^#?{key} = ", keys[section], flags=re.MULTILINE)

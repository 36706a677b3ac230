"""Templates of text: filled, and complete."""

from pathlib import Path

import pytest

from dohproxy.profiles import text_templates
from dohproxy.profiles.text_templates import fill

FILES = sorted(path.name for path in (Path(text_templates.__file__).parent / "templates").iterdir())


def test_a_place_is_filled() -> None:
    assert b'\ndoh-url = "https://x/dns-query"\n' in fill("curlrc", host="x", url="https://x/dns-query")


def test_a_place_that_nothing_is_given_for_is_an_error() -> None:
    with pytest.raises(KeyError, match="url"):
        fill("curlrc", host="x")


@pytest.mark.parametrize("name", FILES)
def test_no_line_of_a_template_is_wider_than_a_terminal(name: str) -> None:
    text = (Path(text_templates.__file__).parent / "templates" / name).read_text(encoding="ascii")
    assert [line for line in text.splitlines() if len(line) > 120] == []
    assert text.endswith("\n")

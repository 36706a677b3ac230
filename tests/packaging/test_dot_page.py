"""docs/dot.md: its examples are configurations with which the service starts."""

import re
from pathlib import Path

import pytest

from dohproxy.config import read

PAGE = (Path(__file__).parents[2] / "docs" / "dot.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'
TLS = '[tls]\ncertificate = "a.pem"\nkey = "a.key"\n'


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_configuration(example: str) -> None:
    behind = "proxy-protocol" in example
    config = read(example + ("" if behind else TLS) + UPSTREAM, directory=Path("/etc/dohproxy"))
    assert config.dot.listen
    assert config.is_public is not behind


def test_every_case_of_the_page_has_one() -> None:
    assert len(EXAMPLES) == PAGE.count("[dot]\nlisten") == 3

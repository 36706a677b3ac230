"""What a node is told of the others."""

from pathlib import Path

import pytest

from dohproxy.config import Config, ConfigError
from dohproxy.config.reader import read

UPSTREAM_TOML = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'


def nodes(text: str) -> Config:
    """Read a configuration with this [nodes] section."""
    return read(f'{UPSTREAM_TOML}\n[nodes]\nstore = "unix:/run/s"\nkey_file = "/k"\n{text}', directory=Path("/"))


def test_a_node_is_alone_unless_it_is_told_of_a_store() -> None:
    assert read(UPSTREAM_TOML, directory=Path("/")).nodes is None


def test_two_nodes_are_expected_where_nothing_is_said() -> None:
    section = nodes("").nodes
    assert section is not None
    assert (section.expected, section.prefix, section.name) == (2, "dohproxy", None)


@pytest.mark.parametrize("name", ["paris-1", "a", "node.example.net"])
def test_a_name_is_one_word(name: str) -> None:
    section = nodes(f'name = "{name}"').nodes
    assert section is not None
    assert section.name == name


@pytest.mark.parametrize(
    "line", ['name = "two words"', 'name = "-a"', 'prefix = "a:b"', 'prefix = "{a}"', 'user = ""', "expected = 0"]
)
def test_what_would_be_something_else_in_the_store_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match=r"nodes\."):
        nodes(line)

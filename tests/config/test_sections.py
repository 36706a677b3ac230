"""The schema as data."""

from pathlib import Path

import pytest

from dohproxy.config import DIALECTS
from dohproxy.config.addresses import Unusable
from dohproxy.config.keys import Integer, Number, Text, TextList
from dohproxy.config.sections import SECTIONS, DeclaredKey

KEYS = [pytest.param(key, id=f"{section.name}.{key.name}") for section in SECTIONS for key in section.keys.values()]


@pytest.mark.parametrize("declared", KEYS)
def test_every_key_has_a_reason(declared: DeclaredKey) -> None:
    assert declared.key.why.endswith(".")


@pytest.mark.parametrize("declared", KEYS)
def test_every_default_and_example_would_be_accepted_from_a_file(declared: DeclaredKey) -> None:
    key, example = declared.key, declared.example()
    items = list(example) if isinstance(example, list | tuple) else [example]
    for item in items:
        reader = key.item if isinstance(key, TextList) else key
        try:
            reader.read(str(item) if isinstance(reader, Text) else item, Path("/etc/dohproxy"))
        except Unusable as error:
            pytest.fail(f"{declared.example_line()} {error}")


@pytest.mark.parametrize("declared", KEYS)
def test_every_number_has_room_between_its_bounds(declared: DeclaredKey) -> None:
    if isinstance(declared.key, Integer | Number):
        assert declared.key.minimum < declared.key.maximum
        assert declared.key.unit


def test_the_names_of_dialects_are_the_keys_of_their_section() -> None:
    dialects = next(section for section in SECTIONS if section.name == "dialects")
    assert list(dialects.keys) == list(DIALECTS)

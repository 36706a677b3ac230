"""Budgets for kinds of upstream."""

from pathlib import Path

import pytest

from dohproxy.config.addresses import Unusable
from dohproxy.config.keys import Integer, Number
from dohproxy.config.presets import PRESETS, parse_upstream_name
from dohproxy.config.sections import UPSTREAM


def test_the_presets_are_the_choices_of_the_key() -> None:
    assert UPSTREAM.keys["preset"].key.allowed() == ", ".join(f'"{word}"' for word in PRESETS)


@pytest.mark.parametrize("word", PRESETS)
@pytest.mark.parametrize("number", ["queries_per_second", "burst", "in_flight"])
def test_every_preset_is_within_the_bounds_of_its_keys(word: str, number: str) -> None:
    key = UPSTREAM.keys[number].key
    value = getattr(PRESETS[word], number)
    assert isinstance(key, Integer | Number)
    assert key.minimum <= value <= key.maximum


def test_the_default_is_the_smallest_budget() -> None:
    assert min(PRESETS.values(), key=lambda preset: preset.queries_per_second) is PRESETS["associative"]


@pytest.mark.parametrize("name", ["ns0", "A", "9", "ns0.fdn-fr_v4", "a" * 32])
def test_an_upstream_name_is_accepted(name: str) -> None:
    assert parse_upstream_name(name, Path()) == name


@pytest.mark.parametrize("name", ["", "-a", ".", "a b", 'a"', "é", "a" * 33, "a\n"])
def test_a_name_that_would_spoil_a_metric_or_a_command_is_refused(name: str) -> None:
    with pytest.raises(Unusable, match="1 to 32 letters"):
        parse_upstream_name(name, Path())

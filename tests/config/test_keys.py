"""What one key may hold."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from dohproxy.config.addresses import Unusable, parse_host_name
from dohproxy.config.keys import (
    Choice,
    Duration,
    Integer,
    Key,
    Number,
    Switch,
    Text,
    TextList,
    name_type,
    show,
)

HERE = Path("/etc/dohproxy")
INTEGER = Integer(1, 100, "requests", "because")
NUMBER = Number(0.5, 60, "seconds", "because")
CHOICE = Choice(("text", "json"), "because", (("logfmt", "that is for others."),))
SWITCH = Switch("because")
DURATION = Duration(60, 7 * 86_400, "because")
TEXT = Text(lambda text, _: parse_host_name(text), "host name", "doh.example.net", "because")


@pytest.mark.parametrize("value", [1, 50, 100], ids=["the minimum", "between", "the maximum"])
def test_a_whole_number_within_its_bounds_is_taken(value: int) -> None:
    assert INTEGER.read(value, HERE) == value


@pytest.mark.parametrize("value", [True, False])
def test_a_switch_is_taken_as_it_is(value: bool) -> None:
    assert SWITCH.read(value, HERE) is value


@pytest.mark.parametrize("value", [0.5, 1, 60], ids=["the minimum", "a whole one", "the maximum"])
def test_a_number_within_its_bounds_becomes_a_float(value: float) -> None:
    read = NUMBER.read(value, HERE)
    assert (read, type(read)) == (value, float)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (INTEGER, 0, "is 0, outside of 1 to 100 requests."),
        (INTEGER, 101, "is 101, outside of 1 to 100 requests."),
        (INTEGER, True, "must be a whole number, not true or false."),
        (INTEGER, 20.0, "must be a whole number, not a number with a fraction."),
        (INTEGER, "20", "must be a whole number, not a string."),
        (INTEGER, 1 << 100, "is a number of more than 64 bits, outside of 1 to 100 requests."),
        (NUMBER, 0.4, "is 0.4, outside of 0.5 to 60 seconds."),
        (NUMBER, 61, "is 61, outside of 0.5 to 60 seconds."),
        (NUMBER, float("nan"), "is nan, outside of 0.5 to 60 seconds."),
        (NUMBER, float("inf"), "is inf, outside of 0.5 to 60 seconds."),
        (NUMBER, 1 << 100, "is a number of more than 64 bits, outside of 0.5 to 60 seconds."),
        (NUMBER, False, "must be a number, not true or false."),
        (NUMBER, "5s", "must be a number, not a string."),
        (CHOICE, "xml", 'is "xml", which is not one of "text", "json".'),
        (CHOICE, "JSON", 'is "JSON", which is not one of "text", "json"; did you mean "json"?'),
        (CHOICE, "texts", 'is "texts", which is not one of "text", "json"; did you mean "text"?'),
        (CHOICE, "logfmt", 'is "logfmt", which is not one of "text", "json": that is for others.'),
        (CHOICE, 1, 'must be one of "text", "json", not a whole number.'),
        (SWITCH, "true", "must be true or false, without quotes, not a string."),
        (SWITCH, 1, "must be true or false, without quotes, not a whole number."),
        (TEXT, 1, "must be a string in quotes, not a whole number."),
        (TEXT, [], "must be a string in quotes, not a list."),
    ],
)
def test_a_value_that_cannot_be_used_is_explained(
    key: Integer | Number | Choice | Text, value: object, sentence: str
) -> None:
    with pytest.raises(Unusable) as caught:
        key.read(value, HERE)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("key", [INTEGER, NUMBER], ids=["whole number", "number"])
def test_a_number_too_long_for_python_to_print_is_refused_like_others(key: Integer | Number) -> None:
    with pytest.raises(Unusable, match="a number of more than 64 bits"):
        key.read(1 << 100_000, HERE)


def test_a_string_that_does_not_parse_is_repeated_with_the_reason() -> None:
    with pytest.raises(Unusable) as caught:
        TEXT.read("a b", HERE)
    assert str(caught.value).startswith('is "a b": it is not a host name')


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (INTEGER, "requests, 1 to 100"),
        (NUMBER, "seconds, 0.5 to 60, fractions allowed"),
        (CHOICE, '"text", "json"'),
        (TEXT, "host name"),
        (DURATION, "a time such as 90s, 10m, 1h or 2d, 1m to 7d"),
        (TextList(TEXT, 0, 16, "because"), "list of 0 to 16, each host name"),
    ],
)
def test_every_kind_of_key_says_what_it_allows(key: Key, text: str) -> None:
    assert key.allowed() == text


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "true or false"),
        ("", "a string"),
        (1, "a whole number"),
        (1.5, "a number with a fraction"),
        ([], "a list"),
        ({}, "a section"),
        (datetime(2026, 1, 1, tzinfo=UTC), "a date or time"),
        (date(2026, 1, 1), "a date or time"),
        (time(12), "a date or time"),
        (None, "a value of another type"),
    ],
)
def test_types_are_named_in_the_words_of_an_operator(value: object, name: str) -> None:
    assert name_type(value) == name


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (5.0, "5"),
        (1.8, "1.8"),
        (86_400, "86400"),
        ("a", '"a"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a\n\x1b[31m", '"a\\u000A\\u001B[31m"'),
        ("\U000e0001", '"\\U000E0001"'),
        ("x" * 100, '"' + "x" * 57 + '..."'),
        (("a", "b"), '["a", "b"]'),
        ([], "[]"),
    ],
)
def test_values_are_shown_as_toml_on_one_short_line(value: object, shown: str) -> None:
    assert show(value) == shown


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("90s", 90), ("10m", 600), ("1h", 3_600), ("7d", 604_800), ("007d", 604_800)]
)
def test_a_time_is_read_with_its_unit(text: str, seconds: int) -> None:
    assert DURATION.read(text, HERE) == seconds


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("59s", "is 59s; it must be from 1m to 7d."),
        ("8d", "is 8d; it must be from 1m to 7d."),
        ("90", 'is "90": write a whole number and s, m, h, d or w'),
        ("1.5h", 'is "1.5h": write a whole number'),
        ("1 h", 'is "1 h": write a whole number'),
        ("\u0661h", "write a whole number"),
        ("99999999s", "write a whole number"),
        (3_600, 'must be a time in quotes such as "1h", not a whole number.'),
    ],
)
def test_what_is_no_time_is_explained(value: object, sentence: str) -> None:
    with pytest.raises(Unusable) as caught:
        DURATION.read(value, HERE)
    assert sentence in str(caught.value)

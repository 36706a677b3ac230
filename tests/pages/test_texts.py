"""What the pages say: the same things in both languages, and numbers as each writes them."""

import re

import pytest

from dohproxy.pages.document import Language
from dohproxy.pages.texts import Texts, texts_in
from tests.fakes.pages import AT

EN, FR = texts_in(Language.ENGLISH), texts_in(Language.FRENCH)


def test_both_languages_say_the_same_things() -> None:
    assert EN.sections() == FR.sections()
    for section in EN.sections():
        assert EN.keys(section) == FR.keys(section)


def _fields(texts: Texts, section: str, key: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", texts.say(section, key, **THEMSELVES)))


FIELDS = [
    "host",
    "headline",
    "moment",
    "seconds",
    "number",
    "day",
    "month",
    "year",
    "date",
    "hour",
    "minute",
    "least",
    "most",
    "mean",
    "since",
    "until",
    "text",
    "names",
    "count",
    "harm",
    "requested",
    "name",
    "url",
    "domains",
    "address",
    "transport",
    "reason",
    "stale",
    "imprint",
    "hours",
    "status",
]
THEMSELVES = {name: "{" + name + "}" for name in FIELDS}
"""Fills each brace with itself."""


def test_both_languages_fill_in_the_same_values() -> None:
    for section in EN.sections():
        for key in EN.keys(section):
            if section != "form":
                assert _fields(EN, section, key) == _fields(FR, section, key), (section, key)


def test_french_has_no_plain_blank_before_its_signs() -> None:
    for section in FR.sections():
        for key in FR.keys(section):
            text = FR.say(section, key, **THEMSELVES)
            assert not re.search(r" [:;?!%»]|« ", text), text
            assert "'" not in text, text


def test_no_text_is_left_unsaid() -> None:
    for texts in (EN, FR):
        for section in texts.sections():
            for key in texts.keys(section):
                assert texts.say(section, key, **THEMSELVES).strip() or (section, key) == ("form", "thousands")


@pytest.mark.parametrize(
    ("value", "english", "french"),
    [(0, "0", "0"), (1_234_567, "1,234,567", "1\u202f234\u202f567"), (999, "999", "999")],
)
def test_whole_numbers(value: float, english: str, french: str) -> None:
    assert (EN.number(value), FR.number(value)) == (english, french)


@pytest.mark.parametrize(
    ("value", "english", "french"),
    [(0.04, "0.04", "0,04"), (1.26, "1.3", "1,3"), (12.4, "12", "12"), (0.0, "0.00", "0,00")],
)
def test_numbers_with_what_says_something(value: float, english: str, french: str) -> None:
    assert (EN.figures(value), FR.figures(value)) == (english, french)


@pytest.mark.parametrize(
    ("part", "english", "french"),
    [(0.183, "18\u00a0%", "18\u202f%"), (0.0123, "1.2\u00a0%", "1,2\u202f%"), (0.0, "0\u00a0%", "0\u202f%")],
)
def test_parts_of_a_whole(part: float, english: str, french: str) -> None:
    assert (EN.percent(part), FR.percent(part)) == (english, french)


@pytest.mark.parametrize(
    ("seconds", "english"),
    [(None, "–"), (0.00005, "0.05\u00a0ms"), (0.0213, "21\u00a0ms"), (1.5, "1.5\u00a0s")],  # noqa: RUF001 - a dash
)
def test_times_to_answer(seconds: float | None, english: str) -> None:
    assert EN.seconds(seconds) == english


@pytest.mark.parametrize(
    ("seconds", "english", "french"),
    [
        (30, "1 min", "1\u00a0min"),
        (1_800, "30 min", "30\u00a0min"),
        (86_400, "24 hours", "24\u00a0heures"),
        (259_200, "3 days", "3\u00a0jours"),
    ],
)
def test_lengths_of_time(seconds: float, english: str, french: str) -> None:
    assert (EN.length(seconds), FR.length(seconds)) == (english, french)


def test_days_and_moments() -> None:
    assert EN.moment(AT) == "1 March 2027, 14:05 UTC"
    assert FR.moment(AT) == "1er mars 2027 à 14\u202fh\u202f05\u00a0UTC"
    assert FR.date(AT + 86_400) == "2 mars 2027"


@pytest.mark.parametrize(
    ("count", "english", "french"),
    [(0, "no name", "aucun nom"), (1, "1 name", "1 nom"), (1_000, "1,000 names", "1\u202f000 noms")],
)
def test_how_many(count: int, english: str, french: str) -> None:
    assert (EN.count("blocks", "names", count), FR.count("blocks", "names", count)) == (english, french)


def test_a_text_that_there_is_none_of_is_a_bug() -> None:
    with pytest.raises(KeyError):
        EN.say("page", "nowhere")

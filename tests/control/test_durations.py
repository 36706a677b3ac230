"""Lengths of time as they are typed and told."""

from pathlib import Path

import pytest

from dohproxy.config.addresses import Unusable
from dohproxy.control.command import Argument, Command, Result, WrongArguments
from dohproxy.control.durations import LONGEST_SECONDS, duration, in_words, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h", 3_600), ("2d", 172_800), (" 1H ", 3_600), ("366d", LONGEST_SECONDS)],
)
def test_a_length_of_time_is_a_number_with_its_unit(text: str, seconds: int) -> None:
    assert parse_duration(text, Path()) == seconds


@pytest.mark.parametrize(
    "text", ["", "1", "h", "1.5h", "-1h", "0s", "1 h", "1h30m", "1w", "1h\n1", "367d", "9" * 30 + "d"]
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(Unusable, match=r"as in 90s|leave it out"):
        parse_duration(text, Path())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-5, "0 s"), (1, "1 s"), (59.6, "1 min"), (90, "1 min 30 s"), (3_600, "1 h"), (93_784, "1 d 2 h")],
)
def test_it_is_told_in_two_units_at_most(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


async def _do(_: object, __: object) -> Result:
    return Result("Done.")


def test_a_command_takes_it_as_an_argument() -> None:
    command = Command("x", "X.", "", _do, (Argument("for", duration("How long."), is_option=True),))
    assert command.read({"for": "1h"}) == {"for": 3_600}
    assert command.read({}) == {"for": None}
    with pytest.raises(WrongArguments, match="for is "):
        command.read({"for": "soon"})

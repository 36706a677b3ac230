"""How long something is to last, as an argument of commands."""

from pathlib import Path

import pytest

from dohproxy.config.addresses import Unusable
from dohproxy.control.command import Argument, Command, Result, WrongArguments
from dohproxy.control.durations import LONGEST_SECONDS, duration


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("8w", 4_838_400), ("366d", LONGEST_SECONDS)])
def test_a_length_of_time_is_read(text: str, seconds: int) -> None:
    assert duration("How long.").read(text, Path()) == seconds


@pytest.mark.parametrize("text", ["", "1", "1h30m", "0s", "367d"])
def test_nothing_and_more_than_a_year_are_refused(text: str) -> None:
    with pytest.raises(Unusable, match=r"write a whole number|must be from 1s to 366d"):
        duration("How long.").read(text, Path())


async def _do(_: object, __: object) -> Result:
    return Result("Done.")


def test_a_command_takes_it_as_an_argument() -> None:
    command = Command("x", "X.", "", _do, (Argument("for", duration("How long."), is_option=True),))
    assert command.read({"for": "1h"}) == {"for": 3_600}
    assert command.read({}) == {"for": None}
    with pytest.raises(WrongArguments, match="for is "):
        command.read({"for": "soon"})

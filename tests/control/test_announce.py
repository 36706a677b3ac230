"""The command `announce`: what it tells everybody, for how long, and what it refuses."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import ServerConfig
from dohproxy.control.announce import ARGUMENTS, announce
from dohproxy.control.command import Command, Refused, WrongArguments
from dohproxy.policy.announcements import MOST_ANNOUNCEMENTS
from tests.control.command_samples import FakeService

TEXT = "Maintenance tonight from 22 to 23 UTC."


def read(**given: object) -> dict[str, Any]:
    command: Command[Any] = Command("announce", "", "", announce, ARGUMENTS)
    return command.read(given)


async def test_a_text_is_told_for_a_day_unless_said_otherwise() -> None:
    service = FakeService()
    result = await announce(service, read(text=TEXT))
    (told,) = service.announcements.current(time.time())
    assert (told.number, told.text, told.until - told.since) == (1, TEXT, 86_400)
    assert result.sentence.startswith("Announcement 1 is told for 1 d, until 2")
    assert result.sentence.endswith("A restart ends it: there is no server.state_directory to keep it in.")


async def test_it_ends_when_it_is_said_to_and_a_restart_keeps_it_where_there_is_a_directory() -> None:
    service = FakeService()
    service.config = replace(service.config, server=ServerConfig(state_directory=Path("/nowhere")))
    result = await announce(service, read(text=f"  {TEXT} ", **{"for": "2h"}))
    (told,) = service.announcements.current(time.time())
    assert (told.text, told.until - told.since) == (TEXT, 7_200)
    assert result.sentence.endswith(" UTC.")


async def test_without_a_text_what_is_told_is_listed() -> None:
    service = FakeService()
    assert (await announce(service, read())).sentence == "Nothing is announced."
    await announce(service, read(text=TEXT))
    await announce(service, read(text="Another one."))
    result = await announce(service, read())
    assert result.sentence == "2 announcements are told."
    assert result.lines[0].endswith(f" more: {TEXT}")
    assert [one["number"] for one in result.figures["announcements"]] == [1, 2]


async def test_one_is_taken_down_by_its_number() -> None:
    service = FakeService()
    await announce(service, read(text=TEXT))
    result = await announce(service, read(withdraw=1))
    assert result.sentence == f"Announcement 1 is told no longer: {TEXT}"
    assert service.announcements.current(time.time()) == ()
    with pytest.raises(Refused, match="No announcement that is told has the number 1"):
        await announce(service, read(withdraw=1))


async def test_more_than_anybody_reads_are_refused() -> None:
    service = FakeService()
    for _ in range(MOST_ANNOUNCEMENTS):
        await announce(service, read(text=TEXT))
    with pytest.raises(Refused, match="take one down") as refused:
        await announce(service, read(text=TEXT))
    assert len(refused.value.lines) == MOST_ANNOUNCEMENTS


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"text": "two\nlines"}, "more than one line"),
        ({"text": "\x1b[2J"}, "more than one line"),
        ({"text": "x" * 301}, "longer than 300 characters"),
        ({"withdraw": 0}, "outside of 1 to"),
    ],
)
async def test_what_cannot_be_told_is_said_to_be_wrong(given: dict[str, object], why: str) -> None:
    with pytest.raises(WrongArguments, match=why):
        read(**given)


@pytest.mark.parametrize("given", [{"text": TEXT, "withdraw": 1}, {"for": "2h"}, {"for": "2h", "withdraw": 1}], ids=str)
async def test_half_of_two_things_is_neither(given: dict[str, object]) -> None:
    with pytest.raises(WrongArguments):
        await announce(FakeService(), read(**given))

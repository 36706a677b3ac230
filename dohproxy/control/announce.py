"""The command `announce`: what everybody is told who looks at the public status page."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from dohproxy.config import Config
from dohproxy.config.addresses import Unusable
from dohproxy.config.keys import Integer, Text
from dohproxy.control.command import Argument, Refused, Result, WrongArguments
from dohproxy.control.durations import duration, moment
from dohproxy.durations import in_words
from dohproxy.policy.announcements import MOST_ANNOUNCEMENTS, Announcement, Announcements, why_unfit

DEFAULT_SECONDS: Final = 86_400
"""A day: by then whoever had to know has looked, and what nobody takes down should not be there in a month."""


def parse_text(text: str, _: Path) -> str:
    """Read what is to be told."""
    fault = why_unfit(text)
    if fault:
        raise Unusable(fault)
    return text.strip()


ARGUMENTS: Final = (
    Argument(
        "text",
        Text(
            parse_text, "a sentence", "Maintenance tonight from 22 to 23 UTC.", "What is told, as one word in quotes."
        ),
    ),
    Argument("for", duration("How long: 2h, 7d; a day if it is not said."), is_option=True),
    Argument(
        "withdraw",
        Integer(1, 1_000_000_000, "(numbers of announcements)", "The number of one to be taken down."),
        is_option=True,
    ),
)


class HasAnnouncements(Protocol):
    """A service that tells everybody something."""

    config: Config
    announcements: Announcements


async def announce(service: HasAnnouncements, values: Mapping[str, Any]) -> Result:
    """Tell everybody a text, take one down, or list them."""
    text, number, now = values["text"], values["withdraw"], time.time()
    if text is not None and number is not None:
        raise WrongArguments("withdraw takes an announcement down, and a TEXT makes another one: give both one by one.")
    if text is None and values["for"] is not None:
        raise WrongArguments("for says how long a TEXT is told, and there is none: announce TEXT --for 2h")
    if number is not None:
        return _withdraw(service.announcements, number, now)
    if text is None:
        return _list(service.announcements, now)
    seconds = values["for"] or DEFAULT_SECONDS
    told = service.announcements.announce(text, now + seconds, now)
    if told is None:
        raise Refused(
            f"{MOST_ANNOUNCEMENTS} announcements are told, and nobody reads more: take one down with --withdraw N.",
            [line(one, now) for one in service.announcements.current(now)],
        )
    kept = "" if service.config.server.state_directory else (
        " A restart ends it: there is no server.state_directory to keep it in."
    )  # fmt: skip
    return Result(
        f"Announcement {told.number} is told for {in_words(seconds)}, until {moment(told.until)}.{kept}",
        {"announcements": [plain(told)]},
    )


def _withdraw(announcements: Announcements, number: int, now: float) -> Result:
    gone = announcements.withdraw(number, now)
    if gone is None:
        held = [line(one, now) for one in announcements.current(now)]
        raise Refused(f"No announcement that is told has the number {number}.", held)
    return Result(f"Announcement {number} is told no longer: {gone.text}", {"announcements": [plain(gone)]})


def _list(announcements: Announcements, now: float) -> Result:
    held = announcements.current(now)
    count = {0: "Nothing is announced.", 1: "1 announcement is told."}.get(
        len(held), f"{len(held)} announcements are told."
    )
    return Result(count, {"announcements": [plain(one) for one in held]}, [line(one, now) for one in held])


def line(one: Announcement, now: float) -> str:
    """Return one for people."""
    return f"announcement {one.number}, for {in_words(one.until - now)} more: {one.text}"


def plain(one: Announcement) -> dict[str, Any]:
    """Return one ready for JSON."""
    return {"number": one.number, "text": one.text, "since": one.since, "until": one.until}

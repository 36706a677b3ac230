"""What the operator tells everybody who looks: sentences with an end, kept here and shown on the public status page.

They are few and short, so that somebody reads them, and each one ends by itself: what nobody takes down would tell of
last year's maintenance. Moments are Unix seconds, as people are shown them, so they mean the same after a restart.
"""

from dataclasses import dataclass, replace
from typing import Final

from dohproxy.saved import Saved, UnfitState, read_count, read_dict, read_list, read_number

MOST_ANNOUNCEMENTS: Final = 8
"""At once: a page that says more than that is not read. With their texts they are 10 KiB at most."""
MOST_CHARACTERS: Final = 300
"""Of one text: two sentences, of which a status page shows all."""
_MOST_NUMBER: Final = 1_000_000_000
_LAST_MOMENT: Final = 1e11
"""Unix seconds in the year 5138; what is later has not been written here."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One of them."""

    number: int
    """By which it is withdrawn; no later one has it as long as the state is kept."""
    text: str
    """One line of printable characters, as the operator wrote it. Whoever shows it must escape it as its medium needs:
    it may hold <, & and quotes."""
    since: float
    """Unix seconds."""
    until: float
    """Unix seconds; from then on it is over."""


class Announcements:
    """All that are told now."""

    def __init__(self) -> None:
        self._all: tuple[Announcement, ...] = ()
        self._last_number = 0

    def current(self, now: float) -> tuple[Announcement, ...]:
        """Return those that are not over at `now`, the oldest first."""
        return tuple(one for one in self._all if now < one.until)

    def announce(self, text: str, until: float, now: float) -> Announcement | None:
        """Tell a text that is fit from `now` on; None if as many are told as may be."""
        held = self.current(now)
        if len(held) >= MOST_ANNOUNCEMENTS:
            return None
        self._last_number += 1
        told = Announcement(self._last_number, text, now, until)
        self._all = (*held, told)
        return told

    def take(self, told: Announcement, now: float) -> Announcement | None:
        """Tell what was announced elsewhere, under its number if no other has it; return how it is told here, None if
        as many are told as may be."""
        held = self.current(now)
        for one in held:
            if (one.text, one.since) == (told.text, told.since):
                return one
        if len(held) >= MOST_ANNOUNCEMENTS or not 0 < told.number < _MOST_NUMBER:
            return None
        is_free = all(one.number != told.number for one in held)
        told = told if is_free else replace(told, number=self._last_number + 1)
        self._last_number = max(self._last_number, told.number)
        self._all = (*held, told)
        return told

    def withdraw(self, number: int, now: float) -> Announcement | None:
        """Tell one no longer and return it; None if none that is told has this number."""
        held = self.current(now)
        self._all = tuple(one for one in held if one.number != number)
        return next((one for one in held if one.number == number), None)

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with."""
        return {
            "last": self._last_number,
            "told": [
                {"number": one.number, "text": one.text, "since": one.since, "until": one.until}
                for one in self.current(now)
            ],
        }

    def restore(self, saved: Saved) -> None:
        """Go on with what another process has exported: with all of it, or if any is unfit with none. Raises
        UnfitState."""
        if "announcements" not in saved:  # Written by a version that had none.
            return
        part = read_dict(saved, "announcements")
        last = read_count(part, "last", _MOST_NUMBER)
        told = [_read(one, last) for one in read_list(part, "told", MOST_ANNOUNCEMENTS)]
        self._last_number, self._all = last, tuple(told)


def why_unfit(text: str) -> str:
    """Return in a predicate what keeps a text from being told; "" if nothing does. Control characters and those that
    change the direction of writing would let it look like something else than it is."""
    if not text.strip() or not text.isprintable():
        return "is empty, or more than one line of plain text; write one or two sentences."
    if len(text) > MOST_CHARACTERS:
        return f"is longer than {MOST_CHARACTERS} characters; write one or two sentences, and the rest elsewhere."
    return ""


def _read(one: object, last: int) -> Announcement:
    if not isinstance(one, dict):
        raise UnfitState("told")
    text = one.get("text")
    if not isinstance(text, str) or why_unfit(text):
        raise UnfitState("text")
    return Announcement(
        read_count(one, "number", last),
        text,
        read_number(one, "since", 0.0, _LAST_MOMENT),
        read_number(one, "until", 0.0, _LAST_MOMENT),
    )

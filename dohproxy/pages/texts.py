"""What the public pages say, in each language: one file a language, read once."""

import tomllib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from dohproxy.pages.document import Language

_WORDS: Final = Path(__file__).parent / "words"
QUICK_SECONDS: Final = 1.0
"""From here on a time is written in seconds, below it in milliseconds."""


class Texts:
    """The texts of one language, and how it writes numbers and dates."""

    def __init__(self, language: Language, content: dict[str, Any]) -> None:
        self.language = language
        self._content = content

    def say(self, section: str, key: str, **values: str) -> str:
        """Return a text with its values in their places. KeyError if there is none, or a value is missing."""
        text: str = self._content[section][key]
        return text.format(**values)

    def keys(self, section: str) -> tuple[str, ...]:
        """Return the keys of a section."""
        return tuple(self._content[section])

    def sections(self) -> tuple[str, ...]:
        """Return the names of all sections."""
        return tuple(name for name, held in self._content.items() if isinstance(held, dict))

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number with so many digits behind the decimal sign."""
        thousands, decimal = self.say("form", "thousands"), self.say("form", "decimal")
        whole, _, fraction = f"{value:,.{digits}f}".partition(".")
        whole = whole.replace(",", thousands)
        return f"{whole}{decimal}{fraction}" if fraction else whole

    def figures(self, value: float) -> str:
        """Write a number with two digits that say something."""
        return self.number(value, 0 if value >= 10 else 1 if value >= 1 else 2)

    def percent(self, part: float) -> str:
        """Write a part of one."""
        return self.say("form", "percent", number=self.number(100 * part, 0 if part >= 0.1 or part == 0 else 1))

    def seconds(self, value: float | None) -> str:
        """Write a time; a dash for None."""
        if value is None:
            return self.say("form", "no_value")
        if value >= QUICK_SECONDS:
            return self.say("form", "seconds", number=self.figures(value))
        return self.say("form", "milliseconds", number=self.figures(1_000 * value))

    def length(self, seconds: float) -> str:
        """Write a length of time in whole minutes, hours or days, of the largest that gives two or more."""
        for unit, size in (("days", 86_400), ("hours", 3_600)):
            if seconds >= 2 * size:
                return self.say("form", unit, number=self.number(round(seconds / size)))
        return self.say("form", "minutes", number=self.number(max(1, round(seconds / 60))))

    def date(self, at: float) -> str:
        """Write the day of Unix seconds, in UTC."""
        when = datetime.fromtimestamp(at, UTC)
        day = self.say("form", "first_day") if when.day == 1 else str(when.day)
        return self.say("form", "date", day=day, month=self._content["months"][when.month - 1], year=str(when.year))

    def moment(self, at: float) -> str:
        """Write Unix seconds to the minute, in UTC."""
        when = datetime.fromtimestamp(at, UTC)
        return self.say("form", "moment", date=self.date(at), hour=f"{when.hour:02}", minute=f"{when.minute:02}")

    def count(self, section: str, noun: str, count: int) -> str:
        """Write how many there are of something that has texts for none, one and many."""
        if count < 2:
            return self.say(section, f"{noun}_one" if count else f"{noun}_none")
        return self.say(section, f"{noun}_many", count=self.number(count))


@cache
def texts_in(language: Language) -> Texts:
    """Return the texts of a language."""
    content = (_WORDS / f"{language.value}.toml").read_text(encoding="utf-8")
    return Texts(language, tomllib.loads(content))

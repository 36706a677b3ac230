"""What a key of the configuration may hold: its type, its bounds, its unit, and why.

The schema hangs one of these on every field with `typing.Annotated`. The reader asks `read`, the annotated
reference asks `allowed` and `why`: a bound stands in one place and cannot drift from its documentation.
Out of range is an error, never silently moved to the nearest bound.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from pathlib import Path

from dohproxy.config.addresses import Unusable
from dohproxy.durations import in_units, parse_seconds

MAX_SHOWN = 60
"""Characters of a refused value repeated in an error: enough to recognise it on one terminal line."""


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from `minimum` to `maximum`, both included."""

    minimum: int
    maximum: int
    unit: str
    why: str

    def read(self, value: object, _directory: Path) -> int:
        """Return the number; raise `Unusable` for another type or one out of bounds."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unusable(f"must be a whole number, not {name_type(value)}.")
        if not self.minimum <= value <= self.maximum:
            raise Unusable(_out_of_range(value, self.minimum, self.maximum, self.unit))
        return value

    def allowed(self) -> str:
        """Describe unit and bounds, for the reference."""
        return f"{self.unit}, {self.minimum} to {self.maximum}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number, whole or not, from `minimum` to `maximum`, both included."""

    minimum: float
    maximum: float
    unit: str
    why: str

    def read(self, value: object, _directory: Path) -> float:
        """Return the number as a float; raise `Unusable` for another type, one out of bounds, or nan."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unusable(f"must be a number, not {name_type(value)}.")
        if not self.minimum <= value <= self.maximum:
            raise Unusable(_out_of_range(value, self.minimum, self.maximum, self.unit))
        return float(value)

    def allowed(self) -> str:
        """Describe unit and bounds, for the reference."""
        return f"{self.unit}, {show(self.minimum)} to {show(self.maximum)}, fractions allowed"


@dataclass(frozen=True, slots=True)
class IntegerOrWord:
    """A whole number within bounds, or one word for one that is found out."""

    number: Integer
    word: str

    @property
    def why(self) -> str:
        """What it is for."""
        return self.number.why

    def read(self, value: object, directory: Path) -> int | str:
        """Return the number or the word; raise `Unusable` for anything else."""
        if isinstance(value, str):
            if value != self.word:
                raise Unusable(f"is {show(value)}; it must be {self.allowed()}.")
            return value
        return self.number.read(value, directory)

    def allowed(self) -> str:
        """Describe both forms, for the reference."""
        return f"{self.number.allowed()}, or {show(self.word)}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One word out of a few."""

    choices: tuple[str, ...]
    why: str
    meant: tuple[tuple[str, str], ...] = ()
    """Words that people write instead, in lower case, each with what to do."""

    def read(self, value: object, _directory: Path) -> str:
        """Return the word; raise `Unusable` for anything not among the choices."""
        if not isinstance(value, str):
            raise Unusable(f"must be one of {self.allowed()}, not {name_type(value)}.")
        if value not in self.choices:
            raise Unusable(f"is {show(value)}, which is not one of {self.allowed()}{self._advice(value)}")
        return value

    def _advice(self, value: str) -> str:
        word = value[:MAX_SHOWN].lower().strip()
        for instead, remedy in self.meant:
            if word == instead:
                return f": {remedy}"
        nearest = find_nearest(word.replace("_", "-"), self.choices)
        return "." if nearest is None else f"; did you mean {show(nearest)}?"

    def allowed(self) -> str:
        """List the choices, for the reference and for errors."""
        return ", ".join(show(choice) for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Switch:
    """true or false."""

    why: str

    def read(self, value: object, _directory: Path) -> bool:
        """Return the value; raise `Unusable` for another type."""
        if not isinstance(value, bool):
            raise Unusable(f"must be true or false, without quotes, not {name_type(value)}.")
        return value

    def allowed(self) -> str:
        """Describe the form, for the reference."""
        return "true or false"


@dataclass(frozen=True, slots=True)
class Text:
    """A string with a form of its own, judged by `parse(text, directory)`."""

    parse: Callable[[str, Path], object]
    form: str
    example: str
    why: str

    def read(self, value: object, directory: Path) -> object:
        """Return what `parse` makes of the string; raise `Unusable` when it or the type is wrong."""
        if not isinstance(value, str):
            raise Unusable(f"must be a string in quotes, not {name_type(value)}.")
        try:
            return self.parse(value, directory)
        except Unusable as error:
            raise Unusable(f"is {show(value)}: it {error}") from None

    def allowed(self) -> str:
        """Describe the form, for the reference."""
        return self.form


@dataclass(frozen=True, slots=True)
class TextList:
    """A list of strings of one form, `minimum` to `maximum` of them."""

    item: Text
    minimum: int
    maximum: int
    why: str

    @property
    def example(self) -> list[str]:
        """A list of one usable string."""
        return [self.item.example]

    def allowed(self) -> str:
        """Describe the form and the length, for the reference."""
        return f"list of {self.minimum} to {self.maximum}, each {self.item.form}"


@dataclass(frozen=True, slots=True)
class Duration:
    """A time from `minimum` to `maximum` seconds, both included, written with its unit: 90s, 10m, 1h, 2d."""

    minimum: int
    maximum: int
    why: str

    def read(self, value: object, _directory: Path) -> int:
        """Return the seconds; raise `Unusable` for another form or one out of bounds."""
        if not isinstance(value, str):
            raise Unusable(f"must be a time in quotes such as {show('1h')}, not {name_type(value)}.")
        seconds = parse_seconds(value)
        if seconds is None:
            raise Unusable(f"is {show(value)}: write a whole number and s, m, h, d or w, such as 90s, 10m, 1h or 2d.")
        if not self.minimum <= seconds <= self.maximum:
            raise Unusable(f"is {value}; it must be from {in_units(self.minimum)} to {in_units(self.maximum)}.")
        return seconds

    def allowed(self) -> str:
        """Describe form and bounds, for the reference."""
        return f"a time such as 90s, 10m, 1h or 2d, {in_units(self.minimum)} to {in_units(self.maximum)}"


Key = Integer | IntegerOrWord | Number | Duration | Choice | Switch | Text | TextList


def find_nearest(name: str, known: Sequence[str]) -> str | None:
    """Return which of the known words was probably meant."""
    # Cut first: comparing takes time in proportion to the product of the lengths.
    matches = get_close_matches(name[:MAX_SHOWN].lower(), known, n=1)
    return matches[0] if matches else None


def name_type(value: object) -> str:
    """Name the TOML type of `value` in an operator's words."""
    match value:
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int():
            return "a whole number"
        case float():
            return "a number with a fraction"
        case list():
            return "a list"
        case dict():
            return "a section"
        case datetime() | date() | time():
            return "a date or time"
        case _:
            return "a value of another type"


def show(value: object) -> str:
    """Write `value` as TOML would, cut to one line: hostile or enormous values must not break a message."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 64:
            return "a number of more than 64 bits"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case list() | tuple():
            return "[" + ", ".join(show(item) for item in value) + "]"
        case int() | float():
            return str(value)
        case _:
            return _quote(str(value))


def show_key(name: str) -> str:
    """Write a key as it stood in the file: bare where TOML allows it, else quoted and cut."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name) else show(name)


def _quote(text: str) -> str:
    """Quote as a TOML basic string; what is not printable is escaped, what is long is cut."""
    cut = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
    escaped = "".join(_escape(character) for character in cut)
    return f'"{escaped}"'


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _out_of_range(value: float, minimum: float, maximum: float, unit: str) -> str:
    return f"is {show(value)}, outside of {show(minimum)} to {show(maximum)} {unit}."

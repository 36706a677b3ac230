"""What is found by one look at the service, and what to do about it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dohproxy.config import Problem


class Severity(StrEnum):
    """How much a finding matters, the least first."""

    OK = "ok"
    """It was looked at, and is as it should be."""
    NOTE = "note"
    """Something to know, or that could not be looked at; nobody suffers from it."""
    WARNING = "warning"
    """Somebody suffers from it now and then, or will."""
    FAULT = "fault"
    """Clients are not served, or not all of them, or will not be for long."""


BUG_REMEDY: Final = "this is a fault of dohproxy's own: report it with these words; all else was looked at"


MOST_CHARACTERS: Final = 1_000
"""Of a sentence, twice the longest of our own: a stranger's text in it, such as that of a record, fills no screen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, in words that harm no terminal.

    There is foreign text in them: of records, of certificates, of who answers in the service's place. Nothing of it
    steers the terminal of root, who looks at this, and none of it looks like a line of ours.
    """

    subject: str
    """What it is about, in a word or two."""
    severity: Severity
    what: str
    """A sentence without its full stop."""
    remedy: str = ""
    """What to do, in words that begin a sentence of their own; "" where nothing has to be done."""

    def __post_init__(self) -> None:
        for name in ("what", "remedy"):
            object.__setattr__(self, name, _harmless(getattr(self, name)))


def _harmless(text: str) -> str:
    """Return a text with a question mark for each character that is not seen, cut where it is too long."""
    seen = "".join(character if character.isprintable() else "?" for character in text[: MOST_CHARACTERS + 1])
    return seen if len(seen) <= MOST_CHARACTERS else f"{seen[: MOST_CHARACTERS - 1]}…"


Look = Callable[[], Iterable[Finding]]


def look_at(looks: Mapping[str, Look]) -> list[Finding]:
    """Return what all looks find, by subject and in their order; what one of them meets keeps no other from being
    taken."""
    found: list[Finding] = []
    for subject, look in looks.items():
        try:
            for finding in look():
                found.append(finding)  # noqa: PERF402 - those before a bug are kept
        except Exception as bug:
            what = f"this could not be looked at: {type(bug).__name__}: {bug}"
            found.append(Finding(subject, Severity.WARNING, what, BUG_REMEDY))
    return found


def of_problems(subject: str, severity: Severity, problems: Iterable[Problem]) -> list[Finding]:
    """Return what was found wrong with the configuration; each of its sentences has the remedy in it."""
    return [Finding(subject, severity, str(problem).removesuffix(".")) for problem in problems]


def worst(findings: Sequence[Finding]) -> Severity:
    """Return the gravest severity among these, OK if there are none."""
    order = list(Severity)
    return max((finding.severity for finding in findings), key=order.index, default=Severity.OK)

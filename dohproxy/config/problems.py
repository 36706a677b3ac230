"""What is wrong with a configuration, in sentences for whoever wrote it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dohproxy.config.lines import line_of


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right.

    `path` says where: "limits.requests_burst", "upstream #2.url" (counted from 1), a file, or a line of it.
    `sentence` continues it: what is wrong, and what to write instead.
    """

    path: str
    sentence: str
    line: int | None = None
    """The line of the file, where it is known."""

    def __str__(self) -> str:
        place = "" if self.line is None else f" (line {self.line})"
        return f"{self.path}{place} {self.sentence}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds every reason found, in the order of the schema."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return render(self)


class AddressUnavailable(ConfigError):
    """An address cannot be had now, and may be had a little later without anybody's doing: trying again may help."""


def located(problems: Sequence[Problem], lines: Mapping[str, int]) -> tuple[Problem, ...]:
    """Return the problems with the lines of their keys, or of what should hold them."""
    return tuple(
        replace(problem, line=line_of(problem.path, lines)) if problem.line is None else problem for problem in problems
    )


def render(error: ConfigError) -> str:
    """Write all problems as text, one to a line."""
    return "\n".join(f"- {problem}" for problem in error.problems)

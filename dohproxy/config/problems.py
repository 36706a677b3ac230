"""What is wrong with a configuration, in sentences for whoever wrote it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right.

    `path` says where: "limits.requests_burst", "upstream #2.url" (counted from 1), a file, or a line of it.
    `sentence` continues it: what is wrong, and what to write instead.
    """

    path: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path} {self.sentence}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds every reason found, in the order of the schema."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return render(self)


def render(error: ConfigError) -> str:
    """Write all problems as text, one to a line."""
    return "\n".join(f"- {problem}" for problem in error.problems)

"""The table of limits, removals, and what the named tests said to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.mutants.mutations import Mutation, Row
from bench.mutants.trial import Outcome

FILE: Final = Path(__file__).with_name("results.md")
_KILLED: Final = frozenset({Outcome.FAILED, Outcome.HUNG})


@dataclass(frozen=True, slots=True)
class Trial:
    """One removal and the tests of its row."""

    row: Row
    mutation: Mutation
    with_limit: Outcome
    without: Outcome

    @property
    def is_held(self) -> bool:
        """Whether the tests pass with the limit, and one fails without it."""
        return self.with_limit is Outcome.PASSED and self.without in _KILLED


def render(trials: Sequence[Trial], day: str) -> str:
    """Return the page."""
    held = sum(trial.is_held for trial in trials)
    lines = [
        "# Each limit of SECURITY.md, taken out",
        "",
        f"Written by `python -m bench mutants` on {day}: {held} of {len(trials)} removals make a test fail that"
        " SECURITY.md names for it. What is removed stands in [mutations.toml](mutations.toml).",
        "",
        "| attack | where | with the limit | without |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {trial.row.attack} | `{trial.mutation.file}` | {trial.with_limit} | {trial.without} |" for trial in trials
    ]
    return "\n".join(lines) + "\n"

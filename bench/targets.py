"""What was promised, what was measured, and whether the one is within the other."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

_COMPARE: Final = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


@dataclass(frozen=True, slots=True)
class Target:
    """One promise with its figure."""

    what: str
    value: float
    relation: Literal["<=", ">=", "=="]
    bound: float

    @property
    def is_met(self) -> bool:
        """Whether it was kept."""
        met: bool = _COMPARE[self.relation](self.value, self.bound)
        return met


def print_targets(targets: Iterable[Target]) -> bool:
    """Print one line for each; return whether all are met."""
    all_met = True
    for target in targets:
        all_met &= target.is_met
        verdict = "met" if target.is_met else "MISSED"
        print(f"  {target.what:58} {target.value:>12.4g}  {target.relation} {target.bound:<10.4g} {verdict}")
    return all_met


def print_table(heading: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Print rows under a heading, the first column to the left, the others to the right."""
    lines = [heading, *(tuple(_text(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    for line in lines:
        first, *others = (
            cell.ljust(widths[0]) if not column else cell.rjust(widths[column]) for column, cell in enumerate(line)
        )
        print("  " + "  ".join([first, *others]).rstrip())


def _text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)

"""The rows of SECURITY.md and the removals of their limits."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]
FILE: Final = Path(__file__).with_name("mutations.toml")
_ROW: Final = re.compile(r"^\| (?P<attack>.+?) \| .+ \| .+ \| (?P<tests>`tests/.+`) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """One attack of SECURITY.md, and the tests that it names: one for each thing that the limit consists of."""

    attack: str
    tests: tuple[str, ...]
    """As pytest takes them."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One limit taken out."""

    attack: str
    """The row's, word for word."""
    file: str
    """Relative to the project."""
    old: str
    """Stands in the file exactly once."""
    new: str


def rows_of(page: str) -> list[Row]:
    """Return the rows of a page in the form of SECURITY.md."""
    return [Row(found["attack"], tuple(re.findall(r"`([^`]+)`", found["tests"]))) for found in _ROW.finditer(page)]


def read_mutations(text: str) -> list[Mutation]:
    """Return what the file says. Raises ValueError for anything but the four keys, and KeyError without a table."""
    mutations = []
    for table in tomllib.loads(text)["mutation"]:
        if table.keys() != {"attack", "file", "old", "new"}:
            raise ValueError(f"a mutation has attack, file, old and new, not {', '.join(table)}")
        mutations.append(Mutation(**table))
    return mutations


def faults_of(rows: Sequence[Row], mutations: Sequence[Mutation], project: Path = PROJECT) -> list[str]:
    """Return a sentence for each row without a mutation and each mutation that fits nothing."""
    attacks = {row.attack for row in rows}
    mutated = {mutation.attack for mutation in mutations}
    faults = [f"no mutation removes the limit of: {row.attack}" for row in rows if row.attack not in mutated]
    faults += [f"no row of SECURITY.md is called: {attack}" for attack in sorted(mutated - attacks)]
    for mutation in mutations:
        count = (project / mutation.file).read_text(encoding="utf-8").count(mutation.old)
        if count != 1:
            faults.append(f"{mutation.attack}: the text to be replaced stands {count} times in {mutation.file}")
        elif mutation.old == mutation.new:
            faults.append(f"{mutation.attack}: nothing is replaced in {mutation.file}")
    return faults


def apply(mutation: Mutation, tree: Path) -> str:
    """Take the limit out of the copy of the project in `tree`; return the file's content as it was.

    Raises SyntaxError if what comes out is no Python: such a mutant would be killed by any test.
    """
    path = tree / mutation.file
    before = path.read_text(encoding="utf-8")
    after = before.replace(mutation.old, mutation.new)
    compile(after, mutation.file, "exec")
    path.write_text(after, encoding="utf-8")
    return before

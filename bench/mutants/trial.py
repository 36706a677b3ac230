"""Runs tests over a copy of the project from which a limit was taken."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.mutants.mutations import PROJECT, Mutation, apply
from tests.data import corpora

TIMEOUT_SECONDS: Final = 180
"""For the tests of one row: the slowest take 20 s; a mutant that hangs is as good as one that fails."""
_LEFT_OUT: Final = shutil.ignore_patterns(
    *(".git", ".venv", ".native", ".native.new", ".fuzz", ".hypothesis", "__pycache__"),
    *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache", ".coverage*"),
)
_PASSED: Final = 0
_FAILED: Final = 1


class Outcome(StrEnum):
    """What the tests said."""

    PASSED = "passed"
    FAILED = "failed"
    HUNG = "hung"
    BROKEN = "could not be run"
    """Nothing was collected or everything was skipped: no word about the limit."""


@contextmanager
def copy_of_project() -> Iterator[Path]:
    """Give a copy of the tree that may be spoiled."""
    with TemporaryDirectory(prefix="dohproxy-mutants-") as directory:
        tree = Path(directory) / "dohproxy"
        shutil.copytree(PROJECT, tree, ignore=_LEFT_OUT)
        yield tree


def try_mutation(mutation: Mutation, tests: Sequence[str], tree: Path) -> Outcome:
    """Return what the tests say without the limit; the tree is as before afterwards."""
    before = apply(mutation, tree)
    try:
        return run_tests(tests, tree)
    finally:
        (tree / mutation.file).write_text(before, encoding="utf-8")


def run_tests(tests: Sequence[str], tree: Path) -> Outcome:
    """Run tests, with all their parameters, up to the first failure."""
    environment = {
        **os.environ,
        # The copy has them nowhere near.
        **({corpora.VARIABLE: str(corpora.directory())} if corpora.are_present() else {}),
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    argv = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    try:
        run = subprocess.run(
            argv, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome.HUNG
    if run.returncode == _PASSED:
        return Outcome.PASSED if " passed" in run.stdout else Outcome.BROKEN
    # An error outside a test, as of an import, is another code, or has no failed test in the summary.
    is_failure = run.returncode == _FAILED and (" failed" in run.stdout or " error" in run.stdout)
    return Outcome.FAILED if is_failure else Outcome.BROKEN

"""Which form of the package is measured: what an operator would run."""

import os
from pathlib import Path

import pytest

from bench import sources as module
from bench.sources import sources, with_ours
from tests.fakes.compiled import seem_compiled


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one module, and nothing compiled."""
    (tmp_path / "dohproxy").mkdir()
    (tmp_path / "dohproxy" / "cli.py").touch()
    monkeypatch.setattr(module, "PROJECT", tmp_path)
    monkeypatch.setattr(module, "NATIVE", tmp_path / ".native")
    return tmp_path


def test_the_source_is_measured_where_nothing_is_compiled(tree: Path) -> None:
    assert sources() == tree


def test_what_was_compiled_of_this_source_is_measured(tree: Path) -> None:
    seem_compiled(tree, seconds=60)
    assert sources() == tree / ".native"
    assert with_ours()["PYTHONPATH"] == f"{tree}/.native{os.pathsep}{tree}"


def test_a_newer_source_is_measured_itself(tree: Path) -> None:
    seem_compiled(tree, seconds=-60)
    assert sources() == tree

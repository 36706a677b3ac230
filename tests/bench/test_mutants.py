"""The removals of limits: read rightly, fitting the code, and judged by what the named tests say."""

from pathlib import Path

import pytest

from bench.mutants import mutations, trial
from bench.mutants.mutations import FILE, PROJECT, Mutation, Row, apply, faults_of, read_mutations, rows_of
from bench.mutants.results import Trial, render
from bench.mutants.trial import Outcome, run_tests, try_mutation

PAGE = """
| attack | limit | setting | test |
|---|---|---|---|
| Floods (CVE-1) | a limit | `a.b` | `tests/test_a.py::test_one` |
| Two halves | each has one | `a.c` | `tests/test_a.py::test_one`, `tests/test_b.py::TestIt::test_two` |
"""
FLOODS = Row("Floods (CVE-1)", ("tests/test_a.py::test_one",))
LIMITED = "MOST = 3\n\n\ndef take(held):\n    if held >= MOST:\n        return False\n    return True\n"
TEST = "from limited import take\n\n\ndef test_it():\n    assert not take(3)\n"
REMOVAL = Mutation("Floods (CVE-1)", "limited.py", "    if held >= MOST:\n        return False\n", "")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "limited.py").write_text(LIMITED, encoding="utf-8")
    (tmp_path / "test_limited.py").write_text(TEST, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n', encoding="utf-8")
    return tmp_path


def test_a_row_may_name_several_tests() -> None:
    floods, halves = rows_of(PAGE)
    assert floods == FLOODS
    assert halves.tests == ("tests/test_a.py::test_one", "tests/test_b.py::TestIt::test_two")


def test_every_row_has_a_mutation_that_fits_the_code() -> None:
    rows = rows_of((PROJECT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(rows) == len({row.attack for row in rows})
    assert faults_of(rows, read_mutations(FILE.read_text(encoding="utf-8"))) == []


def test_a_table_with_another_key_is_refused() -> None:
    with pytest.raises(ValueError, match="attack, file, old and new, not attack, file"):
        read_mutations('[[mutation]]\nattack = "a"\nfile = "b"\n')


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ([], "no mutation removes the limit of: Floods (CVE-1)"),
        ([Mutation("Storms", "limited.py", "MOST = 3", "MOST = 4")], "no row of SECURITY.md is called: Storms"),
        ([Mutation("Floods (CVE-1)", "limited.py", "MOST = 5", "")], "stands 0 times in limited.py"),
        ([Mutation("Floods (CVE-1)", "limited.py", "MOST", "")], "stands 2 times in limited.py"),
        ([Mutation("Floods (CVE-1)", "limited.py", "MOST = 3", "MOST = 3")], "nothing is replaced in limited.py"),
    ],
    ids=["none for a row", "no such row", "gone from the code", "not clear where", "changes nothing"],
)
def test_what_does_not_fit_is_told(tree: Path, changed: list[Mutation], fault: str) -> None:
    assert any(fault in told for told in faults_of([FLOODS], changed, tree))


def test_a_limit_is_taken_out_of_a_copy_and_put_back(tree: Path) -> None:
    before = apply(REMOVAL, tree)
    assert "MOST:" not in (tree / "limited.py").read_text(encoding="utf-8")
    assert "MOST:" in before


def test_a_mutant_that_is_no_python_is_an_error(tree: Path) -> None:
    with pytest.raises(SyntaxError):
        apply(Mutation("Floods (CVE-1)", "limited.py", "        return False\n", ""), tree)


def test_a_test_that_holds_a_limit_fails_without_it(tree: Path) -> None:
    assert run_tests(["test_limited.py"], tree) is Outcome.PASSED
    assert try_mutation(REMOVAL, ["test_limited.py"], tree) is Outcome.FAILED
    assert "MOST:" in (tree / "limited.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "import nowhere\n", "import pytest\npytest.skip(allow_module_level=True)\n"])
def test_what_runs_no_test_says_nothing(tree: Path, content: str) -> None:
    (tree / "test_limited.py").write_text(content, encoding="utf-8")
    assert run_tests(["test_limited.py"], tree) is Outcome.BROKEN


def test_a_mutant_that_hangs_is_told_apart(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TIMEOUT_SECONDS", 0.01)
    assert run_tests(["test_limited.py"], tree) is Outcome.HUNG


@pytest.mark.parametrize(
    ("with_limit", "without", "is_held"),
    [
        (Outcome.PASSED, Outcome.FAILED, True),
        (Outcome.PASSED, Outcome.HUNG, True),
        (Outcome.PASSED, Outcome.PASSED, False),
        (Outcome.PASSED, Outcome.BROKEN, False),
        (Outcome.FAILED, Outcome.FAILED, False),
    ],
)
def test_a_limit_is_held_by_a_test_that_passes_with_it_alone(
    with_limit: Outcome, without: Outcome, *, is_held: bool
) -> None:
    found = Trial(FLOODS, REMOVAL, with_limit, without)
    assert found.is_held is is_held
    assert f"{int(is_held)} of 1 removals" in render([found], "2020-02-02")


def test_the_copy_has_what_the_tests_need_and_nothing_that_was_made() -> None:
    with trial.copy_of_project() as tree:
        assert (tree / "dohproxy" / "pipeline.py").exists()
        assert (tree / "tests" / "conftest.py").exists()
        assert not (tree / ".venv").exists()
    assert mutations.PROJECT not in tree.parents

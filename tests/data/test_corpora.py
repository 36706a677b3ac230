"""Foreign corpora: tests over them are left out where there are none, but fail in CI or where some were promised."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import corpora

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "tests" / "README.md"
ONE_TEST = ("tests/wire/test_reply.py", "-k", "corpora")


@pytest.mark.parametrize(
    ("ci", "promised", "wanted"),
    [
        pytest.param("", False, False, id="left out without them"),
        pytest.param("true", False, True, id="in CI"),
        pytest.param("", True, True, id="where some were promised"),
    ],
)
def test_where_there_are_none_tests_over_them_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, promised: bool, wanted: bool
) -> None:
    nowhere = tmp_path / "nowhere"
    monkeypatch.setenv("CI", ci)
    monkeypatch.delenv(corpora.VARIABLE, raising=False)
    monkeypatch.setattr(corpora, "_BESIDE", nowhere)
    if promised:
        monkeypatch.setenv(corpora.VARIABLE, str(nowhere))
    assert corpora.are_wanted() is wanted


def test_a_test_over_them_fails_and_says_what_to_do(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *ONE_TEST],
        cwd=ROOT,
        env={**os.environ, corpora.VARIABLE: str(nowhere)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert f"no corpora at {nowhere}; set DOHPROXY_CORPORA to where they are" in run.stdout
    assert "tests/README.md" in run.stdout


def test_the_page_says_what_has_to_be_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert corpora.VARIABLE in page
    for directory in ("bind9/messages", "bind9/names", "dnsproxy", "names/opendns-top-domains.txt", "scenarios/"):
        assert directory in page


def test_no_other_place_knows_where_they_are() -> None:
    files = (path for directory in ("tests", "fuzz", "bench", "dohproxy") for path in (ROOT / directory).rglob("*.py"))
    knowing = {path.name for path in files if '"shared" / "corpora"' in path.read_text(encoding="utf-8")}
    assert knowing == {"corpora.py", "test_corpora.py"}

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


@pytest.mark.parametrize("ci", ["true", ""], ids=["in CI", "outside of CI"])
def test_corpora_that_are_not_where_somebody_says_fail_and_say_what_to_do(tmp_path: Path, ci: str) -> None:
    nowhere = tmp_path / "nowhere"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *ONE_TEST],
        cwd=ROOT,
        env={**os.environ, "CI": ci, corpora.VARIABLE: str(nowhere)},
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

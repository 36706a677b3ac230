"""The one-word commands: each that is promised can be made, and the CI script is a script."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import FindProgram

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROMISED = ["run", "native", "test", "test-native", "check", "fix", "bench", "bench-guard", "fuzz", "lock", "clean"]


@pytest.mark.parametrize("goal", PROMISED)
def test_make_knows_what_to_do_for(goal: str, find_program: FindProgram) -> None:
    make = find_program("make", "make")
    planned = subprocess.run([make, "--dry-run", goal], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert planned.returncode == 0, planned.stderr


@pytest.mark.parametrize("goal", PROMISED)
def test_make_without_a_goal_explains(goal: str, find_program: FindProgram) -> None:
    make = find_program("make", "make")
    explained = subprocess.run([make], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert f"make {goal}" in explained.stdout


def test_every_goal_that_makes_no_file_says_so() -> None:
    [phony] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    goals = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert goals == set(phony.split())


def test_the_script_of_ci_is_executable_and_parses(find_program: FindProgram) -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 == 0o111
    parsed = subprocess.run(
        [find_program("bash", "bash"), "-n", str(script)], capture_output=True, text=True, timeout=30
    )
    assert (parsed.returncode, parsed.stderr) == (0, "")

"""Completion: what shells are given, and what they then get."""

import os
import shutil
import subprocess
import sys

import pytest

from dohproxy.cli.completion import SHELLS, VARIABLE
from tests.cli.running import PROJECT, START_SECONDS, run


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_is_given_what_completes_this_program(shell: str) -> None:
    ended = run("completion", shell)
    assert ended.exit_code == 0
    assert VARIABLE in ended.stdout
    assert "dohproxy" in ended.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_shell_is_given_is_in_its_language(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    ended = subprocess.run(
        [program, "-n", "/dev/stdin"],
        input=run("completion", shell).stdout,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_another_shell_is_told_those_that_there_are() -> None:
    ended = run("completion", "tcsh")
    assert ended.exit_code == 2
    assert "bash" in ended.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("dohproxy st", ["plain,stamp", "plain,status"]),
        ("dohproxy upstream p", ["plain,pause"]),
        ("dohproxy log-level w", ["plain,warning"]),
        ("dohproxy flush --be", ["plain,--below"]),
        ("dohproxy limit limits.misses_b", ["plain,limits.misses_burst"]),
    ],
)
def test_verbs_options_and_choices_are_offered(typed: str, offered: list[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), VARIABLE: "bash_complete"}
    ended = subprocess.run(
        [sys.executable, "-m", "dohproxy"],
        env={**os.environ, **words},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        cwd=PROJECT,
        check=False,
    )
    assert ended.stdout.split() == offered, ended.stderr

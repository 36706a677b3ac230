"""The Containerfile, read as text: it copies what exists, runs as nobody, and calls verbs the command line has."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Instruction = tuple[str, str]


def _instructions() -> list[Instruction]:
    """Return (keyword, argument) of each instruction, continuation lines joined, comments dropped."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(keyword, argument.strip()) for keyword, _, argument in (line.partition(" ") for line in joined)]


def _last_stage() -> list[Instruction]:
    instructions = _instructions()
    start = max(number for number, (keyword, _) in enumerate(instructions) if keyword == "FROM")
    return instructions[start:]


def _last(keyword: str) -> str:
    return [argument for name, argument in _last_stage() if name == keyword][-1]


def _words(argument: str) -> list[str]:
    """Return the words of an exec form, as in HEALTHCHECK … CMD ["a", "b"]."""
    words: list[str] = json.loads(argument[argument.index("[") :])
    return words


COPIED_FROM_THE_TREE = [
    source
    for keyword, argument in _instructions()
    if keyword == "COPY" and "--from=" not in argument
    for source in argument.split()[:-1]
]


@pytest.mark.parametrize("source", COPIED_FROM_THE_TREE)
def test_what_it_copies_exists(source: str) -> None:
    assert (ROOT / source).exists()


def test_it_installs_only_what_is_locked_by_hash() -> None:
    runs = [argument for keyword, argument in _instructions() if keyword == "RUN"]
    installs = [_words(argument) for argument in runs if "install" in argument]
    assert len(installs) == 2
    assert all("--require-hashes" in install for install in installs)


def test_all_stages_and_paths_agree_on_the_version_of_python() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert len(set(re.findall(r"python:?(3\.\d+)", text))) == 1


def test_the_last_stage_runs_as_a_user_by_number_and_not_root() -> None:
    user, _, group = _last("USER").partition(":")
    assert int(user) >= 1000
    assert int(group) >= 1000


def test_the_last_stage_needs_no_shell() -> None:
    assert "RUN" not in {keyword for keyword, _ in _last_stage()}
    assert _last("ENTRYPOINT").startswith("[")


@pytest.mark.parametrize("instruction", ["ENTRYPOINT", "HEALTHCHECK"])
def test_what_it_runs_is_a_command_that_exists(instruction: str) -> None:
    program, *arguments = _words(_last(instruction))
    assert program == "dohproxy"
    # --help comes last: the words before it are parsed, an unknown verb or option fails, nothing is served.
    parsed = subprocess.run(
        [sys.executable, "-m", "dohproxy", *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert parsed.returncode == 0, parsed.stderr

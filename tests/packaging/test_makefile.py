"""The one-word commands: each that is promised can be made, and the CI script is a script."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import FindProgram
from tests.fakes.compiled import seem_compiled

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROMISED = [
    "run",
    "native",
    "service",
    "test",
    "test-long",
    "test-native",
    "check",
    "fix",
    "bench",
    "bench-guard",
    "fuzz",
    "lock",
    "clean",
]


@pytest.mark.parametrize("goal", PROMISED)
def test_make_knows_what_to_do_for(goal: str, find_program: FindProgram) -> None:
    make = find_program("make", "make")
    planned = subprocess.run([make, "--dry-run", goal], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert planned.returncode == 0, planned.stderr


def test_bytecode_is_written_where_the_service_may_not(find_program: FindProgram) -> None:
    make = find_program("make", "make")
    planned = subprocess.run([make, "--dry-run", "venv"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert "-m compileall -q dohproxy" in planned.stdout
    unit = (ROOT / "conf" / "dohproxy.service").read_text(encoding="utf-8")
    assert "ProtectSystem=strict" in unit


@pytest.mark.parametrize("goal", PROMISED)
def test_make_without_a_goal_explains(goal: str, find_program: FindProgram) -> None:
    make = find_program("make", "make")
    explained = subprocess.run([make], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert f"make {goal}" in explained.stdout


def test_all_that_is_fetched_is_locked_by_hash() -> None:
    # The README says so.
    fetched = [line for line in MAKEFILE.splitlines() if "PIP_INSTALL)" in line and line.startswith("\t")]
    assert len(fetched) == 4
    assert [line for line in fetched if not re.search(r"--require-hashes .*-r requirements[a-z-]*\.lock$", line)] == []


def test_every_goal_that_makes_no_file_says_so() -> None:
    [phony] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    goals = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert goals == set(phony.split())


def _launched(tree: Path, *, from_elsewhere: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the launcher in a tree of which its `python` tells what it was asked to run, and where it looks."""
    [launcher] = re.findall(r"^define LAUNCHER\n(.*?)^endef", MAKEFILE, re.MULTILINE | re.DOTALL)
    bin_directory = tree / ".venv" / "bin"
    bin_directory.mkdir(parents=True)
    for name, text in (
        ("dohproxy", launcher.replace("$(BIN)", ".venv/bin").replace("$(NATIVE)", ".native").replace("$$", "$")),
        ("python", '#!/bin/sh\necho "$PYTHONPATH" "$@"\n'),
    ):
        (bin_directory / name).write_text(text, encoding="utf-8")
        (bin_directory / name).chmod(0o755)
    (tree / "dohproxy" / "cli").mkdir(parents=True)
    (tree / "dohproxy" / "cli" / "__init__.py").touch()
    program = bin_directory / "dohproxy"
    if from_elsewhere:
        program = tree / "linked"
        program.symlink_to(bin_directory / "dohproxy")
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run([program, "check"], env=environment, capture_output=True, text=True, timeout=30, check=True)


def test_the_launcher_runs_the_source_where_nothing_is_compiled(tmp_path: Path) -> None:
    run = _launched(tmp_path)
    assert (run.stdout, run.stderr) == (" -P -m dohproxy check\n", "")


@pytest.mark.parametrize("from_elsewhere", [False, True], ids=["by its path", "by a link"])
def test_the_launcher_runs_what_was_compiled_of_this_source(tmp_path: Path, *, from_elsewhere: bool) -> None:
    seem_compiled(tmp_path, seconds=60)
    run = _launched(tmp_path, from_elsewhere=from_elsewhere)
    assert (run.stdout, run.stderr) == (f"{tmp_path}/.native -P -m dohproxy check\n", "")


def test_the_launcher_runs_a_newer_source_and_says_how_to_compile_it(tmp_path: Path) -> None:
    seem_compiled(tmp_path, seconds=-60)
    run = _launched(tmp_path)
    assert run.stdout == " -P -m dohproxy check\n"
    assert f"make -C {tmp_path} native" in run.stderr


def test_the_launcher_of_the_kernel_drop_runs_it_wherever_it_is_called_from(tmp_path: Path) -> None:
    [launcher] = re.findall(r"^define NFT_LAUNCHER\n(.*?)^endef", MAKEFILE, re.MULTILINE | re.DOTALL)
    for name, text in (("dohproxy-nft", launcher.replace("$$", "$")), ("python", '#!/bin/sh\necho "$@"\n')):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "elsewhere").mkdir()
    linked = tmp_path / "elsewhere" / "dohproxy-nft"
    linked.symlink_to(tmp_path / "dohproxy-nft")
    environment = {"PATH": os.environ["PATH"]}
    run = subprocess.run([linked, "--clear"], env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert (run.stdout, run.stderr) == ("-P -m dohproxy.nft --clear\n", "")


def test_the_script_of_ci_is_executable_and_parses(find_program: FindProgram) -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 == 0o111
    parsed = subprocess.run(
        [find_program("bash", "bash"), "-n", str(script)], capture_output=True, text=True, timeout=30
    )
    assert (parsed.returncode, parsed.stderr) == (0, "")

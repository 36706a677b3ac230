"""Words and exit codes, as a person at a terminal meets them."""

import re
import subprocess
import sys

import pytest

from dohproxy.cli.terminal import INSTALLED_CONFIG, VERSION
from tests.cli.running import PROJECT, START_SECONDS, run


def test_the_version_is_told() -> None:
    ended = run("--version")
    assert (ended.exit_code, ended.output.strip()) == (0, f"dohproxy, version {VERSION}")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["serve", "--help"], ["check", "-h"], ["healthcheck", "-h"]])
def test_help_is_given(arguments: list[str]) -> None:
    ended = run(*arguments)
    assert ended.exit_code == 0
    assert ended.output.startswith("Usage: ")


def test_help_names_every_verb() -> None:
    assert {"serve", "check", "healthcheck"} <= set(re.findall(r"^  (\w+)", run("--help").output, re.MULTILINE))


@pytest.mark.parametrize(
    "arguments",
    [["sevre"], ["check"], ["healthcheck"], ["serve", "--config"], ["check", "--confg", "x"], ["serve", "extra"]],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_understood_is_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_without_a_file_it_is_the_one_of_the_systemd_unit() -> None:
    unit = (PROJECT / "conf" / "dohproxy.service").read_text(encoding="utf-8")
    assert f"serve --config {INSTALLED_CONFIG}\n" in unit


def test_usage_names_the_program_however_it_wasstarted() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "dohproxy", "check"],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        cwd=PROJECT,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("Usage: dohproxy check ")


def test_the_garbage_collector_is_kept_from_what_is_imported_and_from_nothing_else() -> None:
    code = (
        "import atexit, gc, sys; from dohproxy.__main__ import main; sys.argv[1:] = ['--version'];"
        "atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000)); main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=START_SECONDS, check=True
    )
    assert ended.stdout.splitlines()[-1] == "True True"

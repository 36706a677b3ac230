"""The units that write the report each night: systemd understands them, and their command is one of ours."""

import re
import shlex
import subprocess
from pathlib import Path

import click

from dohproxy.cli import main
from dohproxy.cli.report import report_verb
from tests.conftest import FindProgram

CONF = Path(__file__).parents[2] / "conf"
SERVICE = CONF / "dohproxy-report.service"
TIMER = CONF / "dohproxy-report.timer"
PROGRAM = "/opt/dohproxy/.venv/bin/dohproxy"


def test_systemd_understands_every_line(tmp_path: Path, find_program: FindProgram) -> None:
    analyze = find_program("systemd-analyze", "systemd")
    for unit in (SERVICE, TIMER):
        (tmp_path / unit.name).write_text(unit.read_text(encoding="utf-8"), encoding="utf-8")
    verified = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / SERVICE.name), str(tmp_path / TIMER.name)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_command_is_one_of_ours() -> None:
    [line] = re.findall(r"^ExecStart=(.*)$", SERVICE.read_text(encoding="utf-8"), re.MULTILINE)
    shell, option, script = shlex.split(line)
    assert (shell, option) == ("/bin/sh", "-c")
    program, verb, *arguments = shlex.split(script.partition(" > ")[0])
    assert (program, verb) == (PROGRAM, "report")
    # Beneath its program, or click would keep a help option of its own with it.
    with click.Context(main, **main.context_settings) as above, click.Context(report_verb, parent=above) as context:
        report_verb.parse_args(context, arguments)
        assert context.params["form"] == "html"


def test_the_page_comes_into_its_place_as_a_whole() -> None:
    text = SERVICE.read_text(encoding="utf-8")
    assert '> "$STATE_DIRECTORY/new.html" && mv "$STATE_DIRECTORY/new.html" "$STATE_DIRECTORY/index.html"' in text

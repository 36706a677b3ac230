"""What the README tells a newcomer to type is typed here."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import START_SECONDS, accepts_connections, wait_until
from tests.e2e.proxy import PROJECT, ProxySettings, Sections, environment, run_dohproxy, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

pytestmark = pytest.mark.long

SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLED = ".venv/bin/dohproxy"
ON_DUTY = "dohproxy"
"""As it is typed where it is installed, to a service that runs."""
ALONE = ("config schema", "completion ")
"""Verbs that ask no service."""
OF_FILES = ("doctor", "report")
"""Verbs that look at what a service leaves on the disk, or would be on this machine."""
TRIAL_PORT = 8443
AS_ROOT = ("/etc/letsencrypt/renewal-hooks/deploy/dohproxy", "systemctl")
"""What changes the machine: that it can be typed is tried with a directory in the place of the machine's own."""


def readme_commands() -> list[str]:
    """Every command in a shell block of the README, in order, continued lines joined."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    lines = "".join(SHELL_BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def commands_of(program: str) -> list[str]:
    """The commands that begin with this word."""
    return [command for command in readme_commands() if command.split()[0] == program]


def run_in_shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as typed, in the project; without its .venv, the program is run by this interpreter."""
    if not (PROJECT / INSTALLED).exists():
        command = command.replace(INSTALLED, f"{sys.executable} -m dohproxy")
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=PROJECT,
        env=environment(),
    )


def test_every_command_is_of_a_kind_tried_here() -> None:
    known = {"make", "curl", INSTALLED, ON_DUTY, *AS_ROOT}
    assert [command for command in readme_commands() if command.split()[0] not in known] == []


def test_what_is_typed_as_root_is_installed_by_the_line_before(tmp_path: Path, find_program: FindProgram) -> None:
    make = find_program("make", "make")
    made = subprocess.run([make, "service", f"DESTDIR={tmp_path}"], cwd=PROJECT, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    commands = readme_commands()
    [hook], [enable] = commands_of(AS_ROOT[0]), commands_of(AS_ROOT[1])
    assert commands.index("make -C /opt/dohproxy venv service") < commands.index(hook) < commands.index(enable)
    assert (tmp_path / AS_ROOT[0].lstrip("/")).is_file()
    for unit in enable.split()[3:]:
        assert (tmp_path / "etc/systemd/system" / unit).is_file()


@pytest.mark.parametrize("command", commands_of("make"))
def test_the_target_is_in_the_makefile(command: str) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in command.split()[1:]:
        assert (
            "=" in target
            or target in {"-C", "/opt/dohproxy"}
            or re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)
        )


@pytest.mark.parametrize("command", commands_of(INSTALLED))
def test_the_verb_works(command: str) -> None:
    run = run_in_shell(command)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_commands_to_a_running_service_work(authority: CertificateAuthority, tmp_path: Path) -> None:
    with answering(make_reply) as port:
        sections: Sections = {
            "admin": {"socket": str(tmp_path / "a.sock")},
            "clients": {"member_file": str(tmp_path / "members.json")},
        }
        settings = ProxySettings((f"udp://127.0.0.1:{port}",), authority, sections=sections)
        with running_proxy(tmp_path, settings) as proxy:
            # The one that ends the service comes last.
            for command in sorted(commands_of(ON_DUTY), key=lambda command: command.endswith("drain")):
                words = command.split()[1:]
                if words[0] in OF_FILES:
                    continue
                if not command.removeprefix("dohproxy ").startswith(ALONE):
                    words += ["--config", str(tmp_path / "dohproxy.toml")]
                run = run_dohproxy(*words)
                assert (run.returncode, run.stderr) == (0, ""), command
                assert run.stdout, command
            assert proxy.child.wait(10) == 0


def test_the_verbs_that_look_at_a_service_that_has_ended_work(authority: CertificateAuthority, tmp_path: Path) -> None:
    with answering(make_reply) as port:
        sections: Sections = {"server": {"state_directory": str(tmp_path)}}
        settings = ProxySettings((f"udp://127.0.0.1:{port}",), authority, sections=sections)
        with running_proxy(tmp_path, settings) as proxy:
            assert proxy.child.terminate() == 0
    commands = [command.split()[1:] for command in commands_of(ON_DUTY) if command.split()[1] in OF_FILES]
    assert len(commands) == 2
    for words in commands:
        run = run_dohproxy(*words, "--config", str(tmp_path / "dohproxy.toml"))
        # The doctor finds that nobody listens any more.
        assert (run.returncode, run.stderr) == (1 if words[0] == "doctor" else 0, ""), words
        assert run.stdout, words


def test_the_first_steps_work(find_program: FindProgram, tmp_path: Path) -> None:
    find_program("curl", "curl")
    if accepts_connections(TRIAL_PORT):
        pytest.skip(f"port {TRIAL_PORT} is taken")
    assert "make run" in readme_commands()
    with served_as_the_readme_says(tmp_path / "output") as output:
        for command in commands_of("curl"):
            run = run_in_shell(command)
            assert (run.returncode, bool(run.stdout)) == (0, True), run.stderr
    assert "sdns://" in output.read_text(encoding="utf-8")
    assert not accepts_connections(TRIAL_PORT)


@contextmanager
def served_as_the_readme_says(output: Path) -> Iterator[Path]:
    """Run `make run` in a session of its own and end it with Ctrl-C.

    Where the project's own environment is not complete, making it would need the network: then only the command behind
    the target is run.
    """
    # What a `make` that runs the tests was told, this one was not.
    told = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")
    untold = {name: value for name, value in environment().items() if name not in told}
    question = ["make", "--question", ".venv/runtime.stamp"]
    ready = subprocess.run(question, cwd=PROJECT, env=untold, capture_output=True, check=False)
    argv = ["make", "run"] if ready.returncode == 0 else [sys.executable, "-m", "dohproxy", "serve"]
    with output.open("wb") as written:
        process = subprocess.Popen(
            argv,
            cwd=PROJECT,
            env=untold,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        listening = f"{argv[0]} does not serve on port {TRIAL_PORT}: {output}"
        wait_until(lambda: process.poll() is not None or accepts_connections(TRIAL_PORT), START_SECONDS, listening)
        assert process.poll() is None, output.read_text(encoding="utf-8")
        yield output
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)
            raise

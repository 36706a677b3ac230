"""The service's own process: what it says, and how it ends."""

import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dohproxy.cli.serve import freezing
from dohproxy.cli.terminal import EXIT_CONFIG, VERSION
from tests.cli.running import PROJECT, START_SECONDS, ask, first_line, started, write


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_says_where_it_serves_and_ends_with_0(directory: Path, number: signal.Signals) -> None:
    text = '[server]\nlisten = ["127.0.0.1:0"]\n[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    with started("serve", "--config", write(directory, text)) as process:
        said = re.fullmatch(rf"dohproxy {re.escape(VERSION)} serves on 127\.0\.0\.1:(\d+)\n", first_line(process))
        assert said is not None
        assert ask(int(said[1]), directory / "certificate.pem").answer
        process.send_signal(number)
        _, written = process.communicate(timeout=START_SECONDS)
        assert process.returncode == 0, written
        assert "Traceback" not in written


DUMPING = """
import resource
from dohproxy.__main__ import main
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
main()
"""
"""Starts the service where a crash leaves all it can."""


def test_a_crash_of_the_service_dumps_nothing(directory: Path) -> None:
    text = '[server]\nlisten = ["127.0.0.1:0"]\n[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    with started("serve", "--config", write(directory, text), code=DUMPING) as process:
        first_line(process)
        limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="ascii")
        assert re.search(r"^Max core file size +0 ", limits, re.MULTILINE)


def _serve_to_its_end(file: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dohproxy", "serve", "--config", file],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        cwd=PROJECT,
        check=False,
    )


@pytest.mark.parametrize("section", ["server", "metrics"])
def test_a_busy_port_is_told_in_a_sentence(directory: Path, section: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        text = {
            "server": f'[server]\nlisten = ["{busy}"]\n',
            "metrics": f'[server]\nlisten = ["127.0.0.1:0"]\n[metrics]\nlisten = "{busy}"\n',
        }[section]
        ended = _serve_to_its_end(write(directory, text))
    assert ended.returncode == 1
    line = {"server": 2, "metrics": 4}[section]
    assert ended.stderr.strip() == (
        f"- {section}.listen (line {line}) cannot listen on {busy}: Address already in use;"
        " choose a free address and port"
    )


def test_socket_files_go_with_a_clean_stop(directory: Path) -> None:
    text = '[server]\nlisten = ["unix:h1.sock"]\n[metrics]\nlisten = "unix:m.sock"\n[admin]\nsocket = "a.sock"\n'
    files = [directory / name for name in ("h1.sock", "m.sock", "a.sock")]
    with started("serve", "--config", write(directory, text)) as process:
        first_line(process)
        assert all(file.is_socket() for file in files)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0
    assert [file for file in files if file.exists()] == []


def test_without_uvloop_it_serves_all_the_same(directory: Path) -> None:
    text = '[server]\nlisten = ["127.0.0.1:0"]\n[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    code = "import sys; sys.modules['uvloop'] = None; import dohproxy.cli; dohproxy.cli.main()"
    with started("serve", "--config", write(directory, text), code=code) as process:
        port = int(first_line(process).rpartition(":")[2])
        assert ask(port, directory / "certificate.pem").answer


def test_the_garbage_collector_leaves_alone_what_is_there_when_everything_listens() -> None:
    announced: list[tuple[str, ...]] = []
    try:
        freezing(announced.append)(("127.0.0.1:8443",))
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
    assert announced == [("127.0.0.1:8443",)]


def test_every_line_is_json_from_the_first_to_the_last(directory: Path) -> None:
    text = '[server]\nlisten = ["127.0.0.1:0"]\n[clients]\nmember_networks = ["0.0.0.0/0"]\n[log]\nformat = "json"\n'
    with started("serve", "--config", write(directory, text)) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        while " serves on " not in lines[-1]:
            lines.append(process.stderr.readline())
        process.terminate()
        said, written = process.communicate(timeout=START_SECONDS)
    told = [json.loads(line) for line in (*lines, *written.splitlines())]
    assert [one["level"] for one in told] == ["warning", "info", "info"]
    assert told[0]["event"].startswith("clients.member_networks (line 4) makes a member")
    assert (said, process.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("text", "faults"),
    [('[log]\nformat = "json"\nlevel = "warn"\n[server]\nlisten = 8\n', 2), ('[server\n[log]\nformat = "json"\n', 1)],
    ids=["two faults", "no TOML"],
)
def test_why_it_does_not_start_is_json_too(directory: Path, text: str, faults: int) -> None:
    run = _serve_to_its_end(write(directory, text))
    assert (run.returncode, run.stdout) == (EXIT_CONFIG, "")
    told = [json.loads(line) for line in run.stderr.splitlines()]
    assert [one["level"] for one in told] == ["error"] * faults


@pytest.mark.parametrize("verb", ["check", "serve"])
def test_in_the_journal_errors_have_their_priority(directory: Path, verb: str) -> None:
    file = write(directory, '[log]\nlevel = "warn"\n')
    journal = directory / "journal"
    with journal.open("w") as opened:
        found = os.fstat(opened.fileno())
        run = subprocess.run(
            [sys.executable, "-m", "dohproxy", verb, "--config", file],
            stdout=opened,
            stderr=opened,
            env={**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
            timeout=START_SECONDS,
            cwd=PROJECT,
            check=False,
        )
    assert run.returncode == EXIT_CONFIG
    [line] = journal.read_text().splitlines()
    assert line.startswith("<3>")
    assert "log.level (line 2)" in line

"""The command line, and what the program is made of."""

import getpass
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dohproxy.nft.command import main, parser
from dohproxy.nft.protocol import read_network
from tests.e2e.proxy import PROJECT, environment


def test_it_drops_at_port_443_for_the_user_of_the_unit_unless_told_otherwise() -> None:
    given = parser().parse_args([])
    assert (str(given.socket), given.user, given.port, given.spare) == (
        "/run/dohproxy-nft/socket",
        "dohproxy",
        None,
        [],
    )
    given = parser().parse_args(
        ["--port", "443", "--port", "8443", "--spare", "192.0.2.0/24", "--spare", "2001:db8::1"]
    )
    assert given.port == [443, 8443]
    assert given.spare == [read_network("192.0.2.0/24"), read_network("2001:db8::1/128")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "0"], "a number from 1 to 65535"),
        (["--port", "https"], "a number from 1 to 65535"),
        (["--spare", "192.0.2.1/24"], "write 192.0.2.0/24"),
        (["--spare", "example.net"], "write 192.0.2.0/24"),
        (["--spare", "fe80::1%eth0"], "write 192.0.2.0/24"),
        (["more"], "unrecognized"),
    ],
    ids=["no port", "a name", "bits behind", "a host", "a scope", "an argument"],
)
def test_what_cannot_be_understood_is_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_user_that_is_not_there_is_for_a_person_to_repair(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--user", "nobody-at-all", "--socket", str(tmp_path / "socket")])
    assert ended.value.code == 78
    assert "--user nobody-at-all is no user of this machine" in capsys.readouterr().err


def test_a_directory_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--user", getpass.getuser(), "--socket", str(tmp_path / "away" / "socket")])
    assert ended.value.code == 1
    assert "cannot be listened on: No such file or directory." in capsys.readouterr().err


def test_it_imports_nothing_of_the_service_and_nothing_from_elsewhere() -> None:
    program = "import sys; import dohproxy.nft.command; print('\\n'.join(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, env=environment(), check=True, timeout=30
    )
    names = set(run.stdout.split())
    ours = {name for name in names if name.partition(".")[0] == "dohproxy"}
    rooms = {f"dohproxy.nft.{name}" for name in ("command", "drops", "helper", "protocol", "ruleset")}
    assert ours == {"dohproxy", "dohproxy.nft"} | rooms
    foreign = {name.partition(".")[0] for name in names - ours} - sys.stdlib_module_names
    assert {name for name in foreign if not name.startswith(("_", "sitecustomize"))} == set()


def test_it_ends_on_a_signal_and_leaves_no_socket(tmp_path: Path) -> None:
    nft = tmp_path / "nft"
    nft.write_text("#!/bin/sh\ncat >/dev/null\n")
    nft.chmod(0o755)
    path = tmp_path / "socket"
    program = (
        f"import sys; from dohproxy.nft import helper, command\ncommand.main(sys.argv[1:], helper.Nft({str(nft)!r}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", program, "--user", getpass.getuser(), "--socket", str(path)],
        env=environment(),
        cwd=PROJECT,
    )
    try:
        deadline = time.monotonic() + 15
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
    assert not path.exists()

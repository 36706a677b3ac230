"""The verb `backup`: what it writes and says, how it ends."""

from pathlib import Path

import pytest

from dohproxy.cli.terminal import EXIT_CONFIG
from dohproxy.tls.throwaway import write_throwaway_certificate
from tests.cli.running import run, write


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A configuration with a key."""
    certificate, key = write_throwaway_certificate(tmp_path, "localhost")
    return write(tmp_path, f'[tls]\ncertificate = "{certificate.name}"\nkey = "{key.name}"\n')


def test_it_says_what_is_in_it_and_what_is_not(file: str, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar.gz"
    ended = run("backup", str(target), "--config", file)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert f"{target}: 1 files of localhost, " in ended.stdout
    assert "; only its owner can read it." in ended.stdout
    assert "(a secret: --with-keys): put it there, or have a new certificate made" in ended.stdout
    assert "Private keys are in it" not in ended.stdout
    assert target.stat().st_mode & 0o777 == 0o600


def test_it_says_that_keys_are_in_it(file: str, tmp_path: Path) -> None:
    ended = run("backup", str(tmp_path / "b"), "--config", file, "--with-keys", "--without", "hours")
    assert "Private keys are in it: whoever has it can pass for the service." in ended.stdout


def test_what_cannot_be_written_is_1(file: str, tmp_path: Path) -> None:
    ended = run("backup", str(tmp_path / "absent" / "b"), "--config", file)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "cannot be written (No such file or directory)" in ended.stderr


def test_a_bad_configuration_is_78(tmp_path: Path) -> None:
    assert run("backup", str(tmp_path / "b"), "--config", write(tmp_path, "[servr]\n")).exit_code == EXIT_CONFIG


def test_what_cannot_be_left_out_is_2(file: str, tmp_path: Path) -> None:
    ended = run("backup", str(tmp_path / "b"), "--config", file, "--without", "configuration")
    assert ended.exit_code == 2

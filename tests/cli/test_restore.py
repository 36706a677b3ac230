"""The verb `restore`: what it proves, writes and says, how it ends."""

import gzip
import socket
import tempfile
from pathlib import Path

import pytest

from dohproxy.cli.restore import runs
from dohproxy.cli.terminal import EXIT_CONFIG
from dohproxy.config import load
from tests.cli.running import run, write


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A backup of a service with a list and a state directory; its files are still there."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "state").mkdir()
    (tmp_path / "etc" / "ads.txt").write_text("ads.example\n", encoding="utf-8")
    text = f'[server]\nstate_directory = "{tmp_path}/etc/state"\n[admin]\nsocket = "{tmp_path}/admin.sock"\n'
    file = write(tmp_path / "etc", text + '[[blocklist]]\nname = "ads"\nfile = "ads.txt"\n')
    assert run("backup", str(tmp_path / "b"), "--config", file).exit_code == 0
    return tmp_path / "b"


def contents(directory: Path) -> dict[Path, bytes]:
    """Return all files."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_check_proves_and_changes_nothing(made: Path, tmp_path: Path) -> None:
    before = contents(tmp_path)
    ended = run("restore", str(made), "--check", "--into", str(tmp_path / "new"))
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"{made}: 2 files of localhost, ")
    assert f"  blocklist #1.file: {tmp_path}/etc/ads.txt" in ended.stdout
    assert "Not in it:" in ended.stdout
    assert "Restored" not in ended.stdout
    assert contents(tmp_path) == before


def test_it_goes_into_an_empty_directory_and_can_be_served_there(made: Path, tmp_path: Path) -> None:
    ended = run("restore", str(made), "--into", str(tmp_path / "new"))
    file = tmp_path / "new" / (tmp_path / "etc" / "dohproxy.toml").relative_to("/")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.endswith(f"Restored: 2 files. Start it: dohproxy serve --config {file}\n")
    assert run("check", "--config", str(file)).exit_code == 0


def test_what_is_there_is_written_over_only_if_somebody_says_so(made: Path, tmp_path: Path) -> None:
    ads = tmp_path / "etc" / "ads.txt"
    ads.write_text("newer.example\n", encoding="utf-8")
    before = contents(tmp_path)
    ended = run("restore", str(made))
    assert ended.exit_code == 1
    assert f"These are there already: {ads}." in ended.stderr
    assert contents(tmp_path) == before
    ended = run("restore", str(made), "--overwrite")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert f"What was there before: {ads}.before-" in ended.stdout
    assert ads.read_text(encoding="utf-8") == "ads.example\n"


def test_where_the_service_runs_nothing_is_restored_into_its_place(made: Path, tmp_path: Path) -> None:
    config = load(tmp_path / "etc" / "dohproxy.toml")
    assert not runs(config)
    with socket.socket(socket.AF_UNIX) as listener:
        # A name of 108 bytes is as long as one may be.
        with tempfile.TemporaryDirectory() as short:
            (Path(short) / "s").symlink_to(tmp_path)
            listener.bind(f"{short}/s/admin.sock")
        listener.listen()
        assert runs(config)
        ended = run("restore", str(made), "--overwrite")
    assert ended.exit_code == 1
    assert "The service runs here, and would write over what is restored: stop it first." in ended.stderr


def test_what_the_service_would_refuse_is_told_and_1(made: Path, tmp_path: Path) -> None:
    text = (tmp_path / "etc" / "dohproxy.toml").read_text(encoding="utf-8")
    (tmp_path / "etc" / "dohproxy.toml").write_text(
        text.replace(f"{tmp_path}/admin.sock", f"{tmp_path}/absent/admin.sock"), encoding="utf-8"
    )
    run("backup", str(made), "--config", str(tmp_path / "etc" / "dohproxy.toml"))
    ended = run("restore", str(made), "--check")
    assert ended.exit_code == 1
    assert "What the service would say of it here:\n  admin.socket names " in ended.stdout


HOSTILE = {
    "another file": b"[server]\n",
    "nothing": b"",
    "another gzip": gzip.compress(b"x" * 5_000),
    "a bomb": gzip.compress(bytes(50_000_000)),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_backup_gets_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b").write_bytes(content)
    ended = run("restore", str(tmp_path / "b"), "--into", str(tmp_path / "new"))
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.endswith("Nothing has changed.\n")
    assert not (tmp_path / "new").exists()


def test_no_file_is_told(tmp_path: Path) -> None:
    ended = run("restore", str(tmp_path / "b"))
    assert ended.exit_code == 1
    assert "cannot be restored (No such file or directory). Nothing has changed." in ended.stderr


def test_a_configuration_of_another_time_is_78(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dohproxy.tools.backup.proof.read", lambda text, directory: load(Path("/absent")))
    ended = run("restore", str(made))
    assert ended.exit_code == EXIT_CONFIG
    assert "holds a configuration that this program cannot use. Nothing has changed." in ended.stderr

"""The folder of public pages."""

import os
import stat
from pathlib import Path

import pytest
import structlog

from dohproxy.jobs.page_folder import PageFolder, write_folder

FILES = [("index.html", b"one"), ("status.json", b"{}")]


def test_files_are_whole_and_for_everybody_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    assert write_folder(folder, FILES) == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == dict(FILES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_a_folder_that_is_made_is_for_everybody_to_enter_and_one_that_was_there_is_left(
    tmp_path: Path, umask: int
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old").chmod(0o750)
    before = os.umask(umask)
    try:
        write_folder(tmp_path / "new", FILES)
        write_folder(tmp_path / "old", FILES)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "old")] == [0o755, 0o750]


def test_what_reads_a_file_meanwhile_reads_the_old_one_to_its_end(tmp_path: Path) -> None:
    write_folder(tmp_path, FILES)
    with (tmp_path / "index.html").open("rb") as reading:
        write_folder(tmp_path, [("index.html", b"two")])
        assert reading.read() == b"one"
    assert (tmp_path / "index.html").read_bytes() == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "status.json"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "none" / "pages"
    assert write_folder(folder, FILES) == f"pages.folder names {folder}: No such file or directory."
    (tmp_path / "file").write_bytes(b"")
    assert "File exists" in write_folder(tmp_path / "file", FILES)


async def test_attempts_are_due_by_time_and_failures_are_counted_and_logged(tmp_path: Path) -> None:
    folder = PageFolder()
    good, bad = tmp_path / "pages", tmp_path / "none" / "pages"
    assert folder.is_due(good, 60, 1_000.0)
    await folder.write(good, FILES, 1_000.0)
    assert (folder.written_at, folder.failures) == (1_000.0, 0)
    assert not folder.is_due(good, 60, 1_059.0)
    assert folder.is_due(good, 60, 1_060.0)
    assert folder.is_due(good, 60, 900.0)  # The clock was put back.
    assert folder.is_due(bad, 60, 1_001.0)
    with structlog.testing.capture_logs() as lines:
        await folder.write(bad, FILES, 1_061.0)
    assert (folder.written_at, folder.failures) == (1_000.0, 1)
    assert [line["log_level"] for line in lines] == ["warning"]
    assert not folder.is_due(bad, 60, 1_062.0)

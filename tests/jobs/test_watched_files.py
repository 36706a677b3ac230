"""When files that somebody else writes are to be read again."""

import os
from pathlib import Path

import pytest

from dohproxy.jobs.watched_files import NO_FILE, WatchedFiles, state_of

NOW = 1_800_000_000.0


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two files that are read together."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    return one, other


def test_what_was_never_read_is_due_and_then_not_until_one_of_them_changes(pair: tuple[Path, Path]) -> None:
    files = WatchedFiles(*pair)
    assert files.is_due(NOW)
    files.has_read(files.look())
    assert not files.is_due(NOW)
    for change in (lambda: pair[0].write_bytes(b"12"), lambda: pair[1].write_bytes(b"34"), pair[1].unlink):
        change()
        assert files.is_due(NOW)
        files.has_read(files.look())
        assert not files.is_due(NOW)


def test_what_is_written_while_they_are_read_is_a_change(pair: tuple[Path, Path]) -> None:
    files = WatchedFiles(*pair)
    states = files.look()
    pair[0].write_bytes(b"in between")
    files.has_read(states)
    assert files.is_due(NOW)


def test_a_reading_that_is_broken_off_is_made_again(pair: tuple[Path, Path]) -> None:
    files = WatchedFiles(*pair)
    files.look()
    assert files.is_due(NOW)


def test_what_may_be_judged_otherwise_later_is_due_by_then_once(pair: tuple[Path, Path]) -> None:
    files = WatchedFiles(*pair)
    files.has_read(files.look(), NOW + 1)
    assert [files.is_due(NOW), files.is_due(NOW + 1)] == [False, True]
    files.has_read(files.look())
    assert not files.is_due(NOW + 1)


def test_of_what_was_not_there_it_is_no_news_that_it_is_not(tmp_path: Path) -> None:
    files = WatchedFiles(tmp_path / "absent")
    files.has_read(NO_FILE)
    assert not files.is_due(NOW)
    (tmp_path / "absent").touch()
    assert files.is_due(NOW)


@pytest.mark.parametrize("change", ["content", "time", "mode", "another file", "another file behind the link"])
def test_a_change_shows(tmp_path: Path, change: str) -> None:
    file, other, link = tmp_path / "a", tmp_path / "b", tmp_path / "link"
    file.write_bytes(b"1234")
    other.write_bytes(b"5678")
    link.symlink_to(file)
    before = state_of(link)
    match change:
        case "content":
            file.write_bytes(b"12345")
        case "time":
            os.utime(file, ns=(1, 1))
        case "mode":
            file.chmod(0o600)
        case "another file":
            other.rename(file)
        case _:
            link.unlink()
            link.symlink_to(other)
    assert state_of(link) != before
    assert state_of(link) == state_of(link)


def test_what_is_not_there_has_no_state(tmp_path: Path) -> None:
    assert state_of(tmp_path / "absent") is None


def test_what_is_read_after_a_copy_was_made_is_due_in_the_copy(pair: tuple[Path, Path]) -> None:
    files = WatchedFiles(*pair)
    before = files.copy()
    files.has_read(files.look(), retry_at=NOW + 10)
    after = files.copy()
    assert [before.is_due(NOW), after.is_due(NOW), after.is_due(NOW + 10)] == [True, False, True]

"""A file by which something outlasts the process: it may be as broken as it likes, and so may the disk."""

import errno
from pathlib import Path

import pytest
import structlog

from dohproxy.jobs.atomic_file import AtomicFile
from dohproxy.jobs.saved_file import ASIDE, CannotSave, SavedFile, Words

SECONDS = 5.0


class NoGood(Exception):
    """What is raised for a file that cannot be used."""


@pytest.fixture
def file(tmp_path: Path) -> SavedFile:
    """A file for numbers."""
    return SavedFile(tmp_path / "numbers", Words("numbers", "we count anew"), structlog.get_logger("test"), (NoGood,))


async def _save(file: SavedFile, content: bytes) -> None:
    async def write(replacement: AtomicFile) -> None:
        replacement.open()
        replacement.write(content)
        replacement.commit()

    await file.save(write)


async def _as_text(content: bytes) -> str:
    return content.decode()


def _refuse(_: Path) -> bytes:
    raise NoGood("holds letters")


def _choke(_: Path) -> bytes:
    raise KeyError


def _hang(_: Path) -> bytes:
    raise TimeoutError


async def test_what_was_saved_is_loaded(file: SavedFile) -> None:
    await _save(file, b"1 2 3")
    assert await file.load(Path.read_bytes, _as_text, SECONDS) == "1 2 3"
    assert file.save_failures == 0


async def test_the_first_time_there_is_nothing(file: SavedFile) -> None:
    with structlog.testing.capture_logs() as lines:
        assert await file.load(Path.read_bytes, _as_text, SECONDS) is None
    assert [line["event"] for line in lines] == ["there is no numbers of an earlier run, we count anew"]


@pytest.mark.parametrize(
    ("read", "why"), [(_refuse, "holds letters"), (_choke, "cannot be understood")], ids=["no good", "a bug"]
)
async def test_what_is_no_good_is_put_aside_over_what_was_there(file: SavedFile, read: object, why: str) -> None:
    aside = file.path.with_name(f"numbers{ASIDE}")
    aside.write_bytes(b"before")
    await _save(file, b"a b")
    with structlog.testing.capture_logs() as lines:
        assert await file.load(read, _as_text, SECONDS) is None  # type: ignore[arg-type]
    assert (aside.read_bytes(), file.path.exists()) == (b"a b", False)
    assert lines[-1]["event"] == "the numbers is left unread, we count anew"
    assert (lines[-1]["why"], lines[-1]["kept_as"]) == (f"{file.path} {why}", str(aside))


async def test_what_cannot_be_read_now_stays_where_it_is(file: SavedFile) -> None:
    await _save(file, b"1")
    with structlog.testing.capture_logs() as lines:
        assert await file.load(_hang, _as_text, SECONDS) is None
    assert file.path.read_bytes() == b"1"
    assert (lines[0]["event"], lines[0]["why"]) == ("the numbers cannot be read, we count anew", "it takes too long")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (CannotSave("it would be too long"), "it would be too long"),
        (KeyError("secret"), None),
    ],
    ids=["the disk", "the content", "a bug"],
)
async def test_what_cannot_be_saved_is_told_and_counted_and_what_was_stays(
    file: SavedFile, error: Exception, told: str | None
) -> None:
    await _save(file, b"1")

    async def write(replacement: AtomicFile) -> None:
        replacement.open()
        replacement.write(b"2")
        raise error

    with structlog.testing.capture_logs() as lines:
        await file.save(write)
    await file.in_thread(lambda: None)
    assert [found.name for found in file.path.parent.iterdir()] == ["numbers"]
    assert (file.path.read_bytes(), file.save_failures) == (b"1", 1)
    assert lines[0].get("why") == told
    assert "secret" not in str(lines[0]["event"])

"""Files that are replaced whole or not at all, and read with care."""

import errno
import os
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dohproxy.jobs.atomic_file import AtomicFile, ForeignFile, read_own_file

MOST = 1_000_000


def opened(path: Path) -> AtomicFile:
    replacement = AtomicFile(path)
    replacement.open()
    return replacement


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


# --- Written ---


@pytest.mark.parametrize("before", [None, b"old"], ids=["where nothing was", "over what was there"])
def test_the_new_content_takes_its_place_at_once(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    replacement = opened(path)
    for chunk in (b"one ", b"", b"two"):
        replacement.write(chunk)
        assert (path.read_bytes() if path.exists() else None) == before
    replacement.commit()
    assert path.read_bytes() == b"one two"
    replacement.discard()
    assert names(tmp_path) == {"file"}


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        replacement = opened(path)
        replacement.commit()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("chunks", [0, 1])
def test_what_is_discarded_leaves_the_old_content_and_nothing_else(tmp_path: Path, chunks: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    replacement = opened(path)
    for _ in range(chunks):
        replacement.write(b"new")
    replacement.discard()
    replacement.discard()
    assert (path.read_bytes(), names(tmp_path)) == (b"old", {"file"})


def test_what_was_never_opened_can_be_discarded_and_nothing_more(tmp_path: Path) -> None:
    replacement = AtomicFile(tmp_path / "file")
    replacement.discard()
    with pytest.raises(ValueError, match="open"):
        replacement.write(b"new")
    with pytest.raises(ValueError, match="open"):
        replacement.commit()


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / "file.partial").write_bytes(b"half of somethi")
    replacement = opened(path)
    replacement.write(b"whole")
    replacement.commit()
    assert (path.read_bytes(), names(tmp_path)) == (b"whole", {"file"})


@pytest.mark.parametrize("name", ["file", "file.partial"])
def test_a_link_does_not_lead_it_elsewhere(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / name).symlink_to(victim)
    replacement = opened(tmp_path / "file")
    replacement.write(b"new")
    replacement.commit()
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()


@contextmanager
def disk_with_room_for(size: int) -> Iterator[None]:
    """Let this process write no larger file, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_an_error_and_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with disk_with_room_for(100_000):
        replacement = opened(path)
        with pytest.raises(OSError, match="File too large"):
            replacement.write(bytes(200_000))
        replacement.discard()
    assert (path.read_bytes(), names(tmp_path)) == (b"old", {"file"})


def test_an_absent_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "absent" / "file")


def test_a_directory_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    replacement = opened(tmp_path / "file")
    with pytest.raises(OSError, match="directory"):
        replacement.commit()
    replacement.discard()
    assert names(tmp_path) == {"file"}


# --- Read ---


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o644])
def test_a_file_of_our_own_is_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(mode)
    assert read_own_file(path, MOST) == b"content"


def test_no_more_is_read_than_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1_000))
    assert len(read_own_file(path, 10)) == 10


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_may_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(mode)
    with pytest.raises(ForeignFile, match="can be written by other users"):
        read_own_file(path, MOST)


def test_what_belongs_to_another_user_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:  # root is believed, whoever we are
        assert read_own_file(path, MOST) == b"content"
        os.chown(path, 12_345, -1)
    with pytest.raises(ForeignFile):
        read_own_file(path, MOST)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    os.mkfifo(path)
    with pytest.raises(OSError, match="Not a regular file"):
        read_own_file(path, MOST)


def test_other_kinds_of_files_are_errors_and_leave_nothing_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - descriptors
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match=r"Not a regular file|Is a directory"):
            read_own_file(path, MOST)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    with pytest.raises(FileNotFoundError) as caught:
        read_own_file(tmp_path / "absent", MOST)
    assert caught.value.errno == errno.ENOENT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_root_reads_what_belongs_to_the_directorys_owner_and_to_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    path.chmod(0o600)
    os.chown(path, 12_345, -1)
    with pytest.raises(ForeignFile):
        read_own_file(path, 10, is_secret=True)
    os.chown(tmp_path, 12_345, -1)
    assert read_own_file(path, 10, is_secret=True) == b"x"


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_what_is_for_everybody_can_be_read_by_everybody_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        file = AtomicFile(tmp_path / "page", 0o644)
        file.open()
        file.commit()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == 0o644

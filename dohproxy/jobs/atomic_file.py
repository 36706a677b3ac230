"""Files of our own on the disk: read with care, and replaced whole or not at all. Everything here blocks."""

import contextlib
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from dohproxy.regular_file import open_regular

MODE: Final = 0o600
"""For this user alone: what is written here holds names that somebody asked for."""


class ForeignFile(Exception):
    """Others could have written a file of this user, or read a secret; the message is a predicate, for the operator."""


def read_own_file(path: Path, most_bytes: int, *, is_secret: bool = False) -> bytes:
    """Return a file's content, or its first `most_bytes` bytes; one that `is_secret` must not be readable by others.

    Raises ForeignFile, and OSError if there is none, it may not be read, or it is no regular file.
    """
    with open_regular(path) as file:
        _require_own(os.fstat(file.fileno()), _owners(path), is_secret=is_secret)
        return file.read(most_bytes)


def _owners(path: Path) -> frozenset[int]:
    """Return the users whose file this may be: ours and root's; for root also the directory's, who is the service's
    user where root types a command."""
    own = os.geteuid()
    return frozenset((0, own)) if own else frozenset((0, path.parent.stat().st_uid))


def _require_own(found: os.stat_result, owners: frozenset[int], *, is_secret: bool) -> None:
    if found.st_uid not in owners or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ForeignFile("can be written by other users, so it may say anything")
    if is_secret and found.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ForeignFile("can be read by other users")


def reason_of(error: OSError) -> str:
    """Return the system's words alone: Python's own text repeats the file name."""
    return error.strerror or ("it takes too long" if isinstance(error, TimeoutError) else type(error).__name__)


class AtomicFile:
    """A new content for a file: written beside it, and put in its place once it is whole and on the disk.

    So the file is never half written, whenever the power goes or the disk is full. Every method may raise OSError, but
    for `discard`.
    """

    def __init__(self, path: Path, mode: int = MODE) -> None:
        """`mode`: who may read it, whatever the process's umask says."""
        self._path = path
        self._mode = mode
        self._beside = path.with_name(f"{path.name}.partial")
        """One name, not a new one each time: what a killed process leaves behind is replaced by the next."""
        self._file: BinaryIO | None = None
        self._is_committed = False

    def open(self) -> None:
        """Begin; must be called before `write`."""
        self._beside.unlink(missing_ok=True)
        # O_EXCL: whoever may make links in this directory must not choose what we write into.
        descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
        self._file = os.fdopen(descriptor, "wb")
        if self._mode != MODE:
            os.fchmod(descriptor, self._mode)

    def write(self, chunk: bytes) -> None:
        """Append to the new content."""
        self._opened().write(chunk)

    def give_to(self, uid: int, gid: int) -> None:
        """Let the new content belong to another user, which only root may do."""
        os.fchown(self._opened().fileno(), uid, gid)

    def commit(self) -> None:
        """Put the new content in the old one's place."""
        file = self._opened()
        file.flush()
        os.fsync(file.fileno())
        file.close()
        self._beside.replace(self._path)
        self._is_committed = True

    def discard(self) -> None:
        """Leave nothing of the new content behind; after `commit` nothing is done, as what stands beside the file by
        then is another one's."""
        if self._is_committed:
            return
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(OSError):
            self._beside.unlink()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise ValueError("open() comes first")
        return self._file

"""Files that somebody else writes while the service runs: when they are to be read again.

All who keep to such files do it in one way. They look before they read, so that what is written meanwhile is a change;
and note what they saw once the reading has come to an end, whatever it came to. So what is refused is told once, and
tried again when it changes; and a reading that was broken off is made again.
"""

import math
from pathlib import Path

FileState = tuple[int, int, int, int] | None
"""Inode, size, times of content and of metadata (ns) behind all symbolic links; None if there is no file.

The last one because a file that could not be read becomes readable without any other sign.
"""
States = tuple[FileState, ...]


class WatchedFiles:
    """Files that are read together."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._read: States | None = None
        """Their states before they were read last; None: they never were."""
        self._retry_at = math.inf

    def copy(self) -> "WatchedFiles":
        """Return the same files as far as they are read by now. What is read of these later is due there still."""
        found = WatchedFiles(*self._paths)
        found._read, found._retry_at = self._read, self._retry_at
        return found

    def look(self) -> States:
        """Return their states now."""
        return tuple(state_of(path) for path in self._paths)

    def has_read(self, states: States, retry_at: float = math.inf) -> None:
        """Note that they were read when these were their states. `retry_at`: Unix seconds from which the same files may
        be judged otherwise, as a certificate of tomorrow is good tomorrow."""
        self._read, self._retry_at = states, retry_at

    def is_due(self, now: float) -> bool:
        """Tell whether they are to be read again; `now` is Unix seconds."""
        return self.look() != self._read or now >= self._retry_at


def state_of(path: Path) -> FileState:
    """Return what tells this file from what it was before."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


NO_FILE: States = (None,)
"""What is seen of a single file that is not there."""

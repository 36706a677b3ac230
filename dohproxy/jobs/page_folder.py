"""The folder of public pages: what another host publishes when this one cannot be reached."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from dohproxy.jobs.atomic_file import AtomicFile, reason_of

FILE_MODE: Final = 0o644
"""What is written there is for everybody."""
FOLDER_MODE: Final = 0o755

_log = structlog.get_logger("dohproxy.pages")


@dataclass(frozen=True, slots=True)
class PageJobStatistics:
    """What the metrics show."""

    written_at: float
    """Unix seconds at which the folder was written last; 0.0 if it was not."""
    write_failures: int
    incidents: int
    """How many are remembered."""
    most_incidents: int


class PageFolder:
    """Writes the pages there, and remembers when that was."""

    def __init__(self) -> None:
        self.written_at = 0.0
        self.failures = 0
        self._tried_at = 0.0
        self._folder: Path | None = None

    def is_due(self, folder: Path, seconds: float, now: float) -> bool:
        """Tell whether so many seconds have gone by since the last attempt; `now` is Unix seconds."""
        return folder != self._folder or not 0.0 <= now - self._tried_at < seconds

    async def write(self, folder: Path, files: Sequence[tuple[str, bytes]], now: float) -> None:
        """Write all files; what fails is logged and counted, and tried again when it is due."""
        self._tried_at, self._folder = now, folder
        problem = await asyncio.to_thread(write_folder, folder, files)
        if problem:
            self.failures += 1
            _log.warning("the folder of public pages cannot be written, and what is there grows old", why=problem)
        else:
            self.written_at = now


def write_folder(folder: Path, files: Sequence[tuple[str, bytes]]) -> str:
    """Write files for everybody to read, each whole or not at all; make the folder if its parent is there. Return what
    is wrong, "" if nothing is. Blocks."""
    try:
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(FOLDER_MODE)  # Whatever the process's umask says.
        for name, content in files:
            file = AtomicFile(folder / name, FILE_MODE)
            try:
                file.open()
                file.write(content)
                file.commit()
            finally:
                file.discard()
    except OSError as error:
        return f"pages.folder names {folder}: {reason_of(error)}."
    return ""

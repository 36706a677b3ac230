"""A file of our own by which something outlasts the process: read at the start, written now and then and at the end.

It is worth no more than that: no state of the file or of the disk keeps the service from starting, ends it, or makes it
slow. What is no good is put aside, so that it is neither written over nor met at every start; what cannot be saved is
told and counted, and the file before stays.

What blocks is done by a thread. There is one, so that everything happens to the file in the order asked for, also what
a cancelled save has left to do.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from dohproxy.jobs.atomic_file import AtomicFile, ForeignFile, reason_of
from dohproxy.jobs.worker import Worker

ASIDE: Final = ".unread"
"""Behind the name of a file that was put aside."""
LAST_SAVE_SECONDS: Final = 5.0
"""For the save at the end: with the longest drain (80 s) still less than the 90 after which systemd kills."""

_Content = TypeVar("_Content")
_Taken = TypeVar("_Taken")
_R = TypeVar("_R")


class CannotSave(Exception):
    """There is nothing that could be written; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Words:
    """How the log speaks of a file."""

    what: str
    """What is in it, as in "the state is not saved"."""
    without: str
    """What comes of it that there is none, as in "the cache begins empty"."""


class SavedFile:
    """One such file, without what is in it."""

    def __init__(self, path: Path, words: Words, log: Any, faults: tuple[type[Exception], ...]) -> None:
        """`log` is a logger of structlog. `faults` are raised for a file that is no good; their messages are predicates
        of it."""
        self.path = path
        self._words = words
        self._log = log
        self._faults: tuple[type[Exception], ...] = (ForeignFile, *faults)
        self._worker = Worker(f"{path.name}-file")
        self._saving = asyncio.Lock()
        self.save_failures = 0

    async def load(
        self, read: Callable[[Path], _Content], take: Callable[[_Content], Awaitable[_Taken]], seconds: float
    ) -> _Taken | None:
        """Have what the file holds taken; return what `take` returns, None if there is nothing to take.

        `read` is called by the thread, and waited for no longer than so many seconds.
        """
        what, without = self._words.what, self._words.without
        try:
            async with asyncio.timeout(seconds):
                content = await self.in_thread(read, self.path)
            return await take(content)
        except FileNotFoundError:
            self._log.info(f"there is no {what} of an earlier run, {without}", file=str(self.path))
        except OSError as error:  # TimeoutError is one
            self._log.warning(f"the {what} cannot be read, {without}", file=str(self.path), why=reason_of(error))
        except self._faults as fault:
            await self._put_aside(str(fault))
        except Exception:
            # Whatever led to the bug would lead to it at every start.
            self._log.exception(f"the {what} met a bug")
            await self._put_aside("cannot be understood")
        return None

    async def _put_aside(self, fault: str) -> None:
        """Rename a file that is no good, over the one before; whoever wants to know why still has it."""
        aside = self.path.with_name(f"{self.path.name}{ASIDE}")
        kept_as = str(aside)
        try:
            await self.in_thread(self.path.replace, aside)
        except OSError as error:
            kept_as = f"nothing ({reason_of(error)})"
        self._log.warning(
            f"the {self._words.what} is left unread, {self._words.without}", why=f"{self.path} {fault}", kept_as=kept_as
        )

    async def save(self, write: Callable[[AtomicFile], Awaitable[None]]) -> None:
        """Have the whole content written. What fails is logged and counted, and the file before stays."""
        async with self._saving:
            replacement = AtomicFile(self.path)
            try:
                await write(replacement)
            except OSError as error:
                self._failed(reason_of(error))
            except CannotSave as fault:
                self._failed(str(fault))
            except Exception:
                self.save_failures += 1
                self._log.exception(f"saving the {self._words.what} met a bug")
            finally:
                # Not awaited, because this may be a cancellation; the thread does it before anything that comes later.
                self._worker.do_later(replacement.discard)

    async def save_last(self, saving: Awaitable[None]) -> None:
        """Have the last save end within LAST_SAVE_SECONDS; nothing may be saved afterwards."""
        try:
            async with asyncio.timeout(LAST_SAVE_SECONDS):
                await saving
        except TimeoutError:
            self._failed(f"it takes more than {LAST_SAVE_SECONDS:g} seconds")
        self._worker.close()

    async def in_thread(self, do: Callable[..., _R], *args: Any) -> _R:
        """Have the thread do it, behind all that it has to do already."""
        return await self._worker.do(do, *args)

    def _failed(self, why: str) -> None:
        self.save_failures += 1
        self._log.warning(f"the {self._words.what} is not saved, the file before stays", file=str(self.path), why=why)

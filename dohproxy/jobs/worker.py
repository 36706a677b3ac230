"""A thread for what blocks on a disk, which may be for ever.

Those of an executor are waited for when the interpreter ends, so one write that a hung disk does not take would hold up
the end of the service until somebody kills it. This one ends with the process, whatever it is in the middle of.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, TypeVar

Outcome = TypeVar("Outcome")
_END: Final = None


class Worker:
    """Does one thing after another, in the order asked for; its thread begins with the first of them."""

    def __init__(self, name: str) -> None:
        """`name` is the thread's, for whoever looks at the process."""
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def do(self, work: Callable[..., Outcome], *args: Any) -> Outcome:
        """Return what `work` returns, or raise what it raises. Who is cancelled meanwhile leaves it under way."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome | None, error: BaseException | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(outcome)  # type: ignore[arg-type]

        def run() -> None:
            outcome, error = None, None
            try:
                outcome = work(*args)
            except BaseException as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # The loop is closed, and nobody waits any more.
                loop.call_soon_threadsafe(settle, outcome, error)

        self._put(run)
        return await done

    def do_later(self, work: Callable[[], None]) -> None:
        """Have something done that raises nothing, behind all that is to be done already; nobody waits for it."""
        self._put(work)

    def close(self) -> None:
        """Let the thread end when it has done what it was asked for; nothing may be asked for afterwards."""
        if self._thread is not None:
            self._work.put(_END)

    def _put(self, work: Callable[[], None]) -> None:
        self._work.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (work := self._work.get()) is not _END:
            work()

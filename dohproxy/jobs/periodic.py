"""What is done now and then, for as long as the service runs; no bug in it ends the service."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger("dohproxy.jobs")


async def repeat(what: str, seconds: Callable[[], float], work: Callable[[], Awaitable[None] | None]) -> None:
    """Do `work` every so often until cancelled; `seconds` is asked each time, as a reload may change it.

    An exception of it is logged under the name `what`, and the next time comes as if there had been none.
    """
    while True:
        await asyncio.sleep(seconds())
        try:
            awaited = work()
            if awaited is not None:
                await awaited
        except Exception:
            _log.exception("a job met a bug", job=what)

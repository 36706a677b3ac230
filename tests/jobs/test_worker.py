"""One thread does what blocks, in order, and nobody waits for it at the end."""

import asyncio
import subprocess
import sys
import threading

import pytest

from dohproxy.jobs.worker import Worker
from tests.e2e.proxy import SOURCES

HUNG = """
import asyncio, threading
from dohproxy.jobs.worker import Worker

async def main():
    worker = Worker("hung")
    try:
        async with asyncio.timeout(0.1):
            await worker.do(threading.Event().wait)
    except TimeoutError:
        print("gave up")
    worker.close()

asyncio.run(main())
"""


async def test_what_it_does_is_returned_and_raised_in_the_order_asked_for() -> None:
    worker, done = Worker("test"), []

    def note(text: str) -> int:
        done.append(text)
        return len(done)

    worker.do_later(lambda: done.append("first"))
    assert await worker.do(note, "second") == 2
    with pytest.raises(ZeroDivisionError):
        await worker.do(lambda: 1 // 0)
    assert await worker.do(threading.get_ident) != threading.get_ident()
    assert done == ["first", "second"]
    worker.close()


async def test_who_gives_up_leaves_it_under_way_and_the_next_comes_after_it() -> None:
    worker, may_end, done = Worker("test"), threading.Event(), []

    def slow() -> None:
        may_end.wait()
        done.append("slow")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await worker.do(slow)
    may_end.set()
    await worker.do(lambda: done.append("next"))
    assert done == ["slow", "next"]
    worker.close()


def test_the_process_ends_although_it_hangs() -> None:
    argv = [sys.executable, "-c", HUNG]
    run = subprocess.run(argv, env={"PYTHONPATH": SOURCES}, capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout == "gave up\n"


async def test_one_that_was_never_asked_has_nothing_to_end() -> None:
    Worker("test").close()

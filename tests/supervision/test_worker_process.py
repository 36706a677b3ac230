"""One worker as the supervisor has it: it stands by, is told who it is, says that it is ready, and ends."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dohproxy.supervision.worker_process import START_SECONDS, WATCHDOG_SECONDS, StandBy, WorkerProcess, same_program
from dohproxy.workers.division import Place
from dohproxy.workers.handover import Handover

# What a worker does, as far as its supervisor sees it.
SCRIPT = """
import json, os, socket, sys, time
content = os.fdopen(int(os.environ["DOHPROXY_WORKER"]), "rb").read()
if not content:
    sys.exit(7)
news = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
news.connect(json.loads(content)["environment"]["NOTIFY_SOCKET"])
news.send(b"READY=1\\nSTATUS=serves")
time.sleep(60)
"""
COMMAND = [sys.executable, "-I", "-c", SCRIPT]


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[WorkerProcess]:
    """A worker that has not begun."""
    process = WorkerProcess(1, tmp_path, _Clock())
    yield process
    process.send(signal.SIGKILL)
    await process.ended()
    process.close()


def _handover(worker: WorkerProcess, run_directory: Path) -> Handover:
    return Handover(Place(1, 2), b"s" * 32, run_directory, b"file", 1024, -1, -1, (), worker.environment)


async def test_a_process_that_stands_by_becomes_the_worker_it_is_told_to_be(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    standing_by = await StandBy.start((), COMMAND)
    assert standing_by.is_there
    assert not worker.pid
    await worker.begin(standing_by, _handover(worker, tmp_path))
    async with asyncio.timeout(10):
        await worker.ready.wait()
    assert worker.pid == standing_by.process.pid
    assert worker.content == b"file"
    worker.send(signal.SIGKILL)
    assert await worker.ended() == -signal.SIGKILL
    assert (worker.pid, worker.ready.is_set()) == (0, False)


async def test_one_that_is_not_needed_ends_by_itself() -> None:
    standing_by = await StandBy.start((), COMMAND)
    standing_by.dismiss()
    standing_by.dismiss()
    assert await standing_by.process.wait() == 7


async def test_one_that_has_died_while_it_stood_by_is_told_nothing(worker: WorkerProcess, tmp_path: Path) -> None:
    standing_by = await StandBy.start((), [sys.executable, "-I", "-c", ""])
    await standing_by.process.wait()
    assert not standing_by.is_there
    await worker.begin(standing_by, _handover(worker, tmp_path))
    assert await worker.ended() == 0


async def test_a_worker_without_a_sign_of_life_hangs_and_one_that_is_not_there_does_not(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    assert not worker.hangs(1e9)
    await worker.begin(await StandBy.start((), COMMAND), _handover(worker, tmp_path))
    told = [worker.hangs(100.0 + START_SECONDS - 1) or worker.ready.is_set(), worker.hangs(101.0 + START_SECONDS)]
    async with asyncio.timeout(10):
        await worker.ready.wait()
    told += [worker.hangs(100.0 + WATCHDOG_SECONDS - 1), worker.hangs(101.0 + WATCHDOG_SECONDS)]
    assert told == [False, True, False, True]


def test_workers_are_the_program_that_has_started_them() -> None:
    assert same_program() == [sys.executable, *sys.orig_argv[1:]]

"""Signs of life: often enough, from the loop that serves, and only where they are wanted."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

from dohproxy.service_manager.notification import ServiceManager
from dohproxy.service_manager.watchdog import ping_forever


async def _run_for(manager: ServiceManager, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ping_forever(manager)


def _count(listening: socket.socket) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError):
        while listening.recv(100) == b"WATCHDOG=1":
            count += 1
    return count


async def test_there_is_more_than_one_in_each_interval(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        await _run_for(ServiceManager(listening.getsockname(), 0.6, time.monotonic), 1.0)
        assert 3 <= _count(listening) <= 6


async def test_a_loop_that_hangs_gives_none(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        manager = ServiceManager(listening.getsockname(), 0.3, time.monotonic)
        async with asyncio.TaskGroup() as tasks:
            pinging = tasks.create_task(ping_forever(manager))
            await asyncio.sleep(0)
            _count(listening)
            time.sleep(0.5)  # noqa: ASYNC251 - the loop hangs
            assert _count(listening) == 0
            pinging.cancel()


async def test_nobody_who_wants_none_gets_any() -> None:
    await ping_forever(ServiceManager(None, None, time.monotonic))

"""What those who look at the operator's page cost, with everything full: `python -m bench console`, in 30 s.

The service has as many upstreams, bans, blocks by hand, alerts of late, announcements and limits by hand as there may
be, and requests have ended in every way there is. The viewers read what comes as a browser does, from another thread.
Time passes twenty times as fast for the news, as otherwise what else a full service does would hide what they cost.
What is told is the CPU time of the loop's thread; the longest turn is held by `tests/test_runtime_console.py`.
"""

import argparse
import asyncio
import contextlib
import gc
import logging
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bench.targets import Target, print_targets
from dohproxy.control.console.live import EVERY_SECONDS, MOST_VIEWERS, Live
from dohproxy.control.management_server import ManagementServer
from dohproxy.control.server import admin_application
from dohproxy.runtime import Runtime
from tests.fakes.full_service import crowd, fill, fill_what_people_do, serving
from tests.fakes.upstream import FakeUpstream

SECONDS: Final = 6.0
SETTLE_SECONDS: Final = 0.5
SPEED: Final = 20
"""How much faster time passes for the news."""
COUNTS: Final = (0, 1, MOST_VIEWERS)
MOST_FACTOR: Final = 1.5
"""What the most viewers may cost beside one: they share all but the writing."""
READ_BYTES: Final = 65_536
LONGEST_SECONDS: Final = 600.0
"""For all of it, with starting and filling."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What so many viewers cost."""

    viewers: int
    cpu_seconds: float
    """Of the loop's thread, in all."""
    news: int
    """How many there were."""
    read_bytes: int
    """By all viewers."""


class Viewer(threading.Thread):
    """Somebody who looks, and reads all that comes."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="viewer")
        self.read_bytes = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._socket.sendall(b"GET /console/events HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def run(self) -> None:
        """Read to the end."""
        while content := self._socket.recv(READ_BYTES):
            self.read_bytes += len(content)

    def go_away(self) -> None:
        """Look no longer."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self._socket.close()


@contextlib.contextmanager
def looking(path: Path, count: int) -> Iterator[list[Viewer]]:
    """So many look."""
    viewers = [Viewer(path) for _ in range(count)]
    for viewer in viewers:
        viewer.start()
    try:
        yield viewers
    finally:
        for viewer in viewers:
            viewer.go_away()


@contextlib.asynccontextmanager
async def page(runtime: Runtime, path: Path) -> AsyncIterator[Live]:
    """Serve the page on a socket of its own, with news that come SPEED times as often; yield what makes them."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)

    live = Live(runtime, lambda: time.monotonic() * SPEED, sleep=sleep)
    server = ManagementServer(admin_application(runtime, live=live))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        await server.start(listening)
        yield live
        await server.stop()


async def measure(directory: Path, seconds: float) -> list[Cost]:
    """Return what each number of viewers costs."""
    found = []
    upstream, path = FakeUpstream(), directory / "page"
    full = serving(directory, crowd(directory), upstream, within=LONGEST_SECONDS)
    async with upstream.running(), full as (runtime, _), page(runtime, path) as live:
        fill(runtime)
        await fill_what_people_do(runtime)
        # As a service does at its start: a full look for garbage among all that was filled in would be measured too.
        gc.collect()
        gc.freeze()
        for count in COUNTS:
            with looking(path, count) as viewers:
                await asyncio.sleep(SETTLE_SECONDS)
                first, read = (await live.after(0))[0] if count else 0, sum(one.read_bytes for one in viewers)
                spent = time.thread_time()
                await asyncio.sleep(seconds)
                spent = time.thread_time() - spent
                last, read = (await live.after(0))[0] if count else 0, sum(one.read_bytes for one in viewers) - read
            found.append(Cost(count, spent, last - first, read))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench console", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each number of viewers")
    seconds = parser.parse_args().seconds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="dohproxy-bench-") as name:
        costs = asyncio.run(measure(Path(name), seconds))
    print_costs(costs)
    of = dict(each(costs))
    ratio = of[MOST_VIEWERS] / of[1]
    raise SystemExit(0 if print_targets([Target("the most viewers beside one", ratio, "<=", MOST_FACTOR)]) else 1)


def each(costs: Sequence[Cost]) -> Iterator[tuple[int, float]]:
    """Yield for each number of viewers what one piece of news costs, in seconds of CPU beyond what there is without."""
    nobody = costs[0].cpu_seconds
    for cost in costs[1:]:
        yield cost.viewers, (cost.cpu_seconds - nobody) / cost.news


def print_costs(costs: Sequence[Cost]) -> None:
    """Print a row for each number of viewers."""
    print(f"{'viewers':>8}{'ms of CPU for each news':>26}{'% of a core':>13}{'bytes to each':>15}")
    of = dict(each(costs))
    for cost in costs[1:]:
        share, size = of[cost.viewers] / EVERY_SECONDS, cost.read_bytes / cost.viewers / cost.news
        print(f"{cost.viewers:8}{of[cost.viewers] * 1e3:26.1f}{share * 100:13.2f}{size:15,.0f}")


if __name__ == "__main__":
    main()

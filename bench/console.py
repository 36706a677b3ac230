"""What those who look at the operator's page cost, with everything full: `python -m bench console`, in 90 s.

The service has as many upstreams, bans, blocks by hand, alerts of late, announcements and limits by hand as there may
be, and requests have ended in every way there is. The viewers read what comes as a browser does, from another thread.
What is told is the CPU time of the loop's thread, and the longest that nobody else had a turn.
"""

import argparse
import asyncio
import contextlib
import logging
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bench.snapshot import MOST_TURN_SECONDS, timed
from bench.targets import Target, print_targets
from dohproxy.control.console.live import EVERY_SECONDS, MOST_VIEWERS
from tests.fakes.full_service import crowd, fill, fill_what_people_do, serving
from tests.fakes.upstream import FakeUpstream

SECONDS: Final = 24.0
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
    longest_turn: float
    read_bytes: int
    """By all of them."""


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


async def measure(directory: Path, seconds: float) -> list[Cost]:
    """Return what each number of viewers costs."""
    found = []
    upstream, managed = FakeUpstream(), asyncio.Event()
    async with (
        upstream.running(),
        serving(directory, crowd(directory), upstream, within=LONGEST_SECONDS, when_managed=managed.set) as (
            runtime,
            _,
        ),
    ):
        fill(runtime)
        await fill_what_people_do(runtime)
        await managed.wait()
        for count in COUNTS:
            with looking(directory / "admin", count) as viewers:
                await asyncio.sleep(2 * EVERY_SECONDS)
                read, spent = sum(one.read_bytes for one in viewers), time.thread_time()
                figures = await timed(lambda: asyncio.sleep(seconds))
                spent = time.thread_time() - spent
                read = sum(one.read_bytes for one in viewers) - read
            found.append(Cost(count, spent, figures.longest_turn, read))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench console", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each number of viewers")
    seconds = parser.parse_args().seconds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="dohproxy-bench-") as name:
        costs = asyncio.run(measure(Path(name), seconds))
    print_costs(costs, seconds)
    per_tick = dict(each_tick(costs, seconds))
    met = print_targets(
        [
            Target("the longest turn, CPU seconds", max(cost.longest_turn for cost in costs), "<=", MOST_TURN_SECONDS),
            Target("the most viewers beside one", per_tick[MOST_VIEWERS] / per_tick[1], "<=", MOST_FACTOR),
        ]
    )
    raise SystemExit(0 if met else 1)


def each_tick(costs: list[Cost], seconds: float) -> Iterator[tuple[int, float]]:
    """Yield what each piece of news costs, in seconds of CPU beyond what there is without anybody who looks."""
    nobody = costs[0].cpu_seconds
    for cost in costs[1:]:
        yield cost.viewers, (cost.cpu_seconds - nobody) / (seconds / EVERY_SECONDS)


def print_costs(costs: list[Cost], seconds: float) -> None:
    """Print a row for each number of viewers."""
    print(f"{'viewers':>8}{'CPU, % of a core':>18}{'each tick, ms':>15}{'longest turn, ms':>18}{'KB/s to each':>14}")
    per_tick = dict(each_tick(costs, seconds))
    for cost in costs:
        each = f"{per_tick[cost.viewers] * 1e3:.1f}" if cost.viewers else "-"
        rate = f"{cost.read_bytes / cost.viewers / seconds / 1e3:.1f}" if cost.viewers else "-"
        share = cost.cpu_seconds / seconds * 100
        print(f"{cost.viewers:8}{share:18.2f}{each:>15}{cost.longest_turn * 1e3:18.1f}{rate:>14}")


if __name__ == "__main__":
    main()

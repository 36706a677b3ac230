"""Time to save and to load a cache, and the longest that the event loop had no turn for others. Takes half a minute.

Run as `python -m bench.snapshot`. The cache holds a mix of ordinary answers. A callback is due every millisecond; how
late it comes is what a cached answer would be late. Beside it stands the CPU time that the loop's thread spent since
the one before: on a machine with other work to do the two differ, and even a loop that does nothing comes late.
"""

import argparse
import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import structlog
import uvloop

from bench.memory_per_entry import TYPICAL, keep
from dohproxy.cache import Cache
from dohproxy.config import CacheConfig
from dohproxy.jobs.cache_file import CacheFile

ENTRIES: Final = 50_000
ROUNDS: Final = 5
IDLE_SECONDS: Final = 0.5
TICK_SECONDS: Final = 0.001
# Room for all of them, in the smaller of the two tables too.
RULES: Final = CacheConfig(max_megabytes=256)
BEGAN: Final = time.perf_counter()


def clock() -> float:
    """Return seconds on a clock on which what `keep` stores is a few seconds old."""
    return 1_010.0 + time.perf_counter() - BEGAN


@dataclass(slots=True)
class Figures:
    """What one action cost, in seconds."""

    took: float = 0.0
    longest_delay: float = 0.0
    longest_turn: float = 0.0
    """CPU time."""


async def timed(action: Callable[[], Awaitable[object]]) -> Figures:
    """Measure one action, from within its loop."""
    loop = asyncio.get_running_loop()
    figures = Figures()

    def tick(due: float, spent: float) -> None:
        now, spent_now = time.perf_counter(), time.thread_time()
        figures.longest_delay = max(figures.longest_delay, now - due)
        figures.longest_turn = max(figures.longest_turn, spent_now - spent)
        if not figures.took:
            loop.call_later(TICK_SECONDS, tick, now + TICK_SECONDS, spent_now)

    began = time.perf_counter()
    loop.call_later(TICK_SECONDS, tick, began + TICK_SECONDS, time.thread_time())
    await action()
    figures.took = time.perf_counter() - began
    await asyncio.sleep(2 * TICK_SECONDS)
    return figures


async def one_round(cache: Cache, path: Path) -> dict[str, Figures]:
    """Do nothing, save, and load into an empty cache."""
    empty = Cache(RULES)
    back = CacheFile(path, empty, clock)
    figures = {
        "nothing": await timed(lambda: asyncio.sleep(IDLE_SECONDS)),
        "saving": await timed(CacheFile(path, cache, clock).save),
        "loading": await timed(back.load),
    }
    if empty.statistics().positive_bytes != cache.statistics().positive_bytes:
        raise SystemExit(f"not everything came back: {back.statistics()}")
    return figures


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.snapshot")
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    cache = Cache(RULES)
    for number in range(arguments.entries):
        keep(cache, TYPICAL[number % len(TYPICAL)], number)
    with (
        tempfile.TemporaryDirectory(prefix="dohproxy-bench-") as directory,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        path = Path(directory) / "cache.snapshot"
        rounds = [runner.run(one_round(cache, path)) for _ in range(arguments.rounds)]
        size = path.stat().st_size
    print(f"{arguments.entries} entries, {size / 1e6:.1f} MB; median and worst of {arguments.rounds} rounds")
    print(f"{'':8}{'seconds':>8}{'worst':>8}{'longest delay, ms':>19}{'worst':>8}{'longest turn, ms':>18}{'worst':>8}")
    for what in rounds[0]:
        print(table_row(what, [figures[what] for figures in rounds]))


def table_row(what: str, rounds: list[Figures]) -> str:
    """One line of the table."""
    took = [figures.took for figures in rounds]
    delays = [figures.longest_delay * 1e3 for figures in rounds]
    turns = [figures.longest_turn * 1e3 for figures in rounds]
    return (
        f"{what:8}{median(took):8.2f}{max(took):8.2f}{median(delays):19.1f}{max(delays):8.1f}"
        f"{median(turns):18.1f}{max(turns):8.1f}"
    )


if __name__ == "__main__":
    main()

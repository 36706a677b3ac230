"""Time to save, load and flush what is kept, and the longest that nobody else had a turn. Takes a minute.

Run as `python -m bench snapshot`. The cache is as large as it is by default, and full of a mix of ordinary answers; the
table of seniority is full too. A callback is due every millisecond; how
late it comes is what a cached answer would be late. Beside it stands the CPU time that the loop's thread spent since
the one before: on a machine with other work to do the two differ, and even a loop that does nothing comes late.
"""

import argparse
import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import structlog
import uvloop

from bench.memory_per_entry import TYPICAL, keep
from bench.targets import Target, print_targets
from dohproxy.cache import Cache
from dohproxy.config import CacheConfig, LimitsConfig
from dohproxy.control.flush import flush
from dohproxy.jobs import state_file
from dohproxy.jobs.cache_file import CacheFile
from dohproxy.jobs.state_key import open_key
from dohproxy.policy.gcra import SLOT_BYTES
from dohproxy.policy.seniority import Seniority
from dohproxy.saved import Saved

ENTRIES: Final = 400_000
"""More than the cache has room for."""
ROUNDS: Final = 5
IDLE_SECONDS: Final = 0.5
TICK_SECONDS: Final = 0.001
RULES: Final = CacheConfig()
MOST_TURN_SECONDS: Final = 0.005
"""CPU time for which nobody else may have a turn."""
LEARNT: Final = 150
"""Units of the seniority's clock: everybody in the table has come a moment ago."""
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


@dataclass(frozen=True, slots=True)
class Kept:
    """What has caches, as the command sees it."""

    cache: Cache

    def caches(self) -> Sequence[Cache]:
        """Return them."""
        return (self.cache,)

    def forget_shared(self, is_meant: Callable[[bytes], bool]) -> None:
        """Share nothing."""


def full_seniority() -> Seniority:
    """Return a table of the default size in which every slot is in use."""
    slots = LimitsConfig().table_slots
    buffer = memoryview(bytearray(os.urandom(slots * SLOT_BYTES)))
    table = buffer.cast("Q")
    for place in range(slots):
        table[place] = table[place] & 0xFFFF << 48 | LEARNT << 24 | LEARNT
    seniority = Seniority(buffer)
    seniority.go_on(LEARNT * 64.0, clock())
    return seniority


async def nothing_else(*_: object) -> Saved:
    """Export no more than the table."""
    return {}


async def one_round(cache: Cache, seniority: Seniority, directory: Path) -> dict[str, Figures]:
    """Do nothing, save, load into an empty cache, save the state, and flush what was loaded."""
    path = directory / "cache.snapshot"
    empty = Cache(RULES)
    back = CacheFile(path, empty, clock)
    kept = state_file.Kept(nothing_else, lambda *_: 0, {"seniority": seniority})
    state = state_file.StateFile(directory, open_key(directory), kept, clock)
    everything = {"name": None, "below": False, "all": True}
    figures = {
        "nothing": await timed(lambda: asyncio.sleep(IDLE_SECONDS)),
        "cache saved": await timed(CacheFile(path, cache, clock).save),
        "cache loaded": await timed(back.load),
        "state saved": await timed(state.save),
        "cache flushed": await timed(lambda: flush(Kept(empty), everything)),
    }
    found = back.statistics()
    if not found.restored or found.left_out or state.statistics().save_failures or len(list(empty.by_recency(1))):
        raise SystemExit(f"not everything was done: {found}")
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
    seniority = full_seniority()
    with (
        tempfile.TemporaryDirectory(prefix="dohproxy-bench-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        directory = Path(name)
        rounds = [runner.run(one_round(cache, seniority, directory)) for _ in range(arguments.rounds)]
        size = (directory / "cache.snapshot").stat().st_size
    figures = cache.statistics()
    entries = figures.positive_entries + figures.negative_entries
    print(f"{entries} entries, {size / 1e6:.1f} MB saved; median and worst of {arguments.rounds} rounds")
    print(f"{'':14}{'seconds':>8}{'worst':>8}{'longest delay, ms':>19}{'worst':>8}{'longest turn, ms':>18}{'worst':>8}")
    for what in rounds[0]:
        print(table_row(what, [figures[what] for figures in rounds]))
    longest = max(one.longest_turn for figures in rounds for one in figures.values())
    if not print_targets([Target("the longest turn of all, CPU seconds", longest, "<=", MOST_TURN_SECONDS)]):
        raise SystemExit(1)


def table_row(what: str, rounds: list[Figures]) -> str:
    """One line of the table."""
    took = [figures.took for figures in rounds]
    delays = [figures.longest_delay * 1e3 for figures in rounds]
    turns = [figures.longest_turn * 1e3 for figures in rounds]
    return (
        f"{what:14}{median(took):8.2f}{max(took):8.2f}{median(delays):19.1f}{max(delays):8.1f}"
        f"{median(turns):18.1f}{max(turns):8.1f}"
    )


if __name__ == "__main__":
    main()

"""The process that is measured: plays each workload between two marks. Started by `bench.guard` under valgrind.

A mark is a call of getsid(2), which nothing else here makes: callgrind writes down what it has counted and begins anew.
Counting is switched on when everything is ready, because it makes Python's start some five times as long.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
from contextlib import AsyncExitStack, aclosing
from typing import Final

from bench.guard.plays import PLAYS
from bench.guard.stage import Clock, Loop, open_stage

MARK: Final = "getsid"
COUNT_ARGUMENT: Final = "--count"


def main() -> None:
    """Play the workloads whose names are the arguments; print, as JSON, how many requests each was."""
    counting = COUNT_ARGUMENT in sys.argv
    names = [argument for argument in sys.argv[1:] if argument != COUNT_ARGUMENT]
    with asyncio.Runner(loop_factory=lambda: Loop(Clock())) as runner:
        print(json.dumps(runner.run(play(names, counting=counting))))


async def play(names: list[str], *, counting: bool) -> dict[str, int]:
    """Play them one after the other; return how many requests each was. Raises Failed."""
    async with open_stage() as stage, AsyncExitStack() as stack:
        plays = {name: await stack.enter_async_context(aclosing(PLAYS[name](stage))) for name in names}
        for one in plays.values():
            await anext(one)
        if counting:
            switch_counting_on()
        requests = {}
        for name, one in plays.items():
            if counting:
                clear_up()
            mark()
            requests[name] = await anext(one)
            mark()
        for one in plays.values():
            async for _ in one:
                pass
        return requests


def clear_up() -> None:
    """Have the garbage collector begin anew: the collections that fall among a workload's requests are those of its own
    objects, whatever was played before it."""
    gc.collect()
    gc.freeze()


def mark() -> None:
    """Have what was counted so far written down."""
    os.getsid(0)


def switch_counting_on() -> None:
    """Tell the valgrind that this process runs under; it listens as long as the process is busy."""
    argv = ["vgdb", f"--pid={os.getpid()}", "instrumentation", "on"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as telling:
        while telling.poll() is None:
            pass


if __name__ == "__main__":
    main()

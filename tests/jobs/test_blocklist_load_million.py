"""A million names as a service loads them: in a process of their own, so that what they cost can be told from the rest.

What is measured is the processor's time of the one thread, which a busy machine changes little.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.proxy import SOURCES

pytestmark = pytest.mark.long

NAMES = 1_000_000
MOST_MEBIBYTES = 60
MOST_STALL_SECONDS = 0.02
MOST_SECONDS = 30.0
"""Ten times what it takes on a machine of 2020: a bound for what grows out of proportion."""
PROGRAM = """
import asyncio, json, resource, sys, time
from pathlib import Path
from dohproxy.config import BlocklistConfig
from dohproxy.jobs.blocklist_load import load_list

async def load(file):
    longest, is_over = 0.0, False
    async def take_turns():
        nonlocal longest
        before = time.thread_time()
        while not is_over:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, before = max(longest, now - before), now
    turns = asyncio.create_task(take_turns())
    loaded = await load_list(BlocklistConfig("a", file=file))
    is_over = True
    await turns
    return loaded, longest

before = resource.getrusage(resource.RUSAGE_SELF)
loaded, longest = asyncio.run(load(Path(sys.argv[1])))
after = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "names": loaded.names.names,
    "mebibytes": (after.ru_maxrss - before.ru_maxrss) / 1024,
    "seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    "stall_seconds": longest,
}))
"""


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What loading them has cost."""
    file: Path = tmp_path_factory.mktemp("lists") / "million"
    with file.open("w") as out:
        out.writelines(f"||n{number}.some-{number % 977}.example.net^\n" for number in range(NAMES))
    argv = [sys.executable, "-c", PROGRAM, str(file)]
    run = subprocess.run(argv, env={"PYTHONPATH": SOURCES}, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_all_are_there(figures: dict[str, Any]) -> None:
    assert figures["names"] == NAMES


def test_they_take_no_more_memory_than_they_may_while_they_are_loaded(figures: dict[str, Any]) -> None:
    assert figures["mebibytes"] < MOST_MEBIBYTES


def test_nobody_waits_longer_than_20_ms_for_them(figures: dict[str, Any]) -> None:
    assert figures["stall_seconds"] < MOST_STALL_SECONDS


def test_they_take_seconds(figures: dict[str, Any]) -> None:
    assert figures["seconds"] < MOST_SECONDS

"""Instructions of one request in user mode: every server under callgrind, asked for the same by the same client.

Time tells what a request costs on one machine in one hour; instructions tell it again the next day. callgrind counts
them on machines whose processor does not count for guests, and means the same everywhere. What the kernel does is not
in them.

Counting begins when the server is warm. It is asked so many times, and then twice as often: the difference has nothing
of what begins and ends a turn, and what the server does by itself in that time is taken away, because under valgrind a
request takes fifty times as long and the second hand does not.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.guard.verdict import read_total
from bench.peers.clients import FOREVER, LoadFailed, ready_client
from bench.peers.memory import Place
from bench.peers.servers import PLAIN, Peer, running
from bench.peers.workloads import Workload

PROGRAMS: Final = ("valgrind", "vgdb")
REQUESTS: Final = 2_000
WARM_REQUESTS: Final = 2_000
"""By when a server remembers of the names and of each connection what it ever will."""
IDLE_SECONDS: Final = 2.0
COMMAND_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted in a stretch of time."""

    instructions: int
    requests: int
    seconds: float


def per_request(once: Count, twice: Count, idle: Count) -> float:
    """Return the instructions of one request; `twice` has more requests than `once`, `idle` has none."""
    by_itself = idle.instructions / idle.seconds
    more = twice.instructions - once.instructions - by_itself * (twice.seconds - once.seconds)
    return more / (twice.requests - once.requests)


class Callgrind:
    """One process under it, told what to do by vgdb."""

    def __init__(self, pid: int, dumps: Path) -> None:
        self._pid = pid
        self._dumps = dumps
        self._count = 0

    def switch(self, state: str) -> None:
        """Have it count, "on", or run as fast as valgrind can, "off"."""
        self._command("instrumentation", state)

    def instructions(self) -> int:
        """Return what it has counted since it was asked last."""
        self._command("dump")
        self._count += 1
        dump = self._dumps.with_name(f"{self._dumps.name}.{self._count}")
        total = read_total(dump.read_text(encoding="utf-8", errors="replace"))
        dump.unlink()
        return total

    def _command(self, *words: str) -> None:
        argv = ["vgdb", f"--pid={self._pid}", *words]
        try:
            told = subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        except subprocess.TimeoutExpired as late:
            raise LoadFailed(f"vgdb had no answer in {COMMAND_SECONDS:g} s") from late
        if told.returncode:
            raise LoadFailed(f"vgdb: {told.stderr.strip()}")


def under_callgrind(dumps: Path) -> list[str]:
    """Return the command line that a server is run by, so that it does not count until it is told to."""
    return ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={dumps}"]


def count(place: Place, peer: Peer, workloads: Sequence[Workload], requests: int = REQUESTS) -> dict[str, float]:
    """Return the instructions of one request by workload, as far as the server can do it."""
    found: dict[str, float] = {}
    able = {
        one.name: (one.frontend, one.counted)
        for one in workloads
        if one.counted is not None and peer.is_able(one.frontend, one.variant)
    }
    if not able:
        return found
    dumps = place.directory / f"{peer.name}.callgrind"
    with ExitStack() as stack:
        try:
            under = under_callgrind(dumps)
            server = stack.enter_context(running(peer, PLAIN, place.directory, place.upstream, place.core, under))
        except RuntimeError as failure:
            print(f"{peer.name} under callgrind: {failure}", file=sys.stderr)
            return found
        callgrind = Callgrind(server.pid, dumps)
        for row, (frontend, client) in able.items():
            try:
                arguments = client.arguments(server.port_of(frontend))
                found[row] = _count_one(place, callgrind, arguments, requests)
            except LoadFailed as failure:
                print(f"{peer.name} under callgrind, {row}: {failure}", file=sys.stderr)
    return found


def _count_one(place: Place, callgrind: Callgrind, arguments: Sequence[str], requests: int) -> float:
    with ready_client(arguments, place.client_core, place.directory) as client:
        client.take_turn(FOREVER, WARM_REQUESTS)
        callgrind.switch("on")
        client.take_turn(FOREVER, requests)  # Has valgrind translate what will run.
        counts = []
        for most in (0, requests, 2 * requests):
            callgrind.instructions()
            if most:
                load = client.take_turn(FOREVER, most)
                counts.append(Count(callgrind.instructions(), load.answered, load.seconds))
            else:
                time.sleep(IDLE_SECONDS)
                counts.append(Count(callgrind.instructions(), 0, IDLE_SECONDS))
        callgrind.switch("off")
    idle, once, twice = counts
    return per_request(once, twice, idle)


def can_count() -> bool:
    """Tell whether the programs are there, and print how to get them."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        print(f"{missing[0]} is not installed, no instructions; on Debian: apt-get install valgrind", file=sys.stderr)
    return not missing

"""Connections that have asked once and are silent now, held by a process of their own: its memory goes when it does."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.peers.clients import LoadFailed
from bench.peers.servers import Frontend

HOLDER: Final = """
import sys
from bench.peers.clients import WARM_NAME, LoadFailed, client_context
from bench.peers.crowd import SPEAKERS, Connection
port, count, frontend = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
speaker = SPEAKERS[frontend]("GET", WARM_NAME)
context = client_context(speaker.alpn)
held = [Connection(port, context, speaker) for _ in range(count)]
print("ready", flush=True)
sys.stdin.readline()
def is_open(one):
    try:
        one.hear()
    except (LoadFailed, OSError):
        return False
    return True
print(sum(map(is_open, held)), flush=True)
"""
FEWEST_OPEN: Final = 0.99
"""The least part of all connections that must be open: with fewer the figure is not what it says."""


class Idle:
    """So many of them at one server."""

    def __init__(self, count: int, process: "subprocess.Popen[str]") -> None:
        self.count = count
        self._process = process

    def check_open(self) -> None:
        """End them; raise LoadFailed if the server has closed some before."""
        told, _ = self._process.communicate("\n", timeout=60)
        still_open = int(told or 0)
        if still_open < self.count * FEWEST_OPEN:
            raise LoadFailed(f"{self.count - still_open} of {self.count} connections were closed")


@contextmanager
def idle_connections(port: int, count: int, core: int, frontend: Frontend = "http2") -> Iterator[Idle]:
    """Open them from a core and hold them; raise LoadFailed if that cannot be done."""
    argv = ["taskset", "-c", str(core), sys.executable, "-c", HOLDER, str(port), str(count), frontend]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise LoadFailed(f"{count} connections could not be opened")
            yield Idle(count, process)
        finally:
            process.kill()

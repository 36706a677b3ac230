"""What the kernel says of a process that is measured from outside: its time, its memory, its core."""

import os
import resource
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final

MOST_DESCRIPTORS: Final = 65_536
"""Enough for everybody here; some programs go through all they might have."""
_SCHEDULER_CLOCK: Final = 2
"""What the scheduler has charged, as Linux numbers the clocks of a process."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its threads so far, to the nanosecond: its CPU clock in Linux.

    That is clock_getcpuclockid(3), whose result is the complement of the process id with the kind of clock below it;
    /proc/PID/stat has the same time in steps of 10 ms.
    """
    return time.clock_gettime(~pid << 3 | _SCHEDULER_CLOCK)


def waited_seconds(pid: int) -> float:
    """How long a process, its first thread, was ready and had to wait for its core, because others had it."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


def resident_bytes(pid: int) -> int:
    """Memory of a process that is really in RAM (proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    raise SystemExit(f"no VmRSS in /proc/{pid}/status")


def open_descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def descriptor_limit() -> int:
    """How many files and sockets a process may have open, once it has raised its limit as far as it may."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST_DESCRIPTORS if limit == resource.RLIM_INFINITY else min(limit, MOST_DESCRIPTORS)


def raise_descriptor_limit() -> None:
    """Do so, for this process and those it starts: 10,000 connections need as many."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptor_limit(), limit))


def choose_cores() -> tuple[int, int]:
    """A core for the server and one for everybody else, the same where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1], cores[0]


def pin(pid: int, core: int) -> None:
    """Keep every thread that a process has now on one core; later ones inherit it."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def pin_self(core: int) -> None:
    """Keep this process, and all it starts from now on, on one core."""
    os.sched_setaffinity(0, {core})


class Watch:
    """Looks at a process once a second, while it is entered."""

    def __init__(self, pid: int) -> None:
        self.largest_bytes = 0
        self.cpu_seconds = 0.0
        self.wall_seconds = 0.0
        self.waited_seconds = 0.0
        """How long it had to wait for its core."""
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_often, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._began = time.monotonic()
        self._cpu_before = cpu_seconds(self._pid)
        self._waited_before = waited_seconds(self._pid)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        self.cpu_seconds = cpu_seconds(self._pid) - self._cpu_before
        self.waited_seconds = waited_seconds(self._pid) - self._waited_before
        self.wall_seconds = time.monotonic() - self._began

    def _look_often(self) -> None:
        self._look()
        while not self._stop.wait(1.0):
            self._look()

    def _look(self) -> None:
        self.largest_bytes = max(self.largest_bytes, resident_bytes(self._pid))

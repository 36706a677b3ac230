"""The figures of this process that every Prometheus client has: memory, CPU time, open files, start; and its version.

prometheus_client reads the time of the machine's start from /proc/stat, which `ProcSubset=pid` in the systemd unit
hides, and without it tells nothing at all. The kernel's own clock since then says the same.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dohproxy
from dohproxy import pipeline
from dohproxy.observability.figures import Figure, FigureGroup, Kind, Label, Together, Unit

OWN: Final = Path("/proc/self")
# Fields of /proc/self/stat after the name, which may hold anything, counted from 0 (proc_pid_stat(5) begins at 3).
_USER, _SYSTEM, _START, _VIRTUAL, _RESIDENT = 11, 12, 19, 20, 21


@dataclass(frozen=True, slots=True)
class ProcessStatistics:
    """The process at one moment, in bytes and seconds."""

    virtual_bytes: float
    resident_bytes: float
    started: float
    """Unix seconds."""
    cpu_seconds: float
    open_files: int
    max_files: float
    """Infinity where there is no limit."""


class OpenFiles:
    """How many files the process has open.

    Linux says so at once since 6.2. Before that they have to be listed, 7 ms for ten thousand, which is too long for
    everybody who waits: so they are counted now and then, by another thread.
    """

    def __init__(self, directory: Path = OWN / "fd", *, is_told: bool | None = None) -> None:
        """`directory` lists them; `is_told` says whether its size is their number, by default what the kernel does."""
        self._directory = directory
        self._is_told = self._size() > 0 if is_told is None else is_told
        self._counted = self._list()

    @property
    def count(self) -> int:
        """How many there are, or were when they were last counted."""
        return self._size() if self._is_told else self._counted

    async def poll(self) -> None:
        """Count them, where the kernel does not."""
        if not self._is_told:
            self._counted = await asyncio.to_thread(self._list)

    def _size(self) -> int:
        try:
            return self._directory.stat().st_size
        except OSError:
            return 0

    def _list(self) -> int:
        try:
            return len(os.listdir(self._directory))  # noqa: PTH208  # no Path for each of ten thousand
        except OSError:
            return 0


def process_statistics(open_files: int, own: Path = OWN) -> ProcessStatistics | None:
    """Return the process as the kernel sees it; None where there is no Linux to tell it."""
    try:
        fields = (own / "stat").read_bytes().rpartition(b")")[2].split()
        max_files = _max_files((own / "limits").read_text(encoding="ascii"))
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return ProcessStatistics(
        virtual_bytes=float(fields[_VIRTUAL]),
        resident_bytes=float(fields[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE"),
        started=booted + float(fields[_START]) / ticks,
        cpu_seconds=(float(fields[_USER]) + float(fields[_SYSTEM])) / ticks,
        open_files=open_files,
        max_files=max_files,
    )


def _max_files(limits: str) -> float:
    """Return the soft limit, infinity where there is none."""
    soft = limits.partition("Max open files")[2].split()[0]
    return math.inf if soft == "unlimited" else float(soft)


def _declare(
    name: str,
    text: str,
    kind: Kind,
    unit: Unit,
    read: Callable[[ProcessStatistics], float],
    together: Together | None = None,
) -> Figure[ProcessStatistics]:
    """Declare a figure under the name that all clients of Prometheus have for it."""
    return Figure(name, text, kind, unit, read, prefix="process_", of_several=together)


PROCESS_FIGURES: Final = FigureGroup[ProcessStatistics](
    "The process",
    (
        _declare(
            "virtual_memory_bytes",
            "Virtual memory size in bytes.",
            Kind.GAUGE,
            Unit.BYTES,
            lambda process: process.virtual_bytes,
        ),
        _declare(
            "resident_memory_bytes",
            "Resident memory size in bytes.",
            Kind.GAUGE,
            Unit.BYTES,
            lambda process: process.resident_bytes,
        ),
        _declare(
            "start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            Kind.GAUGE,
            Unit.UNIX_TIME,
            lambda process: process.started,
            Together.LEAST,
        ),
        _declare(
            "cpu_seconds",
            "Total user and system CPU time spent in seconds.",
            Kind.COUNTER,
            Unit.SECONDS,
            lambda process: process.cpu_seconds,
        ),
        _declare(
            "open_fds", "Number of open file descriptors.", Kind.GAUGE, Unit.COUNT, lambda process: process.open_files
        ),
        _declare(
            "max_fds",
            "Maximum number of open file descriptors.",
            Kind.GAUGE,
            Unit.COUNT,
            lambda process: process.max_files,
        ),
    ),
    "on Linux",
)

_FORM: Final = Label("form", ("compiled", "source"))


def build() -> tuple[str, str]:
    """Return the version of what runs here, and its form."""
    return dohproxy.__version__, "source" if pipeline.__file__.endswith(".py") else "compiled"


BUILD_FIGURES: Final = FigureGroup[tuple[str, str]](
    "The program",
    (
        Figure(
            "build",
            "The version that runs here, and whether it was compiled.",
            Kind.INFO,
            Unit.SWITCH,
            lambda running: {running: 1.0},
            (Label("version", source="version that runs; one for a process"), _FORM),
        ),
    ),
)

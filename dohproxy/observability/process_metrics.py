"""The figures of this process that every Prometheus client has: memory, CPU time, open files, start.

prometheus_client reads the time of the machine's start from /proc/stat, which `ProcSubset=pid` in the systemd unit
hides, and without it tells nothing at all. The kernel's own clock since then says the same.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric

from dohproxy.observability.metrics import counter, gauge

OWN: Final = Path("/proc/self")
# Fields of /proc/self/stat after the name, which may hold anything, counted from 0 (proc_pid_stat(5) begins at 3).
_USER, _SYSTEM, _START, _VIRTUAL, _RESIDENT = 11, 12, 19, 20, 21


def process_metrics(own: Path = OWN) -> Iterator[Metric]:
    """Yield the figures; none where there is no Linux to tell them."""
    try:
        fields = (own / "stat").read_bytes().rpartition(b")")[2].split()
        open_files = sum(1 for _ in (own / "fd").iterdir())
    except OSError:
        return
    ticks = os.sysconf("SC_CLK_TCK")
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    yield gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", float(fields[_VIRTUAL]))
    resident = float(fields[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
    yield gauge("process_resident_memory_bytes", "Resident memory size in bytes.", resident)
    started = booted + float(fields[_START]) / ticks
    yield gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", started)
    used = (float(fields[_USER]) + float(fields[_SYSTEM])) / ticks
    yield counter("process_cpu_seconds", "Total user and system CPU time spent in seconds.", used)
    yield gauge("process_open_fds", "Number of open file descriptors.", float(open_files))
    yield from _most_files(own)


def _most_files(own: Path) -> Iterator[Metric]:
    for line in (own / "limits").read_text(encoding="ascii").splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            most = float("inf") if soft == "unlimited" else float(soft)
            yield gauge("process_max_fds", "Maximum number of open file descriptors.", most)

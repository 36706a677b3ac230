"""The figures of the machine that an alert holds the process against: its clock, and the memory it may take."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dohproxy.observability.figures import FigureGroup, Together, Unit, gauge

OWN_GROUP: Final = Path("/proc/self/cgroup")
GROUPS: Final = Path("/sys/fs/cgroup")
_LIMITS: Final = ("memory.high", "memory.max")
"""At the first the kernel slows a process down until nobody is answered in time, at the second it ends it."""


@dataclass(frozen=True, slots=True)
class MachineStatistics:
    """The machine at one moment."""

    unix_time: float
    max_memory_bytes: float


def machine_statistics(own_group: Path = OWN_GROUP, groups: Path = GROUPS) -> MachineStatistics:
    """Return the machine as this process has it."""
    machine = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return MachineStatistics(time.time(), min((machine, *_limits_of(own_group, groups))))


def _limits_of(own_group: Path, groups: Path) -> Iterator[float]:
    """Yield the limits on memory of the process's control group and of all above it (cgroups(7), version 2); none
    where there is no such thing, or where it cannot be seen."""
    try:
        lines = own_group.read_text("utf-8", "replace").splitlines()
        line = next(line for line in lines if line.startswith("0::/"))
    except (OSError, StopIteration):
        return
    here = Path(line.removeprefix("0::/"))
    for group in (here, *here.parents):
        for name in _LIMITS:
            try:
                yield float((groups / group / name).read_text("ascii"))
            except (OSError, ValueError):
                continue  # The topmost has none, and "max" is no limit.


MACHINE_FIGURES: Final = FigureGroup[MachineStatistics](
    "The machine",
    (
        gauge(
            "time_seconds",
            "What this machine's clock says, in Unix time.",
            lambda machine: machine.unix_time,
            unit=Unit.UNIX_TIME,
        ),
        gauge(
            "max_memory_bytes",
            "Memory that the process may take: the least limit of its control groups, or all of the machine's.",
            lambda machine: machine.max_memory_bytes,
            unit=Unit.BYTES,
            together=Together.MOST,
        ),
    ),
)

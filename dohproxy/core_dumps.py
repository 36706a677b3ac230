"""No core dump: what the memory of a crashed process holds, clients' addresses, names and keys, goes to no disk.

The kernel writes a file beside the program, or gives the memory to a handler such as systemd-coredump, which keeps it
for days: both heed the soft limit. Whoever looks for the cause of a crash raises it again while the service runs, with
`prlimit --core=unlimited --pid PID`.
"""

import contextlib
import resource
from collections.abc import Callable

Limits = tuple[int, int]
"""Soft and hard, as `getrlimit` gives them."""


def allow_none(
    get: Callable[[int], Limits] = resource.getrlimit,
    set_limits: Callable[[int, Limits], None] = resource.setrlimit,
) -> None:
    """Have none be written when this process or one that it starts crashes; what the system does not let us change is
    left to it."""
    _, hard = get(resource.RLIMIT_CORE)
    with contextlib.suppress(OSError, ValueError):
        set_limits(resource.RLIMIT_CORE, (0, hard))

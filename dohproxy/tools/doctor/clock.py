"""The clock: certificates, cached answers and the ends of bans are all judged by it."""

import ctypes
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dohproxy.tools.doctor.findings import Finding, Severity

SUBJECT: Final = "clock"
EARLIEST: Final = 1_767_225_600.0
"""The first of January 2026: this program did not exist before, so an earlier clock is one that was never set."""
LARGE_ERROR_SECONDS: Final = 1.0
"""The TTLs of DNS are whole seconds."""
_UNSYNCHRONISED: Final = 0x40
"""STA_UNSYNC of adjtimex(2)."""
_REMEDY: Final = "keep it by NTP: apt-get install systemd-timesyncd && timedatectl set-ntp true"


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """The clock at one moment."""

    now: float
    """Unix seconds."""
    is_synchronised: bool | None
    """What the kernel says of it; None where it says nothing."""
    error_seconds: float = 0.0
    """How far it may be wrong, as far as the kernel knows."""


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` (adjtimex(2)), and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("max_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def see() -> ClockSeen:
    """Read the clock, and what the kernel knows of it; reading it needs no right and changes nothing."""
    timex = _Timex()  # `modes` is 0: nothing is set.
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        return ClockSeen(time.time(), None)
    return ClockSeen(time.time(), not timex.status & _UNSYNCHRONISED, timex.max_error / 1e6)


def judge(seen: ClockSeen) -> Iterator[Finding]:
    """Say whether the clock can be relied on."""
    if seen.now < EARLIEST:
        day = time.strftime("%Y-%m-%d", time.gmtime(seen.now))
        what = f"it is {day} by the clock of this machine, which is before this program was made"
        yield Finding(SUBJECT, Severity.FAULT, f"{what}: every certificate looks as if it were not valid yet", _REMEDY)
    elif seen.is_synchronised is None:
        yield Finding(SUBJECT, Severity.NOTE, "whether it is kept right by anything cannot be seen from here")
    elif not seen.is_synchronised:
        what = "nothing keeps it right: certificates are judged by it, and answers kept by it"
        yield Finding(SUBJECT, Severity.WARNING, what, _REMEDY)
    elif seen.error_seconds > LARGE_ERROR_SECONDS:
        yield Finding(SUBJECT, Severity.WARNING, f"it may be wrong by {seen.error_seconds:.1f} s", _REMEDY)
    else:
        yield Finding(SUBJECT, Severity.OK, f"it is kept right, to {seen.error_seconds * 1000:.0f} ms")

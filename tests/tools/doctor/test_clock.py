"""The clock: never set, kept by nobody, kept badly, kept well."""

import time

import pytest

from dohproxy.tools.doctor.clock import EARLIEST, ClockSeen, judge, see
from dohproxy.tools.doctor.findings import Severity

NOW = EARLIEST + 1e7

CLOCKS = {
    "one that was never set": (ClockSeen(86_400.0, True), Severity.FAULT, "it is 1970-01-02 by the clock"),
    "one that nobody keeps": (ClockSeen(NOW, False, 16.0), Severity.WARNING, "nothing keeps it right"),
    "one kept badly": (ClockSeen(NOW, True, 1.5), Severity.WARNING, "it may be wrong by 1.5 s"),
    "one that cannot be seen into": (ClockSeen(NOW, None), Severity.NOTE, "cannot be seen"),
    "one kept well": (ClockSeen(NOW, True, 0.012), Severity.OK, "it is kept right, to 12 ms"),
}


@pytest.mark.parametrize(("seen", "severity", "words"), CLOCKS.values(), ids=CLOCKS)
def test_how_it_is_kept(seen: ClockSeen, severity: Severity, words: str) -> None:
    [found] = judge(seen)
    assert found.severity is severity
    assert words in found.what
    assert bool(found.remedy) is (severity in (Severity.WARNING, Severity.FAULT))


def test_the_kernel_is_asked_and_nothing_is_set() -> None:
    before = time.time()
    seen = see()
    assert before <= seen.now <= time.time()
    # Whatever this machine says, it says one of three things, and a number that can be meant.
    assert seen.is_synchronised in (True, False, None)
    assert 0 <= seen.error_seconds < 3600

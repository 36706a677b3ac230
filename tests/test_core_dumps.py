"""Where the service crashes, its memory is written nowhere."""

import resource
import signal
import subprocess
import sys

import pytest

from dohproxy.core_dumps import Limits, allow_none

CRASH = """
import os, resource, signal
from dohproxy.core_dumps import allow_none
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
allow_none()
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, hard)
os.kill(os.getpid(), signal.SIGABRT)
"""


@pytest.mark.parametrize("hard", [resource.RLIM_INFINITY, 1_024, 0])
def test_the_soft_limit_is_none_and_the_hard_one_stays_for_who_looks_for_a_cause(hard: int) -> None:
    taken: list[tuple[int, Limits]] = []
    allow_none(lambda _: (hard, hard), lambda which, limits: taken.append((which, limits)))
    assert taken == [(resource.RLIMIT_CORE, (0, hard))]


@pytest.mark.parametrize("error", [PermissionError, ValueError])
def test_a_system_that_does_not_let_us_keeps_nobody_from_starting(error: type[Exception]) -> None:
    def refuse(_: int, __: Limits) -> None:
        raise error

    allow_none(lambda _: (5, 5), refuse)


def test_a_process_that_crashes_dumps_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, timeout=20, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGABRT, b"")

"""The figures of the machine: its clock, and the least of all limits on memory that hold for the process."""

import time
from pathlib import Path

import pytest

from dohproxy.observability.machine_figures import MACHINE_FIGURES, machine_statistics
from tests.fakes.samples import samples_of

MEBIBYTE = 1_048_576


def limits_of(directory: Path, limits: dict[str, str], line: str = "0::/system.slice/dohproxy.service\n") -> float:
    """The memory that a process of this group may take, where control groups have these limits."""
    own = directory / "cgroup"
    own.write_text(line)
    for path, text in limits.items():
        file = directory / "groups" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return machine_statistics(own, directory / "groups").max_memory_bytes


def machine_memory(directory: Path) -> float:
    return machine_statistics(directory / "absent", directory).max_memory_bytes


def test_the_clock_is_the_machine_s() -> None:
    samples = samples_of(MACHINE_FIGURES, machine_statistics())
    assert samples["dohproxy_time_seconds", ()] == pytest.approx(time.time(), abs=1.0)
    assert samples["dohproxy_max_memory_bytes", ()] > MEBIBYTE


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param({"system.slice/dohproxy.service/memory.max": "5242880\n"}, id="its own"),
        pytest.param(
            {
                "system.slice/dohproxy.service/memory.max": "8388608\n",
                "system.slice/dohproxy.service/memory.high": "5242880\n",
            },
            id="the one at which it is slowed down",
        ),
        pytest.param(
            {"system.slice/dohproxy.service/memory.max": "max\n", "system.slice/memory.max": "5242880\n"},
            id="that of a group above",
        ),
        pytest.param(
            {"memory.max": "5242880\n", "system.slice/memory.max": "9999999\n"}, id="that of a container, at the top"
        ),
    ],
)
def test_the_least_limit_counts(tmp_path: Path, limits: dict[str, str]) -> None:
    assert limits_of(tmp_path, limits) == 5 * MEBIBYTE


@pytest.mark.parametrize("line", ["0::/\n", "1:memory:/x\n0::/\n", "1:memory:/x\n", "name=\xe9", ""])
def test_without_a_limit_it_is_all_that_the_machine_has(tmp_path: Path, line: str) -> None:
    limits = {"system.slice/dohproxy.service/memory.max": "5242880\n"}
    assert limits_of(tmp_path, limits, line) == machine_memory(tmp_path)


def test_a_limit_above_what_the_machine_has_is_none(tmp_path: Path) -> None:
    assert limits_of(tmp_path, {"memory.max": "9223372036854771712\n"}) == machine_memory(tmp_path)

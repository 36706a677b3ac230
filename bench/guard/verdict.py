"""The comparison: what each workload costs as a multiple of the yardstick, was and is, and what to say about it.

Baselines are kept for each minor version of Python, because each has an interpreter of its own, and for the compiled
package apart; they hold on any machine, whoever built it: two builds that were compared differ by 10 % at most.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("baselines.toml")
MOST_GROWTH: Final = 0.15
"""Beyond this a workload has become dearer; two runs of the same code differ by less than 0.01."""
BEFORE_LIMITS: Final = "before any limit: "
"""How the workloads are called that measure what a client can make us do before a limit has seen it."""
PAGE_VIEW: Final = "page view, "
"""How those are called that measure what it costs to be shown a public page."""
MOST_TIMES: Final = {BEFORE_LIMITS: 20.0, PAGE_VIEW: 3.0}
"""As dear as a cached answer may these be, over the same HTTP."""
CACHED: Final = {"HTTP/1.1": "cached GET, HTTP/1.1", "HTTP/2": "cached GET, HTTP/2, 1 stream"}
_HEADING: Final = """\
# What each workload costs in instructions, as a multiple of one step of the yardstick (bench/guard/reference.py).
# Written by `make bench-guard ARGS=--renew`; a change that makes something dearer renews it and says why.
"""

Ratios = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """What there is to say about one workload."""

    sentence: str
    is_failure: bool


def ratios(instructions: Mapping[str, int], requests: Mapping[str, int], yardstick: str) -> dict[str, float]:
    """Return what one request of each workload costs, as a multiple of one step of the yardstick."""
    per_step = instructions[yardstick] / requests[yardstick]
    return {name: instructions[name] / requests[name] / per_step for name in instructions if name != yardstick}


def judge(was: Ratios, found: Ratios) -> list[Finding]:
    """Return what is worth saying; nothing, if every workload costs what it did."""
    findings = []
    for name, ratio in found.items():
        before = was.get(name)
        if before is None:
            findings.append(Finding(f"{name}: there is no baseline; make one with --renew", is_failure=True))
            continue
        growth = ratio / before - 1
        told = f"{name}: was {before:.2f}, is {ratio:.2f}, {growth:+.1%}"
        if growth > MOST_GROWTH:
            findings.append(Finding(f"{told}: dearer than allowed ({MOST_GROWTH:.0%})", is_failure=True))
        elif growth < -MOST_GROWTH:
            findings.append(Finding(f"{told}: cheaper; keep it with --renew", is_failure=False))
    return findings


def judge_multiples(found: Ratios) -> list[Finding]:
    """Return what is worth saying of workloads that are held to a multiple of a cached answer."""
    findings = []
    for name, ratio in found.items():
        most = next((times for prefix, times in MOST_TIMES.items() if name.startswith(prefix)), None)
        cached = None if most is None else found.get(CACHED[name.rpartition(", ")[2]])
        if most is not None and cached is not None and ratio > most * cached:
            sentence = f"{name}: {ratio / cached:.1f} times a cached answer, which is more than {most:.0f}"
            findings.append(Finding(sentence, is_failure=True))
    return findings


def table(was: Ratios, found: Ratios) -> list[str]:
    """Return a line for each workload."""
    width = max(map(len, found), default=0)
    lines = [f"{'steps of the yardstick':{width}}{'was':>9}{'is':>9}"]
    for name, ratio in found.items():
        before = was.get(name)
        change = f"{'-':>9}{ratio:9.2f}" if before is None else f"{before:9.2f}{ratio:9.2f}{ratio / before - 1:+9.1%}"
        lines.append(f"{name:{width}}{change}")
    return lines


# --- The file ---


def read_baselines(text: str) -> dict[str, dict[str, float]]:
    """Return the baselines by version of Python and workload."""
    return {version: dict(table) for version, table in tomllib.loads(text).items()}


def write_baselines(baselines: Mapping[str, Ratios]) -> str:
    """Return the file's text; version and workload names have neither quotes nor backslashes."""
    parts = [_HEADING]
    for version in sorted(baselines, key=lambda one: ([int(part) for part in one.split()[0].split(".")], one)):
        parts.append(f'\n["{version}"]\n')
        parts += [f'"{name}" = {ratio:.3f}\n' for name, ratio in baselines[version].items()]
    return "".join(parts)


# --- What callgrind writes ---


def read_total(dump: str) -> int:
    """Return the instructions that one of its files counts. Raises ValueError if it does not say."""
    for line in dump.splitlines():
        key, _, rest = line.partition(":")
        if key in ("summary", "totals"):
            return int(rest.split()[0])
    raise ValueError("no total")

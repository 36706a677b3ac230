"""What is to be reached, and whether it was: by the figures of one run, which no other machine or day has a part in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.peers.memory import ANSWER_BYTES, ANSWERS
from bench.peers.results import Cell, Holding, best_of_others, costs

OWN: Final = "dohproxy"
BEST: Final = "the best of the others"
MOST_GROWTH: Final = 1.2
"""However much there is of it."""
_SIZE: Final = re.compile(r"^\s+([0-9,]+)\s+[0-9.,]+ ns\s+([0-9.]+)$")


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of ours in one row is at most `most` times another one: another server's in the same row, or ours in
    another row. Without another one, `most` is in the row's own unit."""

    row: str
    most: float
    server: str | None = None
    """BEST, or the name of one."""
    other_row: str | None = None


TEN: Final = "cached GET, HTTP/2, 10 streams"
FULL: Final = "new connection, full handshake, one query"
TARGETS: Final = (
    Target("cached GET, HTTP/1.1", 0.75, server=BEST),
    Target("cached POST, HTTP/1.1", 0.75, server=BEST),
    Target("cached GET, HTTP/2, 1 stream", 0.85, server=BEST),
    Target("cached POST, HTTP/2, 1 stream", 0.85, server=BEST),
    Target(TEN, 0.6, server=BEST),
    Target("cached POST, HTTP/2, 10 streams", 0.6, server=BEST),
    Target("malformed: three bytes, 10 streams", 0.7, other_row=TEN),
    Target("malformed: no base64, 10 streams", 0.7, other_row=TEN),
    Target("over its limit, 10 streams", 0.7, other_row=TEN),
    Target("connection over its cap", 0.15, other_row=FULL),
    Target(FULL, 1.1, server=BEST),
    Target("misses, 10 streams", 2.0, server="dnsdist"),
    Target("memory after the first answer", 70),
    Target("memory per idle connection, 1,000 of them", 40),
    Target("memory per idle connection, 10,000 of them", 40),
    Target(f"memory per cached answer, {ANSWERS:,} of {ANSWER_BYTES} bytes", 0.8 * 1_024 + ANSWER_BYTES),
    *(
        Target(f"{TEN}, beside {count:,} idle", MOST_GROWTH, other_row=f"{TEN}, beside 10 idle")
        for count in (100, 1_000, 10_000)
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a target."""

    row: str
    measured_by: str
    most: float
    found: float | None
    """None if it could not be told."""

    @property
    def word(self) -> str:
        """Say it."""
        if self.found is None:
            return "not measured"
        return "reached" if self.found <= self.most else "not reached"

    def cells(self) -> list[str]:
        """Return it as a row of a table."""
        return [
            self.row,
            self.measured_by,
            f"{self.most:.3g}",
            "-" if self.found is None else f"{self.found:.3g}",
            self.word,
        ]


def judge(
    targets: Sequence[Target], workloads: Mapping[str, Mapping[str, Cell]], holdings: Mapping[str, Holding]
) -> list[Verdict]:
    """Return a verdict on each target whose row there is, in their order."""
    verdicts = []
    for target in targets:
        if target.row in workloads:
            figures: Mapping[str, float] = costs(workloads[target.row])
        elif target.row in holdings:
            figures = holdings[target.row].figures
        else:
            continue
        measured_by, base = _measure_of(target, figures, workloads, holdings)
        own = figures.get(OWN)
        found = own / base if own is not None and base else None
        verdicts.append(Verdict(target.row, measured_by, target.most, found))
    return verdicts


def _measure_of(
    target: Target,
    figures: Mapping[str, float],
    workloads: Mapping[str, Mapping[str, Cell]],
    holdings: Mapping[str, Holding],
) -> tuple[str, float | None]:
    """Return what our figure is divided by: its name and its value, None if that was not measured."""
    if target.other_row is not None:
        return f"our own {target.other_row}", costs(workloads.get(target.other_row, {})).get(OWN)
    if target.server == BEST:
        return BEST, best_of_others(figures, OWN)
    if target.server is not None:
        return target.server, figures.get(target.server)
    return holdings[target.row].unit if target.row in holdings else "µs", 1.0


# --- What bench.growth prints: a title, and a line for each size, which ends with the ratio to the smallest ---


def judge_growth(printed: str) -> list[Verdict]:
    """Return a verdict on each block of it that is about us; the plain dicts beside them show the memory's share."""
    verdicts: list[Verdict] = []
    title = ""
    for line in printed.splitlines():
        size = _SIZE.match(line)
        if size is None:
            title = line.strip()
        elif "plain dict" not in title:
            verdict = Verdict(f"{title}: {size[1]}", "the smallest", MOST_GROWTH, float(size[2]))
            if verdicts and verdicts[-1].row.startswith(f"{title}: "):
                verdicts.pop()
            verdicts.append(verdict)
    return verdicts

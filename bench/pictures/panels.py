"""What the panels of the dashboard for Grafana show of a run, asked of the Prometheus that has watched it: a drawing.

It is no picture of Grafana: the same questions, the same units and the same names of the lines, in small charts. Beside
the eye it serves whoever wants to know what to expect of each panel without having Grafana.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

DASHBOARD: Final = Path(__file__).parents[2] / "conf" / "grafana" / "dashboards" / "dohproxy.json"
STEP_SECONDS: Final = 3
INTERVAL: Final = "10s"
"""Over which rates are taken, in place of what Grafana makes of the time that is shown."""
MOST_LINES: Final = 5
"""Named in one panel, the highest first; the others are drawn and counted."""
COLUMNS: Final = 4
WIDTH: Final = 300
HEIGHT: Final = 190
LEFT: Final = 44
TOP: Final = 26
RIGHT: Final = 8
BOTTOM: Final = 84
"""What a panel keeps around its lines: for the axis, the title and the names."""
COLOURS: Final = ("#1a5fb4", "#b3400e", "#1b6e34", "#6b3fa0", "#8a5200", "#00707a", "#a8071a", "#50565f")
DASHES: Final = ("", "6 3", "2 2", "9 3 2 3")
_LABEL: Final = re.compile(r"\{\{(\w+)\}\}")

Ask = Callable[[str], Sequence[Mapping[str, Any]]]
"""What gives a range of an expression, as Prometheus does: `metric` and `values`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel."""

    name: str
    points: Sequence[tuple[float, float]]
    """Seconds since the beginning, and values."""

    @property
    def highest(self) -> float:
        """The largest value."""
        return max((value for _, value in self.points), default=0.0)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel and what it shows; lines that are nothing but zero are left out."""

    title: str
    unit: str
    lines: Sequence[Line]


def read_panels(ask: Ask, began: float) -> list[Panel]:
    """Ask for all that the dashboard shows; `began` is the Unix second that becomes zero."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [_read(panel, ask, began) for panel in dashboard["panels"]]


def _read(panel: Mapping[str, Any], ask: Ask, began: float) -> Panel:
    lines = [line for target in panel["targets"] for line in _lines(target, ask, began)]
    shown = sorted((line for line in lines if line.highest > 0.0), key=lambda line: -line.highest)
    return Panel(panel["title"], panel["fieldConfig"]["defaults"]["unit"], shown)


def _lines(target: Mapping[str, Any], ask: Ask, began: float) -> Iterator[Line]:
    expression = target["expr"].replace("$__rate_interval", INTERVAL).replace("$instance", ".*")
    for series in ask(expression):
        name = _name(target["legendFormat"], series["metric"])
        points = ((float(at) - began, float(value)) for at, value in series["values"])
        yield Line(name, [(at, value) for at, value in points if math.isfinite(value)])


def _name(legend: str, labels: Mapping[str, str]) -> str:
    """Return the name of a line, with its labels in their places as Grafana puts them."""
    return _LABEL.sub(lambda found: labels.get(found[1], ""), legend)


# --- The drawing ---


def draw(panels: Sequence[Panel], seconds: float, moments: Mapping[str, float]) -> str:
    """Return all panels as SVG, over so many seconds, with a line at each moment that has a name."""
    rows = math.ceil(len(panels) / COLUMNS)
    drawn = "".join(
        f'<g transform="translate({place % COLUMNS * WIDTH},{place // COLUMNS * HEIGHT})">'
        f"{''.join(_panel(panel, seconds, moments))}</g>\n"
        for place, panel in enumerate(panels)
    )
    width, height = COLUMNS * WIDTH, rows * HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="system-ui, sans-serif" font-size="10">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n{drawn}</svg>\n'
    )


def _panel(panel: Panel, seconds: float, moments: Mapping[str, float]) -> Iterator[str]:
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    highest = _round_up(max((line.highest for line in panel.lines), default=0.0) or 1.0)
    yield _text(4, 15, panel.title, 'font-weight="bold" font-size="11.5" fill="#1b1e24"')
    for part in (0.0, 0.5, 1.0):
        y = TOP + height * (1 - part)
        yield f'<path d="M{LEFT} {y:g}h{width}" stroke="#dfe3e8"/>'
        yield _text(LEFT - 4, y + 3.5, in_unit(highest * part, panel.unit), 'text-anchor="end" fill="#50565f"')
    for name, at in moments.items():
        x = LEFT + width * at / seconds
        yield f'<path d="M{x:.1f} {TOP}v{height}" stroke="#50565f" stroke-dasharray="1 2"/>'
        yield _text(x + 2, TOP + 8, name, 'font-size="8" fill="#50565f"')
    for number, line in enumerate(panel.lines):
        points = " ".join(
            f"{LEFT + width * at / seconds:.1f},{TOP + height * (1 - min(1.0, value / highest)):.1f}"
            for at, value in line.points
        )
        yield f'<polyline points="{points}" fill="none" {_look(number)}/>'
    yield from _names(panel, TOP + height + 14)


def _names(panel: Panel, y: float) -> Iterator[str]:
    for number, line in enumerate(panel.lines[:MOST_LINES]):
        yield f'<path d="M{LEFT} {y + 12 * number - 3:g}h16" {_look(number)}/>'
        words = f"{line.name}, ≤ {in_unit(line.highest, panel.unit)}"
        yield _text(LEFT + 21, y + 12 * number, words, 'fill="#1b1e24"')
    more = len(panel.lines) - MOST_LINES
    if more > 0:
        yield _text(LEFT + 21, y + 12 * MOST_LINES, f"and {more} more", 'fill="#50565f"')
    if not panel.lines:
        yield _text(LEFT, y, "nothing but zero", 'fill="#50565f"')


def _look(number: int) -> str:
    dashes = DASHES[number % len(DASHES)]
    drawn = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="1.4"{drawn}'


def _text(x: float, y: float, words: str, looks: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {looks}>{escape(words)}</text>'


def in_unit(value: float, unit: str) -> str:
    """Return a value as the panel's unit of Grafana has it, in few characters."""
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "s":
            return f"{value:.3g} s" if value >= 1 or not value else f"{value * 1_000:.3g} ms"
        case "reqps" | "cps":
            return f"{_short(value)}/s"
        case _:
            return _short(value)


def _short(value: float) -> str:
    return f"{value / 1_000:.3g}k" if value >= 1_000 else f"{value:.3g}"


def _round_up(value: float) -> float:
    """Return the next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= value * 0.999)

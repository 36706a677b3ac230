"""The report as one page of HTML that needs nothing else: no script, no font, no picture from anywhere.

It is read on a screen, by day and by night, and printed. Everything that stands in it is escaped, whoever wrote it.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from dohproxy.tools.usage.sheet import Row, Sheet
from dohproxy.tools.usage.summary import Bar

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 720, 220, 64, 28
"""Of the picture, in its own units; left of the bars stands the scale, below them the time."""
_TICKS: Final = 4
_MOST_LABELS: Final = 12
"""Below the bars: more would run into one another."""

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d1d9e0; --paper: #ffffff;
  --card: #f6f8fa; --bar: #2f6f9f; --bad: #b3400f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --line: #3d444d; --paper: #0f1419;
  --card: #171d24; --bar: #6cb0e0; --bad: #f0883e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1.25rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
.span, .remark, .part, figcaption { color: var(--soft); }
.span { margin: .25rem 0 1.5rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .75rem; margin: 0; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem .9rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dd .part { display: block; font-size: .85rem; font-weight: 400; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 400; }
td { text-align: right; white-space: nowrap; width: 6.5rem; }
th, td { border-top: 1px solid var(--line); padding: .3rem 0 .3rem .75rem; vertical-align: top; }
th { padding-left: 0; }
figure { margin: 2rem 0 0; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg line { stroke: var(--line); }
.bar { fill: var(--bar); }
.bad { fill: var(--bad); }
.remark { font-size: .9rem; margin: 1rem 0 0; }
@media print {
  :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --card: #fff; --bar: #2f6f9f; --bad: #b3400f; }
  body { max-width: none; padding: 0; font-size: 11pt; }
  section, figure, dl div { break-inside: avoid; }
  svg, dl div { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def render(sheet: Sheet) -> str:
    """Return the page."""
    return "\n".join(_lines(sheet)) + "\n"


def _lines(sheet: Sheet) -> Iterator[str]:
    title = escape(sheet.title)
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}, {escape(sheet.span)}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    yield f'<h1>{title}</h1>\n<p class="span">{escape(sheet.span)}</p>'
    yield "<dl>"
    yield from (_headline(row) for row in sheet.headlines)
    yield "</dl>"
    if any(bar.requests for bar in sheet.bars):
        yield from _figure(sheet)
    for section in sheet.sections:
        yield f"<section>\n<h2>{escape(section.title)}</h2>\n<table>"
        yield from (_table_row(row) for row in section.rows)
        yield "</table>\n</section>"
    yield from (f'<p class="remark">{escape(remark)}</p>' for remark in sheet.remarks)
    yield "</body>\n</html>"


def _headline(row: Row) -> str:
    part = f'<span class="part">{escape(row.part)}</span>' if row.part else ""
    return f"<div><dt>{escape(row.label)}</dt><dd>{escape(row.value)}{part}</dd></div>"


def _table_row(row: Row) -> str:
    part = f'<td class="part">{escape(row.part)}</td>'
    return f'<tr><th scope="row">{escape(row.label)}</th><td>{escape(row.value)}</td>{part}</tr>'


# --- The picture ---


def _figure(sheet: Sheet) -> Iterator[str]:
    what = f"Requests by {'day' if sheet.are_days else 'hour'}"
    most = _round_up(max(bar.requests for bar in sheet.bars))
    yield f'<figure>\n<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{what}">'
    yield from _scale(most)
    yield from _bars(sheet.bars, most, are_days=sheet.are_days)
    failed = "; those not answered stand out in another colour" if any(bar.failed for bar in sheet.bars) else ""
    yield f"</svg>\n<figcaption>{what}{failed}</figcaption>\n</figure>"


def _scale(most: int) -> Iterator[str]:
    for tick in range(_TICKS + 1):
        height = _y(most * tick / _TICKS, most)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{height:.1f}" y2="{height:.1f}"/>'
        label = _short(most * tick / _TICKS)
        yield f'<text x="{_LEFT - 8}" y="{height + 4:.1f}" text-anchor="end">{label}</text>'


def _bars(bars: Sequence[Bar], most: int, *, are_days: bool) -> Iterator[str]:
    step = (_WIDTH - _LEFT) / len(bars)
    width, every = step * 0.78, -(-len(bars) // _MOST_LABELS)
    for number, bar in enumerate(bars):
        left = _LEFT + number * step + (step - width) / 2
        when = f"{bar.since:%Y-%m-%d}" if are_days else f"{bar.since:%Y-%m-%d %H:%M}"
        told = f"{when}: {bar.requests:,} requests, {bar.failed:,} not answered, {bar.networks:,} networks"
        yield f"<g><title>{told}</title>"
        yield _rectangle("bar", left, width, 0, bar.requests, most)
        if bar.failed:
            yield _rectangle("bad", left, width, 0, bar.failed, most)
        yield "</g>"
        if number % every == 0:
            label = f"{bar.since:%d %b}" if are_days else f"{bar.since:%H:%M}"
            yield f'<text x="{left + width / 2:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{label}</text>'


def _rectangle(kind: str, left: float, width: float, low: float, high: float, most: int) -> str:
    top, bottom = _y(high, most), _y(low, most)
    size = f'width="{width:.1f}" height="{max(0.0, bottom - top):.1f}"'
    return f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" {size}/>'


def _y(value: float, most: int) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - 12) * value / most


def _round_up(number: int) -> int:
    """Return the next number that can be divided among the lines of the scale and be read: 1, 2 or 4 and zeros."""
    size = max(1, 10 ** (len(str(number)) - 1))
    return next(factor * size for factor in (1, 2, 4, 6, 8, 10) if factor * size >= number) if number else _TICKS


def _short(number: float) -> str:
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if number >= size:
            divisor = 1_000 if letter == "k" else size
            return f"{number / divisor:g} {letter}"
    return f"{number:,g}"

"""The report as text: for a terminal, for cron and for mail."""

import textwrap
from collections.abc import Iterator
from typing import Final

from dohproxy.tools.usage.sheet import Row, Sheet
from dohproxy.tools.usage.summary import Bar

COLUMNS: Final = 78
"""As wide as mail is read."""
_BAR_COLUMNS: Final = 40
_BLOCKS: Final = " ▏▎▍▌▋▊▉█"
"""Eighths of a column."""


def render(sheet: Sheet) -> str:
    """Return the report, each line at most COLUMNS wide unless a value is longer."""
    return "\n".join(line.rstrip() for line in _lines(sheet)) + "\n"


def _lines(sheet: Sheet) -> Iterator[str]:
    yield sheet.title
    yield sheet.span
    yield ""
    yield from _rows(sheet.headlines)
    if any(bar.requests for bar in sheet.bars):
        yield ""
        yield f"Requests by {'day' if sheet.are_days else 'hour'}"
        yield from _bars(sheet)
    for section in sheet.sections:
        yield ""
        yield section.title
        yield from _rows(section.rows)
    for remark in sheet.remarks:
        yield ""
        yield from textwrap.wrap(remark, COLUMNS)


def _rows(rows: tuple[Row, ...]) -> Iterator[str]:
    label_width = max(len(row.label) for row in rows)
    value_width = max(len(row.value) for row in rows)
    for row in rows:
        yield f"  {row.label:<{label_width}}  {row.value:>{value_width}}  {row.part}"


def _bars(sheet: Sheet) -> Iterator[str]:
    most = max(bar.requests for bar in sheet.bars)
    width = len(f"{most:,}")
    for bar in sheet.bars:
        when = f"{bar.since:%a %Y-%m-%d}" if sheet.are_days else f"{bar.since:%a %d %H:%M}"
        yield f"  {when}  {bar.requests:>{width},}  {_drawn(bar, most)}"


def _drawn(bar: Bar, most: int) -> str:
    eighths = round(8 * _BAR_COLUMNS * bar.requests / most)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + _BLOCKS[rest].strip()

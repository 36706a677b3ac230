"""The table of all stays, as it stands in docs/upstreams.md."""

from collections.abc import Iterable
from typing import Final

HEADING: Final = ("upstream", "state", "over", "what we say", "what clients get", "queries sent")
BEGIN: Final = "<!-- made by python -m bench.upstreams -->"
END: Final = "<!-- end of what it made -->"


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return the rows in Markdown."""
    lines = [HEADING, tuple("---" for _ in HEADING), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def with_table(text: str, rows: Iterable[tuple[str, ...]], caption: str) -> str:
    """Return a document with a new table in the place of the former one; raises ValueError if there is none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{caption}\n\n{table(rows)}{END}{after}"

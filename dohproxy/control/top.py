"""The command `top`: who asks most at this moment, about what, and how it ends.

It is the one place beside `bans` and `explain` where a client's network or a name that was asked for is shown: at the
socket alone, while somebody looks, and who has looked stands in the audit log.
"""

import asyncio
import string
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from dohproxy.config.keys import Choice, Duration
from dohproxy.control.command import Argument, Refused, Result
from dohproxy.observability.tallies import Tally
from dohproxy.observability.top_talkers import (
    MOST_VIEWERS,
    NOT_READ,
    NOWHERE,
    By,
    Note,
    TooManyViewers,
    TopTalkers,
    network_of,
)
from dohproxy.outcomes import OUTCOMES, Reason
from dohproxy.policy.prefixes import Prefix, show_prefix
from dohproxy.policy.space_saving import Counted
from dohproxy.wire.name import labels

REASON: Final = "reason"
MOST_SHOWN: Final = 20
"""Lines: as many as fit a terminal."""
MOST_REASONS: Final = 3
"""Of one line."""
MOST_NAME: Final = 48
"""Characters of a domain in a line; JSON has all of it."""
MOST_SECONDS: Final = 60

_PLAIN: Final = frozenset(string.ascii_letters + string.digits + "-_")

ARGUMENTS: Final = (
    Argument(
        "by",
        Choice(
            (REASON, *(by.value for by in By)),
            "reason: how requests end; network: who asks; domain: what is asked about.",
        ),
        is_option=True,
        default=REASON,
    ),
    Argument("for", Duration(1, MOST_SECONDS, "How long to look."), is_option=True, default=10),
)


class HasTop(Protocol):
    """A service that is asked a lot."""

    top_talkers: TopTalkers

    def tallies(self) -> Sequence[Tally]:
        """Return how requests have ended since the start."""


async def top(service: HasTop, values: Mapping[str, Any]) -> Result:
    """Look for a while, and tell what there was to see."""
    by, seconds = values["by"], values["for"]
    if by == REASON:
        return await _by_reason(service, seconds)
    try:
        with service.top_talkers.looking(By(by), time.monotonic()) as look:
            await asyncio.sleep(seconds)
            seen, viewers = look(MOST_SHOWN), service.top_talkers.viewers
    except TooManyViewers:
        raise Refused(f"{MOST_VIEWERS} people look already, and no more may: ask one of them.") from None
    name = _network if by == By.NETWORK else _domain
    rows = [_row(counted, name(counted.key), seen.total) for counted in seen.top]
    looked = time.monotonic() - seen.since
    figures = {"by": by, "seconds": round(looked, 1), "total": seen.total, "viewers": viewers, "top": rows}
    return Result(sentence(seen.total, looked), figures, list(table(by, rows)))


async def _by_reason(service: HasTop, seconds: float) -> Result:
    began, before = time.monotonic(), _ended(service.tallies())
    await asyncio.sleep(seconds)
    counts = _ended(service.tallies()) - before
    looked, total = time.monotonic() - began, counts.total()
    rows = [
        {"what": OUTCOMES[reason].label, "count": count, "share": _share(count, total), "error": 0}
        for reason, count in counts.most_common(MOST_SHOWN)
    ]
    figures = {"by": REASON, "seconds": round(looked, 1), "total": total, "top": rows}
    return Result(sentence(total, looked), figures, list(table(REASON, rows)))


def _ended(tallies: Sequence[Tally]) -> Counter[Reason]:
    counts: Counter[Reason] = Counter()
    for tally in tallies:
        counts[tally.outcome.reason] += tally.count
    return counts


# --- What is shown ---


def sentence(total: int, seconds: float) -> str:
    """Return how much there was."""
    requests = "1 request was" if total == 1 else f"{total:,} requests were"
    return f"{requests} looked at in {seconds:.0f} s, {total / max(seconds, 0.001):,.1f} a second."


def table(by: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each row, below one that says what is in them; none if there is no row."""
    if not rows:
        return
    has_errors = any(row["error"] for row in rows)
    cells = [_cells(row, has_errors=has_errors) for row in rows]
    widths = [max(len(one[column]) for one in cells) for column in range(3)]
    over = " (at most -n: it may be so much less)" if has_errors else ""
    yield f"requests, share{over}, {by}" + ("" if by == REASON else ", how they end")
    for count, share, what, rest in cells:
        yield f"{count:>{widths[0]}}  {share:>{widths[1]}}  {what:<{widths[2]}}  {rest}".rstrip()


def _cells(row: Mapping[str, Any], *, has_errors: bool) -> tuple[str, str, str, str]:
    count = f"{row['count']:,}" + (f" -{row['error']:,}" if has_errors else "")
    what = row["what"] if len(row["what"]) <= MOST_NAME else f"{row['what'][: MOST_NAME - 3]}..."
    if row.get("mostly"):
        what += f", mostly {row['mostly']}"
    reasons = row.get("reasons", {})
    counted = sum(reasons.values())
    shown = [f"{label} {_share(one, counted):.0f} %" for label, one in list(reasons.items())[:MOST_REASONS]]
    return count, f"{row['share']:.1f} %", what, ", ".join(shown)


def _row(counted: Counted, what: str, total: int) -> dict[str, Any]:
    note: Note = counted.note
    row = {
        "what": what,
        "count": counted.count,
        "share": _share(counted.count, total),
        "error": counted.error,
        "reasons": {OUTCOMES[reason].label: count for reason, count in note.reasons.most_common()},
    }
    if note.host and 2 * note.seen > counted.count:
        row["mostly"] = show_prefix(Prefix(*network_of(note.host)))
    return row


def _share(count: int, total: int) -> float:
    return round(100.0 * count / total, 1) if total else 0.0


def _network(key: bytes) -> str:
    return show_prefix(Prefix(*network_of(key))) if key else "clients without an address"


def _domain(key: bytes) -> str:
    if key == NOT_READ:
        return "refused before the name was read"
    return "names under no top-level domain" if key == NOWHERE else name_in_words(key)


def name_in_words(wire: bytes) -> str:
    """Return a wire name as text in which nothing is left but letters, digits, hyphens and underscores: whoever asks
    chooses the rest, and it would reach a terminal. Other bytes are written as RFC 1035 section 5.1 does."""
    return ".".join("".join(map(_escaped, label)) for label in labels(wire)) or "."


def _escaped(byte: int) -> str:
    character = chr(byte)
    return character if character in _PLAIN else f"\\{byte:03d}"

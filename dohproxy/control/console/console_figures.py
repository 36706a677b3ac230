"""The figures of the operator's page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dohproxy.control.console.live import MOST_VIEWERS
from dohproxy.control.console.sessions import MOST_SESSIONS, LoginResult
from dohproxy.observability.figures import FigureGroup, counter, gauge, label_of


@dataclass(frozen=True, slots=True)
class ConsoleStatistics:
    """How the page is used at one moment."""

    viewers: int
    sessions: int
    results: Mapping[LoginResult, int]


CONSOLE_FIGURES: Final = FigureGroup[ConsoleStatistics](
    "Operator's page",
    (
        gauge("console_viewers", "Browsers that show the operator's page.", lambda one: one.viewers),
        gauge("max_console_viewers", "Browsers that may show it at once.", lambda _: MOST_VIEWERS),
        gauge("console_sessions", "Logins to the operator's page that hold.", lambda one: one.sessions),
        gauge("max_console_sessions", "Logins that may hold at once.", lambda _: MOST_SESSIONS),
        counter(
            "console_logins",
            "Attempts to log in, by what became of them.",
            lambda one: {result.value: count for result, count in one.results.items()},
            label_of("result", LoginResult),
        ),
    ),
    "with `[admin]`",
)

"""What a command says before there is a service, and when there is one: sentences for a person at a terminal, lines of
the log where a program reads them."""

import sys
from collections.abc import Callable
from typing import Final, Literal

import structlog

from dohproxy.config import ConfigError, LogConfig, Problem, render
from dohproxy.observability.logs import configure_logs, goes_to_journal

MOST_LINES_PER_SECOND: Final = 1_000.0
"""As many as may be configured: what a file has wrong is said once and in full, and no client can start it."""

_log = structlog.get_logger("dohproxy")


class Announcer:
    """Says things, in the form that whoever reads them expects."""

    def __init__(self, written_as: Literal["text", "json"], clock: Callable[[], float]) -> None:
        """`written_as`: the `log.format` of the configuration, as far as it is known."""
        self._is_log = written_as == "json" or goes_to_journal()
        if self._is_log:
            configure_logs(LogConfig(format=written_as, lines_per_second=MOST_LINES_PER_SECOND), clock)

    def news(self, text: str) -> None:
        """Say what went well."""
        if self._is_log:
            _log.info(text)
        else:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def warning(self, problem: Problem) -> None:
        """Say what is allowed but hardly meant."""
        if self._is_log:
            _log.warning(str(problem))
        else:
            sys.stderr.write(f"warning: {problem}\n")

    def error(self, error: Exception) -> None:
        """Say why there will be no service, each reason in a line of its own."""
        if not self._is_log:
            sys.stderr.write(f"{render(error) if isinstance(error, ConfigError) else error}\n")
            return
        for sentence in error.problems if isinstance(error, ConfigError) else (error,):
            _log.error(str(sentence))

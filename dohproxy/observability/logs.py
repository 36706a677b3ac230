"""Logs: one line an event, few events, no client address and no name at any level.

What happens to requests is counted, not logged. So a log line is news for the operator, and its rate is bounded for
each kind of message: whoever finds a way to cause a line must not find a way to fill a disk (CVE-2025-69230).
"""

import logging
import os
import ssl
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from dohproxy.config import LogConfig
from dohproxy.observability.figures import FigureGroup, counter
from dohproxy.observability.journal import is_journal, with_priority

MOST_KINDS: Final = 1_000
"""Kinds of message that are counted apart; our own are a few dozen constants."""
MOST_CAUSES: Final = 4
"""Exceptions shown of one chain; ours have two at most."""


class RateLimit(logging.Filter):
    """Lets a bounded number of lines a second through for each kind of message, and says what it swallowed."""

    def __init__(self, lines_per_second: float, clock: Callable[[], float]) -> None:
        super().__init__()
        self._rate = lines_per_second
        self._clock = clock
        self._kinds: dict[str, tuple[float, float, int]] = {}
        self.swallowed = 0

    def adopt(self, lines_per_second: float) -> None:
        """Take another rate; what is used up stays used up."""
        self._rate = lines_per_second

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether this line may be written."""
        kind = self._kind(record)
        now = self._clock()
        burst = max(self._rate, 1.0)
        tokens, then, missed = self._kinds.get(kind, (burst, now, 0))
        tokens = min(tokens + (now - then) * self._rate, burst)
        if tokens < 1.0:
            self._kinds[kind] = (tokens, now, missed + 1)
            self.swallowed += 1
            return False
        self._kinds[kind] = (tokens - 1.0, now, 0)
        if missed and isinstance(record.msg, dict):
            record.msg["not_shown"] = missed
        return True

    def _kind(self, record: logging.LogRecord) -> str:
        """Return the message without its values: our events are constants, other people's are formats."""
        kind = str(record.msg.get("event") if isinstance(record.msg, dict) else record.msg)
        return kind if kind in self._kinds or len(self._kinds) < MOST_KINDS else "other"


LOG_FIGURES: Final = FigureGroup[RateLimit](
    "The log",
    (counter("log_lines_dropped", "Log lines over their rate.", lambda limit: limit.swallowed),),
)


def configure_logs(config: LogConfig, clock: Callable[[], float], worker: int | None = None) -> RateLimit:
    """Send everything, also what libraries log, through one chain to standard error; return its rate limit. Each line
    of a `worker` says which one it is.

    Where standard error is systemd's journal, each line has its priority, and no time of its own beside the journal's.
    """
    limit = RateLimit(config.lines_per_second, clock)
    to_journal = goes_to_journal()
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        *([] if worker is None else [_said_by(worker)]),
        *([] if to_journal else [structlog.processors.TimeStamper(fmt="iso", utc=True)]),
        structlog.processors.ExceptionRenderer(where_it_struck),
    ]
    renderer: Processor
    if config.format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(limit)
    handler.setFormatter(_formatter(shared, renderer, to_journal=to_journal))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(config.level.upper())
    # asyncio logs each connection that a client resets during the handshake, with its address.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return limit


def _said_by(worker: int) -> Processor:
    def add(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return {**event, "worker": worker}

    return add


def set_level(level: str) -> None:
    """Write lines of this level and above from now on: "debug", "info", "warning" or "error"."""
    logging.getLogger().setLevel(level.upper())


def log_everything() -> None:
    """Have the log take what Python would write to standard error by itself: its warnings, the error that ends the
    process or a thread, and one that nobody can be told of. Python's own words quote what an error is about."""
    warnings.showwarning = log_a_warning
    sys.excepthook = log_the_end
    sys.unraisablehook = log_the_unraisable
    threading.excepthook = log_the_end_of_a_thread


def goes_to_journal() -> bool:
    """Tell whether standard error is systemd's journal."""
    try:
        return is_journal(os.environ, sys.stderr.fileno())
    except (OSError, ValueError):  # It is no file, or closed.
        return False


def log_the_end(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
    """Log what ends the process, and where it struck; of a group of errors each one."""
    if isinstance(error, KeyboardInterrupt):
        return
    log = structlog.get_logger("dohproxy")
    for one in _leaves(error):
        log.critical("the process ends by a bug", exc_info=(type(one), one, one.__traceback__))


def log_a_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log what Python warns of, and where. Not its message: of a socket that was left open it has the address."""
    structlog.get_logger("dohproxy").warning("Python warns", of=category.__name__, at=f"{filename}:{lineno}")


def log_the_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Log an error in what the interpreter calls by itself, such as a finalizer: nobody is there to catch it."""
    error = unraisable.exc_value
    if isinstance(error, UnicodeDecodeError) and _is_in_a_handshake(unraisable.exc_traceback):
        # The name that a client asks for is no ASCII, and `ssl` has ended the handshake: no bug, and anybody can do it.
        return
    log = structlog.get_logger("dohproxy")
    # Not the object that it was about: a socket shows itself with its address.
    log.error("a bug that nobody could be told of", exc_info=(unraisable.exc_type, error, unraisable.exc_traceback))


def _is_in_a_handshake(found: TracebackType | None) -> bool:
    """Tell whether an error struck in `ssl`, before any code of ours."""
    while found is not None and found.tb_next is not None:
        found = found.tb_next
    return found is not None and found.tb_frame.f_code is ssl.SSLObject.do_handshake.__code__


def log_the_end_of_a_thread(ended: threading.ExceptHookArgs) -> None:
    """Log what ends a thread, and where it struck."""
    if ended.exc_type is SystemExit:  # Python ignores it as well.
        return
    log = structlog.get_logger("dohproxy")
    log.error("a thread ends by a bug", exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def where_it_struck(exc_info: ExcInfo) -> str:
    """Return an exception's traceback and type, and those of its causes.

    Not its message and no local variables: they quote what the code choked on, which may be a name or an address.
    """
    lines: list[str] = []
    error: BaseException | None = exc_info[1]
    for _ in range(MOST_CAUSES):
        if error is None:
            break
        lines += [*traceback.format_tb(error.__traceback__), f"{type(error).__name__}\n"]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "".join(lines).rstrip()


def _formatter(shared: list[Processor], renderer: Processor, *, to_journal: bool) -> logging.Formatter:
    formatter = JournalFormatter if to_journal else structlog.stdlib.ProcessorFormatter
    return formatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        # Libraries put addresses and bytes from the network into the arguments: their messages are shown without.
        use_get_message=False,
    )


class JournalFormatter(structlog.stdlib.ProcessorFormatter):
    """Writes each line with its priority."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of one event."""
        return with_priority(super().format(record), record.levelno)

"""The verb `serve`: the service itself, from its start to its end."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from dohproxy.builders import clock, table_sizes
from dohproxy.cli.check import checked, ending, locating
from dohproxy.cli.terminal import EXIT_FAILED, VERSION, config_option
from dohproxy.config import Config, ConfigError, load_content, log_format_of, parse
from dohproxy.control.management import import_servers
from dohproxy.core_dumps import allow_none
from dohproxy.observability.announcer import Announcer
from dohproxy.observability.logs import RateLimit, configure_logs, log_everything
from dohproxy.serving import serve
from dohproxy.workers.division import worker_count
from dohproxy.workers.handover import Handover, take_over
from dohproxy.workers.seat import SOLE, Seat, seat_of


@click.command("serve")
@config_option
def serve_verb(file: Path | None) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are finished."""
    announcer = Announcer("text" if file is None else log_format_of(file), clock)
    with ending(announcer):
        try:
            handover = take_over(os.environ, _prepare)
        except EOFError:  # It stood by, and the service has ended.
            return
        if file is not None and handover is not None:
            _run_worker(file, handover)
        elif file is not None:
            content = load_content(file)
            config = parse(file, content)
            with locating(config):
                checked(config, announcer, is_strict=False)
                workers = worker_count(config, usable_cores())
                if workers > 1:
                    _run_workers(config, file, content, workers, announcer)
                else:
                    run(config, lambda addresses: announcer.news(_serves(addresses)), file)
        else:
            # What it needs is of no use to a service.
            from dohproxy.cli.trial import trial_config, trial_text

            with trial_config() as (config, certificate):
                run(config, lambda addresses: announcer.news(trial_text(config, addresses[0], certificate)))


def _serves(addresses: tuple[str, ...]) -> str:
    return f"dohproxy {VERSION} serves on {', '.join(addresses)}"


def _begin_logs(config: Config, worker: int | None = None) -> RateLimit:
    """Have everything that is worth it logged, and nothing dumped; return the log's limit."""
    limit = configure_logs(config.log, clock, worker)
    log_everything()
    allow_none()
    return limit


def _prepare() -> None:
    """Import what a worker needs beside what this module has imported, while nobody waits for it."""
    import_servers(with_metrics=False)
    _loop_factory().close()


def _run_workers(config: Config, file: Path, content: bytes, count: int, announcer: Announcer) -> None:
    """Supervise so many workers. Raises ConfigError."""
    # What it needs is of no use to a service of one process.
    from dohproxy.supervision.supervising import supervise

    _begin_logs(config)
    status = asyncio.run(
        supervise(
            config,
            file,
            content,
            count,
            lambda addresses: announcer.news(f"{_serves(addresses)}, in {count} workers"),
        )
    )
    if status:
        sys.exit(status if 0 < status < 256 else EXIT_FAILED)


def _run_worker(file: Path, handover: Handover) -> None:
    """Serve as one of several workers, by the configuration that holds for all of them."""
    config = parse(file, handover.content)
    seat = seat_of(handover, table_sizes(handover.table_slots))
    with locating(config):
        run(config, lambda _: None, file, seat)


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def run(config: Config, announce: Any, file: Path | None = None, seat: Seat = SOLE) -> None:
    """Serve by a configuration, which is read again from `file`. Raises ConfigError, and LimitsNotInForce."""
    limit = _begin_logs(config, seat.place.number if seat.is_worker else None)
    with asyncio.Runner(loop_factory=_loop_factory) as runner:
        try:
            runner.run(serve(config, freezing(announce), limit, file, gc.freeze, seat))
        except* ConfigError as group:
            raise next(_leaves(group)) from None


def freezing(announce: Callable[[tuple[str, ...]], None]) -> Callable[[tuple[str, ...]], None]:
    """Return `announce` with what else there is to do once everything is built; it is done again when scrapers and
    commands are served.

    From then on the garbage collector leaves alone what lives as long as the process. Among it is the cache's list of
    keys, through which it would look for 20 ms or more where there are a million.
    """

    def announce_frozen(addresses: tuple[str, ...]) -> None:
        gc.freeze()
        announce(addresses)

    return announce_frozen


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _loop_factory() -> asyncio.AbstractEventLoop:
    """Return uvloop's loop where there is one; with the standard one everything works, and costs somewhat more."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop

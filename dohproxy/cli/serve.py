"""The verb `serve`: the service itself, from its start to its end."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from dohproxy.builders import clock
from dohproxy.cli.check import checked, ending, locating
from dohproxy.cli.terminal import VERSION, config_option
from dohproxy.config import Config, ConfigError, load, log_format_of
from dohproxy.core_dumps import allow_none
from dohproxy.observability.announcer import Announcer
from dohproxy.observability.logs import configure_logs, log_everything
from dohproxy.serving import serve


@click.command("serve")
@config_option
def serve_verb(file: Path | None) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are finished."""
    announcer = Announcer("text" if file is None else log_format_of(file), clock)
    with ending(announcer):
        if file is not None:
            config = load(file)
            with locating(config):
                run(
                    checked(config, announcer, is_strict=False),
                    lambda addresses: announcer.news(f"dohproxy {VERSION} serves on {', '.join(addresses)}"),
                    file,
                )
        else:
            # What it needs is of no use to a service.
            from dohproxy.cli.trial import trial_config, trial_text

            with trial_config() as (config, certificate):
                run(config, lambda addresses: announcer.news(trial_text(config, addresses[0], certificate)))


def run(config: Config, announce: Any, file: Path | None = None) -> None:
    """Serve by a configuration, which is read again from `file`. Raises ConfigError, and LimitsNotInForce."""
    limit = configure_logs(config.log, clock)
    log_everything()
    allow_none()
    with asyncio.Runner(loop_factory=_loop_factory) as runner:
        try:
            runner.run(serve(config, freezing(announce), limit, file, gc.freeze))
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

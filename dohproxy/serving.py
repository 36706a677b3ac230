"""Serves as a configuration says, from the first look at its files to the last request."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from dohproxy.builders import clock
from dohproxy.config import Config, ConfigError, Problem
from dohproxy.config.files import MAX_FILE_BYTES
from dohproxy.descriptors import make_room
from dohproxy.jobs.certificate_watch import CertificateWatch
from dohproxy.observability.logs import RateLimit
from dohproxy.regular_file import read_regular
from dohproxy.runtime import Runtime
from dohproxy.service_manager.notification import ServiceManager
from dohproxy.tls.policy import frontend_context
from dohproxy.tls.self_check import check_groups
from dohproxy.workers.seat import SOLE, Seat

_log = structlog.get_logger("dohproxy.serving")


async def serve(
    config: Config,
    announce: Callable[[tuple[str, ...]], None],
    log_limit: RateLimit,
    file: Path | None = None,
    when_managed: Callable[[], None] = lambda: None,
    seat: Seat = SOLE,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; on SIGHUP read `file` again. A worker ends with its supervisor too.

    `announce` is called once clients are served, with the addresses as bound, and `when_managed` once scrapers and
    commands are. Raises ConfigError if an address or the certificate cannot be used, LimitsNotInForce if OpenSSL does
    not enforce a limit.
    """
    manager = ServiceManager.from_environment(os.environ, os.getpid(), clock)
    inherited = seat.inherited(os.environ, os.getpid())
    config = make_room(config)
    make_context = _read_authorities(config.clients.member_ca_file)
    tls = None if config.tls is None else make_context()
    # Read once, and before a client may come: files that change from here on are a renewal like any other.
    certificate = _load_certificate(config, tls, make_context)
    asyncio.get_running_loop().set_exception_handler(_log_unheard)
    # The sockets are closed when nobody looks at them any more, so after all tasks have ended.
    with contextlib.ExitStack() as sockets:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime(
                config,
                tasks,
                sockets,
                file=file,
                certificate=certificate,
                tls=tls,
                log_limit=log_limit,
                manager=manager,
                inherited=inherited,
                when_managed=when_managed,
                seat=seat,
            )
            management = runtime.listen()
            stop = asyncio.Event()
            runtime.heed_signals(stop)
            if seat.is_worker:
                _end_with_supervisor(seat.lifeline, stop)
            await runtime.run(management, announce, stop)


def _end_with_supervisor(lifeline: int, stop: asyncio.Event) -> None:
    """Set `stop` once the supervisor has died, of which the end of this pipe tells."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.remove_reader(lifeline)
        _log.warning("the supervisor has died, so this worker ends too")
        stop.set()

    loop.add_reader(lifeline, end)


def _read_authorities(file: Path | None) -> Callable[[], ssl.SSLContext]:
    """Return what makes contexts that ask clients for a certificate of these authorities, if there are any. Raises
    ConfigError if the file cannot be used."""
    try:
        authorities = None if file is None else read_regular(file, MAX_FILE_BYTES).decode("ascii")
        frontend_context(authorities)
    except (OSError, ValueError) as error:
        why = f"names {file}, which holds no certificates that OpenSSL takes ({type(error).__name__})."
        raise ConfigError((Problem("clients.member_ca_file", why),)) from None
    return partial(frontend_context, authorities)


def _load_certificate(
    config: Config, tls: ssl.SSLContext | None, make_context: Callable[[], ssl.SSLContext]
) -> CertificateWatch | None:
    """Load the certificate into the listeners' context and return the watch over it, None for plain HTTP."""
    if tls is None or config.tls is None:
        return None
    watch = CertificateWatch(config.tls, config.server.host, tls, make_context)
    if not check_groups(tls):
        _log.warning("OpenSSL can be told one group only: for most clients a handshake takes a round trip more")
    return watch


def _log_unheard(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log a bug in a callback, which nobody else hears of. What the network does is no bug, and not logged."""
    error = context.get("exception")
    if error is not None and not isinstance(error, OSError):
        _log.error("a callback met a bug", exc_info=error)

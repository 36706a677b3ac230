"""Serves by several workers, from the first look at the environment to the end of the last of them."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from dohproxy.builders import clock
from dohproxy.config import Config
from dohproxy.service_manager.activation import InheritedSockets
from dohproxy.service_manager.notification import ServiceManager
from dohproxy.supervision.supervisor import StartFailed, Supervisor

_log = structlog.get_logger("dohproxy.workers")


async def supervise(
    config: Config, file: Path, content: bytes, count: int, announce: Callable[[tuple[str, ...]], None]
) -> int:
    """Serve by `count` workers until SIGTERM or SIGINT; return the exit status, that of a worker which did not come up
    at the start. `content` is what `file` held when `config` was read of it. Raises ConfigError if an address cannot
    be had."""
    manager = ServiceManager.from_environment(os.environ, os.getpid(), clock)
    inherited = InheritedSockets.from_environment(os.environ, os.getpid())
    status = 0
    with contextlib.ExitStack() as sockets:
        supervisor = Supervisor(config, file, content, count, sockets, manager=manager, inherited=inherited)
        try:
            await supervisor.run(announce)
        except* StartFailed as group:
            status = leaves_of(group)[0].status
            _log.error("the service does not start, as a worker has ended; it says why", status=status)
    return status


def leaves_of(group: BaseExceptionGroup[StartFailed]) -> list[StartFailed]:
    """Return the errors in a group, and in groups within it."""
    found: list[StartFailed] = []
    for error in group.exceptions:
        found += leaves_of(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found

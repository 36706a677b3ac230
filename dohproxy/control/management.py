"""The listeners for scrapers and commands: brought up when the service serves already, and beside it.

What they need is a quarter of all that this program imports, and nobody who asks for names waits for it: a thread
imports it. The sockets listen by then, so whoever connects to one of them meanwhile is served a moment later.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from dohproxy.config import Config
from dohproxy.control.aiohttp_adapter import import_aiohttp
from dohproxy.control.management_figures import MANAGEMENT_FIGURES
from dohproxy.control.service import Service
from dohproxy.observability.figures import FigureRegistry

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiohttp import web

    from dohproxy.control.desk import Desk
    from dohproxy.control.management_server import ManagementServer
    from dohproxy.jobs.ban_exchange import BanExchange
    from dohproxy.saved import Saved

IMPORT_TURN_SECONDS: Final = 0.0005
"""How long a thread that imports keeps the others waiting; Python's own 5 ms would be noticed at each turn of the event
loop."""


@dataclass(frozen=True, slots=True)
class WorkerSide:
    """What a worker answers its supervisor from, beside the commands that it carries out."""

    export: "Callable[[], Awaitable[Saved]]"
    exchange: "BanExchange"


class Management:
    """The servers of one process."""

    def __init__(self) -> None:
        self._servers: list[ManagementServer] = []

    async def start(
        self,
        opened: Mapping[str, socket.socket],
        config: Config,
        figures: FigureRegistry,
        service: Service,
        worker: WorkerSide | None = None,
    ) -> None:
        """Serve the metrics and the commands of `service` on their listeners; those of a `worker` for its supervisor.

        While it imports, nobody may read the authorities of the system: see `import_aiohttp`.
        """
        await asyncio.to_thread(import_in_turns, partial(import_servers, with_metrics="metrics" in opened))
        from dohproxy.control import audit
        from dohproxy.control.commands import COMMANDS
        from dohproxy.control.console.console_figures import CONSOLE_FIGURES, ConsoleStatistics
        from dohproxy.control.console.live import Live
        from dohproxy.control.desk import Desk
        from dohproxy.control.management_server import ManagementServer
        from dohproxy.control.server import admin_application

        live, sessions = Live(service), service.sessions
        desk = Desk(service, COMMANDS, None if worker is None else audit.note_of_others)
        if service.peers is not None:
            service.peers.serve(desk.carry_out_for)
        for name, listening in opened.items():
            if name == "metrics" and config.metrics is not None:
                from dohproxy.control.metrics_page import metrics_application

                application = metrics_application(figures, pages_per_second=config.metrics.pages_per_second)
            elif worker is not None:
                application = _for_supervisor(service, figures, worker, desk)
            else:
                logins = sessions if name == "console" else None
                application = admin_application(service, live=live, sessions=logins, desk=desk)
            server = ManagementServer(application)
            self._servers.append(server)
            await server.start(listening)
        if worker is not None:  # The supervisor has the figures of those whom people connect to.
            return
        figures.add(MANAGEMENT_FIGURES, lambda: [server.count for server in self._servers])
        if config.admin is not None:
            figures.add(
                CONSOLE_FIGURES,
                lambda: ConsoleStatistics(live.viewers, sessions.count(time.monotonic()), sessions.results),
            )

    async def stop(self) -> None:
        """Close everything."""
        for server in self._servers:
            await server.stop()


def _for_supervisor(service: Service, figures: FigureRegistry, worker: WorkerSide, desk: "Desk") -> "web.Application":
    """Return what takes a supervisor's commands, which has written down already who gave them."""
    from dohproxy.control.server import admin_application
    from dohproxy.control.worker_desk import MOST_BODY_BYTES, WorkerDesk

    application = admin_application(service, desk=desk, most_body_bytes=MOST_BODY_BYTES)
    WorkerDesk(service, figures, worker.export, worker.exchange).add_to(application)
    return application


def import_servers(*, with_metrics: bool) -> None:
    """Import what the servers need; the library that writes the page of metrics is loaded for nobody else."""
    import_aiohttp()
    import dohproxy.control.management_server
    import dohproxy.control.server

    if with_metrics:
        import dohproxy.control.metrics_page  # noqa: F401


def import_in_turns(work: Callable[[], None]) -> None:
    """Do what a thread has to do, and let the others have their turns in between."""
    with _short_turns():
        work()


@contextmanager
def _short_turns() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(IMPORT_TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)

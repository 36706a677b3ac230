"""Where people and scrapers meet the service as a whole: the admin socket, the operator's page and `/metrics`."""

import asyncio
import socket
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

from dohproxy.config import Config, ListenAddress
from dohproxy.control.management import import_in_turns, import_servers
from dohproxy.control.management_figures import MANAGEMENT_FIGURES
from dohproxy.control.service import Service
from dohproxy.supervision.fleet import Fleet

if TYPE_CHECKING:
    from dohproxy.control.management_server import ManagementServer


class FrontDesk:
    """The servers of the supervisor."""

    def __init__(self, config: Config, fleet: Fleet) -> None:
        self._config = config
        self._fleet = fleet
        self._servers: list[ManagementServer] = []

    @staticmethod
    def addresses(config: Config) -> Iterator[tuple[str, ListenAddress]]:
        """Yield where it is met, each beside its key."""
        if config.metrics is not None:
            yield "metrics.listen", config.metrics.listen
        if config.admin is not None:
            yield "admin.socket", ListenAddress("unix", path=str(config.admin.socket))
            if config.admin.listen is not None:
                yield "admin.listen", config.admin.listen

    async def start(self, opened: Mapping[str, socket.socket]) -> None:
        """Serve on these sockets, by their keys, until `stop`."""
        if not opened:
            return
        await asyncio.to_thread(import_in_turns, partial(import_servers, with_metrics="metrics.listen" in opened))
        from dohproxy.control.console.console_figures import CONSOLE_FIGURES, ConsoleStatistics
        from dohproxy.control.console.live import Live
        from dohproxy.control.management_server import ManagementServer
        from dohproxy.control.server import admin_application
        from dohproxy.supervision.fleet_commands import FleetDesk, fleet_commands

        fleet, sessions = self._fleet, self._fleet.sessions
        # It has of a service what these commands and `show` ask of it.
        service = cast(Service, fleet)
        live = Live(service, show=fleet.view)
        desk = FleetDesk(fleet, fleet_commands())
        servers: list[ManagementServer] = []
        for key, listening in opened.items():
            if key == "metrics.listen" and self._config.metrics is not None:
                from dohproxy.control.metrics_page import metrics_application

                rate = self._config.metrics.pages_per_second
                application = metrics_application(fleet, pages_per_second=rate, look=fleet.refresh)
            else:
                application = admin_application(
                    service, desk=desk, live=live, sessions=sessions if key == "admin.listen" else None
                )
            server = ManagementServer(application)
            servers.append(server)
            self._servers.append(server)
            await server.start(listening)
        fleet.own.add(MANAGEMENT_FIGURES, lambda: [server.count for server in servers])
        if self._config.admin is not None:
            fleet.own.add(
                CONSOLE_FIGURES,
                lambda: ConsoleStatistics(live.viewers, sessions.count(time.monotonic()), sessions.results),
            )

    async def stop(self) -> None:
        """Close everything."""
        for server in self._servers:
            await server.stop()

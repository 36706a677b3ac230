"""How a process sees itself: alone, or one of several workers.

Whoever wires a process asks its seat, and need not know whether there are others: who sits alone has all of what is
configured, memory of its own and no secret that it was handed.
"""

import os
import socket
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from dohproxy.config import AdminConfig, Config, NodesConfig, UpstreamConfig
from dohproxy.config.store_address import StoreAddress
from dohproxy.saved import Saved
from dohproxy.service_manager.activation import InheritedSockets
from dohproxy.workers.division import ALONE, Place, base_shares, own_part
from dohproxy.workers.handover import HandedSockets, Handover
from dohproxy.workers.shared_tables import SharedTables, Tables, private_table

FROM_START: Final = ("server.listen", "dot.listen")
"""Keys that wait for a restart where there are workers, beside those that always do: the supervisor has opened a socket
for each of them."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One process among its like."""

    place: Place = ALONE
    secret: bytes | None = None
    """For the hashes of clients, the same in all workers; None where the process has its own."""
    tables: Tables = private_table
    """Where the limiters' tables are."""
    saved: Saved | None = None
    """What another worker knows that lives."""
    admin_socket: Path | None = None
    """Where the supervisor gives commands."""
    table_slots: int = 0
    lifeline: int = -1
    """A descriptor that ends when the supervisor does; -1 where there is none."""
    handed: Handover | None = field(default=None, repr=False)

    @property
    def is_worker(self) -> bool:
        """Whether there is a supervisor."""
        return self.admin_socket is not None

    @property
    def begins_empty(self) -> bool:
        """Whether it may send nothing to upstreams but what it gains by time: whoever was here before, or has this
        share for the first time, may have spent all of it a moment ago."""
        return self.handed is not None and (self.handed.is_replacement or not self.place.is_first)

    @property
    def from_start(self) -> tuple[str, ...]:
        """Which keys wait for a restart here that elsewhere would not."""
        return FROM_START if self.is_worker else ()

    def own(self, config: Config) -> Config:
        """Return the configuration with the files and sockets that are this process's own.

        Commands and figures go by the supervisor. A file that all would write is written by the first alone, who also
        tells the kernel of bans and sends messages; the cache of each has a file.
        """
        if self.admin_socket is None:
            return config
        config = replace(
            config,
            admin=AdminConfig(socket=self.admin_socket),
            metrics=None,
            limits=replace(config.limits, table_slots=self.table_slots),
            nodes=self._nodes(config.nodes),
        )
        if self.place.is_first:
            return config
        snapshot = config.cache.snapshot_file
        return replace(
            config,
            server=replace(config.server, state_directory=None),
            bans=replace(config.bans, log_file=None, kernel_socket=None),
            # Where there is a store, workers see to it that one of them tells people.
            alerts=config.alerts if config.nodes else replace(config.alerts, command=(), webhook=None),
            pages=replace(config.pages, folder=None),
            cache=replace(
                config.cache,
                snapshot_file=None if snapshot is None else snapshot.with_name(f"{snapshot.name}.{self.place.number}"),
            ),
        )

    def _nodes(self, nodes: NodesConfig | None) -> NodesConfig | None:
        """Return what this worker shares, and with whom: each worker is a node, of the service's own store or of that
        which is configured for several machines."""
        if nodes is not None:
            return replace(nodes, name=f"{nodes.name or socket.gethostname()}.{self.place.number}")
        if self.handed is None or not self.handed.store:
            return None
        return NodesConfig(
            StoreAddress("unix", path=self.handed.store),
            self.handed.key_file,
            name=f"worker.{self.place.number}",
            expected=self.place.of,
        )

    def part(self, config: Config) -> Config:
        """Return the configuration with this process's part of what each counts for itself."""
        return own_part(config, self.place)

    def shares(self, config: Config, upstreams: tuple[UpstreamConfig, ...]) -> tuple[UpstreamConfig, ...]:
        """Return upstreams with this process's part of their budgets, or with all of them where leases say how much of
        that it may use: they divide it by need, and by the number of nodes where the store is gone."""
        return upstreams if config.nodes is not None else base_shares(upstreams, self.place)

    def inherited(self, environment: MutableMapping[str, str], pid: int) -> InheritedSockets:
        """Return the sockets that this process was started with. Raises ConfigError."""
        if self.handed is not None:
            return HandedSockets(self.handed.sockets)
        return InheritedSockets.from_environment(environment, pid)


SOLE: Final = Seat()
"""Of a process without a supervisor."""


def seat_of(handover: Handover, sizes: Mapping[str, int]) -> Seat:
    """Return the seat of a worker, whose mapping has tables of these sizes."""
    tables = SharedTables(handover.tables, sizes)
    os.close(handover.tables)
    return Seat(
        handover.place,
        handover.secret,
        tables,
        handover.saved,
        handover.admin_socket,
        handover.table_slots,
        handover.lifeline,
        handover,
    )

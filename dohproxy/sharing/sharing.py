"""All that one node shares, wired: the store, and the parts that use it."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from dohproxy.config import NodesConfig
from dohproxy.sharing.connecting import StoreSettings, read_secrets
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.shared_cache import SharedCache
from dohproxy.sharing.shared_route import SharedRoutes
from dohproxy.sharing.store import Store

INSTANCE_BYTES: Final = 8
"""What tells one run of a node from the next one, and from another node that has its name by mistake."""
PAUSE_SECONDS: Final = 1.0
"""Between the end of a part, which only a bug brings about, and its next beginning."""

_log = structlog.get_logger("dohproxy.sharing")


class Part(Protocol):
    """Something that is shared, which looks after itself for as long as the service runs."""

    async def run(self) -> None:
        """Share it until cancelled."""


class Sharing:
    """What one node shares. It is made before the sockets are, and `run` begins all of it."""

    def __init__(self, config: NodesConfig, clock: Callable[[], float]) -> None:
        """Read the secrets; `clock` must be the event loop's. Raises OSError and ValueError."""
        secret, password = read_secrets(config)
        self.config = config
        self.name = config.name or socket.gethostname()
        self.instance = os.urandom(INSTANCE_BYTES)
        self.keys = Keys(config.prefix, secret)
        self.store = Store(StoreSettings(config.store, config.user, password, config.ca_file), clock)
        self.cache = SharedCache(
            self.store, self.keys, self.instance, config.lookup_milliseconds / 1_000, clock, time.time
        )
        self.routes = SharedRoutes(self.cache)
        self.parts: list[Part] = []
        self.when_leaving: list[Callable[[], Awaitable[None]]] = []
        """What is to be done as long as the store can be reached, once this node has asked its last question."""
        self.forget: list[Callable[[str], Awaitable[bool]]] = []
        """What lets go of a node that is gone for good, by its name; False: the store could not be told."""

    async def leave(self) -> None:
        """Tell the others that this node ends."""
        for leave in self.when_leaving:
            await leave()

    async def run(self) -> None:
        """Share until cancelled; a bug in one part ends nothing else."""
        async with asyncio.TaskGroup() as tasks:
            for part in (self.store, *self.parts):
                tasks.create_task(_keep(part))


async def _keep(part: Part) -> None:
    while True:
        try:
            await part.run()
        except Exception:
            _log.exception("a job met a bug", job=type(part).__name__)
        await asyncio.sleep(PAUSE_SECONDS)

"""Several whole services in this process that share a store."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dohproxy.peers
from dohproxy.control.audit import Peer
from dohproxy.control.commands import COMMANDS
from dohproxy.control.desk import Desk
from dohproxy.runtime import Runtime
from tests.fakes.full_service import serving
from tests.fakes.store import SECRET, StoreProcess, until
from tests.fakes.upstream import FakeUpstream
from tests.frontends.client import RawClient

PROXY_HEADER = "PROXY TCP4 {} 127.0.0.1 50000 443\r\n"


@dataclass(slots=True)
class Node:
    """One of them."""

    name: str
    runtime: Runtime
    address: Any
    directory: Path
    clients: list[RawClient] = field(default_factory=list)

    @property
    def peers(self) -> dohproxy.peers.Peers:
        """What it knows of the others."""
        found = self.runtime.peers
        assert isinstance(found, dohproxy.peers.Peers)
        return found

    async def say(self, command: str, **given: object) -> dict[str, Any]:
        """Give a command here; return what is answered, with its status."""
        desk = Desk(self.runtime, COMMANDS)
        found = desk.find("/v1/" + command.replace(" ", "/"))
        assert found is not None
        said = await desk.carry_out(found, given, Peer(0, 1))
        return {**said.body, "status": said.status}

    async def connect(self, address: str) -> RawClient:
        """Return a connection that comes from an address, as a front proxy says."""
        client = await RawClient.connect(self.address, PROXY_HEADER.format(address).encode())
        self.clients.append(client)
        return client


def _write_key(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    key = directory / "nodes.key"
    key.write_bytes(SECRET)
    key.chmod(0o600)
    return key


@asynccontextmanager
async def node(
    directory: Path,
    process: StoreProcess,
    name: str,
    upstream: FakeUpstream,
    prefix: str,
    more: str = "",
    server: str = "",
) -> AsyncIterator[Node]:
    """Serve as one node of those with this prefix; `more` are sections of its configuration, `server` lines of one."""
    key = _write_key(directory)
    sections = f"""
        [server]
        listen = ["127.0.0.1:0"]
        {server}
        [clients]
        trusted_proxies = ["127.0.0.1"]
        address_from = "proxy-protocol"
        member_file = "{directory}/members.json"
        [nodes]
        store = "unix:{process.path}"
        key_file = "{key}"
        name = "{name}"
        prefix = "{prefix}"
        {more}
        """
    async with serving(directory, sections, upstream) as (runtime, address):
        made = Node(name, runtime, address, directory)
        try:
            yield made
        finally:
            for client in made.clients:
                client.cut()


@asynccontextmanager
async def nodes(
    directory: Path, process: StoreProcess, names: Sequence[str], prefix: str, more: str = ""
) -> AsyncIterator[list[Node]]:
    """Serve as several, and begin once each knows of all others."""
    upstream = FakeUpstream()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(upstream.running())
        found = [
            await stack.enter_async_context(node(directory / name, process, name, upstream, prefix, more))
            for name in names
        ]
        await until(lambda: all(set(one.peers.names_there()) == set(names) for one in found))
        yield found

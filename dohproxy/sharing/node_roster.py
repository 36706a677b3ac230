"""Who the nodes are: what each says of itself, and what the ledger knows of it."""

import base64
import json
from dataclasses import dataclass
from typing import Final

from dohproxy.sharing.commands import Reply, Script, StoreFailure
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.lease_keeper import SCRIPT, ScriptStore, lease_keys
from dohproxy.sharing.lease_script import (
    RosterRow,
    forget_arguments,
    read_forgotten,
    read_roster,
    roster_arguments,
)
from dohproxy.sharing.sealing import Seal

ASK_SECONDS: Final = 2.0
"""How long a person waits for the store."""
SILENT_SECONDS: Final = 10.0
"""A node that has called within it is at work, and is not forgotten."""
PURPOSE: Final = "node"


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node."""

    name: str
    """Empty if what it has said of itself cannot be read: it has another secret, or writes another format."""
    since: float
    """When this run of it began, in Unix seconds."""
    version: str
    configuration: str
    """A digest of its configuration: the same at nodes that have the same."""
    silent_seconds: float
    """How long ago it called."""
    has_left: bool
    """It has ended in order."""
    base: int
    """Its part without the store is one in so many; 0: none yet."""
    parts: dict[str, float]
    """What it may use of each budget, by the budget's digest."""


def node_digest(keys: Keys, name: str) -> str:
    """Return what stands for a node in the ledger."""
    return keys.digest(PURPOSE, name.encode()).hex()


def about_node(keys: Keys, name: str, *, since: float, version: str, configuration: str, wall_time: float) -> str:
    """Return what a node says of itself, sealed."""
    plain = json.dumps([name, since, version, configuration]).encode()
    sealed = Seal(keys, PURPOSE).seal(plain, node_digest(keys, name).encode(), wall_time)
    return base64.b64encode(sealed).decode()


async def read_nodes(store: ScriptStore, keys: Keys, nonce: str) -> list[NodeRow] | StoreFailure:
    """Return all nodes that have called within a day, by name."""
    reply = await _run(store, keys, roster_arguments(nonce))
    if isinstance(reply, StoreFailure):
        return reply
    seal = Seal(keys, PURPOSE)
    return sorted((_row(seal, row) for row in read_roster(reply)), key=lambda row: row.name)


async def forget_node(store: ScriptStore, keys: Keys, name: str, nonce: str) -> bool | StoreFailure | None:
    """Forget a node that will not come back, so that its base is others'. Return whether it was forgotten; False: it
    is at work, None: there is none of this name."""
    reply = await _run(store, keys, forget_arguments(node_digest(keys, name), nonce, SILENT_SECONDS))
    return reply if isinstance(reply, StoreFailure) else read_forgotten(reply)


async def _run(store: ScriptStore, keys: Keys, arguments: tuple[str, str]) -> Reply | StoreFailure:
    script: Script = SCRIPT
    return await store.run_script(script, lease_keys(keys), arguments, seconds=ASK_SECONDS)


def _row(seal: Seal, row: RosterRow) -> NodeRow:
    name, since, version, configuration = "", 0.0, "", ""
    try:
        plain = seal.open(base64.b64decode(row.about, validate=True), row.node.encode())
        if plain is not None:
            told = json.loads(plain)
            name, since, version, configuration = str(told[0]), float(told[1]), str(told[2]), str(told[3])
    except (ValueError, IndexError, TypeError, KeyError):
        pass
    return NodeRow(name, since, version, configuration, row.silent_seconds, row.has_left, row.k, row.parts)

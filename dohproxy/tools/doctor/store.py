"""The store that nodes share: whether it is reached, soon enough, and is set up so that it stays in bounds."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from valkey.asyncio.connection import AbstractConnection
from valkey.exceptions import NoPermissionError, ResponseError, ValkeyError

from dohproxy.config import NodesConfig
from dohproxy.sharing.commands import Command
from dohproxy.sharing.connecting import StoreSettings, Unfit, connect, drop, explain, read_secrets
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.rights import acl_rules
from dohproxy.tools.doctor.findings import Finding, Severity

SUBJECT: Final = "store"
ROUND_TRIPS: Final = 11
QUICK_SECONDS: Final = 0.02
"""How long a question waits for the store (docs/nodes.md): one that takes longer is of no use to any."""
CLOCK_SECONDS: Final = 5.0
"""By how much the store's clock may differ: leases do not go by it, and a person who compares logs does."""
LEAST_MEMORY_BYTES: Final = 33_554_432
"""32 MiB: an empty store takes one or two, and a hundred thousand answers some 50."""
SEEN_MILLISECONDS: Final = 1_000
"""For how long what is written to try the user's rights stays, if it is not deleted."""


@dataclass(frozen=True, slots=True)
class StoreSeen:
    """The store at one moment."""

    why_not: str = ""
    """Why it cannot be used; continues "the store "."""
    round_trip_seconds: float = 0.0
    clock_error_seconds: float = 0.0
    refused: tuple[str, ...] = ()
    """Commands that the user may not give."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of its own, as far as they may be read."""


def see(config: NodesConfig) -> StoreSeen:
    """Look at the store. What is written to it is deleted again."""
    try:
        secret, password = read_secrets(config)
    except (OSError, ValueError) as error:
        return StoreSeen(f"was not asked, as a file of [nodes] cannot be read: {error}")
    settings = StoreSettings(config.store, config.user, password, config.ca_file)
    try:
        return asyncio.run(_see(settings, Keys(config.prefix, secret)))
    except (Unfit, OSError, ValkeyError) as error:
        return StoreSeen(explain(error, config.store))


async def _see(settings: StoreSettings, keys: Keys) -> StoreSeen:
    connection = await connect(settings)
    try:
        took = []
        for _ in range(ROUND_TRIPS):
            begun = time.perf_counter()
            await _ask(connection, ("PING",))
            took.append(time.perf_counter() - begun)
        refused = [
            str(command[0]) for command in _commands(keys) if await _ask(connection, command) is NoPermissionError
        ]
        told = await _ask(connection, ("TIME",))
        error = abs(int(told[0]) + int(told[1]) / 1e6 - time.time()) if isinstance(told, list) else 0.0
        found = {}
        for name in ("maxmemory", "maxmemory-policy", "save", "appendonly"):
            value = await _ask(connection, ("CONFIG", "GET", name))
            if isinstance(value, list) and len(value) == 2:
                found[name] = value[1].decode(errors="replace")
        return StoreSeen("", median(took), error, tuple(refused), found)
    finally:
        await drop(connection)


def _commands(keys: Keys) -> list[Command]:
    """Return one of each kind that a node gives, on keys that are nobody else's."""
    key, stream, fields, line = (keys.of_one("doctor", what) for what in (b"value", b"stream", b"hash", b"list"))
    return [
        ("SET", key, b"", "PX", SEEN_MILLISECONDS),
        ("GET", key),
        ("PTTL", key),
        ("EVAL", "return redis.call('PEXPIRE', KEYS[1], ARGV[1])", 1, key, SEEN_MILLISECONDS),
        ("EVALSHA", "0" * 40, 1, key),
        ("XADD", stream, "MAXLEN", 1, "*", "a", b""),
        ("PEXPIRE", stream, SEEN_MILLISECONDS),
        ("XRANGE", stream, "-", "+"),
        ("XREVRANGE", stream, "+", "-"),
        ("HSET", fields, "a", b""),
        ("HGETALL", fields),
        ("HDEL", fields, "a"),
        ("RPUSH", line, b""),
        ("LPOP", line),
        ("DEL", key),
        ("DEL", stream),
    ]


async def _ask(connection: AbstractConnection, command: Command) -> object:
    """Return what the store says, or the class of its refusal."""
    try:
        await connection.send_packed_command(connection.pack_commands([command]), check_health=False)
        return await connection.read_response(disconnect_on_error=False)
    except ResponseError as error:
        return type(error)


def judge(seen: StoreSeen, config: NodesConfig) -> Iterator[Finding]:
    """Say whether nodes can share by it."""
    if seen.why_not:
        remedy = "until it can be used this node goes on alone, with its own part of each budget: docs/nodes.md"
        yield Finding(SUBJECT, Severity.WARNING, f"the store {seen.why_not}", remedy)
        return
    if seen.refused:
        commands = ", ".join(sorted(set(seen.refused)))
        yield Finding(
            SUBJECT,
            Severity.WARNING,
            f"the user {config.user or 'default'} may not do all that a node does: {commands}",
            f"ACL SETUSER {config.user or 'default'} {acl_rules(config.prefix)}, and the same in its ACL file",
        )
    if seen.round_trip_seconds > QUICK_SECONDS:
        yield Finding(
            SUBJECT,
            Severity.WARNING,
            f"it answers after {seen.round_trip_seconds * 1000:.0f} ms, and no question waits longer than"
            f" {QUICK_SECONDS * 1000:.0f}: budgets and bans are shared, and answers hardly",
            "put a store, or a node, nearer to the other",
        )
    if seen.clock_error_seconds > CLOCK_SECONDS:
        yield Finding(
            SUBJECT,
            Severity.NOTE,
            f"its clock and this machine's differ by {seen.clock_error_seconds:.0f} s; nothing here goes by it",
        )
    yield from _judge_settings(seen)
    took = f"{seen.round_trip_seconds * 1000:.1f} ms"
    yield Finding(SUBJECT, Severity.OK, f"it can be used, and answers after {took}")


def _judge_settings(seen: StoreSeen) -> Iterator[Finding]:
    if "maxmemory" not in seen.settings:
        yield Finding(SUBJECT, Severity.NOTE, "its settings may not be read by this user, so they were not looked at")
        return
    most = int(seen.settings["maxmemory"] or 0)
    policy = seen.settings.get("maxmemory-policy", "")
    if most == 0:
        what = "it has no maxmemory: what is kept there could fill the machine"
        yield Finding(SUBJECT, Severity.WARNING, what, "set maxmemory 128mb and maxmemory-policy volatile-lru")
    elif most < LEAST_MEMORY_BYTES:
        what = f"its maxmemory is {most} bytes, which hold hardly an answer"
        yield Finding(SUBJECT, Severity.WARNING, what, "set maxmemory 128mb")
    elif policy == "noeviction":
        what = "its maxmemory-policy is noeviction: once it is full, nothing new is shared"
        yield Finding(SUBJECT, Severity.WARNING, what, "set maxmemory-policy volatile-lru; every key here has an end")
    elif policy.endswith("random"):
        what = f"its maxmemory-policy is {policy}, which also throws away what budgets are shared by"
        yield Finding(SUBJECT, Severity.WARNING, what, "set maxmemory-policy volatile-lru")
    if seen.settings.get("save") or seen.settings.get("appendonly") == "yes":
        what = "it writes to its disk what is of no use after a restart, and is sealed there as well"
        yield Finding(SUBJECT, Severity.NOTE, what, 'set save "" and appendonly no')

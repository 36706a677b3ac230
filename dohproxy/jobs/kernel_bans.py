"""Tells `dohproxy-nft` whom the kernel is to drop, for as long as the service runs.

Once a second all bans are compared with what was told, in slices, and the differences go out; each line is answered
before the next is sent, so nothing ever waits in a queue. After any failure the connection ends, and the next one
begins with a snapshot: so both sides agree again, whichever of them was started anew.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import structlog

from dohproxy.config import Config
from dohproxy.config.addresses import IPNetwork
from dohproxy.jobs.atomic_file import reason_of
from dohproxy.jobs.turns import SLICE_SECONDS, Turns
from dohproxy.nft.protocol import (
    LONGEST_SECONDS,
    MOST_DROPPED,
    MOST_IN_LINE,
    MOST_LINE,
    VERSION,
    Begin,
    Change,
    Command,
    Done,
    Drop,
    End,
    Failed,
    Hello,
    Look,
    Malformed,
    Network,
    Recall,
    Spare,
    read_hello,
    read_recalled,
    read_reply,
    write_command,
)
from dohproxy.policy.bans import Bans
from dohproxy.policy.kernel_drops import (
    Guarded,
    KernelDrops,
    LeftOut,
    SparedNetworks,
    Told,
    let_in_prefixes,
    prefix_of_network,
)
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.policy.prefixes import Prefix

COMPARE_SECONDS: Final = 1.0
"""Between two looks at all bans. Whoever is banned meanwhile is turned away by the service itself."""
COMPARE_SHARE: Final = 0.02
"""Of one core, that these looks may take: where there are very many bans, they come less often."""
LOOK_SECONDS: Final = 10.0
"""Between two questions how things stand, where there is nothing else to say: it is how we hear that somebody has
flushed the packet filter, and with it our table."""
REPLY_SECONDS: Final = 15.0
"""For one reply: half as long again as nft may take."""
FIRST_PAUSE: Final = 1.0
"""After a failure, before it is tried again; after each further one twice as long."""
LONGEST_PAUSE: Final = 30.0
"""Between two attempts to connect, and for which nobody new is dropped at the most."""

_log = structlog.get_logger("dohproxy.bans")
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class KernelBansStatistics:
    """How things stand."""

    is_connected: bool
    networks: int
    """That the kernel drops, as far as we have told it."""
    max_networks: int
    left_out: dict[LeftOut, int]
    told: int
    """Networks that the kernel was told to drop since the start, renewals too."""
    refused: int
    """Those of them that dohproxy-nft would not take."""
    packets: int
    """Packets that the kernel has dropped, as last heard."""
    failures: int
    """Attempts to connect that came to nothing, and connections that were lost."""


class Unwilling(Exception):
    """The helper does not do what it is asked; the message says why."""


class KernelBans:
    """One connection to the helper after the other."""

    def __init__(
        self,
        socket: Path,
        config: Callable[[], Config],
        bans: Bans,
        members: MemberNetworks,
        clock: Callable[[], float],
    ) -> None:
        """`config` is what holds now; `members` are the addresses whence tokens have come."""
        self._socket = socket
        self._config = config
        self._bans = bans
        self._members = members
        self._clock = clock
        self._drops = KernelDrops(LONGEST_SECONDS, MOST_DROPPED)
        self._pause = 0.0
        self._is_connected = self._is_failing = False
        self._told = self._refused = self._packets = self._failures = 0
        self._packets_before = 0
        self._guarded_by: tuple[Config, frozenset[Prefix]] | None = None
        self._spared = SparedNetworks(())
        """Made anew where they are others only: there may be thousands, and they are looked at each second."""

    def statistics(self) -> KernelBansStatistics:
        """Return the figures."""
        return KernelBansStatistics(
            self._is_connected,
            len(self._drops) if self._is_connected else 0,
            self._drops.most,
            dict(self._drops.left_out),
            self._told,
            self._refused,
            self._packets,
            self._failures,
        )

    def pause(self) -> float:
        """Return for how long to wait before the next attempt, in seconds."""
        return self._pause

    async def session(self) -> None:
        """Connect, and keep the kernel told until the connection ends."""
        try:
            async with _connected(self._socket) as talk:
                await self._keep_told(talk)
        except Unwilling as error:
            self._fail(str(error))
        except Malformed as error:
            self._fail(f"what dohproxy-nft has sent {error}")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self._fail("dohproxy-nft has closed the connection")
        except OSError as error:
            self._fail(reason_of(error))
        finally:
            self._is_connected = False
            self._drops.forget()
            self._pause = max(self._pause, FIRST_PAUSE)  # After a bug, too.

    def _fail(self, why: str) -> None:
        self._failures += 1
        self._pause = min(max(FIRST_PAUSE, 2 * self._pause), LONGEST_PAUSE)
        if not self._is_failing:
            _log.warning("the kernel is not told of bans", socket=str(self._socket), why=why)
        self._is_failing = True

    async def _keep_told(self, talk: "_Talk") -> None:
        hello = await talk.hello()
        self._drops.most = min(hello.most, MOST_DROPPED)
        spared: SparedNetworks | None = None
        looked_at = self._clock()
        while True:
            guarded = self._guarded(self._clock())
            await asyncio.sleep(0)
            is_new = guarded.spared is not spared
            if is_new:
                self._drops.forget()
            told, slices = await self._compare(guarded)
            if spared is None and self._drops.left_out[LeftOut.NAMELESS] and await self._recall(talk):
                self._drops.forget()
                told, slices = await self._compare(guarded)
            if is_new:
                spared = guarded.spared
                await self._send_snapshot(talk, spared.in_order(), told)
                self._greet(hello)
            else:
                await self._send_changes(talk, told)
            if self._clock() - looked_at >= LOOK_SECONDS:
                looked_at = self._clock()
                self._count(await talk.ask(Look()))
            await asyncio.sleep(max(COMPARE_SECONDS, slices * SLICE_SECONDS / COMPARE_SHARE))

    def _guarded(self, now: float) -> Guarded:
        """Return whom the kernel must not drop, as things are now."""
        config = self._config()
        if self._guarded_by is None or self._guarded_by[0] is not config:
            self._guarded_by = config, frozenset(map(prefix_of_network, spared_networks(config)))
        networks = self._guarded_by[1] | let_in_prefixes(self._bans, now)
        if networks != self._spared.networks:
            self._spared = SparedNetworks(networks)
        return Guarded(self._spared, self._members.around(now))

    async def _compare(self, guarded: Guarded) -> tuple[Told, int]:
        """Return what is to be told, and how many slices it took to find out."""
        told, turns, slices = Told(), Turns(), 1
        bans = self._bans if meets_clients(self._config()) else None
        for _ in self._drops.compare(bans, guarded, self._clock(), told):
            if turns.is_over:
                slices += 1
                await turns.give_way()
        return told, slices

    async def _recall(self, talk: "_Talk") -> bool:
        """Ask whom the kernel drops since before we were started anew, and so learn whom bans are about that are known
        by their hashes alone; return whether any was."""
        await talk.send(Recall())
        found, heard = False, 0
        while networks := await talk.recalled():
            heard += len(networks)
            if heard > MOST_DROPPED:
                raise Unwilling("dohproxy-nft recalls networks without end")
            for network in networks:
                found = self._bans.name(Prefix(network.packed, network.bits)) or found
        return found

    async def _send_snapshot(self, talk: "_Talk", spared: Sequence[Prefix], told: Told) -> None:
        await talk.send(Begin())
        for part in _parts(spared):
            await talk.send(Spare(tuple(_network(prefix) for prefix in part)))
        for dropped in _parts(told.drop):
            await talk.send(Drop(self._timed(dropped)))
        self._note(len(told.drop), await talk.ask(End()))

    async def _send_changes(self, talk: "_Talk", told: Told) -> None:
        """What is over goes first: it makes room."""
        for gone in _parts(told.release):
            self._note(0, await talk.ask(Change((), tuple(_network(prefix) for prefix in gone))))
        for dropped in _parts(told.drop):
            self._note(len(dropped), await talk.ask(Change(self._timed(dropped))))

    def _timed(self, dropped: Iterable[tuple[Prefix, float]]) -> tuple[tuple[Network, int], ...]:
        """Return networks with what is left of their time, in milliseconds from now on."""
        now, most = self._clock(), 1_000 * LONGEST_SECONDS
        return tuple((_network(prefix), min(most, max(1, round(1_000 * (until - now))))) for prefix, until in dropped)

    def _note(self, told: int, done: Done) -> None:
        self._told += told
        self._refused += done.refused

    def _count(self, done: Done) -> None:
        """Note how many packets were dropped; where the table was made anew, they are counted from 0."""
        self._packets += done.packets - (self._packets_before if done.packets >= self._packets_before else 0)
        self._packets_before = done.packets

    def _greet(self, hello: Hello) -> None:
        if self._is_connected:
            return
        self._is_connected, self._is_failing, self._pause = True, False, 0.0
        if not meets_clients(self._config()):
            _log.warning("the kernel is told of no ban", why="clients come by a front proxy")
            return
        _log.info("the kernel drops new connections of banned networks", ports=list(hello.ports))
        missing = sorted(ports_of(self._config()) - set(hello.ports))
        if missing:
            words = " ".join(f"--port {port}" for port in (*hello.ports, *missing))
            _log.warning(
                "the kernel drops nobody at some ports", ports=missing, hint=f"start dohproxy-nft with {words}"
            )


def spared_networks(config: Config) -> tuple[IPNetwork, ...]:
    """Return the networks of a configuration that no rule bans: front proxies, members and exempt ones."""
    return (*config.clients.trusted_networks, *config.clients.member_networks, *config.limits.exempt_networks)


def meets_clients(config: Config) -> bool:
    """Tell whether what clients of other machines open are connections to the service itself.

    If they are to a front proxy, on this machine perhaps, and it is others' too, then the kernel would shut whom the
    service has banned out of all that is behind it.
    """
    return config.is_public and config.clients.address_from == "connection"


def ports_of(config: Config) -> set[int]:
    """Return the TCP ports at which other machines reach the service."""
    return {listener.port for _, listener in config.public_listen if listener.is_public and listener.port}


class _Talk:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def hello(self) -> Hello:
        """Return the helper's first line. Raises Malformed, Unwilling if it speaks another version."""
        hello = read_hello(await self._line())
        if hello.version != VERSION:
            raise Unwilling(
                f"dohproxy-nft speaks version {hello.version} and this service version {VERSION}; restart it"
            )
        return hello

    async def recalled(self) -> tuple[Network, ...]:
        """Return the next of the networks that are dropped, empty if there are no more."""
        networks = read_recalled(await self._line()).networks
        await asyncio.sleep(0)
        return networks

    async def send(self, command: Command) -> None:
        """Send what is not answered at once."""
        self._writer.write(write_command(command))
        async with asyncio.timeout(REPLY_SECONDS):
            await self._writer.drain()
        await asyncio.sleep(0)

    async def ask(self, command: Command) -> Done:
        """Send what is answered, and return the answer. Raises Unwilling if it cannot be done."""
        await self.send(command)
        reply = read_reply(await self._line())
        if isinstance(reply, Failed):
            raise Unwilling(f"dohproxy-nft: {reply.why}")
        return reply

    async def _line(self) -> bytes:
        async with asyncio.timeout(REPLY_SECONDS):
            return await self._reader.readuntil(b"\n")


@contextlib.asynccontextmanager
async def _connected(path: Path) -> AsyncIterator[_Talk]:
    async with asyncio.timeout(REPLY_SECONDS):
        reader, writer = await asyncio.open_unix_connection(path, limit=MOST_LINE)
    try:
        yield _Talk(reader, writer)
    finally:
        writer.transport.abort()


def _network(prefix: Prefix) -> Network:
    return Network(prefix.packed, prefix.bits)


def _parts(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Yield what fits into a line, one after the other."""
    rest = iter(items)
    while part := tuple(islice(rest, MOST_IN_LINE)):
        yield part

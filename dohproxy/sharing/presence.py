"""Says every second to the other nodes that this one is there, and hears it from them.

All reports are the fields of one hash, so that one command reads them: to look for keys by a pattern is what no store
should be asked for.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import structlog

from dohproxy.sharing.commands import Reply, StoreFailure
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.roster import CLOCK_SECONDS, MOST_BYTES, NodeNow, Report, Roster, decode, encode
from dohproxy.sharing.sealing import OVERHEAD_BYTES, Seal

if TYPE_CHECKING:
    from dohproxy.sharing.store import Store

BEAT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 0.5
KEPT_SECONDS: Final = 86_400
STEP_REPORTS: Final = 20
"""Reports read between two turns of everybody else: some 0.7 ms."""
_KIND: Final = "nodes"

_log = structlog.get_logger("dohproxy.nodes")


class Presence:
    """One node's report, and what it has heard of the others."""

    def __init__(
        self,
        store: "Store",
        keys: Keys,
        name: str,
        instance: str,
        describe: Callable[[], "Described"],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """`describe` says what is to be told of this node."""
        self._store = store
        self._key = keys.of(_KIND)
        self._keys = keys
        self._seal = Seal(keys, _KIND)
        self._name = name
        self._instance = instance
        self._describe = describe
        self._clock = clock
        self._wall_clock = wall_clock
        self._beat = 0
        self._since = wall_clock()
        self._wake = asyncio.Event()
        store.when_up.append(self._wake.set)
        self.roster = Roster(name, instance)
        self._told_of: set[tuple[str, str]] = set()

    @property
    def name(self) -> str:
        """What this node is called."""
        return self._name

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self._wake.clear()
            await self.turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._wake.wait()

    async def turn(self) -> None:
        """Say it once, and hear the others."""
        now, wall = self._clock(), self._wall_clock()
        self._beat += 1
        described = self._describe()
        own = Report(
            self._name,
            self._instance,
            self._beat,
            self._since,
            wall,
            described.version,
            described.configuration,
            described.behind,
            described.counters,
        )
        heard: list[Report] = []
        if self._store.is_up:
            # Heard first: what lies under our name and is not ours is another node's that has it too.
            reply = await self._store.command("HGETALL", self._key, seconds=ANSWER_SECONDS)
            if not isinstance(reply, StoreFailure):
                heard = [report for report in await self._read(reply) if report.instance != self._instance]
            field = self._field(self._name)
            sealed = self._seal.seal(encode(own), self._about(field), wall)
            await self._store.command("HSET", self._key, field, sealed, seconds=ANSWER_SECONDS)
            await self._store.command("PEXPIRE", self._key, 1_000 * KEPT_SECONDS, seconds=ANSWER_SECONDS)
        for name in self.roster.note((own, *heard), now, wall):
            if name != self._name:
                _log.info("another node is there", node=name)
        self._tell_of_differences(described.configuration, now)

    async def forget(self, name: str) -> bool:
        """Know nothing of a node any more, here and in the store; False if the store could not be asked."""
        self.roster.forget(name)
        reply = await self._store.command("HDEL", self._key, self._field(name), seconds=ANSWER_SECONDS)
        return not isinstance(reply, StoreFailure)

    async def _read(self, reply: Reply) -> list[Report]:
        if not isinstance(reply, list):
            return []
        found = []
        for number, (field, sealed) in enumerate(zip(reply[::2], reply[1::2], strict=False), start=1):
            if number % STEP_REPORTS == 0:
                await asyncio.sleep(0)
            if isinstance(field, bytes) and isinstance(sealed, bytes) and len(sealed) <= MOST_BYTES + OVERHEAD_BYTES:
                written = self._seal.open(sealed, self._about(field.decode("ascii", "replace")))
                report = None if written is None else decode(written)
                if report is not None and self._field(report.name).encode() == field:
                    found.append(report)
        return found

    def _field(self, name: str) -> str:
        return self._keys.digest(_KIND, name.encode()).hex()

    def _about(self, field: str) -> bytes:
        return f"{self._key} {field}".encode()

    def _tell_of_differences(self, configuration: str, now: float) -> None:
        """Log once what sets this node and another apart."""
        found = set(self.roster.otherwise_configured(configuration, now))
        for name in found:
            self._tell_once((name, configuration), "another node runs another configuration; reload the older one",
                            node=name)  # fmt: skip
        for one in self.roster.all(now):
            if has_clock_off(one):
                self._tell_once((one.report.name, "clock"), "the clocks of two nodes differ, so what ends, ends at"
                                " other times", node=one.report.name, seconds=round(one.clock_ahead))  # fmt: skip
        if self.roster.namesake is not None:
            self._tell_once(("", self.roster.namesake), "another node has our name (nodes.name), so the two take each"
                            " other's budget: give one of them another", node=self._name)  # fmt: skip

    def _tell_once(self, about: tuple[str, str], what: str, **more: object) -> None:
        if about not in self._told_of and len(self._told_of) < _MOST_TOLD:
            self._told_of.add(about)
            _log.warning(what, **more)


_MOST_TOLD: Final = 1_024


def has_clock_off(one: NodeNow) -> bool:
    """Tell whether a node's clock is worth a word."""
    return one.is_there and not one.is_self and abs(one.clock_ahead) > CLOCK_SECONDS


class Described:
    """What is told of a node beside its name."""

    __slots__ = ("behind", "configuration", "counters", "version")

    def __init__(self, version: str, configuration: str, behind: float, counters: Mapping[str, int]) -> None:
        self.version = version
        self.configuration = configuration
        self.behind = behind
        self.counters = counters

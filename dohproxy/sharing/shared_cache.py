"""One cache behind the caches of all nodes: what one has asked an upstream, the others need not ask.

Answers are pulled, each when somebody here wants it (`shared_route`): pushed to all, every node would hold and decode
what any of them learns. So a node that starts reads nothing in bulk, and nothing here is ever between a client and an
answer that its own cache has.

Who asks an upstream keeps the question for as long as that takes, by saying so again and again; if it dies or hangs,
the question is another's within QUESTION_SECONDS.

What is written is written behind, in bounds: who asked has its answer already.
"""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from dohproxy.sharing.commands import Argument, Asked, Command, Notify, Reply, Script, StoreFailure
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.question_scripts import LOOK, NEITHER, REMEMBERED, SETTLE
from dohproxy.sharing.sealing import OVERHEAD_BYTES, Seal
from dohproxy.sharing.shared_answers import CLEAR_BYTES, MOST_BYTES, Incoming, Outgoing, name_of
from dohproxy.sharing.shared_cache_figures import SharedCacheStatistics
from dohproxy.sharing.store import UNKNOWN_SCRIPT

QUESTION_SECONDS: Final = 0.12
"""How long a question is somebody's who says so once. With the pause between two looks it is what a node costs others
that dies with a question in hand: some 150 ms, once."""
RENEWAL_SECONDS: Final = 0.04
"""Between two times that it is said: a third, so that one that comes late makes no difference."""
MOST_RENEWALS: Final = 25
"""A second's: beyond that nobody waits any more who began with it, and what ends it may have been lost to a bug."""
WRITE_SECONDS: Final = 0.5
"""A write that takes longer has failed."""
MOST_WRITES: Final = 512
"""Writes under way: half a second's at a thousand a second. Further ones are dropped; the next node asks for itself."""
MOST_WRITE_BYTES: Final = 2_097_152
MOST_VALUE_BYTES: Final = CLEAR_BYTES + MOST_BYTES + OVERHEAD_BYTES
"""Of what is read: what is longer is none of ours."""
FAILED_SUFFIX: Final = ":failed"
ASKED_SUFFIX: Final = ":asked"
"""Behind the name of a question, which ends with what decides its place: so all three are in one."""
MOST_FLUSHES: Final = 32
"""Orders to forget that are remembered, of which each is asked at each look; the oldest go first."""


class AsksStore(Protocol):
    """What is needed of `Store`."""

    @property
    def is_hasty(self) -> bool:
        """Whether somebody's question may be asked."""

    @property
    def is_up(self) -> bool:
        """Whether there is a connection."""

    def ask(self, command: Command, notify: Notify, *, until: float) -> Asked:
        """Have `command` done."""


class SharedCache:
    """What this node and others know together, by the names of questions; and whose question each is just now."""

    def __init__(
        self,
        store: AsksStore,
        keys: Keys,
        instance: bytes,
        lookup_seconds: float,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """`instance` tells this run of the node from all others; `clock` must be the event loop's, `wall_clock` gives
        Unix seconds."""
        self.store = store
        self.lookup_seconds = lookup_seconds
        self.clock = clock
        self.wall_clock = wall_clock
        self.counts = SharedCacheStatistics(most_writes=MOST_WRITES, most_write_bytes=MOST_WRITE_BYTES)
        self._keys = keys
        self._seal = Seal(keys, "answers")
        self._instance = instance.hex()
        self._in_hand: dict[str, _InHand] = {}
        self._flushes: list[tuple[float, Callable[[bytes], bool]]] = []

    def statistics(self) -> SharedCacheStatistics:
        """Return the figures."""
        self.counts.questions_in_hand = len(self._in_hand)
        return self.counts

    def forget(self, is_meant: Callable[[bytes], bool]) -> None:
        """Take nothing from now on that was stored by now about a name (wire, lower case) that is meant.

        What lies in the store stays there, and is written over by what is asked instead. Other nodes have to be told
        themselves.
        """
        self._flushes = [*self._flushes, (self.clock(), is_meant)][-MOST_FLUSHES:]

    def is_flushed(self, name: bytes, stored_at: float) -> bool:
        """Tell whether what was stored then about this name has been forgotten since, by order."""
        return any(stored_at <= moment and is_meant(name) for moment, is_meant in self._flushes)

    def name(self, route: bytes, key: bytes) -> str:
        """Return what a question is called in the store."""
        return self._keys.of_one("answer", name_of(route, key))

    def look(self, name: str, least_left: float, notify: Notify) -> "Call":
        """Ask what is known of a question, and whose it is."""
        arguments = (math.ceil(least_left * 1_000), self._instance, int(QUESTION_SECONDS * 1_000))
        return Call(self, LOOK, name, arguments, notify, self.clock() + self.lookup_seconds)

    def open(self, key: str, value: object, left: object) -> Incoming | None:
        """Return what the store has given, opened; None if it is nothing that a node has written under this key."""
        if isinstance(value, bytes) and isinstance(left, int) and len(value) <= MOST_VALUE_BYTES:
            clear = value[:CLEAR_BYTES]
            plain = self._seal.open(value[CLEAR_BYTES:], key.encode() + clear)
            if plain is not None:
                return Incoming(clear, plain, left)
        self.counts.unreadable += 1
        return None

    def hold(self, name: str) -> None:
        """A question is ours now: say so for as long as it is."""
        before = self._in_hand.get(name)
        if before is not None:
            before.stop()
        self._in_hand[name] = _InHand(self, name)

    def settle(self, name: str, kind: str = NEITHER, outgoing: Outgoing | None = None) -> None:
        """Store what came of a question, if anything did, and let it be whoever's wants it next."""
        in_hand = self._in_hand.pop(name, None)
        if in_hand is not None:
            in_hand.stop()
        if not self.store.is_up or (in_hand is None and outgoing is None):
            return
        value, milliseconds = b"", 0
        if outgoing is not None:
            key = name + FAILED_SUFFIX if kind == REMEMBERED else name
            sealed = self._seal.seal(outgoing.plain, key.encode() + outgoing.clear, self.wall_clock())
            value, milliseconds = outgoing.clear + sealed, outgoing.milliseconds
        counts = self.counts
        if counts.writes_under_way >= MOST_WRITES or counts.write_bytes_under_way + len(value) > MOST_WRITE_BYTES:
            counts.writes_dropped += 1
            return
        counts.writes_under_way += 1
        counts.write_bytes_under_way += len(value)
        arguments = (self._instance, kind, value, milliseconds)
        written = partial(self._written, len(value), outgoing is not None)
        Call(self, SETTLE, name, arguments, written, self.clock() + WRITE_SECONDS)

    def stop(self) -> None:
        """Hold no question any more."""
        for one in self._in_hand.values():
            one.stop()
        self._in_hand.clear()

    def renew(self, name: str) -> None:
        """Say once more that a question is ours."""
        command = ("PEXPIRE", name + ASKED_SUFFIX, int(QUESTION_SECONDS * 1_000))
        self.store.ask(command, lambda _: None, until=self.clock() + WRITE_SECONDS)

    def _written(self, size: int, has_value: bool, reply: Reply | StoreFailure) -> None:
        self.counts.writes_under_way -= 1
        self.counts.write_bytes_under_way -= size
        if has_value:
            self.counts.writes += 1
            self.counts.writes_failed += isinstance(reply, StoreFailure)


class Call:
    """One script under way; the store is told of it if it does not know it."""

    __slots__ = ("_arguments", "_asked", "_keys", "_notify", "_script", "_shared", "_until", "has_ended")

    def __init__(
        self,
        shared: SharedCache,
        script: Script,
        name: str,
        arguments: tuple[Argument, ...],
        notify: Notify,
        until: float,
    ) -> None:
        self._shared = shared
        self._script = script
        self._keys = (name, name + FAILED_SUFFIX, name + ASKED_SUFFIX)
        self._arguments = arguments
        self._notify = notify
        self._until = until
        self.has_ended = False
        self._asked = shared.store.ask(script.command(self._keys, arguments), self._take, until=until)

    def stop(self) -> None:
        """Wait no longer for what it says."""
        self._asked.stop()

    def _take(self, reply: Reply | StoreFailure) -> None:
        if reply is UNKNOWN_SCRIPT:
            command = self._script.whole(self._keys, self._arguments)
            self._asked = self._shared.store.ask(command, self._end, until=self._until)
        else:
            self._end(reply)

    def _end(self, reply: Reply | StoreFailure) -> None:
        self.has_ended = True
        self._notify(reply)


class _InHand:
    """A question that is ours."""

    __slots__ = ("_left", "_name", "_shared", "_timer")

    def __init__(self, shared: SharedCache, name: str) -> None:
        self._shared = shared
        self._name = name
        self._left = MOST_RENEWALS
        self._timer = asyncio.get_running_loop().call_later(RENEWAL_SECONDS, self._renew)

    def stop(self) -> None:
        """Say so no longer."""
        self._timer.cancel()

    def _renew(self) -> None:
        self._left -= 1
        self._shared.renew(self._name)
        if self._left:
            self._timer = asyncio.get_running_loop().call_later(RENEWAL_SECONDS, self._renew)
        else:
            self._shared.settle(self._name)

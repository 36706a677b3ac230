"""Exchanges with the other nodes how many networks have asked: the registers of the sketches, merged once a minute.

Each node reads what is in the store, takes the greater of each two registers, and writes it back where it has more to
say. If two write at once one of them is lost until the next minute, and nothing else.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dohproxy.policy.hyperloglog import REGISTERS
from dohproxy.policy.shared_visitors import SharedVisitors
from dohproxy.sharing.commands import StoreFailure
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.sealing import Seal

if TYPE_CHECKING:
    from dohproxy.sharing.store import Store

TURN_SECONDS: Final = 5.0
"""Between two looks whether a period has begun."""
EXCHANGE_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 0.5
KEPT_SECONDS: Final = 2 * 86_400 + 7_200
"""A day's sketch is of use until the end of the next day, whatever the clocks say."""
_SALT_BYTES: Final = 8


class Sketches:
    """One node's part in it."""

    def __init__(
        self,
        store: "Store",
        keys: Keys,
        visitors: SharedVisitors,
        forget: Callable[[], None],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """`forget` has everybody noted again who comes."""
        self._store = store
        self._keys = keys
        self._salts = Seal(keys, "salt")
        self._sketches = Seal(keys, "sketch")
        self._visitors = visitors
        self._forget = forget
        self._clock = clock
        self._wall_clock = wall_clock
        self._exchange_at = 0.0
        self._wake = asyncio.Event()
        # At once: what is counted under a salt that the others do not have is lost when theirs is learnt.
        store.when_up.append(self._wake.set)

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self._wake.clear()
            await self.turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TURN_SECONDS):
                    await self._wake.wait()

    def exchange_now(self) -> None:
        """Exchange what has been counted without waiting for the minute to be over."""
        self._exchange_at = 0.0
        self._wake.set()

    async def turn(self) -> None:
        """Begin what is to begin, and exchange what has been counted if a minute is over."""
        if self._visitors.turn(self._wall_clock()):
            self._forget()
        if not self._store.is_up:
            return
        for period, salt in self._visitors.proposals().items():
            await self._agree(period, salt)
        if self._clock() >= self._exchange_at:
            self._exchange_at = self._clock() + EXCHANGE_SECONDS
            for period in self._visitors.shared():
                await self._exchange(period)

    async def _agree(self, period: str, salt: int) -> None:
        key = self._keys.of_one("salt", period.encode())
        sealed = self._salts.seal(salt.to_bytes(_SALT_BYTES), key.encode(), self._wall_clock())
        reply = await self._store.command("SET", key, sealed, "NX", "GET", "EX", KEPT_SECONDS, seconds=ANSWER_SECONDS)
        if isinstance(reply, StoreFailure):
            return
        written = salt.to_bytes(_SALT_BYTES) if reply is None else self._salts.open(reply, key.encode())
        if (
            written is not None
            and len(written) == _SALT_BYTES
            and self._visitors.agree(period, int.from_bytes(written))
        ):
            self._forget()

    async def _exchange(self, period: str) -> None:
        key = self._keys.of_one("sketch", period.encode())
        reply = await self._store.command("GET", key, seconds=ANSWER_SECONDS)
        if isinstance(reply, StoreFailure):
            return
        theirs = None if reply is None else self._sketches.open(reply, key.encode())
        self._visitors.merge(period, bytes(REGISTERS) if theirs is None else theirs, self._clock())
        ours = self._visitors.shared().get(period)
        if ours is not None and ours != theirs:
            sealed = self._sketches.seal(ours, key.encode(), self._wall_clock())
            await self._store.command("SET", key, sealed, "EX", KEPT_SECONDS, seconds=ANSWER_SECONDS)

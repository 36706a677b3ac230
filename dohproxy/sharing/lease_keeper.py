"""Keeps this node's leases: one call a second for all budgets together, and sooner where somebody waits for one.

What may be used between two calls is decided in `lease_holder`, at each send anew, and needs nobody who looks in time.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from dohproxy.sharing.commands import Argument, Reply, Script, StoreFailure
from dohproxy.sharing.keys import LEDGER_FORMAT, Keys
from dohproxy.sharing.lease_holder import CALL_SECONDS, HeldPart, LeaseHolder
from dohproxy.sharing.lease_needs import NeedMeter
from dohproxy.sharing.lease_script import (
    TEXT,
    Call,
    Granted,
    call_arguments,
    leave_arguments,
    read_granted,
)
from dohproxy.sharing.standing_exchange import StandingExchange
from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.budget.queries import Budget
from dohproxy.upstream.health.health import UpstreamHealth

SCRIPT: Final = Script(TEXT)
LOOK_SECONDS: Final = 0.1
"""Between two looks whether a call is due."""
FIRST_SECONDS: Final = 1.0
"""How long the first call waits for a connection to the store: most often that is there sooner."""
LEAVE_SECONDS: Final = 0.5
"""How long a node that ends waits until the store knows."""


class ScriptStore(Protocol):
    """What runs the script: `sharing/store.py`."""

    @property
    def is_up(self) -> bool:
        """Whether there is a connection."""

    async def run_script(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], *, seconds: float
    ) -> Reply | StoreFailure:
        """Have it run."""


class SharedBudgets(Protocol):
    """The budgets to be shared: `upstream/budget/groups.py`."""

    def hold(self, tenure_of: Callable[[str], HeldPart], now: float) -> None:
        """Let nobody use more than a part."""

    def in_use(self) -> Iterable[tuple[str, Budget, ConnectionBudget]]:
        """Return all that there are now, by their names."""


def lease_keys(keys: Keys) -> tuple[str, str]:
    """Return the names of what the script keeps in the store: the same for all releases."""
    ledger = keys.of("lease", LEDGER_FORMAT)
    return ledger, f"{ledger}:about"


class LeaseKeeper:
    """Holds this node's part of `budgets` for as long as it runs."""

    def __init__(
        self,
        store: ScriptStore,
        keys: Keys,
        holder: LeaseHolder,
        budgets: SharedBudgets,
        healths: Callable[[], Mapping[str, UpstreamHealth]],
        when_changed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        """`healths` returns how the upstreams are, by names that are the same at all nodes. `when_changed` is called
        when there may be more to use than before. `clock` must be the monotonic clock itself, as it is at each moment.
        """
        self.holder = holder
        self._store = store
        self._keys = keys
        self._budgets = budgets
        self._healths = healths
        self._exchange = StandingExchange(lambda name: keys.digest("standing", name.encode()).hex())
        self._when_changed = when_changed
        self._clock = clock
        self._digests: dict[str, str] = {}
        self._held: dict[str, int] = {}
        self._meters: dict[str, NeedMeter] = {}
        self._missed = 0
        self.calls = 0
        """Calls since the start ..."""
        self.failures = 0
        """... and those to which no reply came in time."""
        budgets.hold(self._tenure_of, clock())

    async def run(self) -> None:
        """Keep the leases until cancelled."""
        until = self._clock() + FIRST_SECONDS
        while not self._store.is_up and self._clock() < until:  # noqa: ASYNC110 - once, at the start
            await asyncio.sleep(LOOK_SECONDS / 2)
        while True:
            is_starving = self._count_missed() > self._missed
            if self._clock() >= self.holder.next_call_at(is_starving=is_starving):
                await self.call()
            await asyncio.sleep(LOOK_SECONDS)

    async def call(self) -> None:
        """Ask the ledger once, and adopt what it says."""
        now = self._clock()
        budgets = self._look_at_budgets(now)
        self._missed = self._count_missed()
        needs = {digest: self._meters[digest].read(budget, now) for digest, (budget, _) in budgets.items()}
        is_settled = all(one.is_settled and other.is_settled for one, other in budgets.values())
        exchange = self._exchange
        exchange.look({key: budget for key, budget, _ in self._budgets.in_use()}, self._healths())
        news, probes = exchange.news(now), exchange.probes()
        call = self.holder.call(needs, now, is_settled=is_settled, news=news, probes=probes)
        self.calls += 1
        reply = await self._run(call_arguments(call), CALL_SECONDS)
        self._adopt(call, reply)

    async def leave(self) -> None:
        """Give everything back, as this node ends; nothing may be sent any more."""
        call = self.holder.leave()
        for _, budget, _ in self._budgets.in_use():
            budget.look(self._clock())
        await self._run(leave_arguments(call), LEAVE_SECONDS)

    async def _run(self, arguments: tuple[str, str], seconds: float) -> Reply | StoreFailure:
        return await self._store.run_script(SCRIPT, lease_keys(self._keys), arguments, seconds=seconds)

    def _adopt(self, call: Call, reply: Reply | StoreFailure) -> None:
        granted = read_granted(reply, call.wants)
        self.failures += granted is None
        now = self._clock()
        self._take_standings(call, granted, now)
        for _, budget, _ in self._budgets.in_use():
            budget.left(now)  # By what held until now.
        if not self.holder.adopt(call.number, granted, now):
            return
        self._tell(now)
        self._when_changed()

    def _take_standings(self, call: Call, granted: Granted | None, now: float) -> None:
        if granted is None:
            self._exchange.allow_all()
            return
        if granted.epoch != self.holder.epoch:
            self._exchange.forget()
        else:
            self._exchange.told(call.news)
        self._exchange.learn(granted.news, now)
        self._exchange.allow(call.probes, granted.probes)

    def _tell(self, now: float) -> None:
        for _, budget, connections in self._budgets.in_use():
            budget.look(now)
            connections.hold(self.holder.share_of_base(now), now)

    def _look_at_budgets(self, now: float) -> dict[str, tuple[Budget, ConnectionBudget]]:
        """Return all budgets by their digests, and count them up to now."""
        budgets = {self._digest(key): (budget, connections) for key, budget, connections in self._budgets.in_use()}
        for budget, _ in budgets.values():
            budget.left(now)
        held = {digest: budget.units for digest, (budget, _) in budgets.items()}
        if held != self._held:
            self._held = held
            self._meters = {digest: self._meters.get(digest) or NeedMeter() for digest in held}
            self.holder.keep(held, now)
            self._tell(now)
        return budgets

    def _count_missed(self) -> int:
        return sum(budget.missed for _, budget, _ in self._budgets.in_use())

    def _tenure_of(self, key: str) -> HeldPart:
        return HeldPart(self.holder, self._digest(key), self._clock)

    def _digest(self, key: str) -> str:
        digest = self._digests.get(key)
        if digest is None:
            # As many as there ever were upstreams in this run's configurations.
            digest = self._digests[key] = self._keys.digest("lease", key.encode()).hex()
        return digest

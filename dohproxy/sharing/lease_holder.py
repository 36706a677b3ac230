"""What this node may use of each upstream's budget now: its lease, or its base, or the lesser of both.

    before the first word, or with a name that is another's     nothing
    a lease that has not ended                                  what it grants
    then, as long as others may have what lay idle here         the lesser of that and the base
    after that, without the store                               the base

A lease counts from when its call was sent, on this machine's own monotonic clock; nobody else's clock has a say in it.
docs/nodes.md says why the parts of all nodes never add up to more than the whole.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dohproxy.saved import Interruption, Saved, UnfitState, read_count
from dohproxy.sharing.lease_script import Call, Grant, Granted, Want

LEASE_SECONDS: Final = 3.0
"""Two calls may be lost before a lease ends; a dead node's part is others' after about as long."""
RENEWAL_SECONDS: Final = 1.0
"""Between two calls. A part follows a need within two or three of them."""
EARLY_SECONDS: Final = 0.2
"""Between two calls at the least, where what there is has been spent and somebody waits, or somebody else does."""
CALL_SECONDS: Final = 0.5
"""How long a reply is waited for; one that comes later is not believed."""
RECENT_SECONDS: Final = 3.5
"""Who has called twice within it is at work, so that what lies idle there may be lent: three renewals and a delay."""
DRIFT: Final = 0.01
"""By how much clocks may differ in speed; quartz has a hundredth of that."""
ALONE_SECONDS: Final = (RECENT_SECONDS + LEASE_SECONDS + CALL_SECONDS) * (1 + DRIFT) / (1 - DRIFT)
"""How long after the last reply whatever was lent of this node's base may be in use elsewhere."""
DAY_SECONDS: Final = 86_400.0
STALE_SECONDS: Final = 0.9 * DAY_SECONDS
"""After so long without the store a node has no base, if there are more nodes than expected: after a day it is
forgotten, and its base given to others."""
MOST_NODES: Final = 1_000_000
MOST_CALLS: Final = 64
"""Calls of its own that a node remembers: at five a second, for nearly twice as long as any counts."""


@dataclass(frozen=True, slots=True)
class Part:
    """What may be used of one budget, as a fraction, and until when (monotonic seconds)."""

    part: float
    until: float


@dataclass(slots=True)
class _Held:
    units: int
    granted: float = 0.0
    """The last grant that was adopted."""
    bound: float = 0.0
    """No grant counts for more than this, for a while."""
    bound_until: float = -math.inf


@dataclass(frozen=True, slots=True)
class _Sent:
    number: int
    at: float
    wants: tuple[Want, ...]


@dataclass(frozen=True, slots=True)
class _Heard:
    """A call whose reply has come."""

    seq: int
    sent_at: float
    heard_at: float


class LeaseHolder:
    """What one run of a node holds. `draw_nonce` returns a text that nobody has had before."""

    def __init__(
        self,
        node: str,
        instance: str,
        expected: int,
        draw_nonce: Callable[[], str],
        *,
        now: float,
        succeeds: str = "",
    ) -> None:
        """`succeeds` is the run before this one, if that is known to have ended."""
        self.node = node
        self.instance = instance
        self.about = ""
        """What the roster is to say of this node."""
        self.is_taken = False
        """A node of the same name is at work."""
        self.known = 0
        """Nodes that have called in the last day."""
        self._expected = expected
        self._draw_nonce = draw_nonce
        self._succeeds = succeeds
        self._budgets: dict[str, _Held] = {}
        self._began_at = now
        self._has_word = False
        self._k = expected
        self._k_told = 0
        """The base that is counted as ours: larger than what is used while a smaller one is being settled."""
        self._most = expected
        self._most_at = now
        self._forgotten = 0
        self._epoch = ""
        self._heard: deque[_Heard] = deque(maxlen=MOST_CALLS)
        self._number = 0
        self._outstanding: _Sent | None = None
        self._called_at = -math.inf
        self._lease_until = -math.inf
        self._alone_at = math.inf
        self._heard_at = now
        self._is_lender_at = math.inf
        self._about_told = ""
        self._is_wanted = False
        self._taken_since = math.inf

    # --- What may be used ---

    def part(self, digest: str, now: float) -> Part:
        """Return what may be used of a budget at `now`."""
        held = self._budgets.get(digest)
        if held is None or self.is_taken or not self._has_word:
            return Part(0.0, math.inf)
        if now < self._lease_until:
            return Part(held.granted, self._lease_until)
        if now < self._alone_at:
            return Part(min(held.granted, self._base(held.units, now)), self._alone_at)
        return Part(self._base(held.units, now), self._stale_at if now < self._stale_at else math.inf)

    def share_of_base(self, now: float) -> float:
        """Return the part of what is never lent, connections and queries in flight, that may be used at `now`."""
        return 1 / self._k if self._has_base(now) else 0.0

    def is_leased(self, now: float) -> bool:
        """Tell whether what is used now is a lease, and not what this node may have without the store."""
        return self._has_word and not self.is_taken and now < self._lease_until

    @property
    def epoch(self) -> str:
        """The ledger's name, which is another if it has lost something; empty before the first word."""
        return self._epoch

    @property
    def base(self) -> int:
        """The denominator of the base; 0: there is none."""
        return self._k

    @property
    def _stale_at(self) -> float:
        return self._heard_at + STALE_SECONDS if self._k > self._expected else math.inf

    def _has_base(self, now: float) -> bool:
        return self._k > 0 and self._has_word and not self.is_taken and now < self._stale_at

    def _base(self, units: int, now: float) -> float:
        return units // self._k / units if self._has_base(now) else 0.0

    def _kept(self, units: int) -> float:
        base = units // self._k if self._k else 0
        return max(1, base // 4) / units if base else 0.0

    # --- Budgets come and go ---

    def keep(self, budgets: Mapping[str, int], now: float) -> None:
        """Hold parts of these budgets, by their digests and units. One that is new begins with what is never lent."""
        self._budgets = {digest: self._budgets.get(digest) or _Held(units) for digest, units in budgets.items()}
        for digest, units in budgets.items():
            held = self._budgets[digest]
            is_new = held.bound_until == -math.inf
            held.units = units
            if is_new:
                held.granted = held.bound = self._kept(units)
                held.bound_until = now + ALONE_SECONDS
        self._is_lender_at = max((held.bound_until for held in self._budgets.values()), default=now)

    # --- Calls ---

    def next_call_at(self, *, is_starving: bool) -> float:
        """Return when the next call is due; sooner if what there is has been spent and somebody waits."""
        return self._called_at + (EARLY_SECONDS if is_starving or self._is_wanted else RENEWAL_SECONDS)

    def call(
        self,
        needs: Mapping[str, tuple[float, float]],
        now: float,
        *,
        is_settled: bool,
        news: tuple[tuple[str, str], ...] = (),
        probes: tuple[str, ...] = (),
    ) -> Call:
        """Return the call that is to be sent now; the one before is not waited for any more.

        `needs` are those of members and of others, as parts of each budget's rate. `is_settled` tells that no more is
        in flight, and no more connections are open, than the base allows. `news` and `probes` are passed on.
        """
        self._number += 1
        if is_settled:
            self._k_told = self._k if self._has_word else 0
        if now - self._most_at >= DAY_SECONDS:
            self._most, self._most_at = max(self.known, self._expected), now
        wants = tuple(
            Want(digest, held.units, self.part(digest, now).part, *needs.get(digest, (0.0, 0.0)))
            for digest, held in self._budgets.items()
        )
        self._outstanding = _Sent(self._number, now, wants)
        self._called_at = now
        seq = self._heard[-1].seq if self._heard else 0
        return Call(
            node=self.node,
            instance=self.instance,
            succeeds=self._succeeds,
            number=self._number,
            nonce=self._draw_nonce(),
            epoch=self._epoch,
            seq=seq,
            memory=seq if now >= self._is_lender_at else 0,
            fresh=next((one.seq for one in self._heard if one.sent_at >= now - RECENT_SECONDS), 0),
            over=self._over(now),
            k=self._k_told,
            expected=self._expected,
            most=self._most,
            wants=wants,
            about="" if self.about == self._about_told else self.about,
            # First of all it is heard what the others know.
            news=news if seq else (),
            probes=probes,
        )

    def leave(self) -> Call:
        """Return the call with which this node ends: it must use nothing from now on."""
        self._number += 1
        self._outstanding = None
        self._has_word, self._lease_until, self.is_taken = False, -math.inf, True
        self._taken_since = -math.inf
        return Call(
            self.node, self.instance, "", self._number, self._draw_nonce(), self._epoch, 0, 0, 0, 0, 0, 1, 1, ()
        )

    def _over(self, now: float) -> int:
        longest = LEASE_SECONDS * (1 + DRIFT)
        return next((one.seq for one in reversed(self._heard) if one.heard_at <= now - longest), 0)

    def adopt(self, number: int, granted: Granted | None, now: float) -> bool:
        """Take the reply to call `number`, None if nothing came of it; return whether anything has changed.

        What comes too late, or after another call was sent, counts for nothing: that call has told the ledger so.
        """
        sent = self._outstanding
        if sent is None or sent.number != number:
            return False
        self._outstanding = None
        if granted is None or now - sent.at > CALL_SECONDS:
            return self._begin_alone(now)
        if granted.epoch != self._epoch:
            self._begin_epoch(granted, now)
        self._heard.append(_Heard(granted.seq, sent.at, now))
        self._heard_at = now
        if granted.is_taken:
            self._taken_since = min(self._taken_since, now)
            self.is_taken = True
            return True
        self.is_taken, self._taken_since = False, math.inf
        self._has_word = True
        self._about_told = self.about
        self._take_base(granted, now)
        self._take_grants(sent, granted.grants, now)
        return True

    def _begin_alone(self, now: float) -> bool:
        """Without a word from the store at the start, go by the operator's. So does one that has just begun anew: the
        run before it is most likely dead, but not one that was seen to be at work for longer than a lease lasts."""
        if self._has_word and not self.is_taken:
            return False
        if now - self._taken_since >= 2 * LEASE_SECONDS:
            return False
        self._has_word, self.is_taken = True, False
        self._k_told = self._k
        self._alone_at = max(now, self._began_at + ALONE_SECONDS)
        return True

    def _begin_epoch(self, granted: Granted, now: float) -> None:
        """The ledger is another: what the one before has lent is known to nobody, so nothing is gained for a while."""
        for digest, held in self._budgets.items():
            used = self.part(digest, now).part if self._has_word else self._kept(held.units)
            held.bound = min(used, self._base_or_kept(held.units, now))
            held.bound_until = now + ALONE_SECONDS
        self._is_lender_at = now + ALONE_SECONDS
        self._heard.clear()
        self._epoch = granted.epoch
        self._forgotten = granted.forgotten

    def _base_or_kept(self, units: int, now: float) -> float:
        return self._base(units, now) if self._has_word else self._kept(units)

    def _take_base(self, granted: Granted, now: float) -> None:
        if granted.forgotten != self._forgotten:
            self._forgotten = granted.forgotten
            self._most = self._expected
        self.known = granted.known
        if granted.known >= self._most:
            self._most, self._most_at = granted.known, now
        self._k = granted.k
        if self._k_told == 0 or (granted.k and granted.k < self._k_told):
            self._k_told = granted.k

    def _take_grants(self, sent: _Sent, grants: tuple[Grant, ...], now: float) -> None:
        self._is_wanted = False
        for want, grant in zip(sent.wants, grants, strict=True):
            held = self._budgets.get(want.digest)
            if held is None:
                continue
            self._is_wanted |= grant.part < want.used
            held.granted = grant.part if now >= held.bound_until else min(grant.part, held.bound)
        self._lease_until = sent.at + LEASE_SECONDS * (1 - DRIFT)
        self._alone_at = now + ALONE_SECONDS

    # --- From one run to the next ---

    def export(self) -> Saved:
        """Return what the next run goes on with: which one this was, and how many nodes there were."""
        return {"instance": self.instance, "most": self._most}

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another run has exported. Raises UnfitState, and then nothing has changed."""
        most, instance = read_count(saved, "most", MOST_NODES), saved.get("instance")
        if not isinstance(instance, str):
            raise UnfitState("instance")
        self._most = max(self._expected, most)
        if interruption.unknown_until is None:
            # It was saved at the end, so there was one.
            self._succeeds = instance
        if not self._epoch:
            self._k = max(self._k, self._most)


class HeldPart:
    """One budget's part, as the budget asks for it (`upstream/budget/queries.py`)."""

    def __init__(self, holder: LeaseHolder, digest: str, clock: Callable[[], float]) -> None:
        """`clock` must read the time anew each time."""
        self._holder = holder
        self._digest = digest
        self.clock = clock

    def part(self, now: float) -> tuple[float, float]:
        """Return which part may be used at `now`, and until when."""
        part = self._holder.part(self._digest, now)
        return part.part, part.until

    def share_of_base(self, now: float) -> float:
        """Return which part of what is never lent may be used."""
        return self._holder.share_of_base(now)

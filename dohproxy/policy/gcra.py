"""Rate limits in memory that never grows: the generic cell rate algorithm over shared arrays.

The algorithm (GCRA, ITU-T I.371) keeps one number per bucket, the theoretical arrival time (TAT): the instant
at which the bucket will be empty again if nothing more arrives. A request pushes it `cost / per_second`
further, and is over the limit if that would put it more than `burst / per_second` ahead of `now`. So a bucket
that is idle lets exactly `burst` requests through at one instant, and `per_second` from then on. Nothing is
ever cleaned up: a TAT that lies in the past is an empty bucket, whoever used the slot before.

Sharing. The caller hands in the buffer, so workers forked after an anonymous `mmap` share one table. There is
no lock: a slot is 8 aligned bytes, read and written in one piece, and two workers that charge the same slot
in the same instant lose one charge. A limit that errs by one request is worth less than a lock on every
request.

Trust. A slot is believed only while it lies between `now` and the furthest instant this table itself could
have written. Anything else (nan, infinity, a clock that went backwards, a stray write) reads as an empty
bucket and is overwritten by the next charge: a limiter that has lost its memory must forget debts, never
invent them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

SLOT_BYTES = 8
"""One IEEE 754 double per slot, the TAT in monotonic seconds."""

FILL_SAMPLE_SLOTS = 1024
"""Slots looked at by `fill`: the share is known to 1.5 points, for some 100 microseconds a scrape."""

CLOCK_SKEW_SECONDS = 1.0
"""How far ahead of a full bucket a slot is still believed.

A worker judges with a `now` it read at the start of its event loop's turn, so it may meet a slot that another
worker filled with a later one. Without this allowance a client over its limit would look like garbage to the
slower worker. Turns last milliseconds; after a step backwards of the clock nobody waits longer than this on
top of the usual wait.
"""

ROUNDING_SHARE = 0.01
"""Share of one request forgiven when judging.

Adding the interval `burst` times to a large clock value rounds a little each time; without it the last
request of a burst would sometimes be refused. It moves the limit once by a hundredth of a request and leaves
the rate as it is.
"""

SETTLED_AT_ONCE = 64
"""Slots that are changed over to another rate with each request that comes to a table: some 20 us, so that the 131,072
of a table are done after 2,048 requests."""

Hashes = tuple[int, int]
"""Two independent keyed hashes of one key."""

HASH_BYTES = 7
"""The length of each hash: far more values than any table has slots, and few enough for Python to divide them as small
numbers."""


def keyed_hashes(secret: bytes, data: bytes) -> Hashes:
    """Return a key's two hashes, which nobody can choose without the secret (at most 64 bytes)."""
    digest = hashlib.blake2b(data, digest_size=2 * HASH_BYTES, key=secret).digest()
    return int.from_bytes(digest[:HASH_BYTES]), int.from_bytes(digest[HASH_BYTES:])


class _Rate:
    """What a rate and a burst mean in seconds of TAT; raises ValueError if they make no limit."""

    __slots__ = ("_burst", "_ceiling", "_horizon", "_interval", "_rounding")

    def __init__(self, per_second: float, burst: float) -> None:
        self._set_rate(per_second, burst)

    def _set_rate(self, per_second: float, burst: float) -> None:
        if not (math.isfinite(per_second) and per_second > 0.0):
            raise ValueError(f"per_second must be a positive number, not {per_second}")
        if not (math.isfinite(burst) and burst >= 1.0):
            raise ValueError(f"burst must be at least 1, or no request would ever pass, not {burst}")
        self._burst = burst
        self._interval = 1.0 / per_second
        self._ceiling = burst / per_second
        self._horizon = self._ceiling + CLOCK_SKEW_SECONDS
        self._rounding = self._interval * ROUNDING_SHARE

    def _is_rate(self, per_second: float, burst: float) -> bool:
        return self._interval == 1.0 / per_second and self._burst == burst

    def _changed_tat(self, per_second: float, burst: float, now: float) -> Callable[[float], float]:
        """Take another rate and burst; return what makes of a TAT the one that stands for as many requests.

        A bucket keeps what is in it, and is just full where that is more than it may hold now.
        """
        before, horizon = self._interval, self._horizon
        self._set_rate(per_second, burst)
        scale, ceiling = self._interval / before, self._ceiling

        def change(tat: float) -> float:
            return now + min((tat - now) * scale, ceiling) if now < tat <= now + horizon else 0.0

        return change

    def _excess(self, tat: float, now: float, cost: float) -> float:
        """Seconds until a bucket with this TAT has room for `cost`; beyond the burst: until it is idle."""
        need = cost * self._interval
        if need > self._ceiling:
            need = self._ceiling
        excess = tat + need - now - self._ceiling
        return excess if excess > self._rounding else 0.0


class _Changeover:
    """Slots that may be under another rate still than the one that holds.

    To write all at once takes some 30 ms a table, for which nobody is to wait. So a slot is changed over before
    anybody looks at it, and all others a few at a time. Meanwhile the table holds an eighth more.
    """

    __slots__ = ("_changes", "_next", "_slots", "_stages")

    def __init__(self, slots: memoryview[float]) -> None:
        self._slots = slots
        self._changes: list[Callable[[float], float]] = []
        self._stages = bytearray(len(slots))
        """How many of the changes each slot has seen."""
        self._next = 0

    def add(self, change: Callable[[float], float]) -> None:
        """Have one more change made of each slot, after those that it has not seen."""
        if len(self._changes) == 255:  # A stage is one byte. Nobody reloads so often with so little asked meanwhile.
            self.settle(*range(len(self._slots)))
            self._changes, self._stages = [], bytearray(len(self._slots))
        self._changes.append(change)
        self._next = 0

    def settle(self, *indices: int) -> None:
        """Change these slots over."""
        slots, stages, changes = self._slots, self._stages, self._changes
        for index in indices:
            stage = stages[index]
            tat = slots[index]
            if tat:
                for change in changes[stage:]:
                    tat = change(tat)
                slots[index] = tat
            stages[index] = len(changes)

    def settle_some(self) -> bool:
        """Change some more of all slots over; tell whether that were the last."""
        end = min(self._next + SETTLED_AT_ONCE, len(self._slots))
        self.settle(*range(self._next, end))
        self._next = end
        return end == len(self._slots)


class GcraTable(_Rate):
    """Buckets for any number of keys in a fixed number of slots, each key having two.

    A key is over its limit only if both its slots say so, and a charge raises a slot only as far as the key's
    lower one asks for. So a client suffers for strangers only when both its slots are held by clients over
    their limit: with a share `f` of the slots held so, for a share `f * f` of the others.
    """

    __slots__ = ("_before", "_changeover", "_count", "_slots")

    def __init__(self, buffer: memoryview, *, per_second: float, burst: float) -> None:
        """`buffer`: zero-filled, writable, in one piece, two or more slots of 8 bytes; else ValueError."""
        super().__init__(per_second, burst)
        self._slots = _cast(buffer, at_least=2)
        self._count = len(self._slots)
        self._before = (0, 0.0, 0, 0.0)
        self._changeover: _Changeover | None = None

    def take(self, hashes: Hashes, now: float) -> float:  # noqa: C901 - written out, as it says
        """Charge one request if it is allowed and return 0.0, else the seconds until it would be; the same as `wait`
        and `charge`, at half the price of both.

        Every request comes here once for each width, so nothing is called that can be written out.
        """
        slots, count = self._slots, self._count
        first, second = hashes[0] % count, hashes[1] % count
        if first == second:
            second = (first + 1) % count
        if self._changeover is not None:
            self._settle(first, second)
        latest = now + self._horizon
        one, two = slots[first], slots[second]
        self._before = (first, one, second, two)
        if not now < one <= latest:
            one = now
        if not now < two <= latest:
            two = now
        lower = one if one < two else two
        tat = lower + self._interval
        if tat > now + self._ceiling:
            wait = self._excess(lower, now, 1.0)
            if wait:
                return wait
            tat = now + self._ceiling
        if one < tat:
            slots[first] = tat
        if two < tat:
            slots[second] = tat
        return 0.0

    def adopt(self, per_second: float, burst: float, now: float) -> None:
        """Take another rate and burst; every bucket keeps what is in it. Nothing is done where both stay."""
        if self._is_rate(per_second, burst):
            return
        if self._changeover is None:
            self._changeover = _Changeover(self._slots)
        self._changeover.add(self._changed_tat(per_second, burst, now))

    def _settle(self, first: int, second: int) -> None:
        """Have the slots that somebody is about to look at stand for the rate that holds, and some more."""
        changeover = self._changeover
        if changeover is not None:
            changeover.settle(first, second)
            if changeover.settle_some():
                self._changeover = None

    def give_back(self) -> None:
        """Undo the last `take`, as if it had not been; nothing may have come between. One that was refused has changed
        nothing."""
        first, one, second, two = self._before
        self._slots[first] = one
        self._slots[second] = two

    def wait(self, hashes: Hashes, now: float, cost: float = 1.0) -> float:
        """Return the seconds until a request of this cost would be allowed, 0.0 for now; change nothing."""
        slots, count = self._slots, self._count
        first, second = hashes[0] % count, hashes[1] % count
        if first == second:
            second = (first + 1) % count
        if self._changeover is not None:
            self._settle(first, second)
        latest = now + self._horizon
        tat, other = slots[first], slots[second]
        # Written so that nan fails it too.
        if not (now < tat <= latest and now < other <= latest):
            return 0.0
        if other < tat:
            tat = other
        if tat + cost * self._interval <= now + self._ceiling:
            return 0.0
        return self._excess(tat, now, cost)

    def charge(self, hashes: Hashes, now: float, cost: float = 1.0) -> bool:
        """Add a request to the key's bucket, whether it was allowed or not; a full bucket stays just full. Tell whether
        there was room for it."""
        slots, count = self._slots, self._count
        first, second = hashes[0] % count, hashes[1] % count
        if first == second:
            second = (first + 1) % count
        if self._changeover is not None:
            self._settle(first, second)
        latest = now + self._horizon
        one, two = slots[first], slots[second]
        if not now < one <= latest:
            one = now
        if not now < two <= latest:
            two = now
        lower = one if one < two else two
        tat = lower + cost * self._interval
        had_room = True
        # Without the ceiling, a client that keeps sending would be locked out for as long as it has been.
        if tat > now + self._ceiling:
            had_room = not self._excess(lower, now, cost)
            tat = now + self._ceiling
        if one < tat:
            slots[first] = tat
        if two < tat:
            slots[second] = tat
        return had_room

    def pay(self, hashes: Hashes, now: float, cost: float) -> None:
        """Take so much out of the key's bucket; with infinity, all of it. A slot that is fuller is somebody else's."""
        slots, count = self._slots, self._count
        first, second = hashes[0] % count, hashes[1] % count
        if first == second:
            second = (first + 1) % count
        if self._changeover is not None:
            self._settle(first, second)
        one, two = slots[first], slots[second]
        lower = one if one < two else two
        if not now < lower <= now + self._horizon:
            return
        tat = max(now, lower - cost * self._interval)
        if one == lower:
            slots[first] = tat
        if two == lower:
            slots[second] = tat

    def fill(self, now: float) -> float:
        """Return the share of slots in use, 0.0 to 1.0, as seen in no more than 1,024 of them."""
        latest = now + self._horizon
        # The hashes spread keys evenly, so any fixed sample is as good as a random one.
        step = math.ceil(self._count / FILL_SAMPLE_SLOTS)
        if self._changeover is not None:
            self._changeover.settle(*range(0, self._count, step))
        sample = self._slots[::step]
        return sum(now < tat <= latest for tat in sample) / len(sample)


class Gcra(_Rate):
    """One bucket, for a limit on the service as a whole; one slot of a shared buffer."""

    __slots__ = ("_slot",)

    def __init__(self, buffer: memoryview, *, per_second: float, burst: float) -> None:
        """`buffer`: zero-filled, writable, in one piece, one or more slots of 8 bytes; else ValueError."""
        super().__init__(per_second, burst)
        self._slot = _cast(buffer, at_least=1)

    def adopt(self, per_second: float, burst: float, now: float) -> None:
        """Take another rate and burst; the bucket keeps what is in it."""
        if not self._is_rate(per_second, burst):
            self._slot[0] = self._changed_tat(per_second, burst, now)(self._slot[0])

    def wait(self, now: float, reserve: float = 0.0) -> float:
        """Return what `take` would; change nothing."""
        return self._excess(self._tat(now) + self._left_to_others(reserve), now, 1.0)

    def take(self, now: float, reserve: float = 0.0) -> float:
        """Charge one request if it is allowed and return 0.0, else the seconds until it would be; `wait` and `charge`
        in one.

        `reserve`: the part of the burst that this request has to leave to others. Whoever need not leave it goes first
        whenever there is more to do than the rate allows.
        """
        tat = self._slot[0]
        if not now < tat <= now + self._horizon:
            tat = now
        ahead = tat + self._interval
        # No request has to leave more than this, and nearly all find more.
        if ahead + reserve * self._ceiling > now + self._ceiling:
            wait = self._excess(tat + self._left_to_others(reserve), now, 1.0)
            if wait:
                return wait
            ahead = min(ahead, now + self._ceiling)
        self._slot[0] = ahead
        return 0.0

    def _left_to_others(self, reserve: float) -> float:
        # From an empty bucket everybody may take one.
        return min(reserve * self._ceiling, self._ceiling - self._interval)

    def charge(self, now: float, cost: float = 1.0) -> None:
        """Add a request to the bucket, whether it was allowed or not; a full bucket stays just full."""
        tat = self._tat(now)
        self._slot[0] = max(tat, min(tat + cost * self._interval, now + self._ceiling))

    def fill(self, now: float) -> float:
        """Return how full the bucket is, 0.0 (idle) to 1.0 (nothing more passes)."""
        return min(1.0, (self._tat(now) - now) / self._ceiling)

    def _tat(self, now: float) -> float:
        tat = self._slot[0]
        return tat if now < tat <= now + self._horizon else now


def _cast(buffer: memoryview, *, at_least: int) -> memoryview[float]:
    if buffer.readonly:
        raise ValueError("the limiter's buffer must be writable")
    if not buffer.contiguous or buffer.nbytes % SLOT_BYTES or buffer.nbytes < at_least * SLOT_BYTES:
        raise ValueError(f"the limiter's buffer must be one piece of {at_least} or more slots of 8 bytes")
    return buffer.cast("B").cast("d")

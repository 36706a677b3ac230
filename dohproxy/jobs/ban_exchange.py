"""The bans by rule that one worker tells the others: whoever is banned by one is banned by all, within a second.

They go over sockets of this machine alone, from memory to memory, and are written nowhere. Monotonic clocks of one
machine are the same for all its processes, so an end is told as it is.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from dohproxy.policy.ban_table import Ban, BanSource
from dohproxy.policy.bans import Bans, HashPrefix
from dohproxy.policy.prefixes import Prefix
from dohproxy.saved import FAR_SECONDS, UnfitState, read_count, read_dict, read_number

MOST_WAITING: Final = 4_096
"""Bans that wait to be fetched, which happens twice a second; of more, the oldest are left out. The tables of points
are shared, so whoever is left out is banned by the next worker that it does something wrong at."""
_LONGEST_REASON: Final = 64
_HIGHEST_LEVEL: Final = 64


class BanExchange:
    """Keeps the bans that this worker makes until they are fetched, and takes those of the others."""

    def __init__(self, bans: Bans, hash_prefix: HashPrefix, begin: Callable[[Ban, float], None]) -> None:
        """`begin` is called with each ban of the others' that holds, as with one of this worker's own."""
        self._bans = bans
        self._hash_prefix = hash_prefix
        self._begin = begin
        self._waiting: deque[Ban] = deque(maxlen=MOST_WAITING)
        self._is_taking = False

    def note(self, ban: Ban) -> None:
        """Have a ban told to the others, if it is by rule and their own: commands are given to all of them."""
        if ban.source is BanSource.RULE and ban.prefix is not None and not self._is_taking:
            self._waiting.append(ban)

    def told(self) -> list[dict[str, Any]]:
        """Return what is to be told, once, ready for JSON."""
        told = [_plain(ban, ban.prefix) for ban in self._waiting if ban.prefix is not None]
        self._waiting.clear()
        return told

    def take(self, told: object, now: float) -> int:
        """Hold to what others have told; return how many bans. What is unfit is left out."""
        taken = 0
        self._is_taking = True
        try:
            for one in told if isinstance(told, list) else ():
                ban = _read(one)
                if ban is not None and ban.prefix is not None and ban.until > now:
                    self._bans.restore_by_rule(self._hash_prefix(ban.prefix.packed, ban.prefix.bits), ban)
                    self._begin(ban, now)
                    taken += 1
        finally:
            self._is_taking = False
        return taken


def _plain(ban: Ban, prefix: Prefix) -> dict[str, Any]:
    return {
        "network": prefix.packed.hex(),
        "bits": prefix.bits,
        "until": ban.until,
        "level": ban.level,
        "reason": ban.reason,
    }


def _read(one: object) -> Ban | None:
    try:
        entry = read_dict({"ban": one}, "ban")
        packed, bits = bytes.fromhex(entry["network"]), read_count(entry, "bits", 128)
        until, level = read_number(entry, "until", 0.0, 2 * FAR_SECONDS), read_count(entry, "level", _HIGHEST_LEVEL)
    except (UnfitState, KeyError, TypeError, ValueError):
        return None
    if len(packed) not in (4, 16) or bits > 8 * len(packed):
        return None
    return Ban(until, str(entry.get("reason"))[:_LONGEST_REASON], level, BanSource.RULE, Prefix(packed, bits))

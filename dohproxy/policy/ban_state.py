"""How bans are handed over to the next process: by the hashes of their networks, without any address.

They hold under the key that hashes clients, which is kept beside the state. What a person wrote as a reason is not
kept, as it may name somebody.
"""

from collections.abc import Generator
from typing import Any, Final

from dohproxy.outcomes import OUTCOMES
from dohproxy.policy.ban_table import STEP_BANS, Ban, BanSource, ending_last
from dohproxy.policy.bans import MOST_COMMANDS, Bans
from dohproxy.policy.gcra import HASH_BYTES, Hashes
from dohproxy.policy.identity import PREFIX_BYTES
from dohproxy.policy.penalties import Offence
from dohproxy.saved import FAR_SECONDS, Interruption, Saved, UnfitState, read_count, read_dict, read_list, read_number

MOST_KEPT: Final = 2_000
"""Bans by rule, those that end last: 0.2 MB, taken together in two milliseconds. What is left out ends soon, and begins
again as soon."""
_LARGEST_HASH: Final = (1 << 8 * HASH_BYTES) - 1
_HIGHEST_LEVEL: Final = 64
_REASONS: Final = frozenset([*(row.label for row in OUTCOMES.values()), *Offence])


def export_bans(bans: Bans, now: float) -> Generator[None, None, Saved]:
    """Return all that has not ended, in steps, as there may be a great many."""
    last, _, _ = yield from ending_last(bans.by_rule(), MOST_KEPT, now)
    ruled: list[Saved] = []
    for key, ban in last:
        ruled.append({"hashes": list(key), "left": ban.until - now, "level": ban.level, "reason": ban.reason})
        if len(ruled) % STEP_BANS == 0:
            yield
    return {
        "rule": ruled,
        "command": [
            {
                "hashes": list(key),
                "left": ban.until - now,
                "size": size,
                "bits": bits,
                "spares": ban.spares,
                "lets_in": ban.lets_in,
            }
            for key, (size, bits), ban in bans.by_command()
            if ban.until > now
        ],
    }


def restore_bans(bans: Bans, saved: Saved, interruption: Interruption, now: float) -> None:
    """Go on with what was exported, and leave out what has ended meanwhile or is unfit."""
    if "bans" not in saved:  # Written by a version that had none.
        return
    try:
        found = read_dict(saved, "bans")
        ruled, commands = read_list(found, "rule", MOST_KEPT), read_list(found, "command", MOST_COMMANDS)
    except UnfitState:
        return
    for one in ruled:
        _restore_ruled(bans, one, interruption, now)
    for one in commands:
        _restore_command(bans, one, interruption, now)


def _restore_ruled(bans: Bans, one: Any, interruption: Interruption, now: float) -> None:
    try:
        key, until = _read_start(one, interruption)
        level, reason = read_count(one, "level", _HIGHEST_LEVEL), one.get("reason")
    except UnfitState:
        return
    if until > now:
        bans.restore_by_rule(key, Ban(until, known_reason(reason), level, BanSource.RULE, None))


def known_reason(found: object) -> str:
    """Return the reason of a ban by rule that was read, "unknown" for what is none of this release's."""
    return found if isinstance(found, str) and found in _REASONS else "unknown"


def _restore_command(bans: Bans, one: Any, interruption: Interruption, now: float) -> None:
    try:
        key, until = _read_start(one, interruption)
        size, bits = read_count(one, "size", 16), read_count(one, "bits", 128)
    except UnfitState:
        return
    if size in PREFIX_BYTES and 0 < bits <= 8 * size and until > now:
        spares, lets_in = one.get("spares") is not False, one.get("lets_in") is True
        ban = Ban(until, "", 0, BanSource.COMMAND, None, spares, lets_in)
        bans.enter_command(key, size, bits, ban, now)


def _read_start(one: Any, interruption: Interruption) -> tuple[Hashes, float]:
    """Return the key and the end of an entry. Raises UnfitState."""
    if not isinstance(one, dict):
        raise UnfitState("bans")
    hashes = read_list(one, "hashes", 2)
    if len(hashes) != 2:
        raise UnfitState("hashes")
    first, second = (read_count({"hash": each}, "hash", _LARGEST_HASH) for each in hashes)
    return (first, second), interruption.saved_at + read_number(one, "left", 0.0, FAR_SECONDS)

"""How it is handed over to the next process where members have come from: by hashes, of addresses and of tokens alike.

Bans outlive a restart, and so must it be known who is spared by them: a member behind an address that many share would
be dropped until the ban ends. The hashes hold under the key that hashes clients, which is kept beside the state.
"""

from collections.abc import Callable
from typing import Any, Final

from dohproxy.policy.gcra import HASH_BYTES, Hashes
from dohproxy.policy.identity import LIMITED_WIDTHS
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.saved import FAR_SECONDS, Interruption, Saved, UnfitState, read_count, read_list, read_number

KEY: Final = "member_networks"
MOST_KEPT: Final = 1_000
"""Addresses, those noted last: 0.3 MB, taken together in two milliseconds."""
MOST_DIGEST_BYTES: Final = 64
_LARGEST_HASH: Final = (1 << 8 * HASH_BYTES) - 1


def export_member_networks(networks: MemberNetworks, tokens: frozenset[bytes], now: float) -> Saved:
    """Return what is known; `tokens` are those valid now, by their digests. All others are of certificates."""
    return {
        KEY: [
            {
                "digest": digest.hex(),
                "is_token": digest in tokens,
                "left": until - now,
                "hashes": [number for hashes in around for number in hashes],
            }
            for digest, until, around in networks.last(MOST_KEPT)
            if until > now
        ]
    }


def restore_member_networks(
    networks: MemberNetworks,
    saved: Saved,
    is_valid: Callable[[bytes, bool], bool],
    interruption: Interruption,
    now: float,
) -> None:
    """Go on with what was exported, and leave out what is over or unfit, and whoever is no member any more.

    `is_valid` tells of a digest, and whether it is that of a token.
    """
    try:
        found = read_list(saved, KEY, MOST_KEPT)
    except UnfitState:  # A version that had none has written it, too.
        return
    for one in found:
        try:
            digest, around = _digest(one), _around(one)
            until = interruption.saved_at + read_number(one, "left", 0.0, FAR_SECONDS)
        except UnfitState:
            continue
        if is_valid(digest, one.get("is_token") is not False):
            networks.restore(digest, until, around, now)


def _digest(one: Any) -> bytes:
    try:
        digest = bytes.fromhex(one["digest"])
    except (KeyError, TypeError, ValueError):
        raise UnfitState("digest") from None
    if not 0 < len(digest) <= MOST_DIGEST_BYTES:
        raise UnfitState("digest")
    return digest


def _around(one: Saved) -> tuple[Hashes, ...]:
    found = read_list(one, "hashes", 2 * LIMITED_WIDTHS)
    numbers = [read_count({"hash": each}, "hash", _LARGEST_HASH) for each in found]
    if not numbers or len(numbers) % 2:
        raise UnfitState("hashes")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))

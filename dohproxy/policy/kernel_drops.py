"""Which bans the kernel is to carry out, and what it has to be told of them.

The kernel knows addresses and times, and no members, tokens or commands. So it is only told of a ban that it can carry
out without harm; all others stay what they are, connections that are closed before TLS. Whoever compares looks at all
bans, and so repairs by itself whatever was missed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from dohproxy.policy.ban_table import Ban, BanSource
from dohproxy.policy.bans import Bans
from dohproxy.policy.gcra import Hashes
from dohproxy.policy.identity import Network, unmapped_prefix
from dohproxy.policy.prefixes import Prefix, masked
from dohproxy.value import value

RENEWAL_SHARE: Final = 0.5
"""Of the longest time that the kernel is told: when less than that is left, it is told anew."""
ROUNDING_SECONDS: Final = 0.01
"""Two ends that differ by less are the same; what is told is in milliseconds."""


class LeftOut(StrEnum):
    """Why the kernel is not told of a ban; metric label."""

    NAMELESS = "nameless"
    """Its network is known by its hash alone, as it was banned before the last restart."""
    SPARED = "spared"
    """It is, or may be, a network of members, exempt ones, a front proxy or what is let in by command, or a member has
    come from it lately."""
    FULL = "full"
    """The kernel holds as many as it may."""


@dataclass(slots=True)
class Told:
    """What the kernel is told."""

    drop: list[tuple[Prefix, float]] = field(default_factory=list)
    """Networks, and until when; monotonic seconds."""
    release: list[Prefix] = field(default_factory=list)
    """Networks that it drops and is not to any more."""

    def __len__(self) -> int:
        return len(self.drop) + len(self.release)


@value
class Guarded:
    """Whom the kernel must never drop."""

    spared: "SparedNetworks"
    """Of members, exempt ones, front proxies, and what is let in by command."""
    known: frozenset[Hashes]
    """The networks in which there is an address whence a member's token has come lately, by their hashes."""


class KernelDrops:
    """What the kernel drops, as far as we have told it."""

    def __init__(self, longest_seconds: float, most: int) -> None:
        """`longest_seconds`: for how long the kernel is told of a ban at most; `most`: networks that it holds."""
        self._longest = longest_seconds
        self.most = most
        self._told: dict[Prefix, float] = {}
        """Until when the kernel drops each."""
        self.left_out: dict[LeftOut, int] = dict.fromkeys(LeftOut, 0)
        """How many bans it was not told of when they were last compared."""

    def __len__(self) -> int:
        return len(self._told)

    def forget(self) -> None:
        """The kernel drops nobody, or nobody knows whom."""
        self._told = {}

    def compare(self, bans: Bans | None, guarded: Guarded, now: float, found: Told) -> Iterator[None]:
        """Put into `found` what the kernel has to be told, a little with each step. It counts as told.

        `bans` is None where no ban is the kernel's business.
        """
        wanted: dict[Prefix, float] = {}
        if bans is None:
            self.left_out = dict.fromkeys(LeftOut, 0)
        else:
            yield from self._find_wanted(bans, guarded, now, wanted)
        for prefix, until in wanted.items():
            yield
            if self._is_to_be_told(self._told.get(prefix, 0.0), until, now):
                wish = self._told[prefix] = min(until, now + self._longest)
                found.drop.append((prefix, wish))
        for prefix in list(self._told):
            yield
            # What has ended has ended in the kernel too.
            if prefix not in wanted and self._told.pop(prefix) > now:
                found.release.append(prefix)

    def _find_wanted(self, bans: Bans, guarded: Guarded, now: float, wanted: dict[Prefix, float]) -> Iterator[None]:
        """Put into `wanted` what the kernel is to drop, and until when, and count what it is not."""
        left_out = dict.fromkeys(LeftOut, 0)
        judge = _Judge(bans, guarded, now)
        for ban, is_members in _holding(bans, guarded.known, now):
            yield
            why = LeftOut.SPARED if is_members else judge.left_out(ban)
            prefix = ban.prefix
            if why is None and prefix is not None:
                if len(wanted) < self.most or prefix in wanted:
                    wanted[prefix] = max(ban.until, wanted.get(prefix, 0.0))
                    continue
                why = LeftOut.FULL
            if why is not None:
                left_out[why] += 1
        self.left_out = left_out

    def _is_to_be_told(self, told: float, until: float, now: float) -> bool:
        """Tell whether the kernel, which was told of a ban until a moment, has to be told of another one."""
        if told <= now or told > until + ROUNDING_SECONDS:
            return True
        if until > now + self._longest:
            return told - now < RENEWAL_SHARE * self._longest
        return told < until - ROUNDING_SECONDS


def _holding(bans: Bans, known: frozenset[Hashes], now: float) -> Iterator[tuple[Ban, bool]]:
    """Yield all bans that hold, those by command first, and whether a known member is in one by rule."""
    for _, _, ban in bans.by_command():
        if not ban.lets_in and ban.until > now:
            yield ban, False
    if bans.mode != "enforce":
        return
    for key in bans.keys_by_rule():
        ruled = bans.found_by_rule(key, now)
        if ruled is not None:
            yield ruled, key in known


class _Judge:
    """Knows of which bans the kernel is told, as things are now."""

    def __init__(self, bans: Bans, guarded: Guarded, now: float) -> None:
        self._bans = bans
        self._now = now
        self._spared = guarded.spared
        self._nameless: dict[int, int] = {}
        """Of what is let in by command, known by its hash alone: the longest, by the bytes of an address."""
        for _, (size, bits), ban in bans.by_command():
            if ban.lets_in and ban.prefix is None and ban.until > now:
                self._nameless[size] = max(bits, self._nameless.get(size, 0))

    def left_out(self, ban: Ban) -> LeftOut | None:
        """Return why the kernel is not told of a ban, None if it is."""
        prefix = ban.prefix
        if prefix is None:
            return LeftOut.NAMELESS
        # What is banned though it is a member's or exempt is for those who know members to judge.
        if not ban.spares or self._spared.has_whole(prefix):
            return LeftOut.SPARED
        if self._nameless:
            # It may lie in this one, where nobody can see it; or this one in it.
            may_be_within = self._nameless.get(len(prefix.packed), 0) > prefix.bits
            if may_be_within or (ban.source is BanSource.RULE and self._bans.lets_in(prefix, self._now)):
                return LeftOut.SPARED
        return None


class SparedNetworks:
    """Networks, asked whether one lies in them as a whole. Where a part does, the kernel spares that part."""

    def __init__(self, networks: Iterable[Prefix]) -> None:
        self.networks = frozenset(networks)
        self._by_length: dict[tuple[int, int], set[bytes]] = {}
        for network in self.networks:
            self._by_length.setdefault((len(network.packed), network.bits), set()).add(network.packed)

    def in_order(self) -> list[Prefix]:
        """Return them by address and length."""
        return sorted(self.networks, key=lambda prefix: (prefix.packed, prefix.bits))

    def has_whole(self, prefix: Prefix) -> bool:
        """Tell whether all of a network is spared."""
        size = len(prefix.packed)
        return any(
            of_size == size and bits <= prefix.bits and masked(prefix.packed, bits) in found
            for (of_size, bits), found in self._by_length.items()
        )


def let_in_prefixes(bans: Bans, now: float) -> set[Prefix]:
    """Return the networks that are let in by command, as far as their addresses are known."""
    return {ban.prefix for _, _, ban in bans.by_command() if ban.lets_in and ban.until > now and ban.prefix is not None}


def prefix_of_network(network: Network) -> Prefix:
    """Return a network of the configuration as its clients are known: one of IPv4-mapped addresses is IPv4."""
    return Prefix(*unmapped_prefix(network.network_address.packed, network.prefixlen))

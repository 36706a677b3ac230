"""Who is kept out, by whom, and for how long.

A ban is looked up for each connection and each request, and never noted on a client: so it begins at once and ends by
itself. Where nobody is banned that is one test.

Whoever is banned by rule again, before he is forgotten, is banned for twice as long. What a person commands wins over
all rules for its time: the narrowest command that covers a client decides, to ban it or to let it in.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dohproxy.config import BansConfig
from dohproxy.outcomes import Client
from dohproxy.policy.ban_table import Ban, BanSource, BanTable
from dohproxy.policy.gcra import Hashes
from dohproxy.policy.identity import PREFIX_BYTES, owner
from dohproxy.policy.limits import Width
from dohproxy.policy.prefixes import Prefix, masked, prefix_of
from dohproxy.policy.rule_switches import RuleSwitch

MOST_COMMANDS: Final = 1_024
"""Networks banned or let in by command. A person's list has dozens; what is longer belongs into a packet filter."""
MOST_ENDED_AT_ONCE: Final = 1_000
"""Bans that are cleared away in one look: about a millisecond."""

HashPrefix = Callable[[bytes, int], Hashes]
"""Takes a network's address, with zeros behind its bits, and how many these are."""


class TooManyCommands(Exception):
    """As many networks are banned or let in by command as may be."""


@dataclass(frozen=True, slots=True)
class BanStatistics:
    """The bans at one instant."""

    by_rule: int
    max_by_rule: int
    by_command: int
    """Networks banned or let in."""
    max_by_command: int
    made: dict[Width, int]
    """Bans by rule since the start, by the width of their networks."""
    displaced: int
    """Bans that have made room for others before they ended."""
    in_shadow: int
    """Connections and requests that were let in because the rule is only tried."""


class Bans:
    """Everybody who is kept out."""

    def __init__(self, rules: BansConfig, hash_prefix: HashPrefix, switch: RuleSwitch | None = None) -> None:
        """`switch`: what says how bans by rule are held, and is told of `rules.mode`; without it one of their own."""
        self._rules = rules
        self._switch = RuleSwitch(rules.mode) if switch is None else switch
        self._switch.adopt(rules.mode, self._switch.since)
        self._hash_prefix = hash_prefix
        self._ruled = BanTable(rules.max_bans)
        self._levels: dict[Hashes, tuple[int, float]] = {}
        """Levels of bans that have ended, and when; in that order, and as many as there may be bans."""
        self._commands = BanTable(MOST_COMMANDS)
        self._shapes: dict[Hashes, tuple[int, int]] = {}
        """Of each command, how many bytes an address has and how many bits the network."""
        self._lengths: dict[int, tuple[tuple[int, int], ...]] = {}
        """By the bytes of an address, narrow to wide: the bits of all commands, and which width of the limits has as
        many, -1 for none."""
        self._made: Counter[Width] = Counter()
        self.is_active = False
        """Whether there is anything to look up."""
        self.when_banned: Callable[[Ban, float], None] = lambda _ban, _now: None
        """Called with each ban that holds, when it begins."""

    @property
    def mode(self) -> str:
        """Whether bans by rule hold, or are only counted, or are not made."""
        return self._rules.mode

    def adopt(self, rules: BansConfig, now: float) -> None:
        """Take other rules. Bans that have begun keep their length; without the rule, those by rule end."""
        self._rules = rules
        self._switch.adopt(rules.mode, now)
        self._ruled.resize(rules.max_bans)
        if rules.mode == "off":
            self._ruled.clear()
            self._levels.clear()
        self._note_activity()

    # --- Looking up ---

    def judge(self, client: Client, now: float, *, is_known: bool = False) -> Ban | None:
        """Return why a connection or a request of this client is turned away; None if it is not.

        Where the rule is only tried, it is counted what it would have done. `is_known`: a member has shown a token on
        this connection, or from this address lately. Neighbours that share it must not get members banned, so no rule
        closes it; each request on it is judged for itself.
        """
        ban = self._against(client, now, is_known=is_known)
        if ban is None or ban.source is BanSource.COMMAND or self._switch.acts():
            return ban
        return None

    def is_banned(self, client: Client, now: float, *, is_known: bool = False) -> bool:
        """Tell the same, and count nothing."""
        ban = self._against(client, now, is_known=is_known)
        return ban is not None and (ban.source is BanSource.COMMAND or self._switch.is_enforced)

    def _against(self, client: Client, now: float, *, is_known: bool) -> Ban | None:
        ban = self.decisive(client, now)
        if ban is None or ban.lets_in or (is_known and ban.source is BanSource.RULE):
            return None
        return ban

    def decisive(self, client: Client, now: float) -> Ban | None:
        """Return what decides about a client, to ban it or to let it in; None if nothing does."""
        if client.proxy:
            return None
        if self._shapes:
            command = self._find_command(client, now)
            if command is not None:
                return command
        if client.exempt or client.member:
            return None
        for hashes in client.hashes:
            ban = self._ruled.get(hashes, now)
            if ban is not None:
                return ban
        return None

    def _find_command(self, client: Client, now: float) -> Ban | None:
        held_by = owner(client.address)
        found = self._look_at_commands(held_by, client, now)
        if found is None and len(held_by) != len(client.address):
            found = self._look_at_commands(client.address, client, now)
        return found

    def _look_at_commands(self, address: bytes, client: Client, now: float) -> Ban | None:
        is_spared = client.exempt or client.member
        is_own = len(PREFIX_BYTES.get(len(address), ())) == len(client.prefixes)
        for bits, width in self._lengths.get(len(address), ()):
            is_known = width >= 0 and is_own
            key = client.prefixes[width] if is_known else self._hash_prefix(masked(address, bits), bits)
            ban = self._commands.get(key, now)
            if ban is not None and not (is_spared and ban.spares):
                return ban
        return None

    # --- By rule ---

    def ban_by_rule(self, client: Client, width: int, reason: str, now: float) -> None:
        """Ban a client or one of its networks, 0 for the narrowest, for longer than the last time."""
        key, rules = client.hashes[width], self._rules
        level = min(self._level(key, now), _top_level(rules) - 1) + 1
        seconds = min(rules.first_seconds * 2.0 ** (level - 1), rules.longest_seconds)
        ban = Ban(now + seconds, reason, level, BanSource.RULE, prefix_of(client, width))
        self._ruled.put(key, ban)
        self._made[tuple(Width)[width]] += 1
        self.is_active = True
        if rules.mode == "enforce":
            self.when_banned(ban, now)

    def learn_by_rule(self, prefix: Prefix, ban: Ban, now: float) -> bool:
        """Hold to a ban that a rule has made elsewhere; False if none are made here, or the network is banned for as
        long already."""
        key = self._hash_prefix(prefix.packed, prefix.bits)
        held = self._ruled.get(key, now)
        if self._rules.mode == "off" or (held is not None and held.until >= ban.until):
            return False
        self._ruled.put(key, ban)
        self.is_active = True
        if self._rules.mode == "enforce":
            self.when_banned(ban, now)
        return True

    def _level(self, key: Hashes, now: float) -> int:
        """Return what is left of the level of a network's last ban."""
        last = self._ruled.remove(key)
        level, ended = (last.level, last.until) if last is not None else self._levels.pop(key, (0, 0.0))
        return max(0, level - int(max(0.0, now - ended) / self._rules.step_down_seconds))

    # --- By command ---

    def ban(self, prefix: Prefix, seconds: float, reason: str, now: float, *, spares: bool) -> Ban:
        """Ban a network, and let nobody in it in any more who was let in by command. Raises TooManyCommands."""
        for key, other in list(self._commands.items()):
            if other.lets_in and other.prefix is not None and other.prefix.lies_in(prefix):
                self._forget_command(key)
        ban = Ban(now + seconds, reason, 0, BanSource.COMMAND, prefix, spares)
        self._command(prefix, ban, now)
        self.when_banned(ban, now)
        return ban

    def unban(self, prefix: Prefix, seconds: float, now: float) -> bool:
        """Let a network in for a time, whatever it does and whatever wider network is banned. Return whether it was
        banned, or part of it by command. Raises TooManyCommands."""
        key = self._hash_prefix(prefix.packed, prefix.bits)
        was_banned = any(not ban.lets_in for ban in self._around(prefix, now))
        for other_key, other in list(self._commands.items()):
            if not other.lets_in and other.prefix is not None and other.prefix.lies_in(prefix):
                self._forget_command(other_key)
                was_banned = was_banned or now < other.until
        self._command(prefix, Ban(now + seconds, "", 0, BanSource.COMMAND, prefix, lets_in=True), now)
        self._ruled.remove(key)
        self._levels.pop(key, None)
        self._note_activity()
        return was_banned

    def lets_in(self, prefix: Prefix, now: float) -> bool:
        """Tell whether a network, or a wider one that it is in, is let in by command, so that no rule bans it."""
        return any(ban.lets_in for ban in self._around(prefix, now))

    def _around(self, prefix: Prefix, now: float) -> list[Ban]:
        """Return all that is entered about a network and those that it is in."""
        size = len(prefix.packed)
        lengths = {bits for bits, _ in self._lengths.get(size, ())} | {8 * width for width in PREFIX_BYTES[size]}
        keys = [self._hash_prefix(masked(prefix.packed, bits), bits) for bits in lengths if bits <= prefix.bits]
        found = [table.get(key, now) for table in (self._ruled, self._commands) for key in keys]
        return [ban for ban in found if ban is not None]

    def _command(self, prefix: Prefix, ban: Ban, now: float) -> None:
        key = self._hash_prefix(prefix.packed, prefix.bits)
        self.enter_command(key, len(prefix.packed), prefix.bits, ban, now)

    def enter_command(self, key: Hashes, size: int, bits: int, ban: Ban, now: float) -> None:
        """Enter what was commanded about a network of addresses of `size` bytes. Raises TooManyCommands."""
        self._end_commands(now)
        if key not in self._shapes and len(self._shapes) >= MOST_COMMANDS:
            raise TooManyCommands
        self._commands.put(key, ban)
        self._shapes[key] = (size, bits)
        self._note_lengths()

    def _forget_command(self, key: Hashes) -> None:
        self._commands.remove(key)
        self._shapes.pop(key, None)
        self._note_lengths()

    def _end_commands(self, now: float) -> None:
        ended = self._commands.pop_ended(now, MOST_COMMANDS)
        for key, _ in ended:
            self._shapes.pop(key, None)
        if ended:
            self._note_lengths()

    def _note_lengths(self) -> None:
        lengths: dict[int, tuple[tuple[int, int], ...]] = {}
        for size in {size for size, _ in self._shapes.values()}:
            widths = PREFIX_BYTES[size]
            used = sorted({bits for other, bits in self._shapes.values() if other == size}, reverse=True)
            lengths[size] = tuple((bits, widths.index(bits / 8) if bits / 8 in widths else -1) for bits in used)
        self._lengths = lengths
        self._note_activity()

    # --- Over time ---

    def expire(self, now: float) -> None:
        """Clear away bans that have ended, and levels that mean nothing any more; once a second is enough."""
        for key, ban in self._ruled.pop_ended(now, MOST_ENDED_AT_ONCE):
            self._levels.pop(key, None)
            self._levels[key] = (ban.level, ban.until)
        forgotten = now - _top_level(self._rules) * self._rules.step_down_seconds
        for _ in range(MOST_ENDED_AT_ONCE):
            oldest = next(iter(self._levels.items()), None)
            if oldest is None or (len(self._levels) <= self._rules.max_bans and oldest[1][1] > forgotten):
                break
            del self._levels[oldest[0]]
        self._end_commands(now)
        self._note_activity()

    def _note_activity(self) -> None:
        self.is_active = len(self._ruled) > 0 or len(self._shapes) > 0

    # --- Looking at all ---

    def by_rule(self) -> Iterator[tuple[Hashes, Ban]]:
        """Return all bans by rule as they are now."""
        return self._ruled.items()

    def keys_by_rule(self) -> list[Hashes]:
        """Return the networks that are banned by rule now, for somebody who looks at them one after the other."""
        return self._ruled.keys()

    def found_by_rule(self, key: Hashes, now: float) -> Ban | None:
        """Return the ban by rule of a network, None if it has ended meanwhile."""
        return self._ruled.get(key, now)

    def by_command(self) -> list[tuple[Hashes, tuple[int, int], Ban]]:
        """Return all commands, each with how many bytes an address has and how many bits the network."""
        return [(key, self._shapes[key], ban) for key, ban in self._commands.items() if key in self._shapes]

    def restore_by_rule(self, key: Hashes, ban: Ban) -> None:
        """Go on with a ban of an earlier run."""
        if self._rules.mode != "off":
            self._ruled.put(key, ban)
            self.is_active = True

    def name(self, prefix: Prefix) -> bool:
        """Say of a network that whatever is entered about it, by its hash, is about this one; return whether anything
        was that nobody could name."""
        key = self._hash_prefix(prefix.packed, prefix.bits)
        by_rule, by_command = self._ruled.name(key, prefix), self._commands.name(key, prefix)
        return by_rule or by_command

    def statistics(self) -> BanStatistics:
        """Return a frozen snapshot."""
        return BanStatistics(
            by_rule=len(self._ruled),
            max_by_rule=self._ruled.most,
            by_command=len(self._shapes),
            max_by_command=MOST_COMMANDS,
            made={width: self._made[width] for width in Width},
            displaced=self._ruled.displaced,
            in_shadow=self._switch.shadowed,
        )


def _top_level(rules: BansConfig) -> int:
    """Return the level of the longest ban."""
    return 1 + math.ceil(math.log2(rules.longest_seconds / rules.first_seconds))

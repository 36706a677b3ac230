"""All blocklists together: whether a name is withheld, or a client not served, and by which list.

What was said by hand comes first, then the lists that let names through, then the others in the order of the
configuration. A list that has ended does nothing, and neither does one that is off. One that is only tried decides
nothing, and it is counted where it would have decided otherwise.
"""

import math
from collections.abc import Sequence
from typing import Final

from dohproxy.config import BlocklistConfig
from dohproxy.config.blocklist_values import end_of
from dohproxy.config.schema.blocklist import ListReason
from dohproxy.outcomes import Client, Reason
from dohproxy.policy.blocklists.by_hand import ByHand
from dohproxy.policy.blocklists.name_set import BELOW, EXACT, NameSet, hash_name
from dohproxy.policy.blocklists.network_set import NetworkSet
from dohproxy.policy.blocklists.reading import LoadedNames
from dohproxy.policy.blocklists.withheld import Ruling
from dohproxy.policy.rule_switches import RuleSwitch
from dohproxy.value import value

REASONS: Final[dict[ListReason, Reason]] = {
    "operator": Reason.BLOCKED,
    "law": Reason.CENSORED,
    "harm": Reason.HARMFUL,
    "requested": Reason.FILTERED,
}
MOST_JUDGED: Final = 4_096
"""Clients of whom it is remembered whether they are served: as many as `identity` remembers."""


class Blocklist:
    """One list of the configuration with what it holds."""

    __slots__ = ("_excepted", "_names", "allows", "ends", "hits", "loaded", "name", "networks", "ruling", "switch")

    def __init__(
        self, config: BlocklistConfig, loaded: LoadedNames, hits: int = 0, switch: RuleSwitch | None = None
    ) -> None:
        """`switch`: what says how it is held; without it one of its own, as the configuration says."""
        self.name = config.name
        self.switch = RuleSwitch(config.mode) if switch is None else switch
        self.allows = config.action == "allow"
        """It lets through what other lists withhold."""
        self.ends = math.inf if config.ends is None else end_of(config.ends)
        """Unix seconds."""
        self.networks = loaded.networks if loaded.networks.networks else None
        self.ruling = ruling_of(config)
        self.loaded = loaded
        self._names = loaded.names
        self._excepted: NameSet | None = loaded.excepted if loaded.excepted.names else None
        self.hits = hits
        """Questions withheld, or not served, because of it."""

    def find(self, hashes: list[int]) -> int:
        """Return which of a name's suffixes is listed, 0 for the name itself; -1 if the list does not have the name.

        `hashes` are those of the suffixes, longest first.
        """
        names, kind = self._names, EXACT
        for number, hashed in enumerate(hashes):
            if names.kind(hashed) & kind:
                return -1 if self._excepts(hashes) else number
            kind = BELOW
        return -1

    def _excepts(self, hashes: list[int]) -> bool:
        if self._excepted is None:
            return False
        kind = EXACT
        for hashed in hashes:
            if self._excepted.kind(hashed) & kind:
                return True
            kind = BELOW
        return False


def ruling_of(config: BlocklistConfig) -> Ruling:
    """Return what is said of names in a list."""
    return Ruling(
        REASONS[config.reason],
        "refused" if config.action == "allow" else config.action,
        config.public_text.encode(),
        tuple(address.packed for address in config.addresses),
    )


@value
class Withheld:
    """A name is not to be answered."""

    ruling: Ruling
    position: int
    """Where in the name that begins which is listed."""
    counter: "Blocklist | ByHand"
    """Whose hit it is."""

    @property
    def by(self) -> str:
        """What withholds it, for the operator."""
        return f"the list {self.counter.name}" if isinstance(self.counter, Blocklist) else "an entry by hand"

    def count(self) -> None:
        """Count a question that was withheld."""
        self.counter.hits += 1


class Blocklists:
    """What the walk asks."""

    __slots__ = (
        "_allowing",
        "_blocking",
        "_in_force",
        "_judged",
        "_judged_in_shadow",
        "_lists",
        "_refusing",
        "_serving",
        "_shadows",
        "by_hand",
        "has_networks",
        "has_shadows",
        "is_active",
    )

    def __init__(self) -> None:
        self.by_hand = ByHand()
        self.is_active = False
        """Whether any name is withheld, or would be; else nobody need ask `find`."""
        self.has_networks = False
        """Whether any client is not served, or would not be; else nobody need ask `refuses`."""
        self.has_shadows = False
        """Whether any list is only tried; else nobody need ask `find_shadow` and `shadow_of`."""
        self._lists: tuple[Blocklist, ...] = ()
        self._settle(())

    @property
    def lists(self) -> tuple[Blocklist, ...]:
        """All lists in the order of the configuration, those that have ended too."""
        return self._lists

    def adopt(self, lists: Sequence[Blocklist], now: float) -> None:
        """Take other lists; `now` is Unix seconds. What was said by hand stays."""
        self._lists = tuple(lists)
        self._settle(self._find_in_force(now))

    def expire(self, now: float) -> bool:
        """Let go what is over at `now`, in Unix seconds; tell whether anything is."""
        gone = self.by_hand.expire(now)
        in_force = self._find_in_force(now)
        if not gone and len(in_force) == len(self._in_force):
            return False
        self._settle(in_force)
        return True

    def changed_by_hand(self, now: float) -> None:
        """Take notice that `by_hand` has changed; `now` is Unix seconds."""
        self._settle(self._find_in_force(now))

    def find(self, qname: bytes) -> Withheld | None:
        """Return what withholds a lower-case wire name, if anything does."""
        if len(self.by_hand):
            found = self.by_hand.find(qname)
            if found is not None:
                entry, offset = found
                return Withheld(entry.ruling(), offset, self.by_hand) if entry.is_block else None
        hashes = _hashes_of(qname)
        for one in self._allowing:
            if one.find(hashes) >= 0:
                return None
        for one in self._blocking:
            number = one.find(hashes)
            if number >= 0:
                return Withheld(one.ruling, _offset_of(qname, number), one)
        return None

    def find_shadow(self, qname: bytes, withheld: Withheld | None) -> Blocklist | None:
        """Return the list that is only tried and would have decided otherwise than `withheld`, which `find` has
        returned for this lower-case wire name; None if there is none."""
        if withheld is None and self._is_let_through(qname):
            return None
        if withheld is not None and not isinstance(withheld.counter, Blocklist):
            return None  # What was said by hand comes before all lists.
        hashes = _hashes_of(qname)
        found = [one for one in self._shadows if one.find(hashes) >= 0]
        return _other(found, is_against=withheld is not None)

    def _is_let_through(self, qname: bytes) -> bool:
        """Tell whether a name that is not withheld would be nor if more lists had it."""
        if len(self.by_hand) and self.by_hand.find(qname) is not None:
            return True
        hashes = _hashes_of(qname)
        return any(one.find(hashes) >= 0 for one in self._allowing)

    def shadow_of(self, client: Client) -> Blocklist | None:
        """Return the list that is only tried and would have decided otherwise than `refuses` about a client."""
        address = client.address
        if address not in self._judged_in_shadow:
            if len(self._judged_in_shadow) == MOST_JUDGED:
                self._judged_in_shadow.clear()
            self._judged_in_shadow[address] = self._judge_in_shadow(client)
        return self._judged_in_shadow[address]

    def _judge_in_shadow(self, client: Client) -> Blocklist | None:
        address, refusing = client.address, self.refuses(client)
        if refusing is None and any(address in serving for serving in self._serving):
            return None
        found = [one for one in self._shadows if one.networks is not None and address in one.networks]
        return _other(found, is_against=refusing is not None)

    def refuses(self, client: Client) -> Blocklist | None:
        """Return the list for which a client is not served, if there is one."""
        address = client.address
        if address not in self._judged:
            if len(self._judged) == MOST_JUDGED:
                self._judged.clear()
            self._judged[address] = self._judge(address)
        return self._judged[address]

    def _judge(self, address: bytes) -> Blocklist | None:
        for serving in self._serving:
            if address in serving:
                return None
        for one in self._refusing:
            if one.networks is not None and address in one.networks:
                return one
        return None

    def _find_in_force(self, now: float) -> tuple[Blocklist, ...]:
        return tuple(one for one in self._lists if now < one.ends and not one.switch.is_off)

    def _settle(self, in_force: Sequence[Blocklist]) -> None:
        self._in_force = tuple(in_force)
        self._shadows = [one for one in in_force if not one.switch.is_enforced]
        self._allowing = [one for one in in_force if one.allows and one.switch.is_enforced]
        self._blocking = [one for one in in_force if not one.allows and one.switch.is_enforced]
        self._judged: dict[bytes, Blocklist | None] = {}
        self._judged_in_shadow: dict[bytes, Blocklist | None] = {}
        self._serving: list[NetworkSet] = [one.networks for one in self._allowing if one.networks is not None]
        self._refusing = [one for one in self._blocking if one.networks is not None]
        self.has_shadows = bool(self._shadows)
        self.has_networks = bool(self._refusing) or any(one.networks is not None for one in self._shadows)
        holds_names = any(one.loaded.names.names for one in (*self._blocking, *self._shadows))
        self.is_active = holds_names or self.by_hand.blocks


def _other(found: Sequence[Blocklist], *, is_against: bool) -> Blocklist | None:
    """Return which of the lists that have something would have it decided otherwise than it is, which is against it or
    not: one that lets it through wins over all others."""
    allowing = next((one for one in found if one.allows), None)
    if is_against or allowing is not None:
        return allowing if is_against else None
    return next(iter(found), None)


def _hashes_of(qname: bytes) -> list[int]:
    """Return the hash of a wire name and of each name above it but the root, longest first."""
    found = [hash_name(qname)]
    offset = qname[0] + 1
    last = len(qname) - 1
    while offset < last:
        found.append(hash_name(qname[offset:]))
        offset += qname[offset] + 1
    return found


def _offset_of(qname: bytes, number: int) -> int:
    """Return where the suffix begins that leaves out so many labels."""
    offset = 0
    for _ in range(number):
        offset += qname[offset] + 1
    return offset

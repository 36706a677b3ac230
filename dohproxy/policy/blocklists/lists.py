"""All blocklists together: whether a name is withheld, or a client not served, and by which list.

What was said by hand comes first, then the lists that let names through, then the others in the order of the
configuration. A list that has ended does nothing.
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

    __slots__ = ("_excepted", "_names", "allows", "ends", "hits", "loaded", "name", "networks", "ruling")

    def __init__(self, config: BlocklistConfig, loaded: LoadedNames, hits: int = 0) -> None:
        self.name = config.name
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
        "_judged",
        "_lists",
        "_refusing",
        "_serving",
        "by_hand",
        "has_networks",
        "is_active",
    )

    def __init__(self) -> None:
        self.by_hand = ByHand()
        self.is_active = False
        """Whether any name is withheld; else nobody need ask `find`."""
        self.has_networks = False
        """Whether any client is not served; else nobody need ask `refuses`."""
        self._lists: tuple[Blocklist, ...] = ()
        self._settle(())

    @property
    def lists(self) -> tuple[Blocklist, ...]:
        """All lists in the order of the configuration, those that have ended too."""
        return self._lists

    def adopt(self, lists: Sequence[Blocklist], now: float) -> None:
        """Take other lists; `now` is Unix seconds. What was said by hand stays."""
        self._lists = tuple(lists)
        self._settle(self._in_force(now))

    def expire(self, now: float) -> bool:
        """Let go what is over at `now`, in Unix seconds; tell whether anything is."""
        gone = self.by_hand.expire(now)
        in_force = self._in_force(now)
        if not gone and len(in_force) == len(self._allowing) + len(self._blocking):
            return False
        self._settle(in_force)
        return True

    def changed_by_hand(self, now: float) -> None:
        """Take notice that `by_hand` has changed; `now` is Unix seconds."""
        self._settle(self._in_force(now))

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

    def _in_force(self, now: float) -> tuple[Blocklist, ...]:
        return tuple(one for one in self._lists if now < one.ends)

    def _settle(self, in_force: Sequence[Blocklist]) -> None:
        self._allowing = [one for one in in_force if one.allows]
        self._blocking = [one for one in in_force if not one.allows]
        self._judged: dict[bytes, Blocklist | None] = {}
        self._serving: list[NetworkSet] = [one.networks for one in self._allowing if one.networks is not None]
        self._refusing = [one for one in self._blocking if one.networks is not None]
        self.has_networks = bool(self._refusing)
        holds_names = any(one.loaded.names.names for one in self._blocking)
        self.is_active = holds_names or self.by_hand.blocks


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

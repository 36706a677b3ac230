"""What one NXDOMAIN denies beyond its own question: every type of the name, and every name below it (RFC 8020).

A wrong cut takes names from everybody, a missing one costs a query. So a denial counts only if all of this holds:

| the denial | because |
|---|---|
| has an SOA | filters that invent a denial mostly give none, and would take all that is below a blocked name with it |
| explains nothing (EDE) | a filter that says so is none of the tree's business |
| has no CNAME | it speaks of the alias's target (RFC 6604) |
| has an SOA from above the name | a zone's own name exists, and another zone knows nothing of this one |
| fits under other questions | see `wire.relocate` |

Then it denies every type of the name (RFC 2308 section 5). Names below are denied only if the upstream has validated it
(AD), as Unbound and PowerDNS have it: servers of large CDNs deny names that others are below (PowerDNS issue 8496 has a
list), and one question for such a name would take all of those from everybody. Signed zones cannot afford that mistake.

The root holds delegations and nothing else, and is served rightly: what it denies is denied from the top-level domain
down, validated or not. As that reaches so far, an SOA of the root counts only for top-level domains of which nothing
was ever heard. An answer for a name that exists ends every cut above it.

There are servers that deny a name for one type only, and addresses must not go with it. Where an answer is held that
the name has, fresh or stale, its denial counts for its own question alone; and who asks for an answer that is held and
old has it asked for again, even if the name itself is denied meanwhile. (`store` sees to both.)

Nor does a denial that nobody has validated cut off what the list of public suffixes has: one forged packet would take a
whole country from everybody, and the list says that it is there.

The index holds no answers. It leads to entries of the negative table, which are charged for their place in it and take
it along when they go: so it has that table's bounds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.name import suffixes
from dohproxy.wire.numbers import CLASS_IN
from dohproxy.wire.relocate import relocate

MOST_DELEGATIONS: Final = 4_096
"""Top-level domains remembered as existing, less than 1 MiB. The root holds some 1,440; further ones are not noted."""

_ROOT: Final = b"\x00"
_CLASS_IN_BYTES: Final = CLASS_IN.to_bytes(2)
# A key is the name, two bytes of type and one with DO and CD (`Query.key`).
_TAIL_BYTES: Final = 3
_ALONE: Final = 4
"""Beside DO and CD in the last byte of a place: only the name itself is denied, nothing below it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A place where the tree of names ends."""

    place: bytes
    """Where the index has it: the highest name that is denied, and the bits of those it is for."""
    answer: Answer
    """The denial, fit for every question below."""


class Cuts:
    """Which names do not exist, by the key of the entry that says so. Answers with other DO and CD bits are apart: they
    have other records, or were not validated."""

    def __init__(self, is_listed: Callable[[bytes], bool] = lambda _: False) -> None:
        """`is_listed` tells whether a name (wire, lower case) is known to exist from elsewhere."""
        self._is_listed = is_listed
        self._keys: dict[bytes, bytes] = {}
        self._delegated: set[bytes] = set()

    @property
    def delegations(self) -> int:
        """How many top-level domains are known to exist."""
        return len(self._delegated)

    def __len__(self) -> int:
        return len(self._keys)

    def find_cut(self, key: bytes, answer: Answer, *, believed: bool) -> Cut | None:
        """Return what a new answer to `key` cuts off, or None. Where a denial is `believed`, it need not be validated
        to deny what is below its name."""
        if answer.errors:
            return None
        denial = relocate(answer, key[:-1] + _CLASS_IN_BYTES)
        if denial is None:
            return None
        name = self._denied_by(denial.zone, key[:-_TAIL_BYTES])
        if name is None or (not answer.authentic and self._is_listed(name)):
            return None
        alone = 0 if believed or answer.authentic or denial.zone == _ROOT else _ALONE
        return Cut(name + bytes((key[-1] | alone,)), denial.answer)

    def add(self, place: bytes, key: bytes, *, last: bool = False) -> None:
        """The entry under `key` denies what is at `place`; if it comes `last`, unless another does already."""
        if not last or place not in self._keys:
            self._keys[place] = key

    def remove(self, place: bytes, key: bytes) -> None:
        """The entry under `key` is gone; another may have taken its place meanwhile."""
        if self._keys.get(place) == key:
            del self._keys[place]

    def above(self, key: bytes, *, itself: bool = True) -> Iterator[bytes]:
        """Yield the keys of the entries that deny a name above that of `key`, or that name `itself`, which comes first.

        Costs a look for each label, and nothing while there are no cuts.
        """
        if not self._keys:
            return
        for place in _places(key, itself=itself):
            found = self._keys.get(place)
            if found is not None:
                yield found

    def note_existence(self, key: bytes) -> None:
        """The name of `key` exists, and with it all names above it: whatever denied one of them was wrong or is old."""
        for place in _places(key):
            self._keys.pop(place, None)
        self.note_delegation(key)

    def note_delegation(self, key: bytes) -> None:
        """The top-level domain of the name of `key` exists."""
        names = suffixes(key[:-_TAIL_BYTES])
        if names and len(self._delegated) < MOST_DELEGATIONS:
            self._delegated.add(names[-1])

    def _denied_by(self, zone: bytes, qname: bytes) -> bytes | None:
        """Return the highest name that does not exist if `zone` denies `qname`; None if it cannot know, or is wrong."""
        names = suffixes(qname)
        if zone == _ROOT and names:
            return None if names[-1] in self._delegated else names[-1]
        return qname if zone in names[1:] else None


def shows_existence(answer: Answer) -> bool:
    """Tell whether the name asked for exists by this answer: also if it is an alias of one that does not."""
    return answer.kind is not Kind.NXDOMAIN or answer.counts[0] > 0


def _places(key: bytes, *, itself: bool = True) -> Iterator[bytes]:
    """Yield every place at which the name of `key` may be denied, the top-level domain last; unless `itself` is meant
    too, those at which it is denied with a name above."""
    qname, bits = key[:-_TAIL_BYTES], key[-1:]
    names = suffixes(qname)
    if not itself:
        names = names[1:]
    elif qname != _ROOT:
        yield qname + bytes((key[-1] | _ALONE,))
    for name in names:
        yield name + bits

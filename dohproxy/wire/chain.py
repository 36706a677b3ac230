"""Which records of an answer section answer the question: those of its name, and of the names that aliases lead to.

Whatever else stands there is what somebody wants to be believed without having been asked (RFC 2181 section 5.4.1,
RFC 5452 section 6): resolvers drop it, and so do we.

| kept | of |
|---|---|
| the type that was asked for; all, if that was ANY | a name of the chain |
| CNAME | a name of the chain |
| DNAME | a name above one of the chain |
| RRSIG that covers one of these, or all, if RRSIG was asked for | as what it covers |
"""

from collections.abc import Sequence
from typing import Final

from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.name import LONGEST_NAME_BYTES, spell_out, suffixes
from dohproxy.wire.numbers import RECORD_FIXED_BYTES, Qtype

MOST_NAME_BYTES: Final = 16_384
"""The most bytes of all different owners and targets of one answer section, spelled out, each with BYTES_PER_NAME: 57
names of the greatest length, some 300 ordinary ones. Real chains have up to ten."""
BYTES_PER_NAME: Final = 32
"""What a name costs beside its bytes, its pointers followed."""

Head = tuple[int, int]
"""Where a record's owner stands, and what follows it: type, class, TTL, length and rdata."""


def belonging(wire: bytes, qname: bytes, qtype: int, heads: Sequence[Head]) -> list[Head]:
    """Return those records of an answer section, in their order, that the question for `qname` (lower case) and `qtype`
    leads to.

    Raises Malformed: COMPRESSION_WORK. The records have been checked.
    """
    names = _Names(wire, qname)
    owners = [names.of_owner(head) for head in heads]
    types = [int.from_bytes(wire[fixed : fixed + 2]) for _, fixed in heads]
    aliases = _Aliases()
    for (_, fixed), owner, rtype in zip(heads, owners, types, strict=True):
        if rtype == Qtype.CNAME:
            aliases.names.setdefault(owner, []).append(names.at(fixed + RECORD_FIXED_BYTES))
        elif rtype == Qtype.DNAME:
            aliases.trees.setdefault(owner, names.at(fixed + RECORD_FIXED_BYTES))
    chain = _follow(qname, aliases, names)
    above = _above(chain) if aliases.trees else set()
    kept = []
    for head, owner, rtype in zip(heads, owners, types, strict=True):
        is_in, is_above = owner in chain, owner in above
        judged = _covered(wire, head) if rtype == Qtype.RRSIG and not (is_in and qtype == Qtype.RRSIG) else rtype
        if _is_wanted(judged, qtype, is_in=is_in, is_above=is_above):
            kept.append(head)
    return kept


def _follow(qname: bytes, aliases: "_Aliases", names: "_Names") -> set[bytes]:
    """Return every name that the question's leads to, itself the first. A loop comes to an end: no name comes twice."""
    chain = {qname}
    waiting = [qname]
    while waiting:
        name = waiting.pop()
        targets = aliases.names.get(name)
        if targets is None:
            targets = [names.charged(target) for target in aliases.substituted(name)]
        for target in targets:
            if target not in chain:
                chain.add(target)
                waiting.append(target)
    return chain


def _above(chain: set[bytes]) -> set[bytes]:
    """Return all names above those of the chain but the root."""
    return {above for name in chain for above in suffixes(name)[1:]}


def _covered(wire: bytes, head: Head) -> int:
    """Return the type that a signature covers."""
    start = head[1] + RECORD_FIXED_BYTES
    return int.from_bytes(wire[start : start + 2])


def _is_wanted(rtype: int, qtype: int, *, is_in: bool, is_above: bool) -> bool:
    if rtype == Qtype.DNAME and is_above:
        return True
    return is_in and (rtype in (qtype, Qtype.CNAME) or qtype == Qtype.ANY)


class _Aliases:
    """What CNAME and DNAME records say, by their owners."""

    def __init__(self) -> None:
        self.names: dict[bytes, list[bytes]] = {}
        self.trees: dict[bytes, bytes] = {}

    def substituted(self, name: bytes) -> list[bytes]:
        """Return what a DNAME makes of a name below it (RFC 6672 section 2.2), where no CNAME says so."""
        for above in suffixes(name)[1:] if self.trees else ():
            target = self.trees.get(above)
            if target is not None and len(name) - len(above) + len(target) <= LONGEST_NAME_BYTES:
                return [name[: len(name) - len(above)] + target]
        return []


class _Names:
    """Names of one message in lower case, each spelled out once."""

    def __init__(self, wire: bytes, qname: bytes) -> None:
        self._wire = wire
        # The same bytes are the same name, as a pointer is an offset into the message.
        self._known = {b"\xc0\x0c": qname}
        self._bytes_left = MOST_NAME_BYTES

    def of_owner(self, head: Head) -> bytes:
        """Return a record's owner."""
        written = self._wire[head[0] : head[1]]
        name = self._known.get(written)
        if name is None:
            name = self._known[written] = self.at(head[0])
        return name

    def at(self, offset: int) -> bytes:
        """Return the name at `offset`."""
        name, _ = spell_out(self._wire, offset)
        return self.charged(name.lower())

    def charged(self, name: bytes) -> bytes:
        """Return this name, paid for. Raises Malformed: COMPRESSION_WORK."""
        self._bytes_left -= len(name) + BYTES_PER_NAME
        if self._bytes_left < 0:
            raise Malformed(Fault.COMPRESSION_WORK)
        return name

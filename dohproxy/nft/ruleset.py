"""The table in the packet filter, as text for `nft -f -`. What one call returns is one transaction: all of it holds, or
nothing.

Whom it concerns is decided in `prerouting`, at priority raw: before connection tracking, so that a flood of banned
clients fills no table of the kernel. Only what opens a connection, at the service's own ports, is looked at: a
connection that is open is the service's to close, as members may be on it, and no other port is ever closed, that of
SSH least of all.

There is a set for each length of a network, looked up by the masked address. An interval set could hold them all, but
refuses an element that overlaps another, as a banned address in a banned /24 does, and with `auto-merge` joins them,
so that neither their ends nor their times are known any more. What is spared has no times, is written as a whole, and
is an interval set.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address
from typing import Final

from dohproxy.nft.protocol import MOST_DROPPED, Network

TABLE: Final = "inet dohproxy"
MOST_IN_SET: Final = 2 * MOST_DROPPED
"""Elements of a set: as many as there may be at all, and those that have ended but are not cleared away yet."""
COUNTERS: Final = {4: "dropped4", 16: "dropped6"}
MOST_IN_STATEMENT: Final = 1_000
"""Elements in one line for nft."""

Shape = tuple[int, int]
"""Bytes of an address, and the bits of a network."""
USUAL_SHAPES: Final[frozenset[Shape]] = frozenset({(4, 32), (4, 24), (16, 64), (16, 56), (16, 48)})
"""Those of bans by rule. Others come by command."""
_FAMILIES: Final = {4: "ip", 16: "ip6"}
_TYPES: Final = {4: "ipv4_addr", 16: "ipv6_addr"}

Timed = Iterable[tuple[Network, int]]
"""Networks, each with milliseconds."""


def removal() -> str:
    """Return what removes the table, whether there is one or not."""
    return f"add table {TABLE}\ndelete table {TABLE}\n"


def creation(ports: Sequence[int], spared: Iterable[Network]) -> str:
    """Return what makes the table anew, with nobody in it that is dropped."""
    return removal() + replacement(ports, spared, (), USUAL_SHAPES)


def replacement(ports: Sequence[int], spared: Iterable[Network], dropped: Timed, shapes: Iterable[Shape]) -> str:
    """Return what makes the table hold these and nothing else, whether it is there already or somebody has removed it.
    What it has counted stays. `shapes` are those of all networks in it, now and before."""
    return "".join(
        [
            f"add table {TABLE}\n",
            *_frame(ports),
            *rules(shapes),
            *_spare(spared),
            *(f"flush set {TABLE} {_set(shape)}\n" for shape in sorted(shapes)),
            *_add(dropped),
        ]
    )


def addition(shapes: Iterable[Shape]) -> str:
    """Return what makes room for networks of other lengths; `shapes` are all there are then."""
    return "".join(rules(shapes))


def change(drop: Timed, release: Iterable[Network]) -> str:
    """Return what drops these and no longer drops those; all of their lengths have a set.

    An element that is there keeps its time when it is added again (before Linux 6.12), and to delete one that is not is
    an error that undoes everything: so each is added, which changes nothing where it is, then deleted, then added.
    """
    times = dict(drop)
    touched = dict.fromkeys((*times, *release), 1_000)
    return "".join([*_add(touched.items()), *_delete(touched), *_add(times.items())])


def reading() -> tuple[str, ...]:
    """Return the arguments of nft that read what was counted; they fail where the table is gone."""
    return ("-j", "list", "counters", "table", *TABLE.split())


def _frame(ports: Sequence[int]) -> Iterator[str]:
    for name in COUNTERS.values():
        yield f"add counter {TABLE} {name}\n"
    yield f"add chain {TABLE} judge\n"
    yield f"add chain {TABLE} prerouting {{ type filter hook prerouting priority raw; policy accept; }}\n"
    yield f"flush chain {TABLE} prerouting\n"
    listed = ", ".join(str(int(port)) for port in sorted(set(ports)))
    # What opens a connection has SYN and none of the other three (RFC 9293 section 3.5).
    yield (
        f"add rule {TABLE} prerouting tcp dport {{ {listed} }} tcp flags & (fin | syn | rst | ack) == syn"
        ' iif != "lo" jump judge\n'
    )
    for size, kind in _TYPES.items():
        yield f"add set {TABLE} {_spared_set(size)} {{ type {kind}; flags interval; }}\n"


def rules(shapes: Iterable[Shape]) -> Iterator[str]:
    """Yield what makes a set for each of these shapes, and looks a packet up in all of them."""
    ordered = sorted(shapes, key=lambda shape: (shape[0], -shape[1]))
    for shape in ordered:
        kind = _TYPES[shape[0]]
        yield f"add set {TABLE} {_set(shape)} {{ type {kind}; flags timeout; size {MOST_IN_SET}; }}\n"
    yield f"flush chain {TABLE} judge\n"
    for size, family in _FAMILIES.items():
        yield f"add rule {TABLE} judge {family} saddr @{_spared_set(size)} return\n"
    for size, bits in ordered:
        whole = 8 * size
        mask = "" if bits == whole else f" & {ip_address((((1 << bits) - 1) << (whole - bits)).to_bytes(size))}"
        # Packets on their way through this machine to another one are nobody's business here.
        yield (
            f"add rule {TABLE} judge {_FAMILIES[size]} saddr{mask} @{_set((size, bits))}"
            f" fib daddr type local counter name {COUNTERS[size]} drop\n"
        )


def _spare(spared: Iterable[Network]) -> Iterator[str]:
    by_size = _by_size(spared)
    for size in _FAMILIES:
        yield f"flush set {TABLE} {_spared_set(size)}\n"
        for part in _parts(by_size.get(size, [])):
            yield f"add element {TABLE} {_spared_set(size)} {{ {', '.join(part)} }}\n"


def _by_size(networks: Iterable[Network]) -> Mapping[int, list[str]]:
    """Return networks in CIDR form, none of which lies in another, by the bytes of their addresses."""
    listed = list(networks)
    four = [IPv4Network((one.packed, one.bits)) for one in listed if len(one.packed) == 4]
    six = [IPv6Network((one.packed, one.bits)) for one in listed if len(one.packed) == 16]
    return {4: [str(one) for one in collapse_addresses(four)], 16: [str(one) for one in collapse_addresses(six)]}


def _add(networks: Timed) -> Iterator[str]:
    sorted_out: dict[Shape, list[str]] = {}
    for network, milliseconds in networks:
        element = f"{ip_address(network.packed)} timeout {int(milliseconds)}ms"
        sorted_out.setdefault((len(network.packed), network.bits), []).append(element)
    yield from _statements("add", sorted_out)


def _delete(networks: Iterable[Network]) -> Iterator[str]:
    sorted_out: dict[Shape, list[str]] = {}
    for network in networks:
        sorted_out.setdefault((len(network.packed), network.bits), []).append(str(ip_address(network.packed)))
    yield from _statements("delete", sorted_out)


def _statements(verb: str, elements: Mapping[Shape, list[str]]) -> Iterator[str]:
    for shape, listed in elements.items():
        for part in _parts(listed):
            yield f"{verb} element {TABLE} {_set(shape)} {{ {', '.join(part)} }}\n"


def _parts(elements: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(elements), MOST_IN_STATEMENT):
        yield elements[start : start + MOST_IN_STATEMENT]


def _set(shape: Shape) -> str:
    return f"banned{4 if shape[0] == 4 else 6}_{shape[1]}"


def _spared_set(size: int) -> str:
    return f"spared{4 if size == 4 else 6}"

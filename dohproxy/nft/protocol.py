"""What the service and `dohproxy-nft` say to each other: one JSON object a line, over a Unix stream socket.

The helper begins with `Hello`. The service, which keeps no address over a restart, may ask whom it drops since then
(`Recall`; `Recalled` comes as often as it takes, the last time empty). It sends a snapshot (`Begin`, then `Spare` and
`Drop` as often as it takes, then `End`), and from then on what changes (`Change`), or asks how things stand (`Look`).
`End`, `Change` and `Look` are answered, by `Done` or `Failed`; after `Failed` the connection ends, and whoever comes
next sends a snapshot.

Neither side believes the other: every line has a bound, and each of its values a type and a range. Addresses are read
by `ipaddress` and go on as packed bytes, so that no text of one side ever reaches another program.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple, TypeGuard

VERSION: Final = 1
MOST_LINE: Final = 32_768
"""Bytes of a line: as many networks as it may hold, each of them long, take 30,000."""
MOST_IN_LINE: Final = 500
"""Networks in one line, of each list in it."""
MOST_DROPPED: Final = 65_536
"""Networks that are dropped at once: six times what a service bans by rule unless told otherwise. The kernel takes some
0.2 KiB for each, the helper as much."""
MOST_SPARED: Final = 4_096
"""Networks that are never dropped: as many as the configuration may name and commands may let in, and as many again."""
LONGEST_SECONDS: Final = 3_600
"""How long a network is dropped without having been named again: where the service has ended, nobody is dropped for
longer, whatever he was banned for."""
WIDEST_BITS: Final = {4: 8, 16: 16}
"""The widest network that is dropped, by the bytes of its addresses: as wide as one command may ban."""
_LONGEST_TEXT: Final = 64
"""Characters of a network: an IPv6 address that ends in an IPv4 one has 45, and its length four."""


class Malformed(ValueError):
    """A line that the other side may not send; the message is a predicate, without anything of the line."""


class Network(NamedTuple):
    """All addresses that begin with the same bits."""

    packed: bytes
    """4 or 16 bytes, zeros behind the bits."""
    bits: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Whom do you drop, told by whoever was here before?"""


@dataclass(frozen=True, slots=True)
class Begin:
    """A snapshot begins: what comes up to its end is all there is."""


@dataclass(frozen=True, slots=True)
class Spare:
    """Networks that are never dropped, also where they lie in one that is; part of a snapshot."""

    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """Networks to be dropped, each for so many milliseconds; part of a snapshot."""

    networks: tuple[tuple[Network, int], ...]


@dataclass(frozen=True, slots=True)
class End:
    """The snapshot is whole, and holds from now on."""


@dataclass(frozen=True, slots=True)
class Change:
    """What differs since then: networks to be dropped, for so long from now on, and networks not to be any more."""

    drop: tuple[tuple[Network, int], ...] = ()
    release: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """How do things stand?"""


Command = Recall | Begin | Spare | Drop | End | Change | Look


@dataclass(frozen=True, slots=True)
class Hello:
    """Who the helper is, and what it drops."""

    version: int
    ports: tuple[int, ...]
    """TCP ports at which it drops, and at no other."""
    most: int
    """Networks that it holds."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """Some of the networks that are dropped; none is the end of them."""

    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked is done."""

    held: int
    """Networks that are dropped now."""
    refused: int
    """Networks of this command, or snapshot, that are not dropped: they are spared, or there are too many."""
    packets: int
    """Packets that were dropped since the table was made; 0 where that was not asked."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What was asked is not done, and nothing is known any more of what is dropped; the connection ends."""

    why: str


Reply = Done | Failed

_FAILED: Final = "failed"
_LONGEST_WHY: Final = 200


def read_network(text: object) -> Network:
    """Read a network in CIDR form, or an address. Raises Malformed."""
    # A scope, behind %, could be any text.
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT or "%" in text:
        raise Malformed("holds something else where a network belongs")
    try:
        network = ip_network(text)
    except ValueError:
        raise Malformed("holds something else where a network belongs") from None
    return Network(network.network_address.packed, network.prefixlen)


def show_network(network: Network) -> str:
    """Return a network in CIDR form."""
    return f"{ip_address(network.packed)}/{network.bits}"


def write_command(command: Command) -> bytes:
    """Return the line of a command."""
    match command:
        case Recall():
            return _line({"do": "recall"})
        case Begin():
            return _line({"do": "begin"})
        case Spare(networks):
            return _line({"do": "spare", "networks": [show_network(one) for one in networks]})
        case Drop(networks):
            return _line({"do": "drop", "networks": _shown(networks)})
        case End():
            return _line({"do": "end"})
        case Change(drop, release):
            return _line({"do": "change", "drop": _shown(drop), "release": [show_network(one) for one in release]})
        case Look():
            return _line({"do": "look"})


def read_command(line: bytes) -> Command:
    """Read a line of the service. Raises Malformed."""
    found = _object(line)
    read = _COMMANDS.get(found.pop("do", None)) if isinstance(found.get("do"), str) else None
    if read is None:
        raise Malformed("asks for nothing that there is")
    return read(found)


def write_hello(hello: Hello) -> bytes:
    """Return the helper's first line."""
    return _line({"dohproxy-nft": hello.version, "ports": list(hello.ports), "most": hello.most})


def read_hello(line: bytes) -> Hello:
    """Read the helper's first line. Raises Malformed."""
    found = _object(line)
    version, ports, most = found.get("dohproxy-nft"), found.get("ports"), found.get("most")
    if not _is_number(version, 1, 1_000) or not _is_number(most, 1, 1 << 30):
        raise Malformed("is no greeting of dohproxy-nft")
    if not isinstance(ports, list) or not all(_is_number(port, 1, 65_535) for port in ports):
        raise Malformed("names no ports")
    return Hello(version, tuple(ports), most)


def write_recalled(recalled: Recalled) -> bytes:
    """Return a line of networks."""
    return _line({"recalled": [show_network(network) for network in recalled.networks]})


def read_recalled(line: bytes) -> Recalled:
    """Read a line of networks. Raises Malformed."""
    return Recalled(tuple(map(read_network, _list(_object(line), "recalled"))))


def write_reply(reply: Reply) -> bytes:
    """Return the line of a reply."""
    if isinstance(reply, Failed):
        return _line({_FAILED: reply.why[:_LONGEST_WHY]})
    return _line({"held": reply.held, "refused": reply.refused, "packets": reply.packets})


def read_reply(line: bytes) -> Reply:
    """Read a reply of the helper. Raises Malformed."""
    found = _object(line)
    if _FAILED in found:
        why = found[_FAILED]
        if not isinstance(why, str) or len(why) > _LONGEST_WHY or not why.isprintable():
            raise Malformed("fails without words")
        return Failed(why)
    numbers = [found.get(name) for name in ("held", "refused", "packets")]
    if not all(_is_number(number, 0, 1 << 63) for number in numbers):
        raise Malformed("is no reply")
    held, refused, packets = (int(number or 0) for number in numbers)
    return Done(held, refused, packets)


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MOST_LINE:
        raise Malformed("is too long")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed("is no JSON") from None
    if not isinstance(found, dict):
        raise Malformed("is no object")
    return found


def _is_number(found: object, least: int, most: int) -> TypeGuard[int]:
    # True is an int too.
    return type(found) is int and least <= found <= most


def _shown(networks: Iterable[tuple[Network, int]]) -> list[tuple[str, int]]:
    return [(show_network(network), milliseconds) for network, milliseconds in networks]


def _read_spare(found: Mapping[str, Any]) -> Command:
    return Spare(tuple(map(read_network, _list(found, "networks"))))


def _read_drop(found: Mapping[str, Any]) -> Command:
    return Drop(_read_timed(found, "networks"))


def _read_change(found: Mapping[str, Any]) -> Command:
    release = tuple(map(read_network, _list(found, "release")))
    for network in release:
        _refuse_wide(network)
    return Change(_read_timed(found, "drop"), release)


_COMMANDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Command]]] = {
    "recall": lambda _: Recall(),
    "begin": lambda _: Begin(),
    "spare": _read_spare,
    "drop": _read_drop,
    "end": lambda _: End(),
    "change": _read_change,
    "look": lambda _: Look(),
}


def _list(found: Mapping[str, Any], key: str) -> list[Any]:
    values = found.get(key)
    if not isinstance(values, list):
        raise Malformed("has no list of networks")
    if len(values) > MOST_IN_LINE:
        raise Malformed("has too many networks")
    return values


def _read_timed(found: Mapping[str, Any], key: str) -> tuple[tuple[Network, int], ...]:
    networks = []
    for one in _list(found, key):
        if not isinstance(one, list) or len(one) != 2 or not _is_number(one[1], 1, 1_000 * LONGEST_SECONDS):
            raise Malformed("has a network without a time, or with one that is none")
        network = read_network(one[0])
        _refuse_wide(network)
        networks.append((network, one[1]))
    return tuple(networks)


def _refuse_wide(network: Network) -> None:
    if network.bits < WIDEST_BITS[len(network.packed)]:
        raise Malformed("has a network that is too wide")

"""Whose request a front proxy forwards: one header, read from the right, through trusted hops only.

A forwarding header is a list to which each proxy appends whom it heard from. Only its right end is worth
anything: the last element was written by the peer of this connection, the one before it by whoever that
element names, and so on. The walk starts at the connection and goes left for as long as the hop it stands on
is a trusted proxy. The first hop that is not is the client; whatever stands further left was written by the
client and is not even parsed, so nothing a client sends can change the result.

Exactly one header is believed, the configured one: a proxy that maintains one of them passes the others on as
the client wrote them. All lines of the header are one list, in order (RFC 9110 section 5.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_network

from cachetools import LRUCache

from dohproxy.config import ClientsConfig
from dohproxy.policy.identity import Networks, unmapped

MAXIMUM_HOPS = 32
"""Elements looked at, empty ones included. Chains have two or three; 32 trusted proxies are a mistake."""

MAXIMUM_ELEMENT_CHARACTERS = 512
"""Longest element of a `Forwarded` list: four parameters with a host name of 255 characters among them."""

MEMO_RESULTS = 4096
"""Results remembered, as many as clients; at most 5 MB with lines of the length below."""

MEMO_LINE_CHARACTERS = 256
"""Longest header, all lines together, whose result is remembered: a few hops, not an attacker's list."""

UNIX = "unix"
"""What a list of trusted proxies has for every peer that connects through a Unix socket."""


class AddressSource(StrEnum):
    """Where the client's address comes from; for the two headers, the value is the header's name."""

    CONNECTION = "connection"
    PROXY_PROTOCOL = "proxy-protocol"
    X_FORWARDED_FOR = "x-forwarded-for"
    FORWARDED = "forwarded"


class AddressStatus(StrEnum):
    """How the address was found; closed, so fit for a metric's label."""

    CONNECTION = "connection"
    """It is that of the connection: no header is configured, or an untrusted peer sent none."""
    HEADER = "header"
    """It is from the header of a trusted peer."""
    HIDDEN = "hidden"
    """A trusted hop hides whom it heard from, by `unknown`, `_name` or no `for` (RFC 7239 section 6).

    The address is that hop's: all it hides share one.
    """
    IGNORED_UNTRUSTED = "ignored-untrusted"
    """An untrusted peer sent the header: from the connection, header not read."""
    MISSING = "missing"
    """A trusted peer sent no header: from the connection. All its clients then share one address."""
    MALFORMED = "malformed"
    """A trusted hop wrote what cannot be read: the last good hop, which is that proxy."""


@dataclass(frozen=True, slots=True)
class ForwardedAddress:
    """The client's address, packed, IPv4-mapped made IPv4; b"" if all that is known is a Unix socket."""

    address: bytes
    status: AddressStatus


class TrustedNetworks:
    """The front proxies whose word counts."""

    __slots__ = ("_believes_unix", "_networks")

    def __init__(self, entries: Sequence[str]) -> None:
        """`entries`: addresses, CIDRs without host bits, "unix"; ValueError naming the first that is none."""
        self._believes_unix = UNIX in entries
        self._networks = Networks(ip_network(entry) for entry in entries if entry != UNIX)

    def includes(self, peer: bytes | None) -> bool:
        """Tell whether a peer is trusted: a packed address, None for a Unix socket."""
        if peer is None:
            return self._believes_unix
        return unmapped(peer) in self._networks


def trusted_by(config: ClientsConfig) -> TrustedNetworks:
    """Return the front proxies that the configuration believes."""
    return TrustedNetworks([str(entry) for entry in config.trusted_proxies])


def client_address(
    peer: bytes | None, lines: Sequence[str], source: AddressSource, trusted: TrustedNetworks
) -> ForwardedAddress:
    """Find the client's address behind a connection's peer (packed, None for a Unix socket).

    `lines`: the values of all lines of the configured header, in the order received, already bounded by the
    limit on the header block (8 KiB). Never raises for what they hold.
    """
    address = b"" if peer is None else unmapped(peer)
    if source is not AddressSource.X_FORWARDED_FOR and source is not AddressSource.FORWARDED:
        return ForwardedAddress(address, AddressStatus.CONNECTION)
    if not trusted.includes(peer):
        return ForwardedAddress(address, AddressStatus.IGNORED_UNTRUSTED if lines else AddressStatus.CONNECTION)
    return _walk(address, lines, source, trusted)


class ClientAddresses:
    """`client_address` for one configuration, remembering recent results: clients repeat themselves.

    The keys are bytes and text, which Python hashes with a random seed. A client that never repeats a header
    evicts the results used least recently, and costs the others one more look at theirs.
    """

    __slots__ = ("_memo", "_source", "_trusted")

    def __init__(self, source: AddressSource, trusted: TrustedNetworks) -> None:
        self._source = source
        self._trusted = trusted
        self._memo: LRUCache[tuple[bytes | None, tuple[str, ...]], ForwardedAddress] = LRUCache(MEMO_RESULTS)

    def find(self, peer: bytes | None, lines: tuple[str, ...]) -> ForwardedAddress:
        """Return what `client_address` does for this peer and these lines."""
        key = (peer, lines)
        try:
            return self._memo[key]
        except KeyError:
            found = client_address(peer, lines, self._source, self._trusted)
        if sum(map(len, lines)) <= MEMO_LINE_CHARACTERS:
            self._memo[key] = found
        return found


def _walk(address: bytes, lines: Sequence[str], source: AddressSource, trusted: TrustedNetworks) -> ForwardedAddress:
    status = AddressStatus.MISSING
    try:
        for looked_at, element in enumerate(_elements_from_the_right(lines, source)):
            if looked_at == MAXIMUM_HOPS:
                raise ValueError("too many hops")
            if not element:
                continue  # RFC 9110 section 5.6.1.2: empty list elements are ignored
            hop = _parse_node(element if source is AddressSource.X_FORWARDED_FOR else _for_parameter(element))
            if hop is None:
                return ForwardedAddress(address, AddressStatus.HIDDEN)
            address, status = hop, AddressStatus.HEADER
            if not trusted.includes(hop):
                break
    except ValueError:
        return ForwardedAddress(address, AddressStatus.MALFORMED)
    return ForwardedAddress(address, status)


def _elements_from_the_right(lines: Sequence[str], source: AddressSource) -> Iterator[str]:
    element_start = _plain_element_start if source is AddressSource.X_FORWARDED_FOR else _quoted_element_start
    for line in reversed(lines):
        end = len(line)
        while end >= 0:
            start = element_start(line, end)
            yield line[start:end].strip(" \t")
            end = start - 1


def _plain_element_start(line: str, end: int) -> int:
    return line.rfind(",", 0, end) + 1


def _quoted_element_start(line: str, end: int) -> int:
    """Return where the last element of `line[:end]` starts, commas inside quoted strings left alone.

    Scanned backwards because a client may have left a quote open further left: read forwards, it would
    swallow the elements that proxies appended. Backwards, every well-formed element ends where its author
    began it. ValueError if the element is too long.
    """
    quoted = False
    for at in range(end - 1, max(-1, end - MAXIMUM_ELEMENT_CHARACTERS - 1), -1):
        character = line[at]
        if character == '"':
            # An even run of backslashes before a quote escapes itself only: this quote opened the string.
            quoted = not quoted or _is_escaped(line, at)
        elif character == "," and not quoted:
            return at + 1
    if end > MAXIMUM_ELEMENT_CHARACTERS:
        raise ValueError("an element is too long")
    return 0


def _is_escaped(line: str, at: int) -> bool:
    start = at
    while start > 0 and line[start - 1] == "\\":
        start -= 1
    return (at - start) % 2 == 1


_PAIR = re.compile(
    r"""[ \t]*
    (?: (?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)= (?: "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<plain>[^\s",;]*) ) )?
    [ \t]*(?:;|\Z)""",
    re.VERBOSE,
)
"""One `name=value` of a forwarded-element, or nothing, and its semicolon (RFC 7239 section 4).

Unquoted brackets and colons are let through: proxies forget the quotes they need.
"""


def _for_parameter(element: str) -> str:
    """Return the node after `for=` in one element, "unknown" without one; ValueError if malformed."""
    node: str | None = None
    at = 0
    while at < len(element):
        pair = _PAIR.match(element, at)
        if pair is None:
            raise ValueError("not a forwarded-pair")
        if (pair["name"] or "").lower() == "for":
            if node is not None:
                raise ValueError("two nodes in one element")
            node = pair["plain"] if pair["quoted"] is None else re.sub(r"\\(.)", r"\1", pair["quoted"])
        at = pair.end()
    return "unknown" if node is None else node


_NODE = re.compile(
    r"""(?:\[(?P<bracketed>[0-9a-f:.]{2,45})\] | (?P<ipv4>[0-9.]{7,15}) | (?P<hidden>unknown|_[0-9a-z._-]+))
    (?: : (?:[0-9]{1,5}|_[0-9a-z._-]+) )?
    | (?P<bare>[0-9a-f:.]{2,45})""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
"""A node (RFC 7239 section 6), or a bare IPv6 address as `X-Forwarded-For` has it. Ports are dropped."""


def _parse_node(text: str) -> bytes | None:
    """Return a node's packed address, None for one that hides it; ValueError if it is neither."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    node = _NODE.fullmatch(text)
    if node is None:
        raise ValueError("not a node")
    if node["hidden"]:
        return None
    if node["ipv4"]:
        return IPv4Address(node["ipv4"]).packed
    return unmapped(IPv6Address(node["bracketed"] or node["bare"]).packed)

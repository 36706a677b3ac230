"""What a DNS stamp says: all a client needs to use a service (draft-denis-dns-stamps-02).

All protocols are known, because whoever asks what a stamp says may have one of somebody else's. A `Stamp` that exists
can be read by some client. `refusal` says why others refuse it, and only what none refuses is written: what is printed,
pinned or sent to a list must mean the same to every client, lenient ones and others.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum
from functools import reduce
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from operator import or_
from types import MappingProxyType
from typing import Final

HASH_BYTES: Final = 32
"""SHA-256 of a TBSCertificate."""
PUBLIC_KEY_BYTES: Final = 32
"""Ed25519, the provider's key of DNSCrypt."""
MAX_PART_BYTES: Final = 0xFF
"""One byte counts a part."""
MAX_PROPERTIES: Final = 2**64 - 1

_VISIBLE: Final = re.compile(r"[!-~]*")
"""ASCII without spaces and controls: a stamp may come from anybody, and its parts are printed on terminals."""
_PLACE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?")
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:/?#@\[\]]+)(?::([0-9]{1,5}))?")


class BadStamp(ValueError):
    """A text is no stamp, or a stamp cannot be; the message is a sentence that says why."""


class Protocol(IntEnum):
    """What a stamp is for: its first byte."""

    PLAIN = 0x00
    DNSCRYPT = 0x01
    DOH = 0x02
    DOT = 0x03
    DOQ = 0x04
    ODOH_TARGET = 0x05
    DNSCRYPT_RELAY = 0x81
    ODOH_RELAY = 0x85


class Properties(IntFlag):
    """What the operator promises, informally; further bits are kept as they are."""

    DNSSEC = 1
    NO_LOGS = 2
    NO_FILTER = 4


NO_PROMISES: Final = Properties(0)


def promised(flags: Mapping[str, bool]) -> Properties:
    """Return the properties whose names (in lower case) are flagged."""
    return reduce(or_, (one for one in Properties if flags.get(str(one.name).lower())), NO_PROMISES)


class Part(StrEnum):
    """What may follow the protocol byte, named as the fields of `Stamp`."""

    PROPERTIES = "properties"
    ADDRESS = "address"
    PUBLIC_KEY = "public_key"
    PROVIDER = "provider"
    HASHES = "hashes"
    HOST = "host"
    PATH = "path"
    BOOTSTRAP = "bootstrap"


_TLS: Final = (Part.PROPERTIES, Part.ADDRESS, Part.HASHES, Part.HOST)
_HTTPS: Final = (*_TLS, Part.PATH, Part.BOOTSTRAP)

PARTS: Final[Mapping[Protocol, tuple[Part, ...]]] = MappingProxyType({
    Protocol.PLAIN: (Part.PROPERTIES, Part.ADDRESS),
    Protocol.DNSCRYPT: (Part.PROPERTIES, Part.ADDRESS, Part.PUBLIC_KEY, Part.PROVIDER),
    Protocol.DOH: _HTTPS,
    Protocol.DOT: (*_TLS, Part.BOOTSTRAP),
    Protocol.DOQ: (*_TLS, Part.BOOTSTRAP),
    Protocol.ODOH_TARGET: (Part.PROPERTIES, Part.HOST, Part.PATH),
    Protocol.DNSCRYPT_RELAY: (Part.ADDRESS,),
    Protocol.ODOH_RELAY: _HTTPS,
})  # fmt: skip
"""The parts of each protocol's stamps, in order."""

DEFAULT_PORTS: Final[Mapping[Protocol, int]] = MappingProxyType(
    dict.fromkeys(Protocol, 443) | {Protocol.PLAIN: 53, Protocol.DOT: 853, Protocol.DOQ: 853}
)
"""Where to connect if a stamp names no port."""

NAMES: Final[Mapping[Protocol, str]] = MappingProxyType({
    Protocol.PLAIN: "plain DNS",
    Protocol.DNSCRYPT: "DNSCrypt",
    Protocol.DOH: "DNS over HTTPS",
    Protocol.DOT: "DNS over TLS",
    Protocol.DOQ: "DNS over QUIC",
    Protocol.ODOH_TARGET: "Oblivious DoH target",
    Protocol.DNSCRYPT_RELAY: "DNSCrypt relay",
    Protocol.ODOH_RELAY: "Oblivious DoH relay",
})  # fmt: skip
"""What people call them."""

_PROMISES: Final = (
    (Properties.DNSSEC, "validates DNSSEC"),
    (Properties.NO_LOGS, "keeps no logs"),
    (Properties.NO_FILTER, "filters nothing"),
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What one stamp says; parts that its protocol does not have are empty.

    Raises BadStamp if a part is missing, strange to the protocol, too long, or no address, host or path.
    """

    protocol: Protocol
    properties: Properties = NO_PROMISES
    address: str = ""
    """Where to connect: an IP address (IPv6 in brackets), with a port if there is no host.

    With a host it may be empty, if the client is to look up the host. A port (`IP:port` or `:port`) is then read from
    other people's stamps, but see `refusal`.
    """
    public_key: bytes = b""
    provider: str = ""
    """DNSCrypt's provider name."""
    hashes: tuple[bytes, ...] = ()
    """SHA-256 of TBSCertificates, of which the server must show one; none means that any trusted chain will do."""
    host: str = ""
    """The name to ask for and to verify, with `:port` unless it is the protocol's own."""
    path: str = ""
    bootstrap: tuple[str, ...] = ()
    """Resolvers by which the host can be looked up."""

    def __post_init__(self) -> None:
        """Let no invalid stamp exist."""
        for fault in _faults(self):
            raise BadStamp(fault)


def is_address(text: str) -> bool:
    """Tell whether this is an IP address as stamps write it: IPv6 in brackets, with or without a port."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return False
    try:
        _ = IPv6Address(found[1]) if found[1] else IPv4Address(found[2])
    except AddressValueError:
        return False
    return found[3] is None or _is_port(found[3])


def refusal(stamp: Stamp) -> str:
    """Return why today's clients refuse a stamp that earlier ones read, and what to write instead; else nothing.

    In the draft and in go-dnsstamps of 2026, with which dnscrypt-proxy 2.1.17 and later read them, the address of a
    stamp that has a host is an IP address alone, and a port stands with the host. Builds of Linux distributions may
    have an earlier go-dnsstamps, as Debian's have. A client that refuses a stamp of its configuration does not start.
    """
    if not {Part.ADDRESS, Part.HOST} <= set(PARTS[stamp.protocol]):
        return ""
    address, port = split_port(stamp.address)
    if not port:
        return ""
    host = stamp.host if split_port(stamp.host)[1] else f"{stamp.host}:{port}"
    return (
        "dnscrypt-proxy 2.1.17 and later, as their authors build them, refuse this stamp and do not start: its address"
        f' names a port, which belongs to the host. Write the address "{address}" and the host "{host}".'
    )


def explain(stamp: Stamp) -> str:
    """Return what a stamp says, a line for each part, for people, and a last one if today's clients refuse it."""
    lines = [f"protocol: {NAMES[stamp.protocol]} (0x{stamp.protocol:02x})"]
    for part in PARTS[stamp.protocol]:
        lines += _EXPLANATIONS[part](stamp)
    refused = refusal(stamp)
    return "\n".join([*lines, f"remark: {refused}"] if refused else lines)


# --- What may stand where ---


def _faults(stamp: Stamp) -> Iterator[str]:
    parts = PARTS[stamp.protocol]
    for part in Part:
        if part not in parts and getattr(stamp, part):
            yield f"A stamp for {NAMES[stamp.protocol]} has no {_name(part)}."
    yield from _faults_of_texts(stamp)
    if not 0 <= stamp.properties <= MAX_PROPERTIES:
        yield f"The properties are not a number of 64 bits: {int(stamp.properties)}."
    if Part.ADDRESS in parts:
        yield from _faults_of_address(stamp.address, may_be_absent=Part.HOST in parts)
    if stamp.protocol is Protocol.DNSCRYPT:
        yield from _faults_of_provider(stamp)
    if Part.HOST in parts:
        yield from _faults_of_host(stamp.host)
    if Part.PATH in parts and not stamp.path.startswith("/"):
        yield f'The path does not begin with "/": it is "{stamp.path}".'
    yield from _faults_of_sets(stamp)


def _faults_of_texts(stamp: Stamp) -> Iterator[str]:
    for part in (Part.ADDRESS, Part.PROVIDER, Part.HOST, Part.PATH):
        text = getattr(stamp, part)
        if not _VISIBLE.fullmatch(text):
            yield f"The {_name(part)} holds something else than visible ASCII characters: {text!a}."
        if len(text) > MAX_PART_BYTES:
            yield f"The {_name(part)} has {len(text)} bytes, and a stamp can hold {MAX_PART_BYTES} of it."


def _faults_of_address(address: str, *, may_be_absent: bool) -> Iterator[str]:
    # The name can be looked up instead, so a stamp with a host may do without or name a port alone.
    if is_address(address) or (may_be_absent and not address):
        return
    if not (may_be_absent and address.startswith(":") and _is_port(address[1:])):
        yield f'The address is no IP address (IPv6 in brackets): "{address}".'


def _faults_of_provider(stamp: Stamp) -> Iterator[str]:
    if len(stamp.public_key) != PUBLIC_KEY_BYTES:
        yield f"The public key has {len(stamp.public_key)} bytes instead of {PUBLIC_KEY_BYTES}."
    if not stamp.provider:
        yield "The provider is empty."


def _faults_of_sets(stamp: Stamp) -> Iterator[str]:
    for value in stamp.hashes:
        if len(value) != HASH_BYTES:
            yield f"A certificate hash has {len(value)} bytes instead of {HASH_BYTES}."
    for address in stamp.bootstrap:
        if not is_address(address):
            yield f"A bootstrap address is no IP address (IPv6 in brackets): {address!a}."


def _faults_of_host(host: str) -> Iterator[str]:
    found = _HOST.fullmatch(host)
    if not host or host.startswith(":"):
        yield "The host is empty."
    elif found is None or not (found[1] is None or _is_port(found[1])):
        yield f'The host is no host name with or without a port: "{host}".'


def split_port(text: str) -> tuple[str, str]:
    """Return an address or host, and its port or nothing."""
    place, colon, port = text.rpartition(":")
    return (place, port) if colon and not text.endswith("]") else (text, "")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and not text.startswith("0") and int(text) <= 0xFFFF


def _name(part: Part) -> str:
    return part.replace("_", " ")


# --- For people ---


def _explain_properties(stamp: Stamp) -> Sequence[str]:
    promises = [text for flag, text in _PROMISES if flag in stamp.properties]
    unknown = int(stamp.properties) & ~int(Properties.DNSSEC | Properties.NO_LOGS | Properties.NO_FILTER)
    promises += [f"something that is not defined (0x{unknown:x})"] if unknown else []
    return (f"promises: {', '.join(promises) or 'nothing'}",)


def _explain_address(stamp: Stamp) -> Sequence[str]:
    address, own_port = split_port(stamp.address)
    port = own_port or split_port(stamp.host)[1] or str(DEFAULT_PORTS[stamp.protocol])
    if not address:
        return (f"address: none, the client looks up the host and connects to port {port}",)
    return (f"address: {stamp.address}{'' if own_port else f', port {port}'}",)


def _explain_hashes(stamp: Stamp) -> Sequence[str]:
    if not stamp.hashes:
        return ("certificate hashes: none, any certificate that the client trusts for the host will do",)
    return tuple(f"certificate hash (SHA-256 of a TBSCertificate): {value.hex()}" for value in stamp.hashes)


_EXPLANATIONS: Final[Mapping[Part, Callable[[Stamp], Sequence[str]]]] = MappingProxyType({
    Part.PROPERTIES: _explain_properties,
    Part.ADDRESS: _explain_address,
    Part.PUBLIC_KEY: lambda stamp: (f"public key: {stamp.public_key.hex()}",),
    Part.PROVIDER: lambda stamp: (f"provider: {stamp.provider}",),
    Part.HASHES: _explain_hashes,
    Part.HOST: lambda stamp: (f"host: {stamp.host}",),
    Part.PATH: lambda stamp: (f"path: {stamp.path}",),
    Part.BOOTSTRAP: lambda stamp: tuple(f"bootstrap resolver: {address}" for address in stamp.bootstrap),
})  # fmt: skip

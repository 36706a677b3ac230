"""Whether a stamp leads to a service, and how it should read.

What it says is compared with the configuration: host, address, port, path, the hash of a certificate, and what is
promised. A fault is what leads people astray or promises too much. What only people can know is a note, and stays as it
is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from dohproxy.config import Config
from dohproxy.doh.stamp import (
    DEFAULT_PORTS,
    NAMES,
    NO_PROMISES,
    BadStamp,
    Properties,
    Protocol,
    Stamp,
    refusal,
    split_port,
)
from dohproxy.doh.stamp_codec import decode, encode
from dohproxy.tls.certificates import Chain
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.listing.doors import Door, Doors
from dohproxy.tools.listing.promises import Promise
from dohproxy.tools.stamps import StampAddress

BELOW: Final = "put the one below in its place"
_KNOWN: Final = Properties.DNSSEC | Properties.NO_LOGS | Properties.NO_FILTER


@dataclass(frozen=True, slots=True)
class Service:
    """What an entry should lead to."""

    config: Config
    doors: Doors
    chain: Chain | None
    """What clients are shown; None where that is not known here."""
    promises: tuple[Promise, ...]
    name: str = ""
    """What the entry should be called; "" if that is the list's to say."""


@dataclass(frozen=True, slots=True)
class Led:
    """Where a stamp leads."""

    host: str
    """Without its port, in lower case."""
    address: str
    """An IP address without brackets; "" if the host is to be looked up."""
    port: int


def audit_stamp(subject: str, text: str, service: Service, findings: list[Finding]) -> list[str]:
    """Add what there is to say about a stamp; return what should stand in its place."""
    try:
        stamp = decode(text)
    except BadStamp as bad:
        what = f"it cannot be read: {str(bad).removesuffix('.')}"
        findings.append(Finding(subject, Severity.FAULT, what, BELOW))
        door = service.doors[Protocol.DOH]
        return [encode(_corrected(None, door, place, service)) for place in door.places]
    found_door = service.doors.get(stamp.protocol)
    if found_door is None:
        is_off = stamp.protocol is Protocol.DOT
        why = "is not served (dot.listen)" if is_off else "dohproxy does not speak"
        what = f"it is for {NAMES[stamp.protocol]}, which {why}"
        findings.append(Finding(subject, Severity.FAULT, what, "remove it, unless something else answers there"))
        return []
    door, led = found_door, led_to(stamp)
    place = _nearest(led, door.places)
    found = [
        *_judge_token(subject, stamp, door),
        *_judge_host(subject, led, door, service.chain),
        *_judge_place(subject, led, place, door),
        *_judge_path(subject, stamp, door),
        *_judge_hashes(subject, stamp, service.chain),
        *_judge_promises(subject, stamp, service.promises),
    ]
    refused = refusal(stamp)
    if refused:
        found.append(Finding(subject, Severity.FAULT, refused.removesuffix(".")))
    findings += found
    if all(one.severity in (Severity.OK, Severity.NOTE) for one in found):
        return [text]
    return [encode(_corrected(stamp, door, place, service))]


def _corrected(stamp: Stamp | None, door: Door, place: StampAddress, service: Service) -> Stamp:
    """Return the stamp that should stand in place of one, or of none that can be read."""
    chain, address = service.chain, place
    properties = NO_PROMISES
    hashes: tuple[bytes, ...] = ()
    for promise in service.promises:
        claimed = stamp is not None and promise.flag in stamp.properties
        if not promise.against and (claimed if promise.wanted is None else promise.wanted):
            properties |= promise.flag
    if stamp is not None:
        properties |= stamp.properties & ~_KNOWN
        hashes = stamp.hashes
        if hashes and chain is not None:
            known = {one.tbs_hash for one in chain.certificates}
            hashes = tuple(one for one in hashes if one in known) or (chain.pinned.tbs_hash,)
        if not place.address:
            address = StampAddress(led_to(stamp).address, place.port)
    return door.stamp(address, properties, hashes)


def readable(stamps: Sequence[str]) -> Iterator[Stamp]:
    """Yield what stamps say, but for those that cannot be read."""
    for text in stamps:
        try:
            yield decode(text)
        except BadStamp:
            continue


def led_to(stamp: Stamp) -> Led:
    """Return where a stamp leads."""
    address, own_port = split_port(stamp.address)
    host, port = split_port(stamp.host)
    number = own_port or port or str(DEFAULT_PORTS[stamp.protocol])
    return Led(host.lower().removesuffix("."), address.strip("[]"), int(number))


def is_ours(led: Led, service: Service) -> bool:
    """Tell whether it is the host or an address of the service."""
    doors = service.doors.values()
    known = {ip_address(place.address) for door in doors for place in door.places if place.address}
    is_named = led.host in {door.host.lower() for door in doors}
    return is_named or bool(led.address and ip_address(led.address) in known)


def _nearest(led: Led, places: Sequence[StampAddress]) -> StampAddress:
    """Return the place that a stamp means: the very same, else one of the same address, of the same family, or any."""

    def distance(place: StampAddress) -> tuple[bool, ...]:
        theirs, ours = led.address, place.address
        is_same = theirs == ours or bool(theirs and ours and ip_address(theirs) == ip_address(ours))
        is_unknown = not ours
        return not is_same, not is_unknown, (":" in theirs) is not (":" in ours), place.port != led.port

    return min(places, key=distance)


def _judge_token(subject: str, stamp: Stamp, door: Door) -> Iterator[Finding]:
    if door.is_members(stamp):
        what = "it is the one of a single member: whoever reads the list is taken for him"
        yield Finding(subject, Severity.FAULT, what, "have it removed, and end that URL: dohproxy member revoke NAME")


def _judge_host(subject: str, led: Led, door: Door, chain: Chain | None) -> Iterator[Finding]:
    if led.host == door.host.lower():
        yield Finding(subject, Severity.OK, f"the host is {door.host}")
        return
    what = f'the host is "{led.host}", and the service is {door.host} ({door.host_key})'
    if chain is not None and chain.server.matches(led.host):
        what += "; its certificate is for both"
    yield Finding(subject, Severity.FAULT, what, f"{BELOW}, or write the other into {door.host_key}")


def _judge_place(subject: str, led: Led, place: StampAddress, door: Door) -> Iterator[Finding]:
    if led.port == place.port:
        yield Finding(subject, Severity.OK, f"the port is {led.port}")
    else:
        what = f"the port is {led.port}, and clients connect to {place.port}"
        yield Finding(subject, Severity.FAULT, what, f"{BELOW}, or give --address IP:PORT")
    if not led.address:
        yield Finding(subject, Severity.NOTE, "it has no address: clients look up the host by another resolver first")
    elif not place.address:
        what = f"the address is {led.address}; the configuration does not say at which clients connect"
        yield Finding(subject, Severity.NOTE, what, "give it by --address to have it compared")
    elif ip_address(led.address) == ip_address(place.address):
        yield Finding(subject, Severity.OK, f"the address is {led.address}")
    else:
        known = ", ".join(dict.fromkeys(one.address for one in door.places if one.address))
        what = f"the address is {led.address}, and clients connect to {known}"
        yield Finding(subject, Severity.FAULT, what, f"{BELOW}, or give the right one by --address")


def _judge_path(subject: str, stamp: Stamp, door: Door) -> Iterator[Finding]:
    if not door.path:
        return
    if stamp.path == door.path:
        yield Finding(subject, Severity.OK, f"the path is {door.path}")
    else:
        what = f'the path is "{stamp.path}", and the service answers at {door.path} (server.path)'
        yield Finding(subject, Severity.FAULT, what, BELOW)


def _judge_hashes(subject: str, stamp: Stamp, chain: Chain | None) -> Iterator[Finding]:
    if not stamp.hashes:
        yield Finding(subject, Severity.OK, "no certificate is pinned: any that clients trust for the host will do")
    elif chain is None:
        yield Finding(subject, Severity.NOTE, "a certificate is pinned; which one clients are shown is not known here")
    elif any(one.tbs_hash in stamp.hashes for one in chain.certificates):
        yield Finding(subject, Severity.OK, "a certificate that clients are shown is pinned")
    else:
        what = "no certificate that clients are shown is among those that are pinned: they refuse the service"
        yield Finding(subject, Severity.FAULT, what, BELOW)


def _judge_promises(subject: str, stamp: Stamp, promises: Sequence[Promise]) -> Iterator[Finding]:
    for promise in promises:
        is_claimed = promise.flag in stamp.properties
        if is_claimed and promise.against:
            what = f"it promises that {promise.words}, which does not hold, because {promise.against}"
            yield Finding(subject, Severity.FAULT, what, f"{BELOW}, or change that")
        elif promise.wanted is not None and is_claimed and not promise.wanted:
            yield Finding(subject, Severity.FAULT, f"it promises that {promise.words}, and you do not", BELOW)
        elif promise.wanted and not is_claimed and not promise.against:
            yield Finding(subject, Severity.WARNING, f"it does not promise that {promise.words}, and you do", BELOW)
        elif is_claimed and promise.wanted is None and not promise.is_sure:
            what = f"it promises that {promise.words}, which only you can know"
            yield Finding(subject, Severity.NOTE, what, "say by an option whether it holds to have it compared")
        else:
            word = "promises" if is_claimed else "does not promise"
            yield Finding(subject, Severity.OK, f"it {word} that {promise.words}")

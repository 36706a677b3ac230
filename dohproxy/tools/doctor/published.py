"""How what is published of the service differs from what should be (`records`)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from dohproxy.policy.discovery.records import ALPN, DOHPATH, HINTS, IPV4HINT, PORT, Record
from dohproxy.policy.discovery.served import DEFAULT_PORTS, IPAddress
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.publication import Publication, above
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.name import from_text, spell_out
from dohproxy.wire.numbers import HEADER_BYTES, Qtype
from dohproxy.wire.rdata import parameters

SUBJECT: Final = "records"


class LookupStatus(StrEnum):
    """What came of asking for a record."""

    FOUND = "found"
    NONE = "none"
    """There is no such record."""
    UNKNOWN = "unknown"
    """Nobody said."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is published under a name."""

    status: LookupStatus
    rdatas: tuple[bytes, ...] = ()
    """Of the type that was asked for; names in them are spelled out."""
    why: str = ""
    """Why nobody said, in words that follow "the resolver"."""


Lookups = Mapping[tuple[str, Qtype], Lookup]
"""By the name, with its final dot, and the type."""


def judge(publication: Publication, host: str, lookups: Lookups) -> Iterator[Finding]:
    """Say how what is published differs from what should be."""
    owner = f"{host}."
    silent = [name for (name, _), found in lookups.items() if found.status is LookupStatus.UNKNOWN]
    if len(silent) == len(lookups):
        why = next((found.why for found in lookups.values()), "was not asked")
        remedy = "give another one by --resolver, or --offline"
        yield Finding(SUBJECT, Severity.NOTE, f"what is published is not known: the resolver {why}", remedy)
        return
    for name in publication.hosts:
        yield from _judge_addresses(publication, f"{name}.", lookups)
    for record in publication.records:
        if record.rtype in (Qtype.HTTPS, Qtype.SVCB):
            yield from _judge_service(record, owner, _addresses_behind(record, publication), lookups)
    yield from _judge_caa(publication, owner, lookups)


def _addresses_behind(record: Record, publication: Publication) -> frozenset[bytes]:
    """Return the addresses of the name to which a service leads, packed; none if they are not known."""
    target = _read_service(record.rdata)[0]
    name = record.owner if target == from_text(".") else record.data.split()[1]
    found = (one for one in publication.records if one.rtype in (Qtype.A, Qtype.AAAA))
    return frozenset(one.rdata for one in found if one.owner == name)


def judge_names(publication: Publication, covers: Callable[[str], bool]) -> Iterator[Finding]:
    """Say which names beside that of the whole the certificate, by `covers`, is not for."""
    for name in publication.hosts[1:]:
        if not covers(name):
            what = f"the certificate is not for {name}: clients that are told this name refuse the service"
            yield Finding(SUBJECT, Severity.WARNING, what, f"have the certificate issued for {name} too")


def judge_designation(addresses: Sequence[IPAddress], covers: Callable[[str], bool]) -> Iterator[Finding]:
    """Say whom it concerns if the certificate, by `covers`, is not for where clients connect."""
    uncovered = [str(address) for address in addresses if not covers(str(address))]
    if uncovered:
        what = (
            f"the certificate is not for {', '.join(uncovered)}: a device that knows a resolver by its address alone"
            " goes over to this service by itself only if the certificate is for that address (RFC 9462 section 4.2)"
        )
        yield Finding(SUBJECT, Severity.NOTE, what, "docs/discovery.md says who that is, and how to get such a one")


def _judge_addresses(publication: Publication, owner: str, lookups: Lookups) -> Iterator[Finding]:
    unheard = Lookup(LookupStatus.UNKNOWN)
    found = {rtype: lookups.get((owner, rtype), unheard) for rtype in (Qtype.A, Qtype.AAAA)}
    published = {str(ip_address(rdata)) for one in found.values() for rdata in one.rdatas}
    wanted = {one.data for one in publication.records if one.owner == owner and one.rtype in found}
    heard = [one for one in found.values() if one.status is not LookupStatus.UNKNOWN]
    if not published and len(heard) == len(found):
        what = f"{owner} has neither A nor AAAA: nobody who knows the name finds the service"
        yield Finding(SUBJECT, Severity.FAULT, what, "publish the records below")
        return
    missing, others = sorted(wanted - published), sorted(published - wanted)
    if wanted and missing and heard:
        what = f"{owner} does not lead to {', '.join(missing)}"
        remedy = "publish the records below; or give the right addresses by --address, if these are not for clients"
        yield Finding(SUBJECT, Severity.WARNING, what, remedy)
    if wanted and others:
        what = f"{owner} leads to {', '.join(others)} too, where this service was not seen to listen"
        remedy = "remove these records, or give these addresses by --address, if they lead here"
        yield Finding(SUBJECT, Severity.WARNING, what, remedy)
    if published and not (wanted and (missing or others)):
        yield Finding(SUBJECT, Severity.OK, f"{owner} leads to {', '.join(sorted(published))}")


def _judge_service(record: Record, owner: str, addresses: frozenset[bytes], lookups: Lookups) -> Iterator[Finding]:
    found = lookups.get((record.owner, record.rtype), Lookup(LookupStatus.UNKNOWN))
    what = f"{record.owner} {record.rtype.name}"
    if record.rtype is Qtype.SVCB:  # There is one for each way to ask.
        what = f"{what} for {_protocols(record)}"
    if found.status is LookupStatus.UNKNOWN:
        yield Finding(SUBJECT, Severity.NOTE, f"{what} is not known: the resolver {found.why or 'was not asked'}")
    elif found.status is LookupStatus.NONE:
        yield Finding(SUBJECT, Severity.NOTE, f"{what} is not published; {_use(record)}", "publish the record below")
    elif any(_is_as_good(rdata, record, owner, addresses) for rdata in found.rdatas):
        yield Finding(SUBJECT, Severity.OK, f"{what} is published")
    else:
        yield Finding(
            SUBJECT, Severity.WARNING, f"{what} is published and leads elsewhere", "put the record below in its place"
        )


def _use(record: Record) -> str:
    if record.rtype is Qtype.HTTPS:
        return "with it browsers know of HTTP/2 before they connect"
    if DOHPATH not in _read_service(record.rdata)[1]:
        return "with it clients that know the name alone find that there is DNS over TLS, and at which port"
    return "with it clients that know the name alone find the path, Android's among them"


def _protocols(record: Record) -> str:
    """Return the protocols of one of our own records, as ALPN calls them."""
    return " and ".join(one.decode("ascii") for one in _strings(_read_service(record.rdata)[1][ALPN]))


def _is_as_good(rdata: bytes, record: Record, owner: str, addresses: frozenset[bytes]) -> bool:
    """Tell whether a published record says what ours does. It may say more, and need not have the hints; but those that
    it has are followed, so none may lead elsewhere than to `addresses`, if any are known."""
    try:
        (target, offered), (own_target, wanted) = _read_service(rdata), _read_service(record.rdata)
    except Malformed:
        return False
    hints = {one for key in HINTS for one in _hints(key, offered.pop(key, b""))}
    wanted = {key: text for key, text in wanted.items() if key not in HINTS}
    protocols, own_protocols = _strings(offered.pop(ALPN, b"")), _strings(wanted.pop(ALPN))
    default = DEFAULT_PORTS[own_protocols[0]].to_bytes(2)
    is_same_place = target in (own_target, from_text(owner), from_text(record.owner))
    is_same_port = offered.get(PORT, default) == wanted.pop(PORT, default)
    speaks_all = set(own_protocols) <= set(protocols)
    leads_elsewhere = bool(addresses) and not hints <= addresses
    return is_same_place and is_same_port and speaks_all and not leads_elsewhere and wanted.items() <= offered.items()


def _strings(data: bytes) -> list[bytes]:
    """Return the strings of a list, as far as it is one."""
    found = []
    while data:
        found.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    return found


def _hints(key: int, data: bytes) -> Iterator[bytes]:
    """Yield the addresses of a hint, packed."""
    size = 4 if key == IPV4HINT else 16
    return (data[start : start + size] for start in range(0, len(data), size))


def _read_service(rdata: bytes) -> tuple[bytes, dict[int, bytes]]:
    """Return target and parameters; those of an alias (priority 0) are none. Raises Malformed."""
    # A name can only be read as part of a message, behind its header.
    wire = bytes(HEADER_BYTES) + rdata
    target, place = spell_out(wire, HEADER_BYTES + 2)
    found = parameters(wire, place, len(wire))
    return target.lower(), {key: wire[start:end] for key, start, end in found}


def _judge_caa(publication: Publication, owner: str, lookups: Lookups) -> Iterator[Finding]:
    """The nearest name with any CAA record decides (RFC 8659 section 3)."""
    wanted = next((one.data.split('"')[1] for one in publication.records if one.rtype is Qtype.CAA), None)
    for name in above(owner):
        found = lookups.get((name, Qtype.CAA), Lookup(LookupStatus.UNKNOWN))
        if found.status is LookupStatus.UNKNOWN:
            yield Finding(
                SUBJECT, Severity.NOTE, f"{name} CAA is not known: the resolver {found.why or 'was not asked'}"
            )
            return
        if found.status is LookupStatus.FOUND:
            yield _judge_issuers(name, found.rdatas, wanted)
            return
    what = f"there is no CAA record for {owner} or above: every authority may issue a certificate for it"
    yield Finding(SUBJECT, Severity.NOTE, what, "publish the record below" if wanted else "publish one for yours")


def _judge_issuers(name: str, rdatas: Sequence[bytes], wanted: str | None) -> Finding:
    issuers = [issuer for rdata in rdatas if (issuer := _issuer(rdata)) is not None]
    told = ", ".join(filter(None, issuers)) or "nobody"
    if wanted is None or not issuers:
        return Finding(SUBJECT, Severity.OK, f"{name} CAA is published; it lets {told} issue certificates")
    if wanted in issuers:
        return Finding(SUBJECT, Severity.OK, f"{name} CAA lets {wanted} issue certificates, who has issued this one")
    what = (
        f"{name} CAA lets {told} issue certificates and not {wanted}, who has issued this one: it will not be renewed"
    )
    return Finding(SUBJECT, Severity.WARNING, what, "add the record below")


def _issuer(rdata: bytes) -> str | None:
    """Return whom an `issue` property names, "" for nobody; None for other properties (RFC 8659 section 4.2)."""
    length = rdata[1] if len(rdata) > 1 else 0
    tag, text = rdata[2 : 2 + length].lower(), rdata[2 + length :]
    if tag != b"issue":
        return None
    return text.decode("ascii", errors="replace").partition(";")[0].strip().lower()

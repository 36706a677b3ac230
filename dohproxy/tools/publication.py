"""The DNS records of a service that somebody should publish, ready for a zone file.

Those by which clients find it are the ones that it tells of itself (`policy.discovery`). CAA says who may issue its
certificates (RFC 8659). And `_dns.resolver.arpa` is not for the public DNS: the resolver of a network answers it, and
its devices go over to this service by themselves (RFC 9462).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dohproxy.policy.discovery.answers import RESOLVER_ARPA
from dohproxy.policy.discovery.records import (
    Record,
    address_records,
    character_strings,
    https_records,
    service_records,
)
from dohproxy.policy.discovery.served import Served
from dohproxy.wire.numbers import Qtype

ISSUERS: Final[Mapping[str, str]] = {
    "let's encrypt": "letsencrypt.org",
    "isrg": "letsencrypt.org",
    "internet security research group": "letsencrypt.org",
    "google trust services": "pki.goog",
    "zerossl": "sectigo.com",
    "sectigo": "sectigo.com",
    "buypass": "buypass.com",
    "digicert": "digicert.com",
    "globalsign": "globalsign.com",
    "actalis": "actalis.it",
    "certum": "certum.pl",
    "hellenic academic": "harica.gr",
    "harica": "harica.gr",
    "swisssign": "swisssign.com",
    "ssl.com": "ssl.com",
}
"""How authorities call themselves in their certificates, in lower case, and in a CAA record."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What should be published."""

    records: tuple[Record, ...]
    """In the zone of the service's name."""
    hosts: tuple[str, ...] = ()
    """The names that clients look up, that of the whole first."""
    for_own_network: tuple[Record, ...] = ()
    """By the resolver of the operator's own network, if at all."""
    remarks: tuple[str, ...] = ()


def publication_of(served: Served, issuer: str | None, ttl: int) -> Publication:
    """Return the records of a service; `issuer` is who has issued its certificate, as it calls itself, `ttl` is in
    seconds."""
    owner = f"{served.host}."
    records = [*address_records(served, ttl), *https_records(served, ttl)]
    records += service_records(served, f"_dns.{owner}", ttl)
    remarks = []
    homeless = [host for host, addresses in served.hosts.items() if not addresses]
    if homeless:
        remarks.append(
            f"A and AAAA of {' and '.join(homeless)} are missing here: which addresses clients connect to is not known,"
            " give them by --address or in discovery.addresses"
        )
    authority = None if issuer is None else caa_name(issuer)
    if authority is not None:
        records.append(_caa(owner, authority, ttl))
    else:
        remarks.append("CAA: the documentation of whoever issues the certificate has the name for it")
    own = service_records(served, f"_dns.{RESOLVER_ARPA}", ttl)
    return Publication(tuple(records), tuple(served.hosts), tuple(own), tuple(remarks))


def caa_name(issuer: str) -> str | None:
    """Return what a CAA record calls an authority, None if that is not known here."""
    found = issuer.lower()
    return next((name for word, name in ISSUERS.items() if word in found), None)


def zone_lines(publication: Publication) -> Iterator[str]:
    """Yield the lines of a zone file. What is not for it is a comment there."""
    yield "; records to publish, ready for a zone file"
    yield from (record.line for record in publication.records)
    if publication.for_own_network:
        yield ""
        yield "; not for a zone, but for the resolver of your own network, so that devices find this service by"
        yield "; themselves (RFC 9462)"
        yield from (f"; {record.line}" for record in publication.for_own_network)
    yield from (f"; {remark}" for remark in publication.remarks)


def questions_of(publication: Publication, host: str) -> list[tuple[str, Qtype]]:
    """Return what to ask a resolver: the records themselves, both kinds of addresses of each name, and CAA of `host` up
    to the top, as authorities do (RFC 8659 section 3)."""
    wanted = {(one.owner, one.rtype): None for one in publication.records}
    wanted |= {(f"{name}.", rtype): None for name in publication.hosts for rtype in (Qtype.A, Qtype.AAAA)}
    wanted |= {(name, Qtype.CAA): None for name in above(f"{host}.")}
    return list(wanted)


def above(owner: str) -> list[str]:
    """Return a name and those above it, but for the root."""
    labels = owner.rstrip(".").split(".")
    return [".".join(labels[start:]) + "." for start in range(len(labels))]


def _caa(owner: str, authority: str, ttl: int) -> Record:
    rdata = b"\x00" + character_strings(b"issue") + authority.encode()
    return Record(owner, Qtype.CAA, ttl, f'0 issue "{authority}"', rdata)

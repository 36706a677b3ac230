"""The DNS records by which clients find the service: which there should be.

A and AAAA lead to it. HTTPS (RFC 9460) tells a client before its first connection that there is HTTP/2. SVCB at
`_dns.` tells clients that know the name alone, as Android's, that it speaks DoH and by which path (RFC 9461). CAA says
who may issue its certificates (RFC 8659). And `_dns.resolver.arpa` is not for the public DNS: the resolver of a
network answers it, and its devices go over to this service by themselves (RFC 9462).
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from dohproxy.config import Config
from dohproxy.doh.stamp import DEFAULT_PORTS, Protocol
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import Qtype

IPAddress = IPv4Address | IPv6Address

TTL_SECONDS: Final = 3_600
"""An hour: as long as a change of address may take to be seen, and no more."""
HTTPS_PORT: Final = DEFAULT_PORTS[Protocol.DOH]
ALPN, PORT, DOHPATH = 1, 3, 7
"""Keys of service parameters (RFC 9460 section 14.3.2, RFC 9461 section 5)."""
H2: Final = b"h2"
RESOLVER_ARPA: Final = "_dns.resolver.arpa."

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
class Record:
    """One record, as a zone file has it and as it is on the wire."""

    owner: str
    """With the final dot."""
    rtype: Qtype
    data: str
    rdata: bytes
    is_public: bool = True

    @property
    def line(self) -> str:
        """The line of a zone file."""
        return f"{self.owner} {TTL_SECONDS} IN {self.rtype.name} {self.data}"


@dataclass(frozen=True, slots=True)
class Publication:
    """What should be published."""

    records: tuple[Record, ...]
    remarks: tuple[str, ...] = ()


def addresses_of(config: Config, own: Sequence[IPAddress]) -> list[IPAddress]:
    """Return where clients connect, as far as that is known: the public addresses that are listened on, `own` ones of
    this machine among them. Behind a front proxy, or a router that changes addresses, that is not known here."""
    if config.clients.address_from != "connection":
        return []
    found: dict[IPAddress, None] = {}
    for one in config.server.listen:
        if one.kind != "tcp":
            continue
        host = ip_address(one.host.partition("%")[0])
        found |= dict.fromkeys(own_one for own_one in own if host.is_unspecified and own_one.version == host.version)
        found |= {} if host.is_unspecified else {host: None}
    return [address for address in found if address.is_global]


def publication_of(host: str, port: int, path: str, addresses: Sequence[IPAddress], issuer: str | None) -> Publication:
    """Return the records of a service under a name; `issuer` is who has issued its certificate, as it calls itself."""
    owner = f"{host}."
    records = [_address(owner, one) for one in dict.fromkeys(addresses)]
    remarks = []
    if not addresses:
        remarks.append(
            "A and AAAA are missing here: which addresses clients connect to is not known, give them by --address"
        )
    records.append(_https(owner, port))
    records.append(_service(f"_dns.{owner}", owner, port, path))
    authority = None if issuer is None else caa_name(issuer)
    if authority is not None:
        records.append(_caa(owner, authority))
    else:
        remarks.append("CAA: the documentation of whoever issues the certificate has the name for it")
    records.append(_service(RESOLVER_ARPA, owner, port, path, is_public=False))
    return Publication(tuple(records), tuple(remarks))


def caa_name(issuer: str) -> str | None:
    """Return what a CAA record calls an authority, None if that is not known here."""
    found = issuer.lower()
    return next((name for word, name in ISSUERS.items() if word in found), None)


def questions_of(publication: Publication, host: str) -> list[tuple[str, Qtype]]:
    """Return what to ask a resolver: the records themselves, both kinds of addresses, and CAA up to the top, as
    authorities do (RFC 8659 section 3)."""
    owner = f"{host}."
    wanted = {(one.owner, one.rtype): None for one in publication.records if one.is_public}
    wanted |= {(owner, Qtype.A): None, (owner, Qtype.AAAA): None}
    wanted |= {(name, Qtype.CAA): None for name in above(owner)}
    return list(wanted)


def above(owner: str) -> list[str]:
    """Return a name and those above it, but for the root."""
    labels = owner.rstrip(".").split(".")
    return [".".join(labels[start:]) + "." for start in range(len(labels))]


# --- What is to be published ---


def _address(owner: str, address: IPAddress) -> Record:
    return Record(owner, Qtype.A if address.version == 4 else Qtype.AAAA, str(address), address.packed)


def _https(owner: str, port: int) -> Record:
    """At another port the record stands at a name of its own, and leads back (RFC 9460 section 9.1)."""
    parts = {ALPN: strings(H2)} | ({} if port == HTTPS_PORT else {PORT: port.to_bytes(2)})
    name, target = (owner, ".") if port == HTTPS_PORT else (f"_{port}._https.{owner}", owner)
    words = f'1 {target} alpn="h2"' + ("" if port == HTTPS_PORT else f" port={port}")
    return Record(name, Qtype.HTTPS, words, _service_rdata(target, parts))


def _service(name: str, owner: str, port: int, path: str, *, is_public: bool = True) -> Record:
    template = f"{path}{{?dns}}"
    parts = {ALPN: strings(H2), DOHPATH: template.encode()}
    parts |= {} if port == HTTPS_PORT else {PORT: port.to_bytes(2)}
    told_port = "" if port == HTTPS_PORT else f" port={port}"
    # The number of the key, as name servers of today's distributions do not know its name yet.
    words = f'1 {owner} alpn="h2"{told_port} key{DOHPATH}="{template}"'
    return Record(name, Qtype.SVCB, words, _service_rdata(owner, parts), is_public)


def _caa(owner: str, authority: str) -> Record:
    return Record(owner, Qtype.CAA, f'0 issue "{authority}"', b"\x00\x05issue" + authority.encode())


def strings(*texts: bytes) -> bytes:
    return b"".join(len(text).to_bytes() + text for text in texts)


def _service_rdata(target: str, parts: Mapping[int, bytes]) -> bytes:
    written = (struct.pack("!HH", key, len(value)) + value for key, value in sorted(parts.items()))
    return (1).to_bytes(2) + from_text(target) + b"".join(written)

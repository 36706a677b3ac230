"""The records by which clients find a service, as a zone file has them and as they are on the wire.

A and AAAA lead to it. HTTPS (RFC 9460) tells a client before its first connection that there is HTTP/2. SVCB tells
clients which protocols there are, at which port, and by which path they ask over HTTP (RFC 9461).
"""

import struct
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from dohproxy.policy.discovery.served import IPAddress, Served, Service
from dohproxy.value import value
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import Qtype

ALPN: Final = 1
PORT: Final = 3
IPV4HINT: Final = 4
IPV6HINT: Final = 6
DOHPATH: Final = 7
"""Keys of service parameters (RFC 9460 section 14.3.2, RFC 9461 section 5)."""
HINTS: Final = frozenset({IPV4HINT, IPV6HINT})


@value
class Record:
    """One record."""

    owner: str
    """With the final dot."""
    rtype: Qtype
    ttl: int
    """In seconds."""
    data: str
    """As a zone file has it."""
    rdata: bytes

    @property
    def line(self) -> str:
        """The line of a zone file."""
        return f"{self.owner} {self.ttl} IN {self.rtype.name} {self.data}"


def address_records(served: Served, ttl: int) -> list[Record]:
    """Return A and AAAA of each name that clients look up, those of the whole first."""
    return [
        Record(f"{host}.", Qtype.A if one.version == 4 else Qtype.AAAA, ttl, str(one), one.packed)
        for host, addresses in served.hosts.items()
        for one in addresses
    ]


def https_records(served: Served, ttl: int) -> list[Record]:
    """Return HTTPS for each way that goes over HTTP. At another port than 443 the record stands at a name of its own,
    and leads back (RFC 9460 section 9.1)."""
    found = []
    for one in served.services:
        if one.path is None:
            continue
        owner = f"{one.host or served.host}."
        parameters = _Parameters()
        parameters.add_protocols(one)
        parameters.add_port(one)
        name, target = (owner, ".") if one.has_usual_port else (f"_{one.port}._https.{owner}", owner)
        found.append(parameters.record(name, Qtype.HTTPS, ttl, 1, target))
    return found


def service_records(served: Served, owner: str, ttl: int) -> list[Record]:
    """Return SVCB for each way to ask, under a name with its final dot; the preferred way has the lowest priority."""
    found = []
    for priority, one in enumerate(served.services, start=1):
        parameters = _Parameters()
        parameters.add_protocols(one)
        parameters.add_port(one)
        parameters.add_hints(served.addresses_for(one))
        parameters.add_path(one)
        found.append(parameters.record(owner, Qtype.SVCB, ttl, priority, f"{one.host or served.host}."))
    return found


def character_strings(*texts: bytes) -> bytes:
    """Return texts of up to 255 bytes each as they stand in rdata, and in a list of protocols: each behind its length.

    RFC 1035 section 3.3, RFC 9460 section 7.1.1.
    """
    return b"".join(len(text).to_bytes() + text for text in texts)


class _Parameters:
    """The parameters of one service, in words and in bytes."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._values: dict[int, bytes] = {}

    def add_protocols(self, service: Service) -> None:
        self._words.append(f'alpn="{b",".join(service.protocols).decode()}"')
        self._values[ALPN] = character_strings(*service.protocols)

    def add_port(self, service: Service) -> None:
        if not service.has_usual_port:
            self._words.append(f"port={service.port}")
            self._values[PORT] = service.port.to_bytes(2)

    def add_hints(self, addresses: Sequence[IPAddress]) -> None:
        four = [one for one in addresses if isinstance(one, IPv4Address)]
        six = [one for one in addresses if isinstance(one, IPv6Address)]
        if four:
            self._words.append(f"ipv4hint={','.join(map(str, four))}")
            self._values[IPV4HINT] = b"".join(one.packed for one in four)
        if six:
            self._words.append(f"ipv6hint={','.join(map(str, six))}")
            self._values[IPV6HINT] = b"".join(one.packed for one in six)

    def add_path(self, service: Service) -> None:
        if service.path is not None:
            template = f"{service.path}{{?dns}}"
            # The number of the key, as name servers of today's distributions do not know its name yet.
            self._words.append(f'key{DOHPATH}="{template}"')
            self._values[DOHPATH] = template.encode()

    def record(self, owner: str, rtype: Qtype, ttl: int, priority: int, target: str) -> Record:
        data = " ".join((str(priority), target, *self._words))
        return Record(owner, rtype, ttl, data, service_rdata(priority, target, self._values))


def service_rdata(priority: int, target: str, parameters: Mapping[int, bytes]) -> bytes:
    """Return the rdata of HTTPS or SVCB, in which parameters stand in the order of their keys (RFC 9460 section
    2.2)."""
    written = (struct.pack("!HH", key, len(text)) + text for key, text in sorted(parameters.items()))
    return priority.to_bytes(2) + from_text(target) + b"".join(written)

"""From a connection, or a request on it, to the `Client` that the limits see."""

import socket
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dohproxy.config import ClientsConfig
from dohproxy.frontends.connections import ConnectionSlot
from dohproxy.outcomes import Client
from dohproxy.policy.forwarded import AddressSource, AddressStatus, ClientAddresses, trusted_by
from dohproxy.policy.identity import Identities
from dohproxy.policy.member_networks import MemberNetworks


class ClientResolver:
    """Knows where a client's address is to be read, and whom to believe."""

    def __init__(self, identities: Identities, config: ClientsConfig) -> None:
        self._identities = identities
        self.member_networks = MemberNetworks(config.member_seconds)
        """Whence members' tokens have come."""
        self.statuses: Counter[AddressStatus] = Counter()
        """How each request's address was found; only counted behind a front proxy."""
        self.field: str | None = None
        """The header field that names clients, None if none does."""
        self.adopt(config)

    def adopt(self, config: ClientsConfig) -> None:
        """Take other rules about whom to believe."""
        self._source = AddressSource(config.address_from)
        self._trusted = trusted_by(config)
        self._identities.name_proxies(config.trusted_networks)
        self.member_networks.adopt(config.member_seconds)
        self._addresses = ClientAddresses(self._source, self._trusted)
        named = self._source in (AddressSource.X_FORWARDED_FOR, AddressSource.FORWARDED)
        self.field = self._source.value if named else None

    def expects_proxy_header(self, packed: bytes | None) -> bool:
        """Tell whether a connection from this peer must begin with a PROXY header."""
        return self._source is AddressSource.PROXY_PROTOCOL and self._trusted.includes(packed)

    def speaks_for_others(self, packed: bytes | None) -> bool:
        """Tell whether this peer is a front proxy whose requests name their clients: its connections are nobody's."""
        return self.field is not None and self._trusted.includes(packed)

    def is_front_proxy(self, packed: bytes | None) -> bool:
        """Tell whether this peer is one of the front proxies, whatever it tells of its clients, or a Unix socket: at
        its other end is a program of this machine."""
        return packed is None or self._trusted.includes(packed)

    def of_connection(self, packed: bytes | None, slot: ConnectionSlot | None = None) -> Client:
        """Return the client at the other end of a connection; None is a Unix socket. With a `slot` whose client has
        shown a certificate it is a member."""
        client = self._identities.client(packed or b"")
        if slot is None or slot.certificate is None:
            return client
        return self._identities.member(client, slot.certificate)

    def note_certificate(self, client: Client, certificate: bytes, slot: ConnectionSlot, now: float) -> None:
        """A client has shown a member's certificate, by its digest: its connection goes before strangers', and so do
        others from where it comes from."""
        self.member_networks.note(client, certificate, now)
        slot.shows(certificate)

    def of_request(self, packed: bytes | None, lines: Sequence[str]) -> Client:
        """Return the client that a request is from, by the configured header field's lines."""
        found = self._addresses.find(packed, tuple(lines))
        self.statuses[found.status] += 1
        return self._identities.client(found.address)

    def of_member(self, client: Client, token: bytes, slot: ConnectionSlot, now: float) -> Client:
        """Return this client as the member whose valid token has come with a request on a connection. The connection
        goes before strangers' from now on, and so do others from where it comes from; not where the same token comes
        from everywhere."""
        if self.member_networks.note(client, token, now):
            slot.belongs_to(token)
        return self._identities.member(client, token)


def packed_address(family: int, address: Any) -> bytes | None:
    """Return a socket's address, as `accept` gives it, in packed form; None for a Unix socket."""
    if family == socket.AF_UNIX:
        return None
    host: str = address[0]
    return socket.inet_pton(family, host.partition("%")[0])

"""What is served, as far as it matters to who looks for it: a name, addresses, and the ways to ask there.

Everything that is told of the service in the DNS is made from this one value: what clients are answered, what
`dohproxy records` prints, and what the doctor looks for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from dohproxy.config import Config, ListenAddress
from dohproxy.value import value

IPAddress = IPv4Address | IPv6Address

H2: Final = b"h2"
H3: Final = b"h3"
DOT: Final = b"dot"
HTTPS_PORT: Final = 443
DEFAULT_PORTS: Final[Mapping[bytes, int]] = {H2: HTTPS_PORT, H3: HTTPS_PORT, DOT: 853}
"""By protocol, as ALPN calls it: where clients connect that are told no port (RFC 9461 section 4.2)."""


@value
class Service:
    """One way to ask: protocols at one port."""

    protocols: tuple[bytes, ...]
    """As ALPN calls them (RFC 9460 section 7.1), the preferred first; at least one, all with the same usual port."""
    port: int
    path: str | None = None
    """Of the DoH resource; None where there is no HTTP."""
    host: str | None = None
    """The name to ask for there, if it is another than that of the whole."""
    addresses: tuple[IPAddress, ...] | None = None
    """Where clients connect for it, if that is elsewhere than for the whole; none if that is not known here."""

    @property
    def has_usual_port(self) -> bool:
        """Whether clients connect there that are told no port."""
        return self.port == DEFAULT_PORTS[self.protocols[0]]


@value
class Served:
    """A service under a name that its certificate is for."""

    host: str
    """A host name in lower case, without its final dot."""
    services: tuple[Service, ...]
    """The preferred first."""
    addresses: tuple[IPAddress, ...] = ()
    """Where clients connect; none if that is not known here."""

    def addresses_for(self, service: Service) -> tuple[IPAddress, ...]:
        """Return where clients connect for one of the ways to ask."""
        return self.addresses if service.addresses is None else service.addresses

    @property
    def hosts(self) -> Mapping[str, tuple[IPAddress, ...]]:
        """Each name that clients look up, that of the whole first, and where it has to lead; nowhere that is known, if
        that is not known of the preferred way under it: the rest would be half of the truth."""
        found: dict[str, dict[IPAddress, None]] = {}
        for one in self.services:
            host, addresses = one.host or self.host, self.addresses_for(one)
            if found.setdefault(host, dict.fromkeys(addresses)):
                found[host].update(dict.fromkeys(addresses))
        return {host: tuple(addresses) for host, addresses in found.items()}


def served_of(config: Config, own: Sequence[IPAddress] = (), given: Sequence[IPAddress] = ()) -> Served:
    """Return what a configuration serves, by its own words; at the addresses `given`, if there are any, else as
    `addresses_of` says with `own` ones."""
    addresses = tuple(given) or tuple(addresses_of(config, own))
    return Served(config.server.host, tuple(_services(config, addresses, own, is_given=bool(given))), addresses)


def covered(served: Served, covers: Callable[[str], bool]) -> Served | None:
    """Return what is served under names that the certificate, by `covers`, is for; None if it is not for the name of
    the whole, which clients insist on whatever way they take (RFC 9462 section 5)."""
    if not covers(served.host):
        return None
    services = tuple(one for one in served.services if one.host is None or covers(one.host))
    return replace(served, services=services)


def addresses_of(config: Config, own: Sequence[IPAddress] = (), protocol: bytes = H2) -> list[IPAddress]:
    """Return where clients connect, as far as that is known: the addresses that the operator names, else the public
    ones that are listened on for a protocol, `own` ones of this machine among them. Behind a front proxy, or a router
    that changes addresses, that is not known here."""
    if config.discovery.addresses:
        return list(dict.fromkeys(config.discovery.addresses))
    if not is_met_directly(config, protocol):
        return []
    found: dict[IPAddress, None] = {}
    for one in _listeners(config, protocol):
        if one.kind != "tcp":
            continue
        host = ip_address(one.host.partition("%")[0])
        found |= dict.fromkeys(own_one for own_one in own if host.is_unspecified and own_one.version == host.version)
        found |= {} if host.is_unspecified else {host: None}
    return [address for address in found if address.is_global]


def is_met_directly(config: Config, protocol: bytes) -> bool:
    """Tell whether clients of a protocol connect to this service itself, and to no front proxy. A field of HTTP says
    whom a front proxy for DoH brings, and nothing of DoT; the PROXY protocol stands before either."""
    source = config.clients.address_from
    return source == "connection" or (protocol == DOT and source != "proxy-protocol")


def public_port(config: Config, protocol: bytes = H2) -> int:
    """Return the port that clients of a protocol connect to, if nobody says otherwise."""
    said = config.discovery.dot_port if protocol == DOT else config.discovery.port
    if said:
        return said
    ports = [one.port for one in _listeners(config, protocol) if one.is_public and one.port]
    # What listens on loopback or a Unix socket has something in front of it, and that has the protocol's own port.
    return ports[0] if ports and is_met_directly(config, protocol) else DEFAULT_PORTS[protocol]


def _listeners(config: Config, protocol: bytes) -> Sequence[ListenAddress]:
    return config.dot.listen if protocol == DOT else config.server.listen


def _services(
    config: Config, addresses: tuple[IPAddress, ...], own: Sequence[IPAddress], *, is_given: bool
) -> Iterator[Service]:
    """Yield the ways to ask. DoH comes first, as it passes where other ports than 443 are closed."""
    protocols = (H3, H2) if config.discovery.http3 else (H2,)
    # Each way that the configuration opens is one more of these, and all that is told follows.
    yield Service(protocols, public_port(config), config.server.path)
    if config.dot.listen:
        found = addresses if is_given else tuple(addresses_of(config, own, DOT))
        elsewhere = found if set(found) != set(addresses) else None
        yield Service((DOT,), public_port(config, DOT), host=config.dot.host, addresses=elsewhere)

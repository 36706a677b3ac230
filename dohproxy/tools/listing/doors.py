"""The ways into a service, as stamps name them: a protocol, a host, a path, and where clients connect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dohproxy.config import Config
from dohproxy.config.addresses import bracketed
from dohproxy.doh.path_token import digest_in
from dohproxy.doh.stamp import DEFAULT_PORTS, Properties, Protocol, Stamp, split_port
from dohproxy.dot.member_name import digest_in_name
from dohproxy.policy.discovery.served import DOT, is_met_directly, public_port
from dohproxy.tools.stamps import StampAddress, listened_places, places_of


@dataclass(frozen=True, slots=True)
class Door:
    """One of them."""

    protocol: Protocol
    host: str
    host_key: str
    """Where the host is configured."""
    path: str
    """Of the DoH resource; "" where the protocol has none."""
    places: tuple[StampAddress, ...]
    """Where clients connect; an empty address stands for those that are not known here."""

    def stamp(self, place: StampAddress, properties: Properties, hashes: tuple[bytes, ...]) -> Stamp:
        """Return the stamp of one place. A port stands with the host alone: today's clients refuse one in the address
        (`doh/stamp.py`)."""
        port = "" if place.port == DEFAULT_PORTS[self.protocol] else f":{place.port}"
        return Stamp(
            self.protocol,
            properties,
            address=bracketed(place.address),
            hashes=hashes,
            host=f"{bracketed(self.host)}{port}",
            path=self.path,
        )

    def is_members(self, stamp: Stamp) -> bool:
        """Tell whether a stamp has a member's token, in its path or in its host."""
        if self.protocol is Protocol.DOH:
            return digest_in(stamp.path, self.path) is not None
        return digest_in_name(split_port(stamp.host)[0], self.host) is not None


Doors = Mapping[Protocol, Door]
"""Those that a service has."""


def doors_of(config: Config, given: Sequence[str]) -> Doors:
    """Return the doors of a configured service, at the addresses `given` (`IP` or `IP:port`, of HTTPS), else at those
    that are listened on. Raises BadStamp if one of these is no address."""
    server, places = config.server, places_of(config, given).found
    doors = {Protocol.DOH: Door(Protocol.DOH, server.host, "server.host", server.path, places)}
    if config.dot.listen:
        key = "server.host" if config.dot.host is None else "dot.host"
        found = _dot_places(config, places if given or config.discovery.addresses else ())
        doors[Protocol.DOT] = Door(Protocol.DOT, config.dot_host, key, "", found)
    return doors


def _dot_places(config: Config, given: Sequence[StampAddress]) -> tuple[StampAddress, ...]:
    port = public_port(config, DOT)
    if given:
        return tuple(StampAddress(one.address, port) for one in given)
    if not is_met_directly(config, DOT):
        return (StampAddress("", port),)
    places = listened_places(config.dot.listen, port).found
    if not config.discovery.dot_port:
        return places
    return tuple(dict.fromkeys(replace(one, port=port) for one in places))

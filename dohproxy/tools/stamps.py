"""The DNS stamps of a configured service: one for each address that clients reach it at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final

from dohproxy.config import Config, ListenAddress, ServerConfig
from dohproxy.config.addresses import bracketed
from dohproxy.doh.stamp import DEFAULT_PORTS, BadStamp, Properties, Protocol, Stamp, is_address
from dohproxy.doh.stamp_codec import encode
from dohproxy.policy.discovery.served import addresses_of, public_port
from dohproxy.tls.certificates import Certificate, Chain

HTTPS: Final = DEFAULT_PORTS[Protocol.DOH]


@dataclass(frozen=True, slots=True)
class StampAddress:
    """Where clients connect: an IP literal without brackets, empty if they are to look up the host, and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return _with_port(self.address, self.port) if self.address else f"an address to be looked up, port {self.port}"


@dataclass(frozen=True, slots=True)
class StampAddresses:
    """All places of a service, and sentences about those that a stamp cannot hold."""

    found: tuple[StampAddress, ...]
    remarks: tuple[str, ...]


def places_of(config: Config, given: Sequence[str]) -> StampAddresses:
    """Return where clients connect: at the addresses `given`, else where the configuration says that they do, else at
    those that are listened on.

    `given` holds `IP` or `IP:port`. Raises BadStamp if one is neither.
    """
    port = public_port(config)
    if given:
        return StampAddresses(tuple(_parse_place(text, port) for text in given), ())
    if is_address_literal(config.server.host):
        return StampAddresses((StampAddress(config.server.host, port),), ())
    if config.discovery.addresses:
        return StampAddresses(tuple(StampAddress(str(one), port) for one in addresses_of(config)), ())
    if config.clients.address_from != "connection":
        return StampAddresses(
            (StampAddress("", port),), (f"Behind a front proxy its address is not known here. {_REMEDY}",)
        )
    places = listened_places(config.server.listen, port)
    if not config.discovery.port:
        return places
    return replace(places, found=tuple(dict.fromkeys(replace(one, port=port) for one in places.found)))


@dataclass(frozen=True, slots=True)
class StampSheet:
    """What to give away, and what to know before."""

    text: str
    """Each stamp on a line of its own, under a line that begins with # and says which it is."""
    remarks: tuple[str, ...]


def stamp_sheet(
    config: Config, chain: Chain | None, given: Sequence[str], properties: Properties, *, with_plain: bool
) -> StampSheet:
    """Return the stamps of all places: without certificate hash if `with_plain`, and with one if there is a `chain`.

    Raises BadStamp if one of the addresses `given` is none.
    """
    places = places_of(config, given)
    pinned = None if chain is None else chain.pinned
    lines = []
    for place in places.found:
        if with_plain:
            stamp = service_stamp(config.server, place, properties, None)
            lines += [f"# {place}; any certificate that clients trust", encode(stamp)]
        if pinned is not None:
            stamp = service_stamp(config.server, place, properties, pinned)
            lines += [f"# {place}; only with {pinned.subject} in the certificate chain", encode(stamp)]
    remarks = [*places.remarks, *_host_remarks(config.server.host), *([] if chain is None else [pin_remark(chain)])]
    return StampSheet("\n".join(lines), tuple(remarks))


def service_stamp(
    server: ServerConfig, place: StampAddress, properties: Properties, pinned: Certificate | None
) -> Stamp:
    """Return the stamp of a service at one place, with the hash of `pinned` if there is one.

    A port stands with the host alone, because today's clients refuse one in the address; see `stamp.refusal`.
    """
    return Stamp(
        Protocol.DOH,
        properties,
        address=bracketed(place.address),
        hashes=() if pinned is None else (pinned.tbs_hash,),
        host=_with_port(server.host, place.port),
        path=server.path,
    )


def pin_remark(chain: Chain) -> str:
    """Return what an operator should know before giving away a stamp with the hash of `chain.pinned`."""
    if chain.pinned is chain.server:
        others = (
            "no other is in its file"
            if len(chain.certificates) == 1
            else "nothing else in its file is below a root, which clients have already and servers leave out"
        )
        return (
            f"The hash is that of the server's own certificate, as {others}: the next renewal ends every stamp that was"
            " given away. Put the full chain there if there is more of it, or give away the stamp without hash."
        )
    return (
        f"The hash is that of {chain.pinned.subject}: clients refuse the service from the day on which its authority"
        " signs with another one, as some do every few months. Unless you would notice, give away the stamp without"
        " hash."
    )


_REMEDY: Final = (
    "These stamps have none, so clients must look up the host by some other resolver first: give --address with the"
    " address that clients connect to."
)


def _host_remarks(host: str) -> Iterator[str]:
    if host == "localhost":
        yield 'server.host is "localhost", which leads every client to itself: write the public name there.'


def listened_places(listeners: Sequence[ListenAddress], port: int) -> StampAddresses:
    """Return where clients connect to these listeners; on `port`, where that is not known."""
    bound = [one for one in listeners if one.kind == "tcp" and one.port]
    public = [one for one in bound if one.is_public]
    wildcards = [one for one in public if ip_address(one.host).is_unspecified]
    exact = [one for one in public if one not in wildcards and "%" not in one.host]
    remarks = list(_listening_remarks(listeners, wildcards))
    places = [StampAddress(one.host, one.port) for one in exact]
    places += [StampAddress("", number) for number in dict.fromkeys(one.port for one in wildcards)]
    if not places:
        places = [StampAddress(one.host, one.port) for one in bound if not one.is_public]
        remarks += ["Only this machine can connect to a loopback address."] if places else []
    if not places:
        places = [StampAddress("", port)]
        remarks.append(f"No address that clients connect to is configured. {_REMEDY}")
    return StampAddresses(tuple(places), tuple(remarks))


def _listening_remarks(listeners: Sequence[ListenAddress], wildcards: Sequence[ListenAddress]) -> Iterator[str]:
    if wildcards:
        names = " and ".join(map(str, wildcards))
        yield f"{names}: every address of this machine, which a stamp cannot say. {_REMEDY}"
    for one in listeners:
        if one.kind == "tcp" and not one.port:
            yield f"{one} takes any free port, which a stamp cannot say; give --address with the one that is used."
        elif "%" in one.host:
            yield f"{one} has a meaning on its own network alone, so it gets no stamp."


def public_authority(config: Config) -> str:
    """Return host and port as they stand in the service's URL."""
    return _with_port(config.server.host, public_port(config))


def public_url(config: Config) -> str:
    """Return the URL of the DoH resource."""
    return f"https://{public_authority(config)}{config.server.path}"


def _parse_place(text: str, port: int) -> StampAddress:
    if is_address_literal(text):
        return StampAddress(str(ip_address(text)), port)
    if not is_address(text):
        raise BadStamp(f'This is no IP address with or without a port (IPv6 in brackets): "{text}".')
    host, colon, number = text.rpartition(":")
    if text.endswith("]") or not colon:
        host, number = text, str(port)
    return StampAddress(str(ip_address(host.strip("[]"))), int(number))


def is_address_literal(text: str) -> bool:
    """Tell whether a text is an IP address that means the same everywhere: no interface after a %."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _with_port(host: str, port: int) -> str:
    return bracketed(host) if port == HTTPS else f"{bracketed(host)}:{port}"

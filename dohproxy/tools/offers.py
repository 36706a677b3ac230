"""What the configured service offers to a client: the one place where a profile's values come from."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dohproxy.config import Config
from dohproxy.doh.stamp import NO_PROMISES, BadStamp, Protocol
from dohproxy.policy.discovery.served import DOT, public_port
from dohproxy.profiles.offer import DotOffer, Offer
from dohproxy.tls.certificates import read_chain, read_chain_file
from dohproxy.tools.invitations import dot_name_of, seen_by_member
from dohproxy.tools.listing.doors import doors_of
from dohproxy.tools.stamps import StampAddress, places_of, public_url, stamp_sheet
from dohproxy.x509 import UnreadableCertificate, public_key_info, read_pem


@dataclass(frozen=True, slots=True)
class OfferSheet:
    """An offer, and what to know of it before a profile is given away."""

    offer: Offer
    remarks: tuple[str, ...]
    lacks_tls: str = ""
    """Why DNS over TLS is not offered although it is served, in a sentence."""


def offer_of(config: Config, given: Sequence[str] = (), token: str = "", pinned: bytes = b"") -> OfferSheet:
    """Return what everybody is offered, or the member with this token, at the addresses `given` as `IP` or `IP:port`,
    else at those that are listened on.

    With a chain in `pinned`, PEM, stamps have the hash of a certificate, and clients of DNS over TLS the key's. Raises
    BadStamp if an address is none, and UnreadableCertificate.
    """
    seen = seen_by_member(config, token) if token else config
    places = places_of(seen, given)
    chain = read_chain(pinned) if pinned else None
    try:
        sheet = stamp_sheet(seen, chain, given, NO_PROMISES, with_plain=chain is None)
        stamps = tuple(line for line in sheet.text.splitlines() if not line.startswith("#"))
        remarks = sheet.remarks
    except BadStamp as fault:
        # A stamp has less room for a path than a URL has.
        stamps, remarks = (), (*places.remarks, str(fault))
    dot = _dot_offer(config, given, token)
    is_good = dot is None or _is_certified(config, dot.name)
    offer = Offer(
        title=config.about.name or config.server.host,
        host=config.server.host,
        url=public_url(seen),
        addresses=_addresses(places.found, public_port(config)),
        stamps=stamps,
        dot=dot if is_good else None,
        key_pin=_key_pin(pinned) if pinned else "",
    )
    if dot is None or is_good:
        return OfferSheet(offer, remarks)
    wanted = f"*.{config.dot_host}" if token else dot.name
    lack = f"The certificate is not for {wanted}, and every client of DNS over TLS would refuse it."
    return OfferSheet(offer, remarks, f"{lack} Have it issued for that name too, or take a kind for DNS over HTTPS.")


def _is_certified(config: Config, name: str) -> bool:
    """Tell whether the certificate on the disk is for a name, as far as it can be read; a front proxy's is not known
    here."""
    try:
        return config.tls is None or read_chain_file(config.tls.certificate).server.matches(name)
    except (UnreadableCertificate, OSError):
        return True


def _dot_offer(config: Config, given: Sequence[str], token: str) -> DotOffer | None:
    """Return where DNS over TLS is served, with a token under its member's own name; None: nowhere."""
    name = dot_name_of(config, token)
    if name is None:
        return None
    port = public_port(config, DOT)
    return DotOffer(name, port, _addresses(doors_of(config, given)[Protocol.DOT].places, port))


def _addresses(places: Iterable[StampAddress], port: int) -> tuple[str, ...]:
    """Return the addresses at which the service is on this port: a profile names one port for all of them."""
    return tuple(dict.fromkeys(place.address for place in places if place.address and place.port == port))


def _key_pin(pem: bytes) -> str:
    return base64.b64encode(hashlib.sha256(public_key_info(read_pem(pem)[0])).digest()).decode()

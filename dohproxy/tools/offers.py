"""What the configured service offers to a client: the one place where a profile's values come from."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dohproxy.config import Config
from dohproxy.doh.stamp import NO_PROMISES, BadStamp
from dohproxy.policy.discovery.served import DOT, served_of
from dohproxy.profiles.offer import DotOffer, Offer
from dohproxy.tls.certificates import read_chain
from dohproxy.tools.invitations import dot_name_of, seen_by_member
from dohproxy.tools.stamps import StampAddresses, places_of, public_url, stamp_sheet
from dohproxy.x509 import public_key_info, read_pem


@dataclass(frozen=True, slots=True)
class OfferSheet:
    """An offer, and what to know of it before a profile is given away."""

    offer: Offer
    remarks: tuple[str, ...]


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
    offer = Offer(
        title=config.about.name or config.server.host,
        host=config.server.host,
        url=public_url(seen),
        addresses=_addresses(places),
        stamps=stamps,
        dot=_dot_offer(config, given, token),
        key_pin=_key_pin(pinned) if pinned else "",
    )
    return OfferSheet(offer, remarks)


def _dot_offer(config: Config, given: Sequence[str], token: str) -> DotOffer | None:
    """Return where DNS over TLS is served, with a token under its member's own name; None: nowhere."""
    name = dot_name_of(config, token)
    if name is None:
        return None
    port = next(one.port for one in served_of(config).services if DOT in one.protocols)
    # What is listened on for it, and not for HTTPS; an address that is given is where both are.
    listened = replace(config, server=replace(config.server, listen=config.dot.listen, host=config.dot_host))
    return DotOffer(name, port, _addresses(places_of(listened, given)))


def _addresses(places: StampAddresses) -> tuple[str, ...]:
    return tuple(dict.fromkeys(place.address for place in places.found if place.address))


def _key_pin(pem: bytes) -> str:
    return base64.b64encode(hashlib.sha256(public_key_info(read_pem(pem)[0])).digest()).decode()

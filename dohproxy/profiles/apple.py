"""Configuration profiles for iOS, iPadOS, macOS and visionOS: encrypted DNS for the whole device.

Apple documents them under DeviceManagement, "DNSSettings". A profile that is installed by hand holds on every network,
mobile data included. It can be switched off again under Settings, DNS, and removed.
"""

import json
import plistlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dohproxy.profiles.offer import Offer, Wishes, is_name

MEDIA_TYPE: Final = "application/x-apple-aspen-config"
"""With which Safari offers to install it."""
PAYLOAD_TYPE: Final = "com.apple.dnsSettings.managed"


def https_profile(offer: Offer, wishes: Wishes) -> bytes:
    """Return a profile for DNS over HTTPS, unsigned. The device appends `?dns=` to the URL itself."""
    settings = {"DNSProtocol": "HTTPS", "ServerURL": offer.url, **_addresses(offer.addresses)}
    return _profile(offer, wishes, settings, "https", "DNS over HTTPS")


def tls_profile(offer: Offer, wishes: Wishes) -> bytes:
    """Return a profile for DNS over TLS, unsigned. The device connects to port 853 and can be told no other."""
    dot = offer.over_tls()
    settings = {"DNSProtocol": "TLS", "ServerName": dot.name, **_addresses(dot.addresses)}
    return _profile(offer, wishes, settings, "tls", "DNS over TLS")


def _profile(offer: Offer, wishes: Wishes, settings: Mapping[str, Any], suffix: str, protocol: str) -> bytes:
    # A device replaces a profile by another with the same identifier: so a renewed one comes in the old one's place.
    identifier = f"{_reversed(offer.host)}.dns.{suffix}"
    payload: dict[str, Any] = {
        "PayloadType": PAYLOAD_TYPE,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{identifier}.settings",
        "PayloadDisplayName": offer.title,
        "PayloadDescription": f"{protocol} by {offer.host}",
        "DNSSettings": settings,
        "ProhibitDisablement": False,
    }
    if wishes.except_wifi:
        payload["OnDemandRules"] = _rules(wishes)
    profile: dict[str, Any] = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        # Encrypted DNS is a setting of the device; recent macOS does not install it for one user alone.
        "PayloadScope": "System",
        "PayloadIdentifier": identifier,
        "PayloadDisplayName": offer.title,
        "PayloadOrganization": offer.title,
        "PayloadDescription": f"Has this device ask {offer.host} for names, by {protocol}.",
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [payload],
    }
    # Of the same content the same: whoever makes a profile anew without a change has the very file.
    content = json.dumps(profile, sort_keys=True)
    payload["PayloadUUID"] = _uuid("settings", content)
    profile["PayloadUUID"] = _uuid("profile", content)
    return plistlib.dumps(profile, sort_keys=False)


def _addresses(addresses: Sequence[str]) -> dict[str, list[str]]:
    """Return them as the key has them; without it the device looks up the host."""
    return {"ServerAddresses": list(addresses)} if addresses else {}


def _rules(wishes: Wishes) -> list[dict[str, Any]]:
    """Return rules of which the first that matches holds."""
    named = {"Action": "Disconnect", "InterfaceTypeMatch": "WiFi", "SSIDMatch": list(wishes.except_wifi)}
    return [named, {"Action": "Connect"}]


def _reversed(host: str) -> str:
    labels = host.lower().split(".")
    return ".".join(reversed(labels)) if is_name(host) else f"address.{host.replace(':', '-')}"


def _uuid(part: str, content: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{part} {content}")).upper()

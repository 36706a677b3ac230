"""Policies for browsers that ask by DNS over HTTPS themselves, whatever the system does.

Each follows the vendor's schema: Firefox's `DNSOverHTTPS` (policies-schema.json), Chromium's `DnsOverHttpsMode` and
`DnsOverHttpsTemplates`, which Chrome, Edge, Brave and others share.
"""

import json
from typing import Any, Final

from dohproxy.profiles.offer import Offer, Wishes

_REGISTRY_HEAD: Final = "Windows Registry Editor Version 5.00"
_REGISTRY_KEYS: Final = (r"Google\Chrome", r"Microsoft\Edge")
"""Where each of them reads its policies below HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies."""


def firefox_policies(offer: Offer, wishes: Wishes) -> bytes:
    """Return a policies.json. What it sets can be changed by whoever uses the browser: nothing is locked."""
    settings: dict[str, Any] = {
        "Enabled": True,
        "ProviderURL": offer.url,
        # False: what this service does not answer is not resolved at all (network.trr.mode 3 instead of 2).
        "Fallback": not wishes.is_strict,
        "Locked": False,
    }
    return _json({"policies": {"DNSOverHTTPS": settings}})


def chromium_policies(offer: Offer, wishes: Wishes) -> bytes:
    """Return a file of managed policies for Chrome, Chromium, Edge and Brave on Linux."""
    return _json(_chromium(offer, wishes))


def chromium_registry(offer: Offer, wishes: Wishes) -> bytes:
    """Return a .reg file with the same for Chrome and Edge on Windows."""
    lines = [_REGISTRY_HEAD]
    for key in _REGISTRY_KEYS:
        lines += ["", rf"[HKEY_LOCAL_MACHINE\SOFTWARE\Policies\{key}]"]
        lines += [f'"{name}"="{value}"' for name, value in _chromium(offer, wishes).items()]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def template_of(offer: Offer) -> str:
    """Return the URI template (RFC 8484 section 4.1.1), with which Chromium asks by GET: answers may be cached."""
    return f"{offer.url}{{?dns}}"


def _chromium(offer: Offer, wishes: Wishes) -> dict[str, str]:
    # With "automatic" and a template, that resolver is asked first and the system's where it fails.
    mode = "secure" if wishes.is_strict else "automatic"
    return {"DnsOverHttpsMode": mode, "DnsOverHttpsTemplates": template_of(offer)}


def _json(policies: dict[str, Any]) -> bytes:
    return (json.dumps(policies, indent=2) + "\n").encode()

"""[dialects]: the ways of asking that RFC 8484 does not know, and what becomes of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

DIALECT_ACTIONS: Final = ("serve", "count", "refuse")

DIALECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "post-body-hash": "POST with ?body_hash=: every dnscrypt-proxy since 2.0.19, because some caches ignore"
        " the body. Refused, it asks the same again as a GET.",
        "post-x-pad": "POST with an X-Pad header: dnscrypt-proxy 2.0.5 to 2.0.36, padding outside the message.",
        "get-ct-empty": "GET with an empty ct=: dnscrypt-proxy 2.0.17 to 2.0.42, still in some distributions.",
        "get-ct-message": "GET with ct=application/dns-message: the doh-client of m13253, current.",
        "get-random-padding": "GET with random_padding=: dnscrypt-proxy 2.0.17 and 2.0.18, rare.",
        "get-body-param": "GET with the query twice, in body= and in dns=: dnscrypt-proxy of 2018, very rare.",
    }
)
"""Ways of asking that RFC 8484 does not know and honest clients use: what each is and who sends it."""


def serve_every_dialect() -> Mapping[str, str]:
    """Return the default of `DialectsConfig`: honest clients speak all of them, so all are served."""
    return MappingProxyType(dict.fromkeys(DIALECTS, "serve"))


@dataclass(frozen=True, slots=True)
class DialectsConfig:
    """What to do with requests that stray from RFC 8484: "serve", "count" or "refuse" each.

    "count" serves, and counts what a refusal would have hit: watch it for a day before choosing "refuse".
    """

    actions: Mapping[str, str] = field(default_factory=serve_every_dialect)
    """Dialect name (a key of `DIALECTS`, hyphens and all) to one of `DIALECT_ACTIONS`; every name is present."""

"""How a request is spelled: RFC 8484, or one of the dialects that real clients have sent since 2017.

Recognised from the method, the parameters' names and three header fields, before any base64 or DNS work. The
dialects with an entry in the configuration are served unless the operator says otherwise; the others cannot be
answered with a DNS message by any reading of the standards.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from dohproxy.doh.exchange import HttpRequest
from dohproxy.doh.media import DNS_MESSAGE, LONGEST_JUDGED, is_dns_message


class Dialect(StrEnum):
    """The value is a metric label and, for those that can be configured, the key in `[dialects]`."""

    RFC_GET = "rfc-get"
    RFC_POST = "rfc-post"
    POST_BODY_HASH = "post-body-hash"
    """dnscrypt-proxy since 2.0.19, every copy today."""
    POST_X_PAD = "post-x-pad"
    """dnscrypt-proxy 2.0.5 to 2.0.36."""
    GET_CT_EMPTY = "get-ct-empty"
    """dnscrypt-proxy 2.0.17 to 2.0.42, drafts -03 and -04."""
    GET_CT_MESSAGE = "get-ct-message"
    """m13253 doh-client 2.x."""
    GET_RANDOM_PADDING = "get-random-padding"
    """dnscrypt-proxy 2.0.17 and 2.0.18."""
    GET_BODY_PARAM = "get-body-param"
    """dnscrypt-proxy 2.0.0 to 2.0.16."""
    UDPWIREFORMAT = "udpwireformat"
    """The media type of drafts -01 to -05."""
    MESSAGE_DNS = "message-dns"
    """The media type of draft -06."""
    JSON_GOOGLE = "json-google"
    JSON_CLOUDFLARE = "json-cloudflare"
    WELL_KNOWN = "well-known"
    """The path of drafts -01 and -02."""
    OBLIVIOUS = "oblivious"
    """RFC 9230, RFC 9458."""
    B64_PADDED = "b64-padded"
    DOT = "dot"
    """None of them: it came over DNS over TLS, which has one spelling."""
    OTHER = "other"


CONFIGURABLE: Final = frozenset({
    Dialect.POST_BODY_HASH,
    Dialect.POST_X_PAD,
    Dialect.GET_CT_EMPTY,
    Dialect.GET_CT_MESSAGE,
    Dialect.GET_RANDOM_PADDING,
    Dialect.GET_BODY_PARAM,
})  # fmt: skip
"""Dialects that carry a whole RFC 8484 query and so can be served."""


def dialect_of(request: HttpRequest, path: str, parameters: Mapping[str, str]) -> Dialect:
    """Name the dialect of a request, valid or not."""
    if path == "/.well-known/dns-query":
        return Dialect.WELL_KNOWN
    if path == "/resolve":
        return Dialect.JSON_GOOGLE
    return _dialect_of_post(request, parameters) if request.method == "POST" else _dialect_of_get(request, parameters)


def _dialect_of_post(request: HttpRequest, parameters: Mapping[str, str]) -> Dialect:
    if not is_dns_message(request.content_type):
        return _dialect_of_media_type(request.content_type) or Dialect.OTHER
    if "dns" in parameters:
        return Dialect.OTHER
    if request.pad_header:
        return Dialect.POST_X_PAD
    if "body_hash" in parameters:
        return Dialect.POST_BODY_HASH
    return Dialect.RFC_POST


def _dialect_of_get(request: HttpRequest, parameters: Mapping[str, str]) -> Dialect:
    encoded = parameters.get("dns")
    if encoded is None and "name" in parameters:
        return Dialect.JSON_CLOUDFLARE
    if request.accept != DNS_MESSAGE:
        named = _dialect_of_media_type(request.accept)
        if named is not None and DNS_MESSAGE not in (request.accept or ""):
            return named
    if len(parameters) == 1 and encoded is not None:
        return Dialect.B64_PADDED if encoded.endswith("=") else Dialect.RFC_GET
    return _dialect_of_parameters(parameters)


def _dialect_of_parameters(parameters: Mapping[str, str]) -> Dialect:
    content_type = parameters.get("ct")
    if content_type:
        named = _dialect_of_media_type(content_type)
        if named is not None:
            return named
    if "body" in parameters:
        return Dialect.GET_BODY_PARAM
    if "random_padding" in parameters:
        return Dialect.GET_RANDOM_PADDING
    if content_type is not None:
        return Dialect.GET_CT_MESSAGE if content_type else Dialect.GET_CT_EMPTY
    return Dialect.RFC_GET if parameters.get("dns") else Dialect.OTHER


def _dialect_of_media_type(value: str | None) -> Dialect | None:
    """Name the dialect that a foreign media type belongs to; None for DNS messages and for strangers."""
    if not value or len(value) > LONGEST_JUDGED:
        return None
    lowered = value.lower()
    if "dns-udpwireformat" in lowered:
        return Dialect.UDPWIREFORMAT
    if "message/dns" in lowered:
        return Dialect.MESSAGE_DNS
    if "oblivious-dns-message" in lowered or "ohttp" in lowered:
        return Dialect.OBLIVIOUS
    return None

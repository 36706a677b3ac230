"""DNS queries and the HTTP/1.1 requests that carry them, as bytes made once and sent many times."""

import base64
import hashlib
import struct
from collections.abc import Sequence
from typing import Final

HOST: Final = "127.0.0.1"
PATH: Final = "/dns-query"
MEDIA_TYPE: Final = "application/dns-message"

A, NS, TXT, AAAA, HTTPS = 1, 2, 16, 28, 65
PROBE_ID: Final = 0xCAFE
"""What dnscrypt-proxy writes into its health probes; its real queries have ID 0."""
PADDING_OPTION: Final = 12
STUB_USER_AGENT: Final = "dnscrypt-proxy"
PAD_TO: Final = 64
"""dnscrypt-proxy of 2019 made body and X-Pad together a multiple of this."""


def query(
    name: str, qtype: int, *, identifier: int = 0, payload: int = 1232, dnssec: bool = False, padding: bytes = b""
) -> bytes:
    """Return a recursive query with an OPT record; `name` has no dot at its end, "" is the root."""
    labels = [label.encode("ascii") for label in name.split(".") if label]
    qname = b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"
    options = struct.pack("!HH", PADDING_OPTION, len(padding)) + padding if padding else b""
    opt = b"\x00" + struct.pack("!HHIH", 41, payload, 0x8000 if dnssec else 0, len(options)) + options
    return struct.pack("!6H", identifier, 0x0100, 1, 0, 0, 1) + qname + struct.pack("!HH", qtype, 1) + opt


def post(wire: bytes, parameters: str = "", fields: Sequence[str] = ()) -> bytes:
    """Return a POST of RFC 8484, with what a client adds to it."""
    lines = [
        f"POST {PATH}{parameters} HTTP/1.1",
        f"Host: {HOST}",
        f"Accept: {MEDIA_TYPE}",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(wire)}",
        *fields,
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + wire


def get(wire: bytes, parameters: str = "", fields: Sequence[str] = ()) -> bytes:
    """Return a GET of RFC 8484; `parameters` end in "&" and stand before `dns`."""
    encoded = base64.urlsafe_b64encode(wire).rstrip(b"=").decode("ascii")
    lines = [f"GET {PATH}?{parameters}dns={encoded} HTTP/1.1", f"Host: {HOST}", f"Accept: {MEDIA_TYPE}", *fields]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def body_hash(wire: bytes) -> str:
    """Return the parameter that every dnscrypt-proxy since 2.0.19 adds to a POST."""
    return f"?body_hash={hashlib.sha512(wire).hexdigest()[:64]}"


def stub_post_of_2019(wire: bytes) -> bytes:
    """Return a POST as dnscrypt-proxy 2.0.19 to 2.0.36 sent it, padded in a header field."""
    pad = "X" * (PAD_TO - len(wire) % PAD_TO)
    return post(wire, body_hash(wire), (f"User-Agent: {STUB_USER_AGENT}", f"X-Pad: {pad}"))


def stub_get_of_2019(wire: bytes) -> bytes:
    """Return what the same client fell back on where POST had failed: `ct` is a leftover of an early draft."""
    return get(wire, "ct=&", (f"User-Agent: {STUB_USER_AGENT}",))


def stub_post_of_today(wire: bytes) -> bytes:
    """Return a POST as dnscrypt-proxy sends it since 2.0.45."""
    return post(wire, body_hash(wire), (f"User-Agent: {STUB_USER_AGENT}", "Cache-Control: max-stale"))

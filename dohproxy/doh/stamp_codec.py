"""The bytes of DNS stamps (draft-denis-dns-stamps-02).

`sdns://` and the unpadded base64url form of a protocol byte and the protocol's parts, each behind a byte that counts
it. In a set the high bit of the count says that another value follows. Decoding is strict: one text, one stamp, but
that bootstrap addresses may be missing in two ways, as no part and as an empty set. What today's clients refuse is
read, to be explained, and never written.
"""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from dohproxy.doh.stamp import NAMES, NO_PROMISES, PARTS, BadStamp, Part, Properties, Protocol, Stamp, refusal

SCHEME: Final = "sdns://"
MAX_CHARACTERS: Final = 4096
"""Longest text decoded: a relay and a server with two dozen hashes each still fit."""
PROPERTIES_BYTES: Final = 8

RELAYED: Final[Mapping[Protocol, Protocol]] = MappingProxyType(
    {Protocol.DNSCRYPT_RELAY: Protocol.DNSCRYPT, Protocol.ODOH_RELAY: Protocol.ODOH_TARGET}
)
"""Relays, and the kind of server that each leads to."""

_MORE: Final = 0x80
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


def encode(stamp: Stamp, *, relay: Stamp | None = None) -> str:
    """Return the `sdns://` text of a server's stamp, or of the way to it through a relay.

    Raises BadStamp if today's clients refuse one of them, or if that relay cannot lead to that server.
    """
    if relay is None:
        return SCHEME + _to_base64url(_payload(stamp))
    _check_route(relay, stamp)
    return f"{SCHEME}{_to_base64url(_payload(relay))}/{_to_base64url(_payload(stamp))}"


def decode(uri: str) -> Stamp:
    """Return what a text says; raise BadStamp if it is not exactly one stamp."""
    return _from_payload(_from_base64url(_without_scheme(uri)))


def decode_route(uri: str) -> tuple[Stamp, ...]:
    """Return the stamp of an ordinary text, or relay and server of the joined form `sdns://relay/server`.

    Raises BadStamp, also if the relay cannot lead to that server.
    """
    first, slash, second = _without_scheme(uri).partition("/")
    if not slash:
        return (decode(uri),)
    relay, server = (_from_payload(_from_base64url(text)) for text in (first, second))
    _check_route(relay, server)
    return relay, server


def _check_route(relay: Stamp, server: Stamp) -> None:
    if relay.protocol not in RELAYED:
        raise BadStamp(f"The first of two stamps must be a relay's; this one is for {NAMES[relay.protocol]}.")
    if RELAYED[relay.protocol] is not server.protocol:
        raise BadStamp(f"The {NAMES[relay.protocol]} cannot lead to a server for {NAMES[server.protocol]}.")


# --- Writing ---


def _payload(stamp: Stamp) -> bytes:
    if refused := refusal(stamp):
        raise BadStamp(refused)
    written = {
        Part.PROPERTIES: stamp.properties.to_bytes(PROPERTIES_BYTES, "little"),
        Part.ADDRESS: _counted(stamp.address.encode()),
        Part.PUBLIC_KEY: _counted(stamp.public_key),
        Part.PROVIDER: _counted(stamp.provider.encode()),
        Part.HASHES: _counted_set(stamp.hashes),
        Part.HOST: _counted(stamp.host.encode()),
        Part.PATH: _counted(stamp.path.encode()),
        # The one part that may be left out altogether.
        Part.BOOTSTRAP: _counted_set([address.encode() for address in stamp.bootstrap]) if stamp.bootstrap else b"",
    }
    return bytes([stamp.protocol]) + b"".join(written[part] for part in PARTS[stamp.protocol])


def _counted(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def _counted_set(values: Sequence[bytes]) -> bytes:
    if not values:
        return b"\x00"
    return b"".join(bytes([len(value) | _MORE]) + value for value in values[:-1]) + _counted(values[-1])


def _to_base64url(payload: bytes) -> str:
    return urlsafe_b64encode(payload).decode().rstrip("=")


# --- Reading ---


def _without_scheme(uri: str) -> str:
    if len(uri) > MAX_CHARACTERS:
        raise BadStamp(f"This is longer than {MAX_CHARACTERS} characters, so hardly a stamp.")
    if not uri.startswith(SCHEME):
        raise BadStamp(f'This does not begin with "{SCHEME}".')
    return uri.removeprefix(SCHEME)


def _from_base64url(text: str) -> bytes:
    if not text:
        raise BadStamp("The stamp is empty.")
    if not _BASE64URL.fullmatch(text):
        raise BadStamp("The stamp holds characters other than letters, digits, - and _ (base64url without padding).")
    try:
        payload = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise BadStamp("The stamp has a length that base64 cannot have: characters are missing.") from None
    if _to_base64url(payload) != text:
        raise BadStamp("The last character of the stamp holds bits of no byte: it is cut off or mistyped.")
    return payload


def _from_payload(payload: bytes) -> Stamp:
    if payload[0] not in Protocol._value2member_map_:
        raise BadStamp(f"The protocol 0x{payload[0]:02x} is unknown.")
    reader = _Reader(payload)
    # In the order of the bytes; a part that the protocol does not have takes none.
    stamp = Stamp(
        reader.protocol,
        properties=reader.properties(),
        address=reader.text(Part.ADDRESS),
        public_key=reader.value(Part.PUBLIC_KEY),
        provider=reader.text(Part.PROVIDER),
        hashes=tuple(reader.values(Part.HASHES)),
        host=reader.text(Part.HOST),
        path=reader.text(Part.PATH),
        bootstrap=tuple(_text(value) for value in reader.values(Part.BOOTSTRAP)),
    )
    if reader.left:
        raise BadStamp(f"After its last part the stamp goes on for {reader.left} bytes.")
    return stamp


def _text(value: bytes) -> str:
    # One character a byte: whatever is not ASCII is refused, and shown, by `Stamp` itself.
    return value.decode("latin-1")


class _Reader:
    """Walks along the bytes of one stamp."""

    def __init__(self, payload: bytes) -> None:
        self.protocol = Protocol(payload[0])
        self._payload = payload
        self._at = 1

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._payload) - self._at

    def properties(self) -> Properties:
        if not self._has(Part.PROPERTIES):
            return NO_PROMISES
        return Properties(int.from_bytes(self._take(PROPERTIES_BYTES, Part.PROPERTIES), "little"))

    def value(self, part: Part) -> bytes:
        return self._take(self._take(1, part)[0], part) if self._has(part) else b""

    def text(self, part: Part) -> str:
        return _text(self.value(part))

    def values(self, part: Part) -> Iterator[bytes]:
        """Yield the values of a set. A single empty one is how an empty set is written."""
        goes_on = self._has(part) and (part is not Part.BOOTSTRAP or self.left > 0)
        is_first = True
        while goes_on:
            count = self._take(1, part)[0]
            goes_on = count >= _MORE
            if count != 0 or not is_first:
                yield self._take(count & ~_MORE, part)
            is_first = False

    def _has(self, part: Part) -> bool:
        return part in PARTS[self.protocol]

    def _take(self, count: int, part: Part) -> bytes:
        if count > self.left:
            raise BadStamp(f"The stamp ends within its {part.replace('_', ' ')}.")
        self._at += count
        return self._payload[self._at - count : self._at]

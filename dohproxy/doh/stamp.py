"""DNS stamps: one line that carries all a client needs to use this service (draft-denis-dns-stamps)."""

import base64
from collections.abc import Sequence
from typing import Final

_DOH: Final = b"\x02"
_PROPERTIES_BYTES: Final = 8


def doh_stamp(address: str, hashes: Sequence[bytes], host: str, path: str, *, properties: int = 0) -> str:
    """Return the `sdns://` stamp of a DoH server.

    `address`: where to connect, IPv6 in brackets, with a port unless it is 443; `hashes`: SHA-256 of the TBSCertificate
    of certificates of which one must be presented; `properties`: 1 DNSSEC, 2 no logs, 4 no filter. Raises ValueError
    if a part is longer than the one byte that counts it.
    """
    payload = _DOH + properties.to_bytes(_PROPERTIES_BYTES, "little") + _counted(address.encode())
    payload += _counted_set(hashes) + _counted(host.encode()) + _counted(path.encode())
    return "sdns://" + base64.urlsafe_b64encode(payload).decode().rstrip("=")


def _counted(value: bytes, *, more: bool = False) -> bytes:
    if len(value) > 0x7F:
        raise ValueError(f"{len(value)} bytes are too long for a part of a stamp")
    return bytes([len(value) | (0x80 if more else 0)]) + value


def _counted_set(values: Sequence[bytes]) -> bytes:
    """Return a set of values; the high bit of a length says that another follows."""
    if not values:
        return b"\x00"
    return b"".join(_counted(value, more=True) for value in values[:-1]) + _counted(values[-1])

"""What the newest go-dnsstamps finds wrong with a stamp: its rules of 2026, read again in other words.

dnscrypt-proxy's authors build with it. The builds of Linux distributions may have an earlier one, so that no client
that a test can install shows these rules.
"""

import ipaddress

_HEAD = 9
"""Bytes of protocol and properties."""
_SHORTEST = {0x00: 11, 0x01: 66, 0x02: 15, 0x03: 13, 0x04: 13, 0x05: 12, 0x81: 9, 0x85: 13}

_WITHOUT_HOST = {0x00, 0x01, 0x81}


def fault_seen_by_go_dnsstamps(payload: bytes) -> str:
    """Return what is wrong with the bytes of a stamp, or nothing."""
    protocol = payload[0]
    if len(payload) < _SHORTEST[protocol]:
        return "too short"
    rest = payload[1 if protocol == 0x81 else _HEAD :]
    return _fault_without_host(protocol, rest) if protocol in _WITHOUT_HOST else _fault_with_host(protocol, rest)


def _fault_without_host(protocol: int, rest: bytes) -> str:
    address, rest = _part(rest)
    for _ in range(2 if protocol == 0x01 else 0):
        _, rest = _part(rest)
    return _fault_of_place(address.decode()) or ("garbage" if rest else "")


def _fault_with_host(protocol: int, rest: bytes) -> str:
    address, hashes = b"", list[bytes]()
    if protocol != 0x05:
        address, rest = _part(rest)
        hashes, rest = _set(rest)
    host, rest = _part(rest)
    if protocol in {0x02, 0x05, 0x85}:
        _, rest = _part(rest)
    if rest and protocol != 0x05:
        _, rest = _set(rest)
    if any(len(value) != 32 for value in hashes):
        return "hash"
    return ("garbage" if rest else "") or _fault_of_address(address.decode()) or _fault_of_port(host.decode())


def _part(rest: bytes) -> tuple[bytes, bytes]:
    length = rest[0]
    assert len(rest) > length, "a part is cut off"
    return rest[1 : 1 + length], rest[1 + length :]


def _set(rest: bytes) -> tuple[list[bytes], bytes]:
    values, more = [], True
    while more:
        more = rest[0] >= 0x80
        value, rest = _part(bytes([rest[0] & 0x7F]) + rest[1:])
        values += [value] if value else []
    return values, rest


def _fault_of_address(address: str) -> str:
    """Beside a host: nothing, or an IP address alone."""
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if bare == address and ":" in address:
        return "IP address"
    return _fault_of_ip(bare) if address else ""


def _fault_of_place(address: str) -> str:
    """Without a host: an IP address with or without a port."""
    at = address.rfind(":")
    if at < address.rfind("]") or at < 0:
        return _fault_of_ip(address.strip("[]"))
    return _fault_of_ip(address[:at].strip("[]")) or _fault_of_port(address)


def _fault_of_port(text: str) -> str:
    at = text.rfind(":")
    if at < text.rfind("]") or at < 0:
        return ""
    port = text[at + 1 :]
    return "" if port.isdecimal() and 0 < int(port) < 1 << 16 else "port"


def _fault_of_ip(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return "IP address"
    return ""

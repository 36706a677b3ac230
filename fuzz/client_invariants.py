"""What must hold whatever stands where a client's address is looked for: a PROXY header, X-Forwarded-For, Forwarded.

1. A header is the same read at once and byte by byte, ends within its limit, and what follows it is left alone.
2. Nothing but BadHeader is raised; the address is one that a trusted hop wrote, or the peer's.
3. What a client writes left of the first hop that is not trusted changes nothing.
"""

import re
from ipaddress import ip_address
from typing import Final

from dohproxy.policy.forwarded import AddressSource, AddressStatus, ClientAddresses, TrustedNetworks, client_address
from dohproxy.policy.identity import IPV4_BYTES, IPV6_BYTES, Identities
from dohproxy.policy.proxy_protocol import MAXIMUM_V1_BYTES, MAXIMUM_V2_BYTES, BadHeader, Header, read_header

BEHIND: Final = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfcGET / HTTP/1.1\r\n"
PEER: Final = ip_address("192.0.2.1").packed
TRUSTED: Final = TrustedNetworks(["192.0.2.0/24", "2001:db8::/32"])
IDENTITIES: Final = Identities(bytes(range(16)))
SOURCES: Final = (AddressSource.X_FORWARDED_FOR, AddressSource.FORWARDED)
PREPENDED: Final = ("", "1.2.3.4", 'for="', "unknown", ",,,", "192.0.2.9", '"\\')


def check_proxy_header(data: bytes) -> Header | None:
    """Hold the promises of `read_header` on these bytes; return what it reads, None if nothing."""
    whole = _read(data)
    in_pieces: Header | BadHeader | None = None
    for size in range(1, len(data) + 1):
        in_pieces = _read(data[:size])
        if in_pieces is not None:
            break
        assert size < max(MAXIMUM_V1_BYTES, MAXIMUM_V2_BYTES), "more is waited for than any header has"
    if isinstance(whole, BadHeader):
        assert isinstance(in_pieces, BadHeader)
        return None
    assert whole == in_pieces
    if whole is None:
        return None
    assert isinstance(whole, Header)
    assert 0 < whole.consumed <= MAXIMUM_V2_BYTES
    assert _read(data[: whole.consumed] + BEHIND) == whole
    if whole.source is not None:
        assert len(whole.source) in (IPV4_BYTES, IPV6_BYTES)
        IDENTITIES.client(whole.source)
    return whole


def _read(data: bytes) -> Header | BadHeader | None:
    try:
        return read_header(data)
    except BadHeader as bad:
        return bad


def check_forwarded(data: bytes) -> None:
    """Hold the promises about forwarding headers on lines of these characters."""
    lines = tuple(data.decode("latin-1").split("\n"))
    for source in SOURCES:
        found = client_address(PEER, lines, source, TRUSTED)
        assert ClientAddresses(source, TRUSTED).find(PEER, lines) == found
        assert len(found.address) in (IPV4_BYTES, IPV6_BYTES)
        IDENTITIES.client(found.address)
        is_the_client = found.status is AddressStatus.HEADER and not TRUSTED.includes(found.address)
        for before in PREPENDED if is_the_client else ():
            assert client_address(PEER, (f"{before}, {lines[0]}", *lines[1:]), source, TRUSTED) == found
            assert client_address(PEER, (before, *lines), source, TRUSTED) == found
        # Who is not trusted may write what he likes.
        stranger = ip_address("203.0.113.1").packed
        assert client_address(stranger, lines, source, TRUSTED).address == stranger
        if found.address != PEER and source is AddressSource.X_FORWARDED_FOR:
            assert re.search(r"[0-9a-f:]", "".join(lines), re.IGNORECASE)

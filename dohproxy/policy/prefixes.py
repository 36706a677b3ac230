"""Networks as bans name them: the first bits of an address, and how an operator writes them."""

from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final

from dohproxy.outcomes import Client
from dohproxy.policy.identity import (
    IPV4_BYTES,
    IPV6_BYTES,
    PREFIX_BYTES,
    SIX_TO_FOUR_PREFIX,
    owner,
    unmapped,
    unmapped_prefix,
)
from dohproxy.value import value

HOST_BITS: Final = {IPV4_BYTES: 32, IPV6_BYTES: 64}
"""What one host has: an address of IPv4, and a /64 of IPv6, in which it may choose."""
WIDEST_BITS: Final = {IPV4_BYTES: 8, IPV6_BYTES: 16}
"""The most that one command may ban: a 256th of IPv4, or a registry's share of IPv6. Beyond it nobody is meant."""


@value
class Prefix:
    """All addresses that begin with the same bits."""

    packed: bytes
    """4 or 16 bytes, zeros behind the bits."""
    bits: int

    def covers(self, packed: bytes) -> bool:
        """Tell whether an address, already `unmapped`, is one of them."""
        return len(packed) == len(self.packed) and masked(packed, self.bits) == self.packed

    def lies_in(self, other: "Prefix") -> bool:
        """Tell whether all of them are in another network too."""
        return self.bits >= other.bits and other.covers(self.packed)


def show_prefix(prefix: Prefix) -> str:
    """Return an IPv4 address as it is, everything else with its length."""
    address = ip_address(prefix.packed)
    return str(address) if prefix.bits == 32 and isinstance(address, IPv4Address) else f"{address}/{prefix.bits}"


def masked(packed: bytes, bits: int) -> bytes:
    """Return an address with zeros behind its first bits."""
    size = len(packed)
    behind = 8 * size - bits
    return (int.from_bytes(packed) >> behind << behind).to_bytes(size)


def prefix_of(client: Client, width: int) -> Prefix | None:
    """Return the network of a client that its limits are kept for: 0 is the narrowest. None for a peer without address.

    It is that of whoever holds a 6to4 or Teredo address.
    """
    held_by = owner(client.address)
    if not held_by:
        return None
    bits = 8 * PREFIX_BYTES[len(held_by)][width]
    return Prefix(masked(held_by, bits), bits)


def parse_prefix(text: str) -> Prefix:
    """Read an address, which stands for all that its host may have, or a network in CIDR form.

    What one IPv4 address makes of itself by 6to4 or Teredo is that address. Raises ValueError with a predicate for the
    operator.
    """
    bare = text.strip("[]")
    try:
        if "/" not in bare:
            return prefix_of_host(ip_address(bare).packed)
        network = ip_network(bare)
    except ValueError:
        raise ValueError(_advice(bare)) from None
    packed, bits = unmapped_prefix(network.network_address.packed, network.prefixlen)
    if packed.startswith(SIX_TO_FOUR_PREFIX) and len(packed) == IPV6_BYTES and bits >= 48:
        return prefix_of_host(packed)
    widest = WIDEST_BITS[len(packed)]
    if bits < widest:
        raise ValueError(f"is wider than a /{widest}, which no command means; write a narrower network.")
    return Prefix(packed, bits)


def prefix_of_host(packed: bytes) -> Prefix:
    """Return what the host at an address may have."""
    held_by = owner(unmapped(packed))
    bits = HOST_BITS[len(held_by)]
    return Prefix(masked(held_by, bits), bits)


def _advice(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return "is no address and no network; write 192.0.2.1, 192.0.2.0/24, 2001:db8::1 or 2001:db8::/48."
    return f"has bits behind its length; write {network}."

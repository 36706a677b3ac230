"""From a packed address to the `Client` the limits see.

Addresses come from the other side, so they are treated as keys an attacker chooses. Two consequences:

- Tables are indexed by BLAKE2b keyed with a secret of this process (RFC 7693): nobody outside can compute
  which addresses share a slot with whom.
- Dictionary keys are `bytes`, never `int` or an `ipaddress` object. Python hashes `int` by its remainder
  modulo 2**61 - 1 and `ipaddress` objects from it, so the owner of one /48 has half a million addresses that
  collide; `bytes` are hashed by SipHash with a random seed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from dohproxy.outcomes import Client
from dohproxy.policy.gcra import Hashes, keyed_hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Network = IPv4Network | IPv6Network

IPV4_BYTES = 4
IPV6_BYTES = 16
MAPPED_PREFIX: Final = bytes(10) + b"\xff\xff"
"""::ffff:0:0/96, what a dual-stack socket calls an IPv4 peer (RFC 4291 section 2.5.5.2)."""
MAPPED_BITS: Final = 96
"""The length of that."""

SIX_TO_FOUR_PREFIX: Final = b"\x20\x02"
TEREDO_PREFIX: Final = b"\x20\x01\x00\x00"

PREFIX_BYTES: Final = {0: (0,), IPV4_BYTES: (4, 3), IPV6_BYTES: (8, 7, 6, 4)}
"""Bytes of address per width, narrow to wide: /32, /24; /64, /56, /48, /32; nothing for peers without address.

A /64 is one host's to choose from (RFC 4291 section 2.5.1), so no IPv6 prefix is narrower.
"""

LIMITED_WIDTHS: Final = 3
"""Widths, from the narrowest, that limits are kept for. A provider's /32 has fair shares alone: to give thousands of
households one limit would be no limit for one of them, or none for the others."""

NOT_WHOLE: Final = 255
"""In place of a width in bytes, for networks whose length is none."""

SECRET_BYTES = 16
"""Least length of the secret: the 128 bits the hash puts out."""

MEMO_CLIENTS = 4096
"""Clients remembered, about 4 MB when full.

Behind a front proxy every request looks one up, and a service of 20,000 addresses a day has far fewer at a
time; a miss costs only the hashing again.
"""

MAXIMUM_NETWORKS = 1024
"""Networks in one list; the longest lists known, of content networks and carrier NAT, have tens."""


def unmapped(packed: bytes) -> bytes:
    """Return an IPv4-mapped IPv6 address as the IPv4 address it is, any other unchanged.

    Others carry IPv4 addresses too, but are addresses of their own, and belong to another network than those.
    """
    if len(packed) == IPV6_BYTES and packed.startswith(MAPPED_PREFIX):
        return packed[12:]
    return packed


def unmapped_prefix(packed: bytes, bits: int) -> tuple[bytes, int]:
    """Return a network's address and length; one of IPv4-mapped addresses is the IPv4 network that they stand for."""
    plain = unmapped(packed)
    return (plain, bits - MAPPED_BITS) if len(plain) < len(packed) and bits >= MAPPED_BITS else (packed, bits)


def owner(packed: bytes) -> bytes:
    """Return the IPv4 address of whoever holds a 6to4 or Teredo address, any other unchanged.

    One IPv4 address makes a /48 of 2002::/16 (RFC 3056 section 2), and one has 65,536 ports under 2001::/32, each an
    address in another /64 of as many servers as there are (RFC 4380 section 4): as clients of their own they would
    have the limits of thousands. NAT64 (64:ff9b::/96) is the other way round: its addresses are destinations.
    """
    if len(packed) == IPV6_BYTES:
        if packed.startswith(SIX_TO_FOUR_PREFIX):
            return packed[2:6]
        if packed.startswith(TEREDO_PREFIX):
            return bytes(byte ^ 0xFF for byte in packed[12:])
    return packed


def mask_of(size: int, bits: int) -> int:
    """Return the number whose first `bits` bits are set, of an address of `size` bytes."""
    return (1 << 8 * size) - (1 << 8 * size - bits)


class Networks:
    """A fixed set of networks, asked with packed addresses.

    One masked look-up per distinct prefix length, of which lists have few, instead of one `ipaddress` object a
    question. It holds the networks themselves, as it decides who belongs; thousands of those who do not are in a
    `blocklists.network_set`, which holds hashes in a tenth of the memory.
    """

    __slots__ = ("_by_family",)

    def __init__(self, networks: Iterable[Network]) -> None:
        """Take up to 1,024 networks, else ValueError; a network of IPv4-mapped addresses becomes IPv4."""
        chosen = [unmapped_prefix(network.network_address.packed, network.prefixlen) for network in networks]
        if len(chosen) > MAXIMUM_NETWORKS:
            raise ValueError(f"at most {MAXIMUM_NETWORKS} networks, not {len(chosen)}")
        members: dict[int, dict[int, set[bytes]]] = {IPV4_BYTES: {}, IPV6_BYTES: {}}
        for packed, bits in chosen:
            members[len(packed)].setdefault(mask_of(len(packed), bits), set()).add(packed)
        self._by_family = {
            size: tuple((mask, frozenset(prefixes)) for mask, prefixes in by_mask.items())
            for size, by_mask in members.items()
        }

    def __contains__(self, packed: bytes) -> bool:
        """Tell whether an address, already `unmapped`, is in one of the networks; b"" never is."""
        size = len(packed)
        masks = self._by_family.get(size, ())
        if not masks:
            return False
        value = int.from_bytes(packed, "big")
        return any((value & mask).to_bytes(size, "big") in prefixes for mask, prefixes in masks)


class Identities:
    """Makes `Client` values, and remembers the recent ones."""

    __slots__ = ("_exempt", "_members", "_memo", "_note", "_proxies", "_secret")

    def __init__(
        self,
        secret: bytes,
        exempt: tuple[Network, ...] = (),
        members: tuple[Network, ...] = (),
        note: Callable[[Client], None] | None = None,
    ) -> None:
        """`exempt`: networks the limits do not apply to; `members`: those that go first where a budget is short.
        `note` is told of each client that is not remembered: at its first look-up, and again once it is forgotten.

        `secret`: 16 to 64 random bytes, else ValueError; new at each start unless state is kept, the same in all
        workers.
        """
        if not SECRET_BYTES <= len(secret) <= hashlib.blake2b.MAX_KEY_SIZE:
            raise ValueError(f"the secret must have {SECRET_BYTES} to {hashlib.blake2b.MAX_KEY_SIZE} bytes")
        self._secret = secret
        self._exempt = Networks(exempt)
        self._members = Networks(members)
        self._note = note
        self._proxies = Networks(())
        self._memo: LRUCache[bytes, Client] = LRUCache(MEMO_CLIENTS)

    def adopt(self, exempt: tuple[Network, ...], members: tuple[Network, ...]) -> None:
        """Take other networks. The hashes stay, and with them what is known of every client."""
        self._exempt = Networks(exempt)
        self._members = Networks(members)
        self._memo.clear()

    def forget(self) -> None:
        """Remember nobody: each who comes again is noted again."""
        self._memo.clear()

    def name_proxies(self, proxies: Iterable[Network]) -> None:
        """Take other networks of front proxies."""
        self._proxies = Networks(proxies)
        self._memo.clear()

    def client(self, packed: bytes) -> Client:
        """Return the client at a packed address of 4 or 16 bytes, or b"" for a peer without.

        ValueError for any other length.
        """
        try:
            return self._memo[packed]
        except KeyError:
            client = self._make(unmapped(packed))
            self._memo[packed] = client
            if self._note is not None:
                self._note(client)
            return client

    def member(self, client: Client, token: bytes) -> Client:
        """Return the same client as the member who has shown the token with this digest of 32 bytes.

        His limits are those of his token, wherever he is: so no neighbour at the same address can use up what he may
        have, and who has given his URL to many shares with them what one may have.
        """
        # No address is so long, so this is no other client's key.
        key = token + client.address
        try:
            return self._memo[key]
        except KeyError:
            hashes = keyed_hashes(self._secret, b"token" + token)
            member = replace(client, hashes=(hashes,), member=True)
            self._memo[key] = member
            return member

    def look_at(self, packed: bytes) -> Client:
        """Return the same, and remember nothing."""
        return self._make(unmapped(packed))

    def _make(self, address: bytes) -> Client:
        held_by = owner(address)
        widths = PREFIX_BYTES.get(len(held_by))
        if widths is None:
            raise ValueError(f"an address has 4 or 16 bytes, not {len(address)}")
        # Limits are the owner's; to be exempt or a member takes the address itself.
        prefixes = tuple(self._hashes(held_by, width) for width in widths)
        is_member = address in self._members
        return Client(
            address=address,
            hashes=prefixes[: 1 if is_member else LIMITED_WIDTHS],
            exempt=address in self._exempt,
            member=is_member,
            prefixes=prefixes,
            path=tuple(first for first, _ in reversed(prefixes)),
            proxy=address in self._proxies,
        )

    def prefix_hashes(self, packed: bytes, bits: int) -> Hashes:
        """Return the hashes of a network, its address with zeros behind the bits: those of its clients where it is as
        wide as one of their prefixes."""
        if bits % 8 == 0:
            return self._hashes(packed, bits // 8)
        return keyed_hashes(self._secret, bytes((len(packed), NOT_WHOLE, bits)) + packed)

    def _hashes(self, address: bytes, width: int) -> tuple[int, int]:
        # Family and width go in, so that 10.0.0.0/24 and 10.0.0.0/32, or bytes that mean both an IPv4 and an
        # IPv6 prefix, are unrelated keys even in one table.
        named = bytes((len(address), width)) + address[:width]
        return keyed_hashes(self._secret, named)

"""A set of networks, thousands of them, in the memory of a set of names: each is a prefix and its length."""

from collections.abc import Iterator
from typing import Final

from dohproxy.config import IPNetwork
from dohproxy.policy.blocklists.name_set import EMPTY, EXACT, NameGatherer, NameSet, hash_name
from dohproxy.policy.identity import IPV4_BYTES, IPV6_BYTES, mask_of, unmapped_prefix


def key_of(network: IPNetwork) -> bytes:
    """Return what stands for a network in a set; one of IPv4-mapped addresses is the IPv4 network."""
    packed, length = unmapped_prefix(network.network_address.packed, network.prefixlen)
    return bytes((len(packed), length)) + packed


class NetworkSet:
    """Networks, never changed once they are gathered."""

    __slots__ = ("_keys", "_lengths")

    def __init__(self, keys: NameSet, lengths: frozenset[tuple[int, int]]) -> None:
        """`lengths`: the bytes of an address and the bits of a prefix, for each kind of network that there is."""
        self._keys = keys
        self._lengths = {
            size: [(bits, mask_of(size, bits)) for bytes_of, bits in sorted(lengths) if bytes_of == size]
            for size in (IPV4_BYTES, IPV6_BYTES)
        }

    @property
    def networks(self) -> int:
        """How many different ones."""
        return self._keys.names

    @property
    def held_bytes(self) -> int:
        """What it holds in memory."""
        return self._keys.held_bytes

    def __contains__(self, address: bytes) -> bool:
        """Tell whether a packed address, already `identity.unmapped`, is in one of them; b"" never is."""
        size = len(address)
        lengths = self._lengths.get(size)
        if not lengths:
            return False
        value = int.from_bytes(address)
        for bits, mask in lengths:
            if self._keys.kind(hash_name(bytes((size, bits)) + (value & mask).to_bytes(size))):
                return True
        return False


class NetworkGatherer:
    """Takes networks one by one, by their keys, then makes a set of them."""

    __slots__ = ("_keys", "_lengths")

    def __init__(self) -> None:
        self._keys = NameGatherer()
        self._lengths: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        """How many were given, each as often as it came."""
        return len(self._keys)

    def add(self, key: bytes) -> None:
        """Take a network as `key_of` has it."""
        self._keys.add(key, EXACT)
        self._lengths.add((key[0], key[1]))

    def build(self) -> Iterator[None]:
        """Make the set, a step at a time."""
        yield from self._keys.build()

    def gathered(self) -> NetworkSet:
        """Return the set, once all steps of `build` are done."""
        return NetworkSet(self._keys.gathered, frozenset(self._lengths))


NO_NETWORKS: Final = NetworkSet(EMPTY, frozenset())


def set_of_networks(*networks: IPNetwork) -> NetworkSet:
    """Return a set of a few networks."""
    gatherer = NetworkGatherer()
    for network in networks:
        gatherer.add(key_of(network))
    for _ in gatherer.build():
        pass
    return gatherer.gathered()

"""Where tokens have come from lately: so that who belongs is known before TLS, when he has shown nothing yet.

Until a request is read nobody has a token, and by then a connection has cost a handshake and a slot. So an address from
which a valid token came is remembered for some hours, and connections from there are let in as members' are. That is
all: a request without a token is a stranger's wherever it comes from, as thousands may share an address (carrier-grade
NAT, RFC 6598), and what a neighbour gets by it is bounded by the limits on the connections of one address.

It is the narrowest prefix that is remembered, an IPv4 address or a /64: a wider one would let in many more than the
member, and who has moved within it is known again with the first request. Nothing but keyed hashes is kept, in memory
and for the next process, and never more than so many: who was noted longest ago goes first. One token has a few of
them, and no new one in the place of one that is minutes old: a URL that has got around makes no crowd of members.
"""

from itertools import islice
from typing import Final

from dohproxy.outcomes import Client
from dohproxy.policy.gcra import Hashes
from dohproxy.policy.identity import LIMITED_WIDTHS

MOST_NETWORKS: Final = 4_096
"""Addresses remembered: four for each of as many members as there may be, at home, at work and on the way."""
BYTES_PER_NETWORK: Final = 1_152
"""What one takes at most: two numbers of 56 bits for each of its prefixes, the pairs of them, two moments, its places
in both tables, and its token's own table."""
MOST_PER_TOKEN: Final = 16
"""Addresses that count for one token: home, work and the way between them, by both families."""
KEPT_SECONDS: Final = 600.0
"""How long an address of a token counts before another may take its place: nobody moves that often, a crowd does."""
RENEWED_SHARE: Final = 0.05
"""An address is noted again when so much of its time is over: not for each request."""


class MemberNetworks:
    """Addresses, each with the token that came from there last and until when that counts."""

    __slots__ = ("_by_token", "_known", "_seconds")

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long an address counts as a member's after a token came from it."""
        self._seconds = seconds
        self._known: dict[Hashes, tuple[bytes, float, tuple[Hashes, ...]]] = {}
        """The token, until when it counts, and the address and its networks that limits are kept for, by their
        hashes."""
        self._by_token: dict[bytes, dict[Hashes, float]] = {}
        """When each address was noted, in that order."""

    def adopt(self, seconds: float) -> None:
        """Take another time; what is remembered keeps no more than that from when it was noted."""
        shorter_by = self._seconds - seconds
        self._seconds = seconds
        if shorter_by > 0:
            self._known = {
                network: (token, until - shorter_by, around) for network, (token, until, around) in self._known.items()
            }

    def __len__(self) -> int:
        return len(self._known)

    @property
    def held_bytes(self) -> int:
        """What all of them take in memory at most."""
        return len(self._known) * BYTES_PER_NETWORK

    def note(self, client: Client, token: bytes, now: float) -> bool:
        """Remember that a valid token, with this digest, has come from this client's address; False if the token has
        come from too many others lately, and this one counts for nothing."""
        network = client.prefixes[0]
        known = self._known.get(network)
        if known is not None:
            if known[0] == token and known[1] - now > (1 - RENEWED_SHARE) * self._seconds:
                return True
            self._drop(network)
        own = self._by_token.get(token, {})
        if len(own) >= MOST_PER_TOKEN:
            oldest = next(iter(own))
            if now - own[oldest] < KEPT_SECONDS:
                return False
            self._drop(oldest)
        elif len(self._known) >= MOST_NETWORKS:
            self._drop(next(iter(self._known)))
        self._known[network] = token, now + self._seconds, client.prefixes[:LIMITED_WIDTHS]
        self._by_token.setdefault(token, {})[network] = now
        return True

    def last(self, most: int) -> list[tuple[bytes, float, tuple[Hashes, ...]]]:
        """Return at most so many, those noted last: the token, until when it counts, and the address with its networks;
        who was noted longest ago comes first."""
        return list(islice(self._known.values(), max(0, len(self._known) - most), None))

    def restore(self, token: bytes, until: float, around: tuple[Hashes, ...], now: float) -> None:
        """Go on with one of another process, for no longer than if it were noted now; who was noted here stays."""
        network, until = around[0], min(until, now + self._seconds)
        own = self._by_token.get(token, {})
        if until <= now or network in self._known:
            return
        if len(self._known) < MOST_NETWORKS and len(own) < MOST_PER_TOKEN:
            self._known[network] = token, until, around
            self._by_token.setdefault(token, {})[network] = until - self._seconds

    def _drop(self, network: Hashes) -> None:
        token, _, _ = self._known.pop(network)
        own = self._by_token[token]
        del own[network]
        if not own:
            del self._by_token[token]

    def knows(self, client: Client, now: float) -> bool:
        """Tell whether a valid token has come from this client's address lately."""
        if not self._known:
            return False
        known = self._known.get(client.prefixes[0])
        return known is not None and now < known[1]

    def around(self, now: float) -> frozenset[Hashes]:
        """Return the hashes of all networks, those that limits are kept for, in which a member is known."""
        return frozenset(hashes for _, until, around in self._known.values() if now < until for hashes in around)

    def forget(self, tokens: frozenset[bytes]) -> None:
        """Forget addresses that are known by these tokens, which are no longer valid."""
        for network in [network for token in tokens for network in self._by_token.get(token, ())]:
            self._drop(network)

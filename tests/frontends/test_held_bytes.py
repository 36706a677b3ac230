"""Who is cut when all connections together hold too much, and in which order."""

from dataclasses import dataclass, replace

import pytest

from dohproxy.frontends.held_bytes import FREE_BYTES, MOST_CUT_AT_ONCE, RELIEVED_SHARE, HeldBytes, rank
from dohproxy.outcomes import Client
from dohproxy.policy.identity import Identities
from tests.frontends.growth import measure

pytestmark = pytest.mark.long

MEBIBYTE = 2**20
IDENTITIES = Identities(bytes(32))


@dataclass(eq=False)
class Holder:
    """A connection that holds what it is told to."""

    client: Client
    size: int = 0

    @property
    def is_members(self) -> bool:
        return self.client.member

    def held_bytes(self) -> int:
        return self.size


def holder(network: int, size: int = 0, *, host: int = 1, member: bool = False) -> Holder:
    """Make one in a /24 of its own."""
    address = bytes((10, network >> 8, network & 0xFF, host))
    client = IDENTITIES.client(address)
    return Holder(replace(client, member=member), size)


def charge(account: HeldBytes[Holder], *holders: Holder) -> bool:
    """Charge them all; return whether it is too much."""
    return [account.charge(one, one.size) for one in holders][-1]


def test_what_every_connection_needs_is_free() -> None:
    account = HeldBytes[Holder](100)
    assert not charge(account, *(holder(number, FREE_BYTES) for number in range(1_000)))
    assert account.total == 0


def test_what_is_beyond_is_charged_and_given_back() -> None:
    account, one, other = HeldBytes[Holder](100), holder(1, FREE_BYTES + 60), holder(2, FREE_BYTES + 40)
    assert not charge(account, one, other)
    assert account.total == 100
    assert account.charge(one, FREE_BYTES + 61)
    account.charge(one, 0)
    account.charge(one, 0)
    assert account.total == 40
    assert not account.charge(other, 0)
    assert account.total == 0


def test_the_greediest_network_goes_first_and_of_it_the_greediest_connection() -> None:
    household = [holder(1, 300, host=host) for host in range(1, 6)]
    loner, small = holder(2, 1_000), holder(3, 200)
    household[3].size = 400
    sizes = [(one, one.size) for one in (small, loner, *household)]
    others = [one for one in household if one is not household[3]]
    assert rank(sizes, 7) == [household[3], *others, loner, small]
    assert rank(sizes, 2) == [household[3], others[0]]


def test_members_go_last_whatever_they_hold() -> None:
    member, stranger = holder(1, 1_000_000, member=True), holder(2, 1)
    assert rank([(member, member.size), (stranger, stranger.size)], 2) == [stranger, member]


def test_peers_without_an_address_are_one_network() -> None:
    local = [Holder(IDENTITIES.client(b""), 300) for _ in range(2)]
    stranger = holder(1, 500)
    assert rank([(stranger, 500), *((one, 300) for one in local)], 3) == [*local, stranger]


def test_as_many_are_cut_as_relieves_the_account() -> None:
    account = HeldBytes[Holder](10_000)
    holders = [holder(number, FREE_BYTES + 1_000) for number in range(11)]
    assert charge(account, *holders)
    assert len(account.to_cut()) == 4
    assert account.total == 7_000 <= RELIEVED_SHARE * 10_000


def test_nobody_is_cut_for_what_the_client_has_taken_meanwhile() -> None:
    account = HeldBytes[Holder](10_000)
    holders = [holder(number, FREE_BYTES + 1_000) for number in range(11)]
    assert charge(account, *holders)
    for one in holders[:8]:
        one.size = 0
    assert account.to_cut() == []
    assert account.total == 3_000


def test_not_all_are_cut_in_one_turn() -> None:
    account = HeldBytes[Holder](1_000)
    holders = [holder(number, FREE_BYTES + 100) for number in range(200)]
    assert charge(account, *holders)
    assert len(account.to_cut()) == MOST_CUT_AT_ONCE
    assert account.total > account.most_bytes


@pytest.mark.parametrize("attack", ["shut-windows", "unread-http1", "unread-http2", "unfinished"])
def test_no_crowd_makes_the_process_grow_much_beyond_the_limit(attack: str) -> None:
    growth = measure(attack)
    assert growth.charged <= 64 * MEBIBYTE
    # Two thousand connections cost something even if they hold nothing.
    assert growth.grown < 112 * MEBIBYTE


def test_what_a_connection_makes_us_remember_of_its_headers_is_little() -> None:
    assert measure("header-tables").grown < 300 * 48 * 1_024

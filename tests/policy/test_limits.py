from ipaddress import ip_address, ip_network

import pytest

from dohproxy.config.schema import RuleMode
from dohproxy.outcomes import Client
from dohproxy.policy.gcra import GcraTable
from dohproxy.policy.identity import Identities
from dohproxy.policy.limits import (
    MAXIMUM_SLOTS,
    MINIMUM_SLOTS,
    ClientLimit,
    Width,
    buffer_bytes,
    build_client_limit,
)
from dohproxy.policy.rule_switches import RuleSwitch

IDENTITIES = Identities(b"secret of tests!", exempt=(ip_network("198.51.100.0/24"),))
BURST = 10
NOW = 1000.0


def client(text: str) -> Client:
    return IDENTITIES.client(ip_address(text).packed if text else b"")


def limit(*, network_factor: float = 4.0, site_factor: float = 8.0, slots: int = 4_096) -> ClientLimit:
    buffers = [memoryview(bytearray(buffer_bytes(slots))) for _ in Width]
    return build_client_limit(
        *buffers, per_second=1.0, burst=BURST, network_factor=network_factor, site_factor=site_factor
    )


def admitted(limiter: ClientLimit, text: str, attempts: int, now: float = NOW) -> int:
    return sum(limiter.admit(client(text), now) == 0.0 for _ in range(attempts))


def test_a_client_has_its_burst_and_is_told_when_to_return() -> None:
    limiter = limit()
    assert admitted(limiter, "192.0.2.1", BURST) == BURST
    wait = limiter.admit(client("192.0.2.1"), NOW)
    assert wait == pytest.approx(1.0)
    assert limiter.admit(client("192.0.2.1"), NOW + wait) == 0.0


@pytest.mark.parametrize(
    ("addresses", "most"),
    [
        ([f"192.0.2.{host}" for host in range(1, 30)], 4 * BURST),
        ([f"2001:db8:0:{net:x}::1" for net in range(29)], 4 * BURST),
        ([f"2001:db8:0:{net:x}00::1" for net in range(29)], 8 * BURST),
        ([f"2001:db8::{host:x}" for host in range(1, 30)], BURST),
    ],
    ids=["hosts of one /24", "/64s of one /56", "/56s of one /48", "addresses of one /64"],
)
def test_many_addresses_of_one_network_share_its_limit(addresses: list[str], most: int) -> None:
    limiter = limit()
    assert sum(admitted(limiter, address, BURST) for address in addresses) == most


def test_networks_apart_do_not_limit_each_other() -> None:
    limiter = limit()
    assert sum(admitted(limiter, f"192.0.{net}.1", BURST) for net in range(50)) == 50 * BURST


def test_an_over_limit_client_does_not_drain_its_neighbours_bucket() -> None:
    limiter = limit()
    admitted(limiter, "192.0.2.1", 5000)
    assert sum(admitted(limiter, f"192.0.2.{host}", BURST) for host in range(2, 5)) == 3 * BURST


def test_a_client_refused_for_its_network_is_charged_nothing_itself() -> None:
    limiter = limit()
    for host in range(1, 5):
        admitted(limiter, f"192.0.2.{host}", BURST)
    assert admitted(limiter, "192.0.2.99", 500) == 0
    later = NOW + 4 * BURST / 4.0
    assert admitted(limiter, "192.0.2.99", BURST, later) == BURST


def test_what_a_refused_request_had_taken_of_the_narrower_widths_is_given_back() -> None:
    narrow, wide = (
        GcraTable(memoryview(bytearray(buffer_bytes(1024))), per_second=rate, burst=2.0) for rate in (0.001, 10.0)
    )
    limiter = ClientLimit((narrow, wide))
    assert admitted(limiter, "192.0.2.1", 2) == 2
    # Its network has no room left, and whatever it tries meanwhile takes nothing from its own bucket.
    assert admitted(limiter, "192.0.2.2", 5) == 0
    assert admitted(limiter, "192.0.2.2", 2, NOW + 1.0) == 2


def test_the_wait_is_the_longest_of_all_widths() -> None:
    slow, fast = (
        GcraTable(memoryview(bytearray(buffer_bytes(1024))), per_second=rate, burst=1.0) for rate in (0.1, 10.0)
    )
    asker = client("192.0.2.1")
    for tables in ((slow, fast), (fast, slow)):
        limiter = ClientLimit(tables)
        limiter.charge(asker, NOW)
        assert limiter.admit(asker, NOW) == pytest.approx(10.0)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "198.51.100.1", ""])
@pytest.mark.parametrize("attempts", [1, BURST, 3 * BURST])
def test_the_wait_can_be_known_without_asking(address: str, attempts: int) -> None:
    limiter = limit(network_factor=1.0, site_factor=1.0)
    admitted(limiter, address, attempts)
    before = limiter.statistics(NOW)
    wait = limiter.wait(client(address), NOW)
    assert limiter.statistics(NOW) == before
    assert limiter.admit(client(address), NOW) == wait


def test_a_costly_request_takes_the_room_of_several() -> None:
    limiter = limit()
    limiter.charge(client("192.0.2.1"), NOW, cost=8.0)
    assert admitted(limiter, "192.0.2.1", BURST) == 2


def test_bad_requests_count_against_their_client() -> None:
    limiter = limit()
    for _ in range(BURST):
        limiter.charge(client("192.0.2.1"), NOW)
    assert limiter.admit(client("192.0.2.1"), NOW) == pytest.approx(1.0)


def test_bad_requests_beyond_the_clients_own_limit_do_not_drain_its_neighbours_bucket() -> None:
    limiter = limit()
    for _ in range(5000):
        limiter.charge(client("192.0.2.1"), NOW)
    assert sum(admitted(limiter, f"192.0.2.{host}", BURST) for host in range(2, 9)) == 3 * BURST


def test_an_exempt_client_is_never_limited_nor_charged() -> None:
    limiter = limit()
    limiter.charge(client("198.51.100.7"), NOW)
    assert admitted(limiter, "198.51.100.7", 500) == 500
    statistics = limiter.statistics(NOW)
    assert (statistics.exempt, statistics.admitted, statistics.charged) == (500, 0, 0)
    assert [width.fill for width in statistics.widths] == [0.0, 0.0, 0.0]


def test_clients_without_address_share_one_bucket_and_no_wider_one() -> None:
    limiter = limit(slots=MINIMUM_SLOTS)  # All of them are looked at for how full it is.
    assert admitted(limiter, "", 3 * BURST) == BURST
    assert [width.fill > 0.0 for width in limiter.statistics(NOW).widths] == [True, False, False]


def test_statistics_count_what_happened_by_the_narrowest_width_over_its_limit() -> None:
    limiter = limit()
    limiter.charge(client("203.0.113.1"), NOW)
    for host in range(1, 5):
        admitted(limiter, f"192.0.2.{host}", BURST)
    admitted(limiter, "192.0.2.1", 3)
    admitted(limiter, "192.0.2.99", 2)
    statistics = limiter.statistics(NOW)
    assert (statistics.admitted, statistics.charged) == (4 * BURST, 1)
    assert [(width.width, width.limited) for width in statistics.widths] == [
        (Width.CLIENT, 3),
        (Width.NETWORK, 2),
        (Width.SITE, 0),
    ]
    assert all(0.0 <= width.fill < 0.01 for width in statistics.widths)
    assert statistics.widths[0].fill > 0.0


def test_strangers_hardly_suffer_while_a_tenth_of_the_slots_is_full() -> None:
    limiter = limit()
    for attacker in range(205):
        for _ in range(BURST):
            limiter.charge(client(f"10.{attacker}.0.1"), NOW)
    assert limiter.statistics(NOW).widths[0].fill == pytest.approx(0.1, abs=0.03)
    # one in a hundred is what f * f says
    refused = sum(limiter.admit(client(f"172.16.{net}.1"), NOW) > 0.0 for net in range(200))
    assert refused <= 8


@pytest.mark.parametrize("slots", [0, MINIMUM_SLOTS - 1, MAXIMUM_SLOTS + 1], ids=str)
def test_a_table_outside_its_bounds_is_refused(slots: int) -> None:
    with pytest.raises(ValueError, match="slots"):
        buffer_bytes(slots)


def test_a_slot_takes_eight_bytes() -> None:
    assert buffer_bytes(131_072) == 1024 * 1024


@pytest.mark.parametrize(("network", "site"), [(0.5, 8.0), (8.0, 4.0), (float("nan"), 8.0)], ids=str)
def test_factors_that_make_a_wide_prefix_narrower_than_a_client_are_refused(network: float, site: float) -> None:
    with pytest.raises(ValueError, match="factors"):
        limit(network_factor=network, site_factor=site)


@pytest.mark.parametrize("count", [0, 4], ids=["none", "one too many"])
def test_a_limit_needs_a_table_for_each_width_and_no_more(count: int) -> None:
    spare = GcraTable(memoryview(bytearray(16)), per_second=1.0, burst=1.0)
    with pytest.raises(ValueError, match="tables"):
        ClientLimit((spare,) * count)


# ---------------------------------------------------------------- held otherwise


def held(mode: RuleMode) -> tuple[ClientLimit, RuleSwitch]:
    limiter, switch = limit(), RuleSwitch(mode)
    limiter.hold_to(switch)
    return limiter, switch


def test_in_shadow_it_counts_as_often_as_it_would_have_refused_and_refuses_nobody() -> None:
    enforced, (shadow, switch) = limit(), held("shadow")
    asked = [(f"192.0.2.{number % 7}", NOW + number / 20) for number in range(1_000)]
    refused = sum(enforced.admit(client(text), now) > 0.0 for text, now in asked)
    assert [shadow.admit(client(text), now) for text, now in asked] == [0.0] * 1_000
    assert switch.shadowed == refused > 100
    statistics = shadow.statistics(NOW)
    assert (statistics.admitted, [width.limited for width in statistics.widths]) == (1_000, [0, 0, 0])


def test_in_shadow_nobody_is_told_to_wait_and_it_is_known_how_long_he_would() -> None:
    limiter, switch = held("shadow")
    admitted(limiter, "192.0.2.1", BURST)
    assert limiter.wait(client("192.0.2.1"), NOW) == 0.0
    assert limiter.foresee(client("192.0.2.1"), NOW) == pytest.approx(1.0)
    assert switch.shadowed == 0


def test_off_it_looks_at_nothing_and_charges_nothing() -> None:
    limiter, switch = held("off")
    assert admitted(limiter, "192.0.2.1", 1_000) == 1_000
    limiter.charge(client("192.0.2.1"), NOW)
    assert (limiter.foresee(client("192.0.2.1"), NOW), switch.shadowed) == (0.0, 0)
    switch.adopt("enforce", NOW)
    limiter.adopt(1.0, BURST, 4.0, 8.0, NOW)
    assert admitted(limiter, "192.0.2.1", 1_000) == BURST
    assert [width.fill for width in limiter.statistics(NOW).widths[:2]] > [0.0, 0.0]


def test_who_is_exempt_is_foreseen_no_wait() -> None:
    limiter = limit()
    assert limiter.foresee(client("198.51.100.1"), NOW) == 0.0

"""How much may be asked about one domain: who is cut off, how soon, and whom it does not touch."""

from dataclasses import replace

import pytest
from hypothesis import given

from dohproxy.config import NamesConfig
from dohproxy.outcomes import Client
from dohproxy.policy.domains import MOST_SHADOWED, DomainBound, DomainLimit, domains_of
from dohproxy.policy.gcra import GcraTable
from dohproxy.policy.limits import MINIMUM_SLOTS, buffer_bytes
from dohproxy.policy.rule_switches import RuleSwitch
from dohproxy.wire.name import from_text
from tests.fakes.walk import CLIENT, MEMBER, NEIGHBOUR, SUFFIXES, client_of
from tests.wire import messages as m
from tests.wire.strategies import deterministic, qnames

NOW = 1_000.0
DEFAULTS = NamesConfig()
MISSES, FAILURES = DEFAULTS.domain_misses_burst, DEFAULTS.domain_failures_burst
MONITOR = client_of(b"\xc0\x00\x02\x02", (9, 9), exempt=True)
WWW = from_text("www.example.net")


def limit(*, exempt: tuple[str, ...] = (), secret: bytes = b"secret of tests!") -> DomainLimit:
    """The limit by its defaults."""
    tables = [memoryview(bytearray(buffer_bytes(MINIMUM_SLOTS))) for _ in range(2)]
    return DomainLimit(
        GcraTable(tables[0], per_second=DEFAULTS.domain_misses_per_second, burst=MISSES),
        GcraTable(tables[1], per_second=DEFAULTS.domain_failures_per_second, burst=FAILURES),
        SUFFIXES,
        misses_burst=MISSES,
        failures_burst=FAILURES,
        secret=secret,
        exempt=exempt,
    )


def stranger(number: int) -> Client:
    """One of many clients; their hashes are as unrelated as real ones."""
    return client_of(number.to_bytes(4), (number * 0x9E3779B97F4A7C15, number * 0xC2B2AE3D27D4EB4F))


def flood(
    limiter: DomainLimit, pattern: str, attempts: int, *, failed: bool, client: Client | None = None, now: float = NOW
) -> int:
    """Ask for random names of a pattern, by one client or each by another; return how many were asked for."""
    asked = 0
    for number in range(attempts):
        qname = from_text(pattern.replace("*", f"r{number}"))
        if limiter.admit(qname, client or stranger(number + 1), now):
            limiter.charge(qname, now, failed=failed)
            if failed:
                limiter.blame(qname, client or stranger(number + 1), now)
            asked += 1
    return asked


# ---------------------------------------------------------------- the two buckets


def test_random_names_of_a_domain_are_cut_off_when_they_have_failed_a_few_times() -> None:
    assert flood(limit(), "*.example.net", 1_000, failed=True) == FAILURES


def test_a_domain_with_many_real_names_goes_on_much_longer() -> None:
    assert flood(limit(), "*.example.net", 1_000, failed=False) == MISSES
    assert MISSES >= 2 * FAILURES


def test_afterwards_a_flood_gets_its_rate_and_no_more() -> None:
    limiter = limit()
    flood(limiter, "*.example.net", 100, failed=True)
    later = [flood(limiter, "*.example.net", 100, failed=True, now=NOW + second) for second in range(1, 61)]
    assert sum(later) == pytest.approx(60 * DEFAULTS.domain_failures_per_second, abs=1)


def test_names_outside_the_domain_are_not_affected() -> None:
    limiter = limit()
    flood(limiter, "*.example.net", 100, failed=True)
    for name in ("www.example.com", "www.example-other.net", "net", "."):
        assert limiter.admit(from_text(name), CLIENT, NOW), name


def test_the_domain_itself_and_all_its_depths_are_one() -> None:
    limiter = limit()
    flood(limiter, "*.a.b.example.net", 100, failed=True)
    for name in ("example.net", "www.example.net", "new.a.b.example.net"):
        assert not limiter.admit(from_text(name), CLIENT, NOW), name


def test_the_defaults_leave_most_of_the_smallest_upstream_budget_to_everybody_else() -> None:
    # presets.ASSOCIATIVE: 10 a second, burst 40.
    assert DEFAULTS.domain_misses_per_second <= 10 / 2
    assert DEFAULTS.domain_failures_per_second <= 10 / 10
    assert FAILURES <= 40 / 2


def test_a_domain_whose_misses_are_used_up_is_open_again_soon() -> None:
    limiter = limit()
    flood(limiter, "*.example.net", MISSES, failed=False)
    assert not limiter.admit(WWW, CLIENT, NOW)
    assert limiter.admit(WWW, CLIENT, NOW + 1 / DEFAULTS.domain_misses_per_second)


# ---------------------------------------------------------------- one client


def test_one_client_alone_cannot_close_a_domain() -> None:
    limiter = limit()
    for second in range(120):
        flood(limiter, f"*.s{second}.example.net", 20, failed=True, client=CLIENT, now=NOW + second)
        if not second % 10:
            assert limiter.admit(from_text("new.example.net"), NEIGHBOUR, NOW + second), second
    refused = limiter.statistics(NOW).refused
    assert refused[DomainBound.CLIENT_SHARE] > 0
    assert refused[DomainBound.FAILURES] == 0


def test_nor_keep_it_closed_by_asking_for_much_at_once() -> None:
    limiter = limit()
    names = [from_text(f"r{number}.example.net") for number in range(100)]
    for qname in [qname for qname in names if limiter.admit(qname, CLIENT, NOW)]:
        limiter.charge(qname, NOW, failed=True)
    assert not limiter.admit(WWW, NEIGHBOUR, NOW)
    for second in range(2, 60, 2):
        flood(limiter, f"*.s{second}.example.net", 20, failed=True, client=CLIENT, now=NOW + second)
    assert limiter.admit(WWW, NEIGHBOUR, NOW + 60)


def test_its_misses_count_against_its_share_whether_or_not_it_waits_for_the_end() -> None:
    limiter = limit()
    flood(limiter, "*.example.net", FAILURES // 2 + 1, failed=True)
    assert sum(limiter.admit(WWW, CLIENT, NOW) for _ in range(100)) == FAILURES // 4


def test_a_share_is_of_one_domain() -> None:
    limiter = limit()
    for domain in ("example.net", "example.org"):
        flood(limiter, f"*.{domain}", FAILURES // 2 + 1, failed=True)
    assert sum(limiter.admit(WWW, CLIENT, NOW) for _ in range(100)) == FAILURES // 4
    assert limiter.admit(from_text("www.example.org"), CLIENT, NOW)


def test_one_network_takes_no_more_than_its_share_of_a_domain_that_does_not_fail() -> None:
    assert MISSES / 2 < flood(limit(), "*.example.net", 1_000, failed=False, client=CLIENT) < MISSES * 0.8


def test_many_networks_together_use_up_what_a_domain_may_have() -> None:
    tried = limit()
    asked = sum(flood(tried, f"*.{n}.example.net", 20, failed=False, client=stranger(n)) for n in range(500))
    assert asked == MISSES


def test_a_flood_of_strangers_closes_no_domain_for_members() -> None:
    tried = limit()
    for n in range(500):
        flood(tried, f"*.{n}.example.net", 20, failed=True, client=stranger(n))
    assert tried.admit(WWW, stranger(9_999), NOW) is False
    member = replace(stranger(1_000), member=True)
    assert MISSES / 2 < flood(tried, "*.example.net", 1_000, failed=False, client=member) < MISSES * 0.8
    assert tried.admit(WWW, replace(stranger(1_001), member=True), NOW)


def test_a_member_may_not_ask_for_a_domain_without_end() -> None:
    tried, member = limit(), replace(stranger(1_000), member=True)
    assert flood(tried, "*.example.net", 10_000, failed=False, client=member) < MISSES
    assert FAILURES / 2 < flood(tried, "*.example.org", 10_000, failed=True, client=member) < FAILURES
    other = replace(stranger(1_001), member=True)
    assert tried.admit(from_text("www.example.org"), other, NOW)


def test_an_exempt_client_has_no_share_but_is_bound_like_all_together() -> None:
    assert flood(limit(), "*.example.net", 1_000, failed=True, client=MONITOR) == FAILURES
    assert flood(limit(), "*.example.net", 1_000, failed=False, client=MONITOR) == MISSES


def test_a_flood_of_strangers_closes_no_domain_for_exempt_clients() -> None:
    tried = limit()
    for n in range(500):
        flood(tried, f"*.{n}.example.net", 20, failed=True, client=stranger(n))
    assert tried.admit(WWW, stranger(9_999), NOW) is False
    assert tried.admit(WWW, MONITOR, NOW)


def test_what_an_exempt_client_asks_closes_no_domain_for_members() -> None:
    tried = limit()
    flood(tried, "*.example.net", 1_000, failed=True, client=MONITOR)
    assert not tried.admit(WWW, MONITOR, NOW)
    assert tried.admit(WWW, replace(stranger(1_000), member=True), NOW)


def test_without_a_client_no_share_is_foreseen() -> None:
    tried = limit()
    flood(tried, "*.example.net", FAILURES // 2 + 1, failed=True)
    while tried.admit(WWW, CLIENT, NOW):
        pass
    assert tried.foresee(WWW, CLIENT, NOW) is DomainBound.CLIENT_SHARE
    assert tried.foresee(WWW, None, NOW) is None
    flood(tried, "*.example.net", FAILURES, failed=True)
    assert tried.foresee(WWW, None, NOW) is DomainBound.FAILURES


# ---------------------------------------------------------------- what one domain is


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("a.b.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("a.www.ck", "www.ck"),
        ("customer.example-cdn.net", "customer.example-cdn.net"),
        ("4.3.2.1.in-addr.arpa", "2.1.in-addr.arpa"),
        ("1.in-addr.arpa", "1.in-addr.arpa"),
        ("in-addr.arpa", "in-addr.arpa"),
        ("b._dns-sd._udp.0.2.1.10.in-addr.arpa", "1.10.in-addr.arpa"),
        ("0." * 24 + "8.b.d.0.1.0.0.2.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"),
        ("1.0.0.2.ip6.arpa", "1.0.0.2.ip6.arpa"),
        ("ip6.arpa", "ip6.arpa"),
        ("a.example.arpa", "example.arpa"),
        ("arpa", "arpa"),
        ("4.3.2.1.zen.spamhaus.org", "spamhaus.org"),
        (".", "."),
    ],
)
def test_a_domain_is_what_somebody_has(name: str, domain: str) -> None:
    assert domains_of(from_text(name), SUFFIXES)[0] == from_text(domain)


@pytest.mark.parametrize("name", ["a.b.unlisted", "qkwbvzrdsz"])
def test_what_is_under_no_top_level_domain_is_one_domain_and_not_the_root(name: str) -> None:
    assert domains_of(from_text(name), SUFFIXES) == (b"", b"")


@pytest.mark.parametrize(
    "qname",
    [
        b"\x09x\x07in-addr\x04arpa\x00",
        b"\x01a\x01b\x09x\x07in-addr\x04arpa\x00",
    ],
    ids=["alone", "with names below"],
)
def test_the_bytes_of_a_reverse_zone_inside_a_label_mean_nothing(qname: bytes) -> None:
    assert domains_of(qname, SUFFIXES) == (b"\x09x\x07in-addr\x04arpa\x00",) * 2


@given(qnames())
@deterministic
def test_whatever_bytes_a_name_has_it_is_limited(qname: bytes) -> None:
    limiter = limit()
    qname = qname.lower()
    for number in range(FAILURES):
        assert limiter.admit(qname, stranger(number), NOW)
        limiter.charge(qname, NOW, failed=True)
    assert not limiter.admit(qname, CLIENT, NOW)


def test_customers_of_one_company_are_not_limited_for_each_other() -> None:
    limiter = limit()
    flood(limiter, "*.one.example-cdn.net", 100, failed=True)
    assert not limiter.admit(from_text("www.one.example-cdn.net"), CLIENT, NOW)
    assert limiter.admit(from_text("www.two.example-cdn.net"), CLIENT, NOW)


def test_random_customers_of_a_company_are_cut_off_later_than_random_names_of_one() -> None:
    limiter = limit()
    assert flood(limiter, "*.example-cdn.net", 1_000, failed=True) == 8 * FAILURES
    assert limiter.admit(from_text("www.example.net"), CLIENT, NOW)


def test_random_names_of_a_registry_are_not_met_here() -> None:
    assert flood(limit(), "*.net", 500, failed=True) == 500


def test_random_top_level_domains_are_one_domain() -> None:
    assert flood(limit(), "*", 500, failed=True) == FAILURES
    assert flood(limit(), "*.x*", 500, failed=True) == FAILURES


def test_an_operator_s_blocklists_have_no_limit() -> None:
    limiter = limit(exempt=("dnsbl.example.net",))
    assert flood(limiter, "*.dnsbl.example.net", 1_000, failed=True) == 1_000
    assert flood(limiter, "*.example.org", 1_000, failed=True) == FAILURES


def test_another_list_tells_domains_apart_otherwise() -> None:
    limiter = limit(exempt=("a.example.net",))
    limiter.use(type(SUFFIXES)({from_text("example.net"): 1}, frozenset({from_text("net")}), 0.0))
    assert flood(limiter, "*.a.example.net", 1_000, failed=True) == 1_000
    assert flood(limiter, "*.b.example.net", 1_000, failed=True) == FAILURES


# ---------------------------------------------------------------- the tables


def test_the_secret_decides_who_shares_a_slot() -> None:
    one, other = limit(secret=bytes(16)), limit(secret=bytes(15) + b"\x01")
    assert one._hashes(WWW) == limit(secret=bytes(16))._hashes(WWW)
    assert one._hashes(WWW) != other._hashes(WWW)


def test_strangers_hardly_suffer_while_a_tenth_of_the_slots_is_full() -> None:
    limiter = limit()
    for number in range(MINIMUM_SLOTS // 20):
        flood(limiter, f"*.full{number}.net", FAILURES, failed=True)
    disturbed = sum(not limiter.admit(from_text(f"www.other{number}.net"), CLIENT, NOW) for number in range(1_000))
    assert disturbed < 50


def test_what_was_done_is_in_the_figures() -> None:
    limiter = limit()
    flood(limiter, "*.example.net", FAILURES + 3, failed=True)
    flood(limiter, "*.example.org", MISSES + 2, failed=False)
    limiter.charge(m.ROOT, NOW, failed=False)
    statistics = limiter.statistics(NOW)
    assert statistics.admitted == FAILURES + MISSES
    assert statistics.refused == {DomainBound.MISSES: 2, DomainBound.FAILURES: 3, DomainBound.CLIENT_SHARE: 0}
    assert (statistics.fetches, statistics.failures) == (FAILURES + MISSES + 1, FAILURES)
    assert all(0 < fill < 1 for fill in (statistics.misses_fill, statistics.failures_fill))


# ---------------------------------------------------------------- held otherwise


@pytest.mark.parametrize("client", [None, MEMBER], ids=["strangers", "a member"])
@pytest.mark.parametrize("failed", [False, True], ids=["that exist", "that do not"])
def test_in_shadow_it_counts_as_often_as_it_would_have_refused(client: Client | None, failed: bool) -> None:
    enforced, shadow = limit(), limit()
    shadow.switch = RuleSwitch("shadow")
    asked = 0
    for second in range(30):
        pattern = f"*.{second}.example.net"
        asked += flood(enforced, pattern, 20, failed=failed, client=client, now=NOW + second)
        assert flood(shadow, pattern, 20, failed=failed, client=client, now=NOW + second) == 20
    assert shadow.switch.shadowed == 600 - asked > 0
    assert set(shadow.statistics(NOW).refused.values()) == {0}


def test_off_nothing_is_charged_and_nothing_refused() -> None:
    limiter = limit()
    limiter.switch = RuleSwitch("off")
    assert flood(limiter, "*.example.net", 1_000, failed=True) == 1_000
    assert (limiter.switch.shadowed, limiter.statistics(NOW).failures) == (0, 1_000)
    limiter.switch.adopt("enforce", NOW)
    assert limiter.admit(WWW, CLIENT, NOW)


def test_so_many_names_are_remembered_that_were_let_through_in_shadow() -> None:
    limiter = limit()
    limiter.switch = RuleSwitch("shadow")
    flood(limiter, "*.example.net", 5 * MOST_SHADOWED, failed=True)
    assert 0 < len(limiter._shadowed) <= MOST_SHADOWED


def test_a_name_that_is_within_the_limit_again_is_charged_again() -> None:
    limiter = limit()
    limiter.switch = RuleSwitch("shadow")
    flood(limiter, "*.example.net", 100, failed=True)
    assert limiter.admit(WWW, CLIENT, NOW)
    later = NOW + 3_600
    assert limiter.admit(WWW, CLIENT, later)
    for _ in range(FAILURES):
        limiter.charge(WWW, later, failed=True)
    assert limiter.foresee(WWW, CLIENT, later) is DomainBound.FAILURES

"""Failed questions: five seconds, then twice as long, up to five minutes; and how that ends."""

import pytest

from dohproxy.cache.failures import MOST_FAILURES, Failures, RememberedFailure
from dohproxy.config import CacheConfig
from dohproxy.wire.numbers import ExtendedError, Rcode

RULES = CacheConfig(failure_ttl_seconds=5, failure_ttl_max_seconds=300, stale_recheck_seconds=30)
KEY = b"\x03www\x00\x00\x01\x00"
NETWORK_ERROR = (ExtendedError.NETWORK_ERROR,)


def fail(failures: Failures, now: float, *, key: bytes = KEY, has_stale: bool = False, grows: bool = True) -> float:
    """Remember a failure and return for how many seconds."""
    failures.remember(key, Rcode.SERVFAIL, NETWORK_ERROR, now, has_stale=has_stale, grows=grows)
    known = failures.recall(key, now)
    assert known is not None
    assert known.until == now + known.seconds
    return known.seconds


def test_a_failure_is_remembered_with_what_it_said_until_its_time_is_over() -> None:
    failures = Failures(RULES)
    fail(failures, 1_000.0)
    known = failures.recall(KEY, 1_004.999)
    assert known is not None
    assert (known.rcode, known.errors) == (Rcode.SERVFAIL, NETWORK_ERROR)
    assert failures.recall(KEY, 1_005.0) is None


def test_an_outage_is_remembered_for_the_shortest_pause_however_long_it_lasts() -> None:
    failures = Failures(RULES)
    assert [fail(failures, now, grows=False) for now in (0.0, 6.0, 12.0, 18.0)] == [5, 5, 5, 5]


def test_what_did_not_fail_is_not_remembered() -> None:
    assert Failures(RULES).recall(KEY, 1_000.0) is None


def test_each_failure_in_a_row_is_remembered_twice_as_long_up_to_the_limit() -> None:
    failures = Failures(RULES)
    now = 1_000.0
    pauses = []
    for _ in range(9):
        pauses.append(fail(failures, now))
        now += pauses[-1]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_the_pause_doubles_only_if_the_next_failure_comes_soon() -> None:
    failures = Failures(RULES)
    assert fail(failures, 1_000.0) == 5
    assert fail(failures, 1_009.9) == 10
    assert fail(failures, 1_009.9 + 10 + 10) == 5


def test_an_answer_resets_the_pause() -> None:
    failures = Failures(RULES)
    fail(failures, 1_000.0)
    fail(failures, 1_005.0)
    failures.forget(KEY)
    assert failures.recall(KEY, 1_005.0) is None
    assert fail(failures, 1_006.0) == 5


def test_forgetting_what_is_not_known_is_no_error() -> None:
    Failures(RULES).forget(KEY)


@pytest.mark.parametrize("before", [0, 1, 5], ids=["first failure", "second failure", "sixth failure"])
def test_with_a_stale_answer_at_hand_the_upstream_is_tried_again_every_thirty_seconds(before: int) -> None:
    failures = Failures(RULES)
    now = 1_000.0
    for _ in range(before):
        now += fail(failures, now)
    assert fail(failures, now, has_stale=True) == 30
    assert fail(failures, now + 30, has_stale=True) == 30


@pytest.mark.parametrize(
    ("drawn", "pause"),
    [(0.0, 38.0), (0.5, 40.0), (0.75, 41.0)],
    ids=["a twentieth shorter", "exact", "a fortieth longer"],
)
def test_a_pause_differs_a_little_by_chance_and_the_next_is_twice_what_was_meant(drawn: float, pause: float) -> None:
    failures = Failures(CacheConfig(failure_ttl_seconds=20), lambda: drawn)
    failures.remember(KEY, Rcode.SERVFAIL, NETWORK_ERROR, 1_000.0, has_stale=False, grows=True)
    failures.remember(KEY, Rcode.SERVFAIL, NETWORK_ERROR, 1_020.0, has_stale=False, grows=True)
    known = failures.recall(KEY, 1_020.0)
    assert known is not None
    assert (known.until, known.seconds) == (1_020.0 + pause, 40)


@pytest.mark.parametrize(
    ("seconds", "has_stale", "drawn", "pause"),
    [(1, False, 0.0, 1.0), (300, False, 0.99, 300.0), (3_600, True, 0.99, 3_600.0), (3_600, True, 0.5, 3_600.0)],
    ids=["no less than a second", "no more than five minutes", "no more beside a stale answer", "as long as it says"],
)
def test_chance_stays_within_what_the_standard_allows(
    seconds: int, drawn: float, pause: float, *, has_stale: bool
) -> None:
    rules = CacheConfig(failure_ttl_seconds=min(seconds, 300), stale_recheck_seconds=seconds)
    failures = Failures(rules, lambda: drawn)
    failures.remember(KEY, Rcode.SERVFAIL, NETWORK_ERROR, 0.0, has_stale=has_stale, grows=True)
    known = failures.recall(KEY, 0.0)
    assert known is not None
    assert known.until == pause


def test_a_flood_of_failures_forgets_the_least_recently_used() -> None:
    failures = Failures(RULES)
    fail(failures, 1_000.0)
    fail(failures, 1_000.0, key=b"forgotten")
    for number in range(MOST_FAILURES - 1):
        failures.recall(KEY, 1_000.0)
        fail(failures, 1_000.0, key=number.to_bytes(8))
    assert len(failures) == MOST_FAILURES
    assert failures.recall(b"forgotten", 1_000.0) is None
    assert failures.recall(KEY, 1_000.0) is not None


def test_what_another_node_remembers_holds_here_and_grows_on() -> None:
    failures = Failures(RULES)
    failures.receive(KEY, RememberedFailure(Rcode.SERVFAIL, NETWORK_ERROR, 1_003.0, 20))
    known = failures.recall(KEY, 1_002.9)
    assert known is not None
    assert (known.rcode, known.errors) == (Rcode.SERVFAIL, NETWORK_ERROR)
    assert failures.recall(KEY, 1_003.0) is None
    assert fail(failures, 1_003.0) == 40


def test_of_two_pauses_the_longer_one_holds() -> None:
    failures = Failures(RULES)
    fail(failures, 1_000.0)
    failures.receive(KEY, RememberedFailure(Rcode.REFUSED, (), 1_004.0, 5))
    known = failures.recall(KEY, 1_004.5)
    assert known is not None
    assert known.rcode == Rcode.SERVFAIL

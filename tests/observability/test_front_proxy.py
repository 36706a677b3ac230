"""A front proxy that hides its clients is noticed, told of once, and forgotten when it is put right."""

from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

import pytest
from structlog.testing import capture_logs

from dohproxy.config import ClientsConfig
from dohproxy.observability.front_proxy import (
    EVENTS,
    FRONT_PROXY_FIGURES,
    LOG_SECONDS,
    MANY_HEADERS,
    MANY_REQUESTS,
    REMEDIES,
    WINDOW_SECONDS,
    FrontProxyIssue,
    FrontProxyWatch,
    Window,
    judge,
    notify,
)
from dohproxy.outcomes import Client
from dohproxy.policy.forwarded import AddressStatus
from dohproxy.policy.identity import Identities
from tests.fakes.samples import samples_of

START = 1_000.0
IDENTITIES = Identities(bytes(32))
CONNECTION = ClientsConfig()
HEADER = ClientsConfig("x-forwarded-for", (ip_network("192.0.2.1/32"), ip_network("2001:db8::1/128")))
PROXY_PROTOCOL = ClientsConfig("proxy-protocol", ("unix",))


def client(address: str) -> Client:
    return IDENTITIES.client(ip_address(address).packed if address else b"")


def watch_of(
    config: ClientsConfig, addresses: Iterable[str], statuses: Counter[AddressStatus] | None = None
) -> FrontProxyWatch:
    watch = FrontProxyWatch(config, statuses if statuses is not None else Counter(), START)
    for address in addresses:
        watch.observe(client(address))
    return watch


@pytest.mark.parametrize(
    ("config", "address", "is_found"),
    [
        (CONNECTION, "127.0.0.1", True),
        (CONNECTION, "::1", True),
        (CONNECTION, "10.0.0.7", True),
        (CONNECTION, "fd00::7", True),
        (CONNECTION, "::ffff:172.17.0.1", True),
        (CONNECTION, "", True),
        (CONNECTION, "9.9.9.9", False),
        (HEADER, "192.0.2.1", True),
        (HEADER, "2001:db8::1", True),
        (HEADER, "10.0.0.7", False),
        (HEADER, "9.9.9.9", False),
        (PROXY_PROTOCOL, "", True),
        (PROXY_PROTOCOL, "10.0.0.7", False),
    ],
    ids=[
        "loopback",
        "IPv6 loopback",
        "the local network",
        "a unique local address",
        "an IPv4-mapped private address",
        "a Unix socket",
        "not one busy client of the Internet",
        "the proxy where it should name others",
        "the proxy over IPv6",
        "not one client of the local network that the proxy names",
        "not one client of the Internet that the proxy names",
        "a Unix socket without PROXY address",
        "not one client that the PROXY header names",
    ],
)
def test_one_address_for_all_is_a_finding_where_a_proxy_would_have_it(
    config: ClientsConfig, address: str, is_found: bool
) -> None:
    watch = watch_of(config, [address] * MANY_REQUESTS)
    assert watch.findings() == ({FrontProxyIssue.SHARED_ADDRESS} if is_found else set())


def test_too_few_requests_for_a_finding_are_none() -> None:
    assert watch_of(CONNECTION, ["127.0.0.1"] * (MANY_REQUESTS - 1)).findings() == set()


@pytest.mark.parametrize("position", [0, 1, MANY_REQUESTS // 2, MANY_REQUESTS], ids=lambda at: f"at {at}")
def test_a_second_address_anywhere_ends_the_finding(position: int) -> None:
    addresses = ["127.0.0.1"] * MANY_REQUESTS
    addresses.insert(position, "10.0.0.7")
    assert watch_of(CONNECTION, [*addresses, "127.0.0.1"]).findings() == set()


def test_no_address_is_kept() -> None:
    address = ip_address("10.11.12.13").packed
    watch = watch_of(CONNECTION, ["10.11.12.13"] * MANY_REQUESTS)
    kept = repr({name: value for name, value in vars(watch).items() if name != "_statuses"})
    assert repr(address) not in kept
    assert "10.11.12.13" not in kept


@pytest.mark.parametrize(
    ("window", "findings"),
    [
        (Window(), set()),
        (Window(1000, untrusted=MANY_HEADERS), set()),
        (Window(2 * MANY_HEADERS, untrusted=MANY_HEADERS), {FrontProxyIssue.UNTRUSTED_HEADER}),
        (Window(MANY_HEADERS - 1, untrusted=MANY_HEADERS - 1), set()),
        (Window(1000, missing=MANY_HEADERS, trusted=1000), set()),
        (Window(1000, missing=MANY_HEADERS, trusted=2 * MANY_HEADERS), {FrontProxyIssue.MISSING_HEADER}),
        (Window(MANY_HEADERS - 1, missing=MANY_HEADERS - 1, trusted=MANY_HEADERS - 1), set()),
        (
            Window(1000, shared=True, untrusted=500, missing=500, trusted=500),
            {FrontProxyIssue.SHARED_ADDRESS, FrontProxyIssue.UNTRUSTED_HEADER, FrontProxyIssue.MISSING_HEADER},
        ),
    ],
    ids=[
        "silence",
        "some clients write the header themselves",
        "half of the requests bring the header from a stranger",
        "too few requests from a stranger",
        "a script asks directly now and then",
        "a trusted proxy sends no header",
        "too few requests without the header",
        "everything at once",
    ],
)
def test_proxies_are_told_from_strays(window: Window, findings: set[FrontProxyIssue]) -> None:
    assert judge(window) == findings


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        (AddressStatus.IGNORED_UNTRUSTED, FrontProxyIssue.UNTRUSTED_HEADER),
        (AddressStatus.MISSING, FrontProxyIssue.MISSING_HEADER),
    ],
)
def test_what_became_of_the_header_is_read_from_the_counters(status: AddressStatus, finding: FrontProxyIssue) -> None:
    statuses = Counter({status: 10_000})  # from before the watch began
    watch = watch_of(HEADER, [], statuses)
    for number in range(MANY_HEADERS):
        assert watch.findings() == set()
        statuses[status] += 1
        watch.observe(client(f"198.51.100.{number}"))
    assert watch.findings() == {finding}


def test_requests_with_the_header_speak_for_the_proxy() -> None:
    statuses: Counter[AddressStatus] = Counter()
    watch = watch_of(HEADER, [], statuses)
    statuses.update({AddressStatus.MISSING: MANY_HEADERS, AddressStatus.HEADER: MANY_HEADERS + 1})
    assert watch.findings() == set()


def test_a_finding_lasts_for_one_window_after_its_own() -> None:
    watch = watch_of(CONNECTION, ["127.0.0.1"] * MANY_REQUESTS)
    held = []
    for windows in range(3):
        watch.news(START + windows * WINDOW_SECONDS)
        held.append(watch.findings())
    assert held == [{FrontProxyIssue.SHARED_ADDRESS}, {FrontProxyIssue.SHARED_ADDRESS}, set()]


def test_a_window_before_a_long_silence_is_forgotten() -> None:
    watch = watch_of(CONNECTION, ["127.0.0.1"] * MANY_REQUESTS)
    watch.news(START + 3 * WINDOW_SECONDS)
    assert watch.findings() == set()


def test_requests_of_different_windows_are_not_added_up() -> None:
    watch = watch_of(CONNECTION, ["127.0.0.1"] * (MANY_REQUESTS - 1))
    watch.news(START + WINDOW_SECONDS)
    watch.observe(client("127.0.0.1"))
    assert watch.findings() == set()


def busy_until(watch: FrontProxyWatch, seconds: Sequence[float]) -> list[tuple[FrontProxyIssue, ...]]:
    """What is news at each of these moments, with one busy address before each."""
    news = []
    for second in seconds:
        for _ in range(MANY_REQUESTS):
            watch.observe(client("127.0.0.1"))
        news.append(watch.news(START + second))
    return news


def let_it_be_silent(watch: FrontProxyWatch) -> None:
    """Let the rest of the hour after START pass, up to its last window."""
    for window in range(1, int(LOG_SECONDS / WINDOW_SECONDS)):
        watch.news(START + window * WINDOW_SECONDS)
    assert watch.findings() == set()


def test_a_finding_is_news_once_for_as_long_as_it_holds() -> None:
    watch = watch_of(CONNECTION, [])
    moments = [step * WINDOW_SECONDS / 2 for step in range(40)]
    assert busy_until(watch, moments) == [(FrontProxyIssue.SHARED_ADDRESS,), *[()] * 39]


@pytest.mark.parametrize(
    ("second", "is_news"),
    [(LOG_SECONDS - 1, False), (LOG_SECONDS, True)],
    ids=["not within the hour", "after an hour"],
)
def test_a_finding_that_returns_is_news_again(second: float, is_news: bool) -> None:
    watch = watch_of(CONNECTION, [])
    assert busy_until(watch, [0.0]) == [(FrontProxyIssue.SHARED_ADDRESS,)]
    let_it_be_silent(watch)
    assert busy_until(watch, [second]) == [(FrontProxyIssue.SHARED_ADDRESS,) if is_news else ()]


def test_a_finding_kept_back_within_the_hour_is_told_when_the_hour_is_over() -> None:
    watch = watch_of(CONNECTION, [])
    busy_until(watch, [0.0])
    let_it_be_silent(watch)
    assert busy_until(watch, [LOG_SECONDS - 1, LOG_SECONDS]) == [(), (FrontProxyIssue.SHARED_ADDRESS,)]


@pytest.mark.parametrize("finding", FrontProxyIssue)
def test_a_line_says_what_is_wrong_and_what_to_do(finding: FrontProxyIssue) -> None:
    with capture_logs() as lines:
        notify([finding])
    [line] = lines
    assert line == {"event": EVENTS[finding], "remedy": REMEDIES[finding], "log_level": "warning"}
    assert "clients." in line["remedy"]


def test_every_finding_is_a_sample_of_one_gauge() -> None:
    assert samples_of(FRONT_PROXY_FIGURES, {FrontProxyIssue.MISSING_HEADER}) == {
        ("dohproxy_front_proxy_finding", ("shared-address",)): 0.0,
        ("dohproxy_front_proxy_finding", ("untrusted-header",)): 0.0,
        ("dohproxy_front_proxy_finding", ("missing-header",)): 1.0,
    }

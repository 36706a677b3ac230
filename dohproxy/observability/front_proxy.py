"""What is wrong between us and a front proxy, seen from the requests themselves.

A proxy that does not tell us whom it speaks for looks like one very busy client: its limit then hits everybody, and
nothing in any single request is wrong. So requests are watched over some minutes. Of their addresses only this is
kept: the keyed hash of the first one, and whether there was another.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

import structlog

from dohproxy.config import ClientsConfig
from dohproxy.observability.figures import FigureGroup, Unit, gauge, label_of
from dohproxy.outcomes import Client
from dohproxy.policy.forwarded import AddressStatus, trusted_by

WINDOW_SECONDS: Final = 300.0
"""A finding tells of the current window and the one before: the last 5 to 10 minutes, two to twenty scrapes."""
MANY_REQUESTS: Final = 100
"""Requests in a window before one address for all means something: a third a second, more than one person makes for
long, and half of what a small association was seen to have on average (60,000 a day)."""
MANY_HEADERS: Final = 25
"""Requests in a window without the header, or with it from a stranger. A health check every 30 s makes ten."""
LOG_SECONDS: Final = 3_600.0
"""The pause between two lines about the same finding."""

_log = structlog.get_logger("dohproxy.front_proxy")


class FrontProxyIssue(StrEnum):
    """What is wrong; closed, so fit for a metric's label."""

    SHARED_ADDRESS = "shared-address"
    """All requests have one address, which is that of a proxy: all clients share one limit."""
    UNTRUSTED_HEADER = "untrusted-header"
    """The header comes from peers that are not trusted, and is not read."""
    MISSING_HEADER = "missing-header"
    """A trusted proxy sends no header: its clients share the proxy's address."""


EVENTS: Final = {
    FrontProxyIssue.SHARED_ADDRESS: "all clients share one address",
    FrontProxyIssue.UNTRUSTED_HEADER: "header from an untrusted peer",
    FrontProxyIssue.MISSING_HEADER: "header missing from a trusted peer",
}
"""What the log calls each; constants, so that their rate is limited one by one."""

REMEDIES: Final = {
    FrontProxyIssue.SHARED_ADDRESS: "they share one limit: if a front proxy stands here, let it name its clients, and"
    " set clients.address_from and clients.trusted_proxies; with a single client nothing is wrong",
    FrontProxyIssue.UNTRUSTED_HEADER: "it is ignored: if it is your front proxy's, add the proxy's address to"
    " clients.trusted_proxies; if clients write it themselves, nothing needs to be done",
    FrontProxyIssue.MISSING_HEADER: "clients behind that proxy share one limit: let it send the header that"
    " clients.address_from names, also with its own health checks",
}
"""What it does to clients, and what the operator can do."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in one stretch of time."""

    requests: int = 0
    """All, whoever sent them."""
    shared: bool = False
    """All came from one address, and it is one that a front proxy would have."""
    untrusted: int = 0
    """Requests that had the header, from a peer that is not trusted."""
    missing: int = 0
    """Requests that had no header, from a trusted peer."""
    trusted: int = 0
    """Requests from trusted peers, with and without the header."""


def judge(window: Window) -> frozenset[FrontProxyIssue]:
    """Tell what is wrong.

    Proxies do it always or never, so a few strays among good requests (a script that asks directly, a client that
    writes a header for fun) mean nothing: for the headers it takes half of the requests in question.
    """
    found = set()
    if window.shared and window.requests >= MANY_REQUESTS:
        found.add(FrontProxyIssue.SHARED_ADDRESS)
    if window.untrusted >= MANY_HEADERS and 2 * window.untrusted >= window.requests:
        found.add(FrontProxyIssue.UNTRUSTED_HEADER)
    if window.missing >= MANY_HEADERS and 2 * window.missing >= window.trusted:
        found.add(FrontProxyIssue.MISSING_HEADER)
    return frozenset(found)


class FrontProxyWatch:
    """Watches all requests of a process; costs one comparison for each."""

    def __init__(self, clients: ClientsConfig, statuses: Mapping[AddressStatus, int], now: float) -> None:
        """`statuses`: how addresses were found, counted by somebody else and only ever growing."""
        self.adopt(clients)
        self._statuses = statuses
        self._statuses_before = dict(statuses)
        self._requests = 0
        self._first: tuple[tuple[int, int], ...] | None = None
        self._shared = False
        self._ends = now + WINDOW_SECONDS
        self._before: frozenset[FrontProxyIssue] = frozenset()
        self._told: set[FrontProxyIssue] = set()
        self._told_at: dict[FrontProxyIssue, float] = {}

    def adopt(self, clients: ClientsConfig) -> None:
        """Take other rules about whom to believe."""
        self._is_from_connection = clients.address_from == "connection"
        self._trusted = trusted_by(clients)

    def observe(self, client: Client) -> None:
        """Take notice of one request."""
        self._requests += 1
        if client.hashes != self._first:
            self._shared = self._first is None and self._is_a_proxy(client.address)
            self._first = client.hashes if self._first is None else self._first

    def findings(self) -> frozenset[FrontProxyIssue]:
        """Return what was wrong within the last 5 to 10 minutes."""
        return judge(self._window()) | self._before

    def news(self, now: float) -> tuple[FrontProxyIssue, ...]:
        """Return what the operator should be told now; call it every few seconds.

        A finding is news when it appears, and then not again before it was gone, nor within the hour.
        """
        if now >= self._ends:
            self._turn(now)
        findings = self.findings()
        self._told &= findings
        news = [
            finding
            for finding in FrontProxyIssue
            if finding in findings - self._told and now - self._told_at.get(finding, -math.inf) >= LOG_SECONDS
        ]
        self._told.update(news)
        self._told_at.update(dict.fromkeys(news, now))
        return tuple(news)

    def _turn(self, now: float) -> None:
        """Begin a new window."""
        # What was counted before a long silence of the caller is not of the last minutes.
        is_recent = now - self._ends < WINDOW_SECONDS
        self._before = judge(self._window()) if is_recent else frozenset()
        self._statuses_before = dict(self._statuses)
        self._requests = 0
        self._first = None
        self._shared = False
        self._ends = now + WINDOW_SECONDS

    def _window(self) -> Window:
        of_trusted = (AddressStatus.HEADER, AddressStatus.HIDDEN, AddressStatus.MISSING, AddressStatus.MALFORMED)
        return Window(
            self._requests,
            self._shared,
            self._counted(AddressStatus.IGNORED_UNTRUSTED),
            self._counted(AddressStatus.MISSING),
            sum(map(self._counted, of_trusted)),
        )

    def _counted(self, status: AddressStatus) -> int:
        return self._statuses.get(status, 0) - self._statuses_before.get(status, 0)

    def _is_a_proxy(self, address: bytes) -> bool:
        """Tell whether this may be a proxy's own address. A client's on the Internet is none, however busy."""
        if not address:
            return True  # a Unix socket's peer
        if self._trusted.includes(address):
            return True
        return self._is_from_connection and not ip_address(address).is_global


def notify(news: Collection[FrontProxyIssue]) -> None:
    """Write one line for each finding, without any address."""
    for finding in news:
        _log.warning(EVENTS[finding], remedy=REMEDIES[finding])


FRONT_PROXY_FIGURES: Final = FigureGroup[Collection[FrontProxyIssue]](
    "Front proxies",
    (
        gauge(
            "front_proxy_finding",
            "1 if this was wrong with a front proxy within the last 5 to 10 minutes.",
            lambda findings: {finding.value: float(finding in findings) for finding in FrontProxyIssue},
            label_of("finding", FrontProxyIssue),
            unit=Unit.SWITCH,
        ),
    ),
)

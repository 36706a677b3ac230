"""Floods: of requests, of connections, of handshakes, of what is malformed, of random names below one domain.

Each is measured over ten seconds and against two things: a rate below which no association needs to be woken, and what
is usual here. The words say what of it the limits have met already.
"""

from collections.abc import Iterator
from typing import Final

from dohproxy.observability.detectors.judgement import AlertKind, Detector, Judgement
from dohproxy.observability.detectors.normal import Normals
from dohproxy.observability.detectors.reading import Growth, History, percent, share
from dohproxy.outcomes import OUTCOMES, Reason

WINDOW_SECONDS: Final = 10.0
SHORTEST_SECONDS: Final = 4.0
"""Of a window: after one look of two seconds every rate would be a guess."""
UNUSUAL_FACTOR: Final = 10.0
"""How many times the usual is a flood: a Monday morning is two or three times the Sunday's."""
MANY_REQUESTS: Final = 200.0
"""A second. Three times what 20,000 people ask on average, and an eighth of what one core answers from the cache."""
MANY_LIMITED: Final = 20.0
"""Requests a second over a limit: one broken program makes some, and its limit is all that is needed."""
MANY_CONNECTIONS: Final = 100.0
"""A second: all of 20,000 stubs that look every four hours make three."""
MANY_TURNED_AWAY: Final = 20.0
"""Connections a second that are closed at once."""
MANY_HANDSHAKES: Final = 20.0
"""Handshakes a second that come to nothing. A scanner makes a few."""
MANY_MALFORMED: Final = 20.0
"""A second: honest clients send none, a wrong front proxy or a scanner some."""
MANY_RANDOM: Final = 5.0
"""Names a second that are not asked for because of their domain: `names.domain_misses_per_second` is that by default,
so as many again are refused as are asked."""

LIMITED: Final = (Reason.CLIENT_LIMIT, Reason.SERVICE_LIMIT, Reason.MISS_LIMIT)
MALFORMED: Final = tuple(
    reason
    for reason in Reason
    if (OUTCOMES[reason].counts and reason is not Reason.PREFLIGHT)
    or reason in (Reason.UNREADABLE, Reason.FORMAT_ERROR, Reason.NOT_IMPLEMENTED, Reason.BAD_VERSION)
)
TURNED_AWAY: Final = (
    "too_many", "too_many_per_client", "client_rate", "total_rate", "strangers_rate", "too_many_handshakes", "banned",
    "made_room",
)  # fmt: skip
"""Labels of connections that were closed before a byte of theirs was read, or to make room for those who were not."""
FAILED_HANDSHAKES: Final = ("handshake", "too_many_handshakes", "tls_flood")
NEVER_SLOTTED: Final = ("too_many",)
"""Of these, those that had no slot, and so are not among the accepted."""


def request_flood(history: History, normals: Normals) -> Iterator[Judgement]:
    """Judge how many requests come, and how many of them are over a limit."""
    growth = history.within(WINDOW_SECONDS)
    rate, limited = growth.requests() / growth.seconds, growth.requests(*LIMITED) / growth.seconds
    usual = normals.of("requests_per_second", growth.last.at)
    unusual = rate / max(MANY_REQUESTS, UNUSUAL_FACTOR * usual.value)
    over = limited / MANY_LIMITED if growth.share_of_requests(growth.requests(*LIMITED)) >= 0.1 else 0.0
    level = _level(growth, max(0.0 if normals.is_learning(growth.last.at) else unusual, over))
    usual.learn(rate, growth.last.at, is_alarmed=level >= 1.0, is_new=normals.is_learning(growth.last.at))
    met = f"{percent(share(limited, rate))} of them are over a limit and refused"
    failing = f"; {percent(_failing(growth))} of all end without an answer" if _failing(growth) >= 0.01 else ""
    usually = f", where at most {usual.value:,.0f} are usual" if unusual >= 1.0 else ""
    yield Judgement(level, f"{rate:,.0f} requests a second{usually}; {met}{failing}")


def connection_flood(history: History, normals: Normals) -> Iterator[Judgement]:
    """Judge how many connections are opened, and how many are closed at once."""
    growth = history.within(WINDOW_SECONDS)
    away = growth.closed(*TURNED_AWAY) / growth.seconds
    rate = (growth.accepted + growth.closed(*NEVER_SLOTTED)) / growth.seconds
    usual = normals.of("connections_per_second", growth.last.at)
    unusual = rate / max(MANY_CONNECTIONS, UNUSUAL_FACTOR * usual.value)
    learning = normals.is_learning(growth.last.at)
    level = _level(growth, max(0.0 if learning else unusual, away / MANY_TURNED_AWAY))
    usual.learn(rate, growth.last.at, is_alarmed=level >= 1.0, is_new=learning)
    causes = {label: growth.closed(label) for label in TURNED_AWAY}
    most = max(causes, key=lambda label: causes[label])
    why = f", most of them as {most}" if causes[most] else ""
    words = f"{rate:,.0f} connections a second are opened; {percent(share(away, rate))} are closed at once{why}"
    yield Judgement(level, words)


def handshake_flood(history: History, _: Normals) -> Iterator[Judgement]:
    """Judge how many TLS handshakes come to nothing."""
    growth = history.within(WINDOW_SECONDS)
    failed = growth.closed(*FAILED_HANDSHAKES) / growth.seconds
    opened = max(growth.accepted / growth.seconds, failed)
    level = failed / MANY_HANDSHAKES if share(failed, opened) >= 0.3 else 0.0
    words = (
        f"{failed:,.0f} TLS handshakes a second come to nothing, {percent(share(failed, opened))} of all connections:"
        " they are begun and not ended, or there are more than may be under way"
    )
    yield Judgement(_level(growth, level), words)


def malformed_flood(history: History, _: Normals) -> Iterator[Judgement]:
    """Judge how much comes that is no question."""
    growth = history.within(WINDOW_SECONDS)
    bad = growth.requests(*MALFORMED)
    part = growth.share_of_requests(bad)
    rate = bad / growth.seconds
    kinds = {reason: growth.requests(reason) for reason in MALFORMED}
    most = max(kinds, key=lambda reason: kinds[reason])
    words = (
        f"{rate:,.0f} requests a second are malformed, {percent(part)} of all; most of them end as"
        f" {OUTCOMES[most].label}"
    )
    yield Judgement(_level(growth, rate / MANY_MALFORMED if part >= 0.1 else 0.0), words)


def random_names(history: History, _: Normals) -> Iterator[Judgement]:
    """Judge how many names are not asked for because of the domain they are below."""
    growth = history.within(WINDOW_SECONDS)
    rate = (growth.last.domain_refusals - growth.first.domain_refusals) / growth.seconds
    words = (
        f"{rate:,.0f} names a second are not asked for because too many were asked below one domain, most of which do"
        " not exist: this is how the servers of a domain are attacked through resolvers; other domains go on"
    )
    yield Judgement(_level(growth, rate / MANY_RANDOM), words)


def _level(growth: Growth, level: float) -> float:
    return level if growth.last.at - growth.first.at >= SHORTEST_SECONDS else 0.0


def _failing(growth: Growth) -> float:
    return growth.share_of_requests(growth.last.failed - growth.first.failed)


FLOODS: Final = (
    Detector(
        AlertKind.REQUEST_FLOOD,
        request_flood,
        "members are served first; `mode members --for 1h` turns everybody else away",
        judges_all=True,
    ),
    Detector(
        AlertKind.CONNECTION_FLOOD,
        connection_flood,
        "members' networks have places of their own in the line; lower connections.new_per_second_per_client, or"
        " drop the networks in the firewall",
        judges_all=True,
    ),
    Detector(
        AlertKind.HANDSHAKE_FLOOD,
        handshake_flood,
        "strangers' handshakes stay within connections.stranger_handshake_percent of a core; drop the networks in the"
        " firewall if members still wait",
        judges_all=True,
    ),
    Detector(
        AlertKind.MALFORMED_FLOOD,
        malformed_flood,
        "refusing them costs no more than a cached answer; if they come from your own front proxy, look at its"
        " configuration",
        judges_all=True,
    ),
    Detector(
        AlertKind.RANDOM_NAMES,
        random_names,
        "the domain is held to names.domain_misses_per_second and names.domain_failures_per_second; nothing needs to be"
        " done unless it is a domain that members need",
        judges_all=True,
    ),
)

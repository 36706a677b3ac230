"""The report in words: headings, rows of a name and a value, the bars of its picture. Text and page are made of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dohproxy.durations import in_words
from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.outcome_groups import Group
from dohproxy.policy.rule_switches import Rule
from dohproxy.tools.usage.summary import Bar, Minute, Summary
from dohproxy.upstream.results import SendStatus

GROUP_WORDS: Final = {
    Group.CACHE: "answered from the cache",
    Group.UPSTREAM: "answered by an upstream",
    Group.STALE: "given an old answer, for want of a new one",
    Group.HERE: "answered here, as names of private networks are",
    Group.WITHHELD: "withheld, by a list or by hand",
    Group.MALFORMED: "malformed, or of a kind that is not served",
    Group.LIMITED: "turned away by a limit, a ban or a mode",
    Group.FAILED: "not answered: no upstream, or no budget",
}
LIMIT_WORDS: Final = {
    "members_only": "only members were served",
    "list_stub": "stubs of public lists turned away",
    "banned": "requests of banned networks",
    "client_limit": "over the limit of one client",
    "service_limit": "over the limit of the whole service",
    "miss_limit": "new names over the limit of one client",
    "domain_limit": "names below a domain under attack",
}
SHADOW_WORDS: Final = {
    Rule.CLIENT_LIMIT: "requests over their client's limit",
    Rule.MISS_LIMIT: "questions over their client's limit on misses",
    Rule.DOMAIN_LIMIT: "questions over their domain's limit",
    Rule.SERVICE_LIMIT: "questions while all together were over the limit",
    Rule.TOO_MANY_PER_CLIENT: "connections of clients that had as many as they may",
    Rule.CLIENT_RATE: "connections of clients that opened them too fast",
    Rule.TOTAL_RATE: "connections over the rate of all together",
    Rule.STRANGERS_RATE: "connections of strangers over their share of handshakes",
    Rule.UNDELEGATED: "questions for top-level domains that do not exist",
    Rule.PRIVATE_ADDRESSES: "answers with private addresses for public names",
    Rule.LISTED_REACTION: "requests of strangers, while a public list had us",
    Rule.LIST_STUB: "requests of public lists' stubs",
    Rule.BANS: "connections and requests that bans would have kept out",
    Rule.MEMBERS_ONLY: "requests of others than members",
    "dialects": "requests in dialects that are only counted",
}
SEND_WORDS: Final = {
    SendStatus.ANSWERED: "answered",
    SendStatus.FAILED: "answered with an error",
    SendStatus.TRUNCATED: "cut, and asked again over TCP",
    SendStatus.UNUSABLE: "of no use",
    SendStatus.BAD_COOKIE: "asked again with a cookie",
    SendStatus.UNPROVEN: "possibly forged, and asked again over TCP",
    SendStatus.TIMEOUT: "not answered in time",
    SendStatus.UNREACHABLE: "could not be delivered",
    SendStatus.NO_ROUTE: "had no way out of this machine",
    SendStatus.UNTRUSTED: "not sent, as the certificate is not trusted",
    SendStatus.LOST: "lost with a connection",
    SendStatus.UNSENT: "not sent, as this machine ran out of something",
    SendStatus.ABANDONED: "given up at the end of a run",
}
ALERT_WORDS: Final = {
    AlertKind.LISTED: "a public list of resolvers had found the service",
    AlertKind.REQUEST_FLOOD: "a flood of requests",
    AlertKind.CONNECTION_FLOOD: "a flood of connections",
    AlertKind.HANDSHAKE_FLOOD: "a flood of TLS handshakes",
    AlertKind.MALFORMED_FLOOD: "a flood of malformed requests",
    AlertKind.RANDOM_NAMES: "random names below a domain",
    AlertKind.BUDGET_EXHAUSTED: "more questions than the upstreams' budgets",
    AlertKind.FAILING: "many requests without an answer",
    AlertKind.MEMBERS_SUFFER: "members without answers, or waiting for them",
    AlertKind.BOUND_FULL: "something that cannot grow was full",
    AlertKind.UPSTREAM: "an upstream in trouble",
    AlertKind.WAY_OUT: "no way to any upstream",
    AlertKind.CERTIFICATE: "trouble with the certificate",
    AlertKind.DISK: "a file that could not be saved, or a full disk",
}
PRIVACY: Final = (
    "Sums alone: no address, no name that was asked for and no person stands in these figures, nor in the file that"
    " they are from. Networks (an IPv4 /24, an IPv6 /56) are counted by HyperLogLog, to some 2 %, and none is kept."
)
ENOUGH_COVER: Final = 0.98
"""Part of the span of which figures are there, from which on nobody need be told that some are missing."""

ENOUGH_TO_COMPARE: Final = 0.9
"""Part of what is known of the span that has to be known of the one before."""


@dataclass(frozen=True, slots=True)
class Row:
    """A name and a value."""

    label: str
    value: str
    part: str = ""
    """What the value is part of, in percent; "" where that means nothing."""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The whole report."""

    title: str
    span: str
    headlines: tuple[Row, ...]
    """The few figures that are read aloud."""
    sections: tuple[Section, ...]
    bars: tuple[Bar, ...]
    are_days: bool
    remarks: tuple[str, ...]


def sheet_of(now: Summary, before: Summary, host: str, at: datetime) -> Sheet:
    """Return the report of a span; `before` is one of the same length before it, `at` is when the report is made."""
    found = (
        Section("What became of the requests", tuple(_groups(now))),
        Section("How they were spelled (dialects)", tuple(_shares(now.dialects, now.requests))),
        Section("Upstreams", tuple(_upstreams(now))),
        Section("Members", tuple(_members(now))),
        Section("What limits did", tuple(_limits(now))),
        Section("What rules that are only tried would have done", tuple(_shadow(now))),
        Section("Bans", tuple(_bans(now))),
        Section("Incidents", tuple(_incidents(now))),
        Section("Certificate", tuple(_certificate(now, at))),
    )
    return Sheet(
        f"DNS over HTTPS at {host}",
        _span(now),
        tuple(_headlines(now, before)),
        tuple(section for section in found if section.rows),
        now.bars,
        now.are_days,
        tuple(_remarks(now)),
    )


def _span(now: Summary) -> str:
    return f"{now.since:%Y-%m-%d %H:%M} to {now.until:%Y-%m-%d %H:%M} ({now.until:%Z})"


def _headlines(now: Summary, before: Summary) -> Iterator[Row]:
    # Of a span of which less is known nothing follows for this one.
    is_known = before.covered_seconds >= ENOUGH_TO_COMPARE * now.covered_seconds
    yield Row("requests", f"{now.requests:,}", _compared(now.requests, before.requests) if is_known else "")
    yield Row("answered", _percent(now.requests - now.failed, now.requests), f"{now.failed:,} were not")
    if now.networks_busiest_day:
        usual = f"{now.networks_usual_day:,} on a usual day, " if now.are_days else ""
        new = f"{now.new_networks:,} new"
        yield Row("different networks on the busiest day", f"{now.networks_busiest_day:,}", usual + new)
    yield Row("queries to upstreams", f"{now.total_sends:,}", _ratio(now.total_sends, now.requests))
    if now.busiest.count:
        yield Row("requests in the busiest minute", f"{now.busiest.count:,}", _when(now.busiest, now))
    if now.worst.count:
        yield Row("not answered in the worst minute", f"{now.worst.count:,}", _when(now.worst, now))
    times = now.within_seconds
    if now.requests:
        yield Row("half of all answers within", _milliseconds(times[50]), f"99 % within {_milliseconds(times[99])}")


def _groups(now: Summary) -> Iterator[Row]:
    for group in Group:
        count = now.groups[group]
        if count:
            yield Row(GROUP_WORDS[group], f"{count:,}", _percent(count, now.requests))


def _shares(counts: Mapping[str, int], total: int) -> Iterator[Row]:
    for label, count in counts.items():
        yield Row(label, f"{count:,}", _percent(count, total))


def _upstreams(now: Summary) -> Iterator[Row]:
    for label, count in now.sends.items():
        yield Row(SEND_WORDS[SendStatus(label)], f"{count:,}", _percent(count, now.total_sends))
    if now.throttlings:
        yield Row("signs that one wants less from us", f"{now.throttlings:,}")


def _members(now: Summary) -> Iterator[Row]:
    if now.member_questions:
        failed = _percent(now.member_failures, now.member_questions)
        yield Row("questions that the cache could not answer", f"{now.member_questions:,}")
        yield Row("of these not answered", f"{now.member_failures:,}", failed)


def _limits(now: Summary) -> Iterator[Row]:
    for label, count in now.limits.items():
        if count:
            yield Row(LIMIT_WORDS[label], f"{count:,}", _percent(count, now.requests))
    if now.connections_refused:
        part = _percent(now.connections_refused, now.connections + now.connections_refused)
        yield Row("connections turned away", f"{now.connections_refused:,}", part)
    if now.made_room:
        yield Row("connections that made room for others", f"{now.made_room:,}")


def _shadow(now: Summary) -> Iterator[Row]:
    for name, count in now.shadow.items():
        if count:
            yield Row(SHADOW_WORDS[name], f"{count:,}")


def _bans(now: Summary) -> Iterator[Row]:
    if now.bans_begun or now.bans_at_once:
        yield Row("begun by rule", f"{now.bans_begun:,}")
        yield Row("at once, at most", f"{now.bans_at_once:,}")


def _incidents(now: Summary) -> Iterator[Row]:
    for one in now.incidents:
        times = "went on" if not one.begun else "once" if one.begun == 1 else f"{one.begun:,} times"
        yield Row(ALERT_WORDS[AlertKind(one.kind)], times, f"{in_words(one.seconds)} in all")
    if now.requests and not now.incidents:
        yield Row("none", "")


def _certificate(now: Summary, at: datetime) -> Iterator[Row]:
    if now.certificate_ends:
        ends = datetime.fromtimestamp(now.certificate_ends, at.tzinfo)
        days = (ends - at).days
        yield Row("valid until", f"{ends:%Y-%m-%d}", f"{days} days" if days >= 0 else "expired")


def _remarks(now: Summary) -> Iterator[str]:
    whole = (now.until - now.since).total_seconds()
    if now.covered_seconds < ENOUGH_COVER * whole:
        part = 100 * now.covered_seconds / whole
        yield f"Figures are there for {part:.0f} % of the time; else there was no service, or none that counted."
    if now.starts > 1:
        yield f"The service was started {now.starts} times."
    yield PRIVACY


# --- Numbers in words ---


def _compared(count: int, before: int) -> str:
    if not before:
        return ""
    change = 100 * (count - before) / before
    if abs(change) < 1:
        return "as many as before"
    return f"{abs(change):,.0f} % {'more' if change > 0 else 'less'} than before"


def _percent(count: int, total: int) -> str:
    """Return a part in percent, of which 0 and 100 mean none and all."""
    if not total:
        return "none"
    part = 100 * count / total
    if count in (0, total):
        return f"{part:.0f} %"
    return f"{min(99.99, max(0.01, part)):.2f} %" if part < 1 or part > 99 else f"{part:.1f} %"


def _ratio(sends: int, requests: int) -> str:
    return f"{100 * sends / requests:.1f} for 100 requests" if requests else ""


def _when(minute: Minute, now: Summary) -> str:
    return f"on {datetime.fromtimestamp(minute.ended_at, now.since.tzinfo):%Y-%m-%d before %H:%M}"


def _milliseconds(seconds: float) -> str:
    if seconds == float("inf"):
        return "more than 5 s"
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"

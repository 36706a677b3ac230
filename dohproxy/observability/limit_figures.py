"""The figures of the limits on requests, misses, domains and connections, and of what is judged by its name."""

from collections.abc import Callable, Mapping
from typing import Final

from dohproxy.observability.figures import FigureGroup, Label, Together, Unit, counter, gauge, label_of
from dohproxy.policy.connection_limiter import ConnectionLimiterStatistics
from dohproxy.policy.domains import DomainBound, DomainStatistics
from dohproxy.policy.fair_slots import FairSlotsStatistics
from dohproxy.policy.limits import LimitStatistics, Width
from dohproxy.policy.member_networks import MOST_NETWORKS, MemberNetworks
from dohproxy.policy.probes import ProbeKind
from dohproxy.policy.request_limiter import RequestLimiterStatistics
from dohproxy.policy.standing import Standing

_LIMIT: Final = Label("limit", ("requests", "misses"))
_PREFIX: Final = label_of("prefix", Width)
_LIMIT_TABLE: Final = Label("table", tuple(f"{limit}_{width}" for limit in _LIMIT.values for width in Width))
_WHO: Final = Label("kind", ("member", "settled", "newcomer", "over_fair_share"))


def _limits(limiter: RequestLimiterStatistics) -> Mapping[str, LimitStatistics]:
    return {"requests": limiter.requests, "misses": limiter.misses}


def _by_limit(read: Callable[[LimitStatistics], float]) -> Callable[[RequestLimiterStatistics], Mapping[str, float]]:
    return lambda limiter: {name: read(limit) for name, limit in _limits(limiter).items()}


def _limited(limiter: RequestLimiterStatistics) -> Mapping[tuple[str, str], float]:
    return {(name, width.width): width.limited for name, limit in _limits(limiter).items() for width in limit.widths}


def _table_fills(limiter: RequestLimiterStatistics) -> Mapping[str, float]:
    return {f"{name}_{width.width}": width.fill for name, limit in _limits(limiter).items() for width in limit.widths}


def _misses_by_who(limiter: RequestLimiterStatistics) -> Mapping[str, float]:
    found = limiter.priorities
    return {
        "member": found.members,
        "settled": found.settled,
        "newcomer": found.newcomers,
        "over_fair_share": found.greedy,
    }


REQUEST_LIMIT_FIGURES: Final = FigureGroup[RequestLimiterStatistics](
    "Limits on requests and misses",
    (
        counter(
            "limit_admitted",
            "Requests and misses admitted by a client limit.",
            _by_limit(lambda limit: limit.admitted),
            _LIMIT,
        ),
        counter(
            "limit_exempt", "Requests and misses from exempt networks.", _by_limit(lambda limit: limit.exempt), _LIMIT
        ),
        counter(
            "limited",
            "Requests and misses refused, by the narrowest prefix that was over its limit.",
            _limited,
            _LIMIT,
            _PREFIX,
        ),
        gauge(
            "limit_table_fill",
            "Share of a limiter table's slots in use.",
            _table_fills,
            _LIMIT_TABLE,
            unit=Unit.RATIO,
        ),
        gauge(
            "service_limit_fill",
            "How full the service-wide limit is, 0 to 1.",
            lambda limiter: limiter.total_fill,
            unit=Unit.RATIO,
        ),
        counter(
            "miss_priorities",
            "Misses by who asked; those over their fair share are among the others.",
            _misses_by_who,
            _WHO,
        ),
        gauge(
            "seniority_table_fill",
            "Share of the seniority table's slots in use.",
            lambda limiter: limiter.priorities.fill,
            unit=Unit.RATIO,
        ),
        gauge("miss_slots_taken", "Misses being resolved.", lambda limiter: limiter.slots.taken),
        gauge("miss_slots", "Misses that may be resolved at once.", lambda limiter: limiter.slots.most),
    ),
)

_BOUND: Final = label_of("bound", DomainBound)
_DOMAIN_TABLE: Final = Label("table", ("misses", "failures"))

DOMAIN_FIGURES: Final = FigureGroup[DomainStatistics](
    "Limits on single domains",
    (
        counter("domain_admitted", "Misses that their domain's limit let through.", lambda domains: domains.admitted),
        counter(
            "domain_limited",
            "Misses not asked for because of their domain, by what it was over.",
            lambda domains: domains.refused,
            _BOUND,
        ),
        counter("domain_fetches", "Fetches charged to their domain.", lambda domains: domains.fetches),
        counter(
            "domain_failures", "Fetches charged to their domain that came to nothing.", lambda domains: domains.failures
        ),
        gauge(
            "domain_table_fill",
            "Share of a domain limit's slots in use.",
            lambda domains: {"misses": domains.misses_fill, "failures": domains.failures_fill},
            _DOMAIN_TABLE,
            unit=Unit.RATIO,
        ),
    ),
)

PROBE_FIGURES: Final = FigureGroup[Mapping[ProbeKind, int]](
    "Health probes of clients",
    (
        counter(
            "probes",
            "Health probes of clients, by the name asked for.",
            lambda probes: probes,
            label_of("probe", ProbeKind),
        ),
    ),
)

REBINDING_FIGURES: Final = FigureGroup[int](
    "Private addresses for public names",
    (
        counter(
            "private_answers_withheld", "Answers with private addresses for public names.", lambda withheld: withheld
        ),
    ),
    "with `names.withhold_private_addresses`",
)

CONNECTION_LIMIT_FIGURES: Final = FigureGroup[ConnectionLimiterStatistics](
    "Limits on connections",
    (
        counter(
            "connections_limited",
            "Connections refused for their rate, by the narrowest prefix that was over its limit.",
            lambda limiter: {width.width: width.limited for width in limiter.rate.widths},
            _PREFIX,
        ),
        gauge(
            "connection_table_fill",
            "Share of the connection limiter's slots in use.",
            lambda limiter: {width.width: width.fill for width in limiter.rate.widths},
            _PREFIX,
            unit=Unit.RATIO,
        ),
        gauge(
            "new_connections_fill",
            "How full the limit of all new connections is, 0 to 1.",
            lambda limiter: limiter.total_fill,
            unit=Unit.RATIO,
        ),
        gauge(
            "new_stranger_connections_fill",
            "How full the limit of strangers' new connections is, 0 to 1.",
            lambda limiter: limiter.strangers_fill,
            unit=Unit.RATIO,
        ),
        gauge(
            "max_new_stranger_connections_per_second",
            "What strangers may open, as handshakes are dear; +Inf if no less than everybody.",
            lambda limiter: limiter.strangers_per_second,
            unit=Unit.PER_SECOND,
            together=Together.MOST,
        ),
        gauge("handshakes", "TLS handshakes under way.", lambda limiter: limiter.handshakes.taken),
        gauge("max_handshakes", "TLS handshakes that may be under way.", lambda limiter: limiter.handshakes.most),
        gauge(
            "busiest_client_connections",
            "Connections of the client with the most.",
            lambda limiter: limiter.busiest_client,
            together=Together.MOST,
        ),
        gauge(
            "max_client_connections", "Connections that one client may have.", lambda limiter: limiter.max_per_client
        ),
    ),
)

_SHARED: Final = Label("bound", ("connections", "handshakes", "misses"))

SLOT_FIGURES: Final = FigureGroup[Mapping[str, FairSlotsStatistics]](
    "Bounds that all clients share",
    (
        gauge(
            "slots_held",
            "Slots that are taken, by who holds them.",
            lambda bounds: {
                (name, standing.name.lower()): count
                for name, slots in bounds.items()
                for standing, count in slots.by_standing.items()
            },
            _SHARED,
            Label("standing", tuple(standing.name.lower() for standing in Standing)),
        ),
        gauge(
            "max_slots", "Slots that there are.", lambda bounds: {n: slots.most for n, slots in bounds.items()}, _SHARED
        ),
        counter(
            "slots_made_room",
            "Holders that lost their slot to somebody with more right to it.",
            lambda bounds: {name: slots.made_room for name, slots in bounds.items()},
            _SHARED,
        ),
        counter(
            "slots_refused",
            "Newcomers for whom nobody had to make room.",
            lambda bounds: {name: slots.refused for name, slots in bounds.items()},
            _SHARED,
        ),
    ),
)

MEMBER_NETWORK_FIGURES: Final = FigureGroup[MemberNetworks](
    "Addresses from which members' tokens came",
    (
        gauge("member_networks", "Addresses that are remembered, for connections.", len, together=Together.MOST),
        gauge("max_member_networks", "Addresses that may be.", lambda _: MOST_NETWORKS, together=Together.MOST),
        gauge(
            "member_network_bytes",
            "Bytes that they take at most.",
            lambda known: known.held_bytes,
            unit=Unit.BYTES,
            together=Together.MOST,
        ),
    ),
)

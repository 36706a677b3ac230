"""Every attack of the drill in one table: what comes, for how long, what the service does about it, what is told.

Phases are what happens to public resolvers. Cases are attacks by few who are many: they were found while it was not yet
decided who goes first at each bound, and shut members out then.
"""

from dataclasses import dataclass, replace
from typing import Final

from bench.ban.signals import Signal
from bench.drill.addresses import WIDE
from bench.drill.attacker import Attack
from bench.drill.crowd import APART, NEW, Extra
from bench.drill.plans import BLOCKED, SHARED, Requests
from bench.drill.raw import Connections
from bench.incident.strangers import ADDRESSES

REQUESTS: Final = "dohproxy_requests_total"
CLOSED: Final = "dohproxy_connections_closed_total"
NEIGHBOUR: Final = "member among neighbours"
SHARER: Final = "member, name below that domain"
BESIDE: Final = "newcomer, name below that domain"


@dataclass(frozen=True, slots=True)
class Command:
    """What the person on duty says during a phase."""

    words: str
    arguments: tuple[tuple[str, str | bool], ...]
    after_seconds: float
    acts: tuple[str, str]
    """The figure, with the value of a label, that counts what it does."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One row of the table."""

    name: str
    attack: Attack | None
    seconds: float
    alerts: tuple[str, ...] = ()
    """Each of these would do; none: nothing has to be told."""
    refused: tuple[tuple[str, str], ...] = ()
    """Figures, with the value of a label, that count what is refused of it."""
    tls: bool = True
    signal: Signal | None = None
    """How the upstream is meanwhile."""
    command: Command | None = None
    hopeless: tuple[str, ...] = ()
    """Kinds of the crowd's requests that nobody could answer."""
    extras: tuple[Extra, ...] = ()
    members: tuple[str, ...] = ()
    """Networks that are members' too."""
    is_case: bool = False
    title: str = ""


def _over(*outcomes: str) -> tuple[tuple[str, str], ...]:
    return tuple((REQUESTS, outcome) for outcome in outcomes)


def _closed(*reasons: str) -> tuple[tuple[str, str], ...]:
    return tuple((CLOSED, reason) for reason in reasons)


FULL: Final = _closed(
    *("total_rate", "strangers_rate", "client_rate", "too_many", "too_many_per_client", "too_many_handshakes"),
    "made_room",
)

PHASES: Final = (
    Phase(
        "scan",
        Requests("random path", 500.0, 3_500, WIDE, 20.0),
        20.0,
        alerts=("malformed_flood", "request_flood", "connection_flood", "listed"),
        refused=_over("wrong_path"),
        title="10,000 requests from 3,500 addresses to random paths",
    ),
    Phase(
        "connections",
        Connections("byte", 1_500.0, 8_000, 200_000, WIDE, 25.0, hold_seconds=4.0),
        25.0,
        alerts=("connection_flood", "handshake_flood", "bound_full"),
        refused=FULL,
        title="1,500 new connections a second, on which nothing follows the first byte",
    ),
    Phase(
        "handshakes",
        Connections("hello", 1_000.0, 4_000, 200_000, WIDE, 25.0),
        25.0,
        alerts=("handshake_flood", "connection_flood", "bound_full"),
        refused=FULL,
        title="1,000 TLS handshakes a second that nobody ends",
    ),
    Phase(
        "malformed",
        Requests("malformed", 800.0, 400, WIDE, 20.0, keeps=True),
        20.0,
        alerts=("malformed_flood",),
        refused=_over("base64", "unreadable", "format_error", "client_limit"),
        title="800 malformed requests a second over 400 kept connections",
    ),
    Phase(
        "listed",
        # No alert: what is usual is learnt for half an hour after a start before anything is called unusual.
        Requests("listed", 0.0, ADDRESSES, WIDE, 25.0),
        25.0,
        refused=_over("client_limit", "service_limit"),
        title="the day on a public list, 100 times as fast",
    ),
    Phase(
        "names",
        Requests("names below one", 300.0, 2_000, WIDE, 20.0),
        20.0,
        alerts=("random_names", "budget_exhausted"),
        refused=_over("domain_limit", "miss_limit", "budget_spent"),
        title="300 random names a second below one domain",
    ),
    Phase(
        "outage",
        None,
        25.0,
        alerts=("upstream", "way_out", "failing"),
        signal=Signal.SILENCE,
        hopeless=(NEW,),
        title="the only upstream says nothing",
    ),
    Phase(
        "idle",
        Requests("known", 350.0, 10_000, WIDE, 30.0, keeps=True),
        30.0,
        alerts=("bound_full", "connection_flood"),
        refused=FULL,
        title="10,000 connections that ask once and are idle",
    ),
    Phase(
        "blocked",
        Requests("blocked", 1_000.0, 400, WIDE, 20.0, keeps=True),
        20.0,
        refused=_over("blocked"),
        command=Command("block", (("name", BLOCKED), ("for", "1h"), ("reason", "a drill")), 3.0, (REQUESTS, "blocked")),
        title="a blocked name, 1,000 times a second",
    ),
    Phase(
        "banned",
        Connections("byte", 1_000.0, 4_000, 60_000, ("127.64.0.0/16",), 20.0, hold_seconds=2.0),
        20.0,
        refused=_closed("banned"),
        command=Command(
            "ban", (("network", "127.64.0.0/16"), ("for", "1h"), ("reason", "a drill")), 3.0, (CLOSED, "banned")
        ),
        title="1,000 connections a second from a network that is banned",
    ),
)

HOUSE: Final = "2001:db8:1::/48"
CASES: Final = (
    Phase(
        "a",
        Connections("silent", 90.0, 4_000, 512, ("127.64.0.0/24", "127.64.1.0/24"), 25.0),
        25.0,
        refused=FULL,
        tls=False,
        title="two /24s open 90 silent connections a second",
    ),
    Phase(
        "a6",
        Connections("silent", 130.0, 4_000, 4_000, (HOUSE,), 25.0),
        25.0,
        refused=FULL,
        tls=False,
        title="one /48 opens 130 silent connections a second",
    ),
    Phase(
        "b",
        Connections("ping", 250.0, 4_000, 4_000, (HOUSE, "2001:db8:2::/48"), 30.0),
        30.0,
        refused=FULL,
        tls=False,
        title="two /48s hold HTTP/2 connections with a PING in 4 s",
    ),
    Phase(
        "c",
        Requests("silent", 57.0, 400, (HOUSE,), 30.0, keeps=True),
        30.0,
        refused=_over("miss_limit", "budget_spent", "client_limit"),
        tls=False,
        title="one /48 asks 57 times a second for names whose servers are silent",
    ),
    Phase(
        "d",
        Requests("known", 480.0, 16, tuple(f"127.64.7.{host}/32" for host in range(1, 17)), 25.0, keeps=True),
        25.0,
        refused=_over("client_limit"),
        tls=False,
        extras=(Extra(NEIGHBOUR, "127.64.7.200", 5.0, "www.neighbour-bench.net"),),
        members=("127.64.7.200/32",),
        title="16 neighbours of a member in its /24, 30 requests a second each",
    ),
    Phase(
        "e",
        Requests("new", 160.0, 16, tuple(f"2001:db8:1:{number << 8:x}::/56" for number in range(16)), 30.0, keeps=True),
        30.0,
        refused=_over("miss_limit", "budget_spent", "client_limit"),
        tls=False,
        title="16 /56s of one /48 ask for 160 new names a second; look at the newcomers",
    ),
    Phase(
        "f",
        Requests("names below one", 5.0, 1, ("127.64.9.9/32",), 40.0, keeps=True),
        40.0,
        refused=_over("domain_limit", "miss_limit"),
        tls=False,
        extras=(
            Extra(SHARER, f"{APART}.251.10", 0.5, f"host{{}}.{SHARED}"),
            Extra(BESIDE, "127.221.1.10", 0.25, f"host{{}}.{SHARED}"),
        ),
        title="one household asks for 5 random names a second below a domain that others need",
    ),
    Phase(
        "g",
        Connections("byte", 1_500.0, 8_000, 200_000, WIDE, 25.0, hold_seconds=4.0),
        25.0,
        refused=FULL,
        tls=False,
        title="1,500 connections a second from random addresses",
    ),
)
"""All of them `is_case`, which `chosen` sets."""


def chosen(phases: list[str], cases: list[str], seconds: float | None) -> list[Phase]:
    """Return the phases and cases of these names, all phases if none is named, as long as `seconds` says.

    Raise SystemExit for a name that nothing has.
    """
    named = [*(replace(case, is_case=True) for case in CASES if case.name in cases or "all" in cases)]
    if phases or not cases:
        named = [*(phase for phase in PHASES if phase.name in phases or not phases), *named]
    known = {phase.name for phase in PHASES} | {"all"}
    missing = [name for name in phases if name not in known]
    missing += [name for name in cases if name not in {case.name for case in CASES} | {"all"}]
    if missing:
        raise SystemExit(f"no phase or case is called {', '.join(missing)}")
    return [phase if seconds is None else lasting(phase, seconds) for phase in named]


def lasting(phase: Phase, seconds: float, share: float = 1.0) -> Phase:
    """Return the phase with another length, and a share of the attack's rate."""
    attack = phase.attack
    if attack is not None:
        attack = replace(attack, seconds=seconds, per_second=attack.per_second * share)
    return replace(phase, seconds=seconds, attack=attack)

"""The drill in small, over real sockets: counts only. The whole is `python -m bench.drill`.

And the drill's own arithmetic: plans, prefixes, what is read of the metrics, what is promised.
"""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from bench.ban.books import Report
from bench.callers import Tally
from bench.drill.addresses import WIDE, draw_addresses, is_ipv6
from bench.drill.attacker import Toll
from bench.drill.crowd import DOOR, KNOWN, MEMBER_NETWORKS, NEW, NEWCOMER, Crowd, Extra
from bench.drill.drill import Figures, Price, play
from bench.drill.ground import remembered
from bench.drill.phases import CASES, PHASES, Command, chosen, lasting
from bench.drill.plans import PLANS, SHARED, Requests, planned
from bench.drill.raw import client_hello
from bench.drill.verdict import is_members, merged, promises
from bench.drill.watching import active_alerts, grown, knows_alerts, read_page
from bench.guest import budget_kept
from bench.targets import print_targets
from dohproxy.outcomes import OUTCOMES
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.query import parse_query

pytestmark = pytest.mark.long

SECONDS = 3.0
SHARE = 0.3
"""Of the attacks' rates: this runs beside other tests, on whatever machine there is."""
PHASE = PHASES[0]
REPORT = Report(10, 0, 0, 0, 0, 0.0, 3, 3.0, (), 0, {})


# --- Over sockets ---


@pytest.fixture(scope="module")
def snapshot() -> Iterator[Path]:
    """What the service remembers from before."""
    with remembered() as file:
        yield file


@pytest.mark.parametrize("name", ["scan", "connections", "names", "outage"])
def test_members_are_answered_whatever_comes(snapshot: Path, name: str) -> None:
    [phase] = chosen([name], [], None)
    figures = play(lasting(phase, SECONDS, SHARE), snapshot, before_seconds=1.0, members=60)
    hopeful = [tally for kind, tally in figures.during.items() if is_members(kind) and kind not in phase.hopeless]
    everything = merged(hopeful)
    assert everything.asked > 10
    assert everything.results == {"answered": everything.asked}
    assert print_targets(budget_kept(figures.upstream))
    assert figures.price.request > 0
    if phase.attack is None:
        assert figures.during[NEW].results["answered"] == 0 < figures.during[NEW].asked
    else:
        assert figures.toll.units > SECONDS * SHARE * phase.attack.per_second * 0.5


# --- The attacks ---


def test_every_plan_and_every_phase_has_a_name_of_its_own() -> None:
    names = [one.name for one in (*PHASES, *CASES)]
    assert len(set(names)) == len(names)
    plans = {one.attack.plan for one in (*PHASES, *CASES) if isinstance(one.attack, Requests)}
    assert plans == {*PLANS, "listed"}


def test_what_counts_as_refused_is_an_outcome() -> None:
    labels = {row.label for row in OUTCOMES.values()}
    counted = {label for one in (*PHASES, *CASES) for name, label in one.refused if name.endswith("requests_total")}
    assert counted <= labels


@pytest.mark.parametrize("name", sorted(PLANS))
def test_a_plan_has_as_many_requests_as_it_says_in_order(name: str) -> None:
    attack = Requests(name, per_second=50.0, addresses=7, prefixes=("127.64.0.0/24",), seconds=4.0)
    plan = list(planned(attack))
    assert len(plan) == attack.count == 200
    assert [asked.due for asked in plan] == sorted(asked.due for asked in plan)
    assert len({asked.caller.address for asked in plan}) <= 7
    assert len({id(asked.caller) for asked in plan}) == 200
    assert len({id(asked.caller) for asked in planned(replace(attack, keeps=True))}) == 7


def test_nothing_of_the_malformed_flood_is_a_query() -> None:
    for asked in planned(Requests("malformed", 30.0, 1, ("127.64.0.0/24",), 2.0)):
        head, _, body = asked.request.partition(b"\r\n\r\n")
        if b"dns=*" not in head:
            with pytest.raises(Malformed):
                parse_query(body)


def test_the_day_on_a_list_is_a_hundred_times_as_fast_as_it_was() -> None:
    plan = list(planned(Requests("listed", 0.0, 500, WIDE, 4.0)))
    assert len(plan) == pytest.approx(565_000 / 864 * 4, rel=0.05)


@pytest.mark.parametrize("prefixes", [WIDE, ("127.64.0.0/24", "127.64.1.0/24"), ("2001:db8:1::/48",)])
def test_attackers_come_from_their_prefixes(prefixes: tuple[str, ...]) -> None:
    drawn = draw_addresses(prefixes, 1_000)
    assert drawn == draw_addresses(prefixes, 1_000)
    within = [sum(ip_address(one) in ip_network(prefix) for one in drawn) for prefix in prefixes]
    assert within == [1_000 // len(prefixes)] * len(prefixes)
    assert is_ipv6(prefixes) == (":" in prefixes[0])


def test_no_attacker_is_a_member() -> None:
    for phase in (*PHASES, *CASES):
        for prefix in phase.attack.prefixes if phase.attack is not None else ():
            for network in (*MEMBER_NETWORKS, *phase.members):
                attacked, own = ip_network(prefix), ip_network(network)
                assert attacked.version != own.version or not attacked.overlaps(own)


def test_a_handshake_begins_with_a_client_hello() -> None:
    hello = client_hello()
    assert hello[0] == 22
    assert hello[5] == 1


def test_phases_are_chosen_by_name_and_unknown_names_are_told() -> None:
    assert chosen([], [], None) == list(PHASES)
    assert [one.name for one in chosen([], ["all"], None)] == [case.name for case in CASES]
    assert [one.name for one in chosen(["scan"], ["d"], None)] == ["scan", "d"]
    assert all(one.is_case for one in chosen([], ["all"], None))
    [short] = chosen(["scan"], [], 3.0)
    assert short.attack is not None
    assert short.seconds == short.attack.seconds == 3.0
    with pytest.raises(SystemExit, match="no phase or case is called flod"):
        chosen(["flod"], [], None)


# --- The members ---


def test_a_third_is_behind_one_address_and_a_third_new_each_time() -> None:
    plan = [asked for asked in Crowd(60).plan(400.0) if asked.kind == KNOWN]
    pages = {(asked.caller.address, asked.due) for asked in plan}
    together = sum(address == "127.201.0.10" for address, _ in pages) / len(pages)
    roaming = sum(address.startswith("127.203.") for address, _ in pages) / len(pages)
    assert together == pytest.approx(1 / 3, abs=0.08)
    assert roaming == pytest.approx(1 / 3, abs=0.08)


def test_members_are_in_their_networks_and_newcomers_are_not() -> None:
    networks = [ip_network(one) for one in MEMBER_NETWORKS]
    for asked in Crowd(30).plan(60.0):
        inside = any(ip_address(asked.caller.address) in network for network in networks)
        assert inside == is_members(asked.kind)


def test_members_by_token_ask_at_paths_of_their_own_from_anywhere() -> None:
    plan = [asked for asked in Crowd(30, ["/dns-query/one", "/dns-query/two"]).plan(200.0) if asked.kind == KNOWN]
    networks = [ip_network(one) for one in MEMBER_NETWORKS]
    outside = {
        (asked.request.split(b"?")[0], asked.caller.address)
        for asked in plan
        if not any(ip_address(asked.caller.address) in network for network in networks)
    }
    assert outside == {(b"GET /dns-query/one", "127.202.0.10"), (b"GET /dns-query/two", "127.202.1.10")}


def test_the_crowd_asks_for_what_is_known_and_for_new_names_apart() -> None:
    crowd = Crowd(60)
    known = set(crowd.known_questions())
    plan = [*crowd.plan(30.0), *crowd.plan(30.0)]
    assert {asked.request in known for asked in plan if asked.kind in (KNOWN, DOOR)} == {True}
    new = [asked.request for asked in plan if asked.kind in (NEW, NEWCOMER)]
    assert len(set(new)) == len(new)
    assert not known & set(new)


def test_a_phase_may_bring_somebody_else() -> None:
    extra = Extra("member beside", "127.64.7.200", 2.0, f"host{{}}.{SHARED}")
    asked = [one for one in Crowd(6, extras=(extra,)).plan(5.0, "before: ") if one.kind == "before: member beside"]
    assert len({one.request for one in asked}) == 10


# --- What is read, and what is promised ---

PAGE = """# HELP dohproxy_alert_active x
dohproxy_alert_active{alert="listed",subject=""} 0.0
dohproxy_alert_active{alert="random_names"} 1.0
dohproxy_upstream_alert{upstream="ns0",signal="SILENCE",words="it \\"says\\" nothing"} 1.0
dohproxy_requests_total{frontend="http1",method="GET",outcome="cached",status="200"} 5.0
dohproxy_requests_total{frontend="http2",method="GET",outcome="cached",status="200"} 2.0
dohproxy_handshakes 1.5e+01
"""


def test_a_page_of_metrics_is_read_by_each_label() -> None:
    page = read_page(PAGE)
    assert page["dohproxy_requests_total", "cached"] == 7
    assert page["dohproxy_requests_total", "http1"] == 5
    assert page["dohproxy_handshakes", ""] == 15
    assert active_alerts(page) == {"random_names", "upstream"}
    assert knows_alerts(page)
    assert not knows_alerts(read_page("dohproxy_handshakes 0\n"))
    assert grown({}, page, [("dohproxy_requests_total", "cached"), ("dohproxy_requests_total", "blocked")]) == 7


def tally(latency: float, count: int, lost: int = 0) -> Tally:
    """Return what became of so many requests, all as fast."""
    made = Tally()
    made.results.update(answered=count, lost=lost)
    made.latencies.extend([latency] * count)
    return made


def figures(**changes: object) -> Figures:
    """Return those of a phase in which all is well."""
    fine = Figures(
        phase=PHASE,
        before={KNOWN: tally(0.01, 100)},
        during={KNOWN: tally(0.09, 1_000)},
        toll=Toll(),
        price=Price(1e-5, 1e-4),
        attack_cpu=0.0,
        alert_seconds=10.0,
        told=frozenset(),
        tells_alerts=True,
        refusal_seconds=0.5,
        effect_seconds=None,
        refused_command="",
        bytes_before=1,
        largest_bytes=100_000_000,
        upstream=REPORT,
    )
    return replace(fine, **changes)  # type: ignore[arg-type]


def missed(**changes: object) -> list[str]:
    """Return the promises that are not kept."""
    return [target.what for target in promises(figures(**changes)) if not target.is_met]


COMMAND = Command("block", (), 1.0, ("dohproxy_requests_total", "blocked"))


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"during": {KNOWN: tally(0.09, 998, lost=2)}}, ["members answered"]),
        ({"during": {KNOWN: tally(0.11, 1_000)}}, ["member, p99 ms"]),
        ({"alert_seconds": 61.0}, ["seconds to the alert"]),
        ({"alert_seconds": None}, ["seconds to the alert"]),
        ({"alert_seconds": None, "tells_alerts": False}, []),
        ({"alert_seconds": None, "phase": replace(PHASE, is_case=True)}, []),
        ({"phase": replace(PHASE, command=COMMAND), "effect_seconds": 1.1}, ["seconds until `block` acts"]),
        ({"phase": replace(PHASE, command=COMMAND), "effect_seconds": None}, ["seconds until `block` acts"]),
        ({"phase": replace(PHASE, command=COMMAND), "refused_command": "there is none"}, []),
        ({"largest_bytes": 300_000_000}, ["memory, MiB"]),
        ({"upstream": replace(REPORT, needed_burst=41.0)}, ["smallest burst that explains all queries"]),
        ({"during": {KNOWN: tally(0.01, 9), "newcomer": tally(0, 0, lost=9)}}, []),
        ({"phase": replace(PHASE, hopeless=(NEW,)), "during": {KNOWN: tally(0.01, 9), NEW: tally(0, 0, lost=9)}}, []),
    ],
    ids=[
        *("nothing", "two lost of a thousand", "too slow", "a late alert", "no alert", "no alerts known"),
        *("cases await none", "a late command", "a command without effect", "no command", "too large"),
        *("over budget", "newcomers are not promised anything", "what nobody could answer"),
    ],
)
def test_a_broken_promise_is_told(changes: dict[str, object], broken: list[str]) -> None:
    assert missed(**changes) == broken


def test_the_drill_can_be_started() -> None:
    assert callable(importlib.import_module("bench.drill.__main__").main)

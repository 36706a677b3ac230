"""The comparison's own arithmetic, and that each server is configured from the table."""

import importlib
import re
import string

import dns.message
import pytest

import bench.__main__
from bench.peers.clients import PREFACE, first_flight, target
from bench.peers.comparison import Cell, Quartiles, Sample
from bench.peers.memory import ROWS
from bench.peers.results import Holding, Page, cost_text, instructions_text, markdown, ratio_text, speed_table
from bench.peers.servers import PEERS, PLAIN, UPSTREAM_CONFIGURATION, Peer
from bench.peers.targets import BEST, OWN, TARGETS, Target, judge, judge_growth
from bench.peers.workloads import CONNECTIONS, WORKLOADS
from dohproxy.doh.base64url import decode


def cell(*microseconds: float, instructions: float | None = None) -> Cell:
    """Return what turns of these costs make, at ten thousand requests a second."""
    return Cell(tuple(Sample(one, 10_000.0) for one in microseconds), instructions)


def test_a_cost_is_told_with_its_quartiles_and_how_busy_the_server_was() -> None:
    assert cost_text(cell(12.0, 10.0, 30.0, 14.0, 16.0)) == "14.0 (12.0 to 16.0), 14%"


@pytest.mark.parametrize(
    ("ratio", "told"),
    [
        (Quartiles(0.9, 0.95, 0.99), "0.95 (0.90 to 0.99) ahead"),
        (Quartiles(0.9, 0.95, 1.01), "0.95 (0.90 to 1.01) level"),
        (Quartiles(1.1, 1.2, 1.4), "1.20 (1.10 to 1.40) behind"),
        (None, "-"),
    ],
    ids=["ahead", "level", "behind", "not measured"],
)
def test_a_ratio_is_told_with_its_quartiles_and_its_word(ratio: Quartiles | None, told: str) -> None:
    assert ratio_text(ratio) == told


def test_what_was_not_measured_is_a_hyphen() -> None:
    assert cost_text(Cell()) == instructions_text(Cell()) == "-"


def test_a_row_of_the_table_of_speed_has_costs_ratios_and_instructions() -> None:
    cells = {"us": cell(10.0, 10.0, instructions=41_250.0), "them": cell(20.0, 20.0), "others": Cell()}
    assert speed_table(list(cells), {"cached": cells}) == [
        "|  | us | them | others | over them | over others "
        "| us, instructions | them, instructions | others, instructions |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| cached | 10.0 (10.0 to 10.0), 10% | 20.0 (20.0 to 20.0), 20% | - "
        "| 0.50 (0.50 to 0.50) ahead | - | 41.2 | - | - |",
    ]


def page(**holdings: Holding) -> str:
    """Return a page with one row of speed."""
    return markdown(
        Page(
            versions={"us": "1.0", "them": "2.0"},
            workloads={"cached": {"us": cell(1.0), "them": cell(2.0)}},
            holdings=holdings,
            verdicts=[["cached", "them", "0.6", "0.5", "reached"]],
            growth="entries\n  1,000  5 ns  1.00",
            notes=["them: holds nothing."],
            turns=24,
        )
    )


@pytest.mark.parametrize(
    "line",
    [
        "| cached | 1.0 (1.0 to 1.0), 1% | 2.0 (2.0 to 2.0), 2% | 0.50 (0.50 to 0.50) ahead | - | - |",
        "| memory | 3 MiB | - |",
        "| cached | them | 0.6 | 0.5 | reached |",
        "- them: holds nothing.",
        "  1,000  5 ns  1.00",
    ],
    ids=["speed", "memory", "target", "note", "growth"],
)
def test_the_page_has_a_line_for_everything(line: str) -> None:
    assert line in page(memory=Holding("MiB", {"us": 3.0})).splitlines()


def test_the_page_says_who_was_measured_and_in_how_many_turns() -> None:
    told = page()
    assert "us 1.0, them 2.0" in told
    assert "The servers take turns, 24 each" in told


def test_a_target_holds_a_query() -> None:
    query = dns.message.from_wire(decode(target("www.example.net").partition("dns=")[2]))
    assert str(query.question[0]) == "www.example.net. IN A"


def test_the_first_flight_is_preface_settings_and_one_request() -> None:
    flight = first_flight()
    assert flight.startswith(PREFACE)
    rest = flight[len(PREFACE) :]
    kinds = []
    while rest:
        kinds.append(rest[3])
        rest = rest[9 + int.from_bytes(rest[:3]) :]
    assert kinds == [4, 1]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_variant_of_a_server_can_be_written(peer: Peer) -> None:
    known = {"directory", "port", "dot_port", "side_port", "upstream", "tcp_places", "key", "configuration"}
    assert PLAIN in peer.variants
    for variant in peer.variants.values():
        fields = {name for _, name, _, _ in string.Formatter().parse(peer.configuration + variant) if name}
        assert fields <= known
    for part in (*peer.argv, *peer.reload_argv):
        assert {name for _, name, _, _ in string.Formatter().parse(part) if name} <= {"configuration"}
    assert re.search(r"127\.0\.0\.1[:@]\{upstream\}", peer.configuration)


def test_every_socket_of_every_server_is_on_loopback() -> None:
    for text in (UPSTREAM_CONFIGURATION, *(peer.configuration for peer in PEERS)):
        assert re.findall(r"\b(?!127\.)\d+\.\d+\.\d+\.\d+", text) == []


def test_every_workload_is_possible_for_us_and_for_a_peer() -> None:
    for workload in WORKLOADS:
        able = [peer.name for peer in PEERS if peer.is_able(workload.frontend, workload.variant)]
        assert able[0] == "dohproxy"
        assert len(able) > 1


@pytest.mark.parametrize("module", bench.__main__.MODULES.values())
def test_everything_that_make_bench_names_can_be_run(module: str) -> None:
    assert callable(importlib.import_module(module).main)


def rows(**costs: dict[str, float]) -> dict[str, dict[str, Cell]]:
    """Return workloads with one turn for each server."""
    return {row: {name: cell(cost) for name, cost in costs_.items()} for row, costs_ in costs.items()}


@pytest.mark.parametrize(
    ("target", "found", "word"),
    [
        (Target("hit", 0.6, server=BEST), 0.6, "reached"),
        (Target("hit", 0.59, server=BEST), 0.6, "not reached"),
        (Target("hit", 0.3, server="slow"), 0.3, "reached"),
        (Target("uneven", 0.79, server=BEST), 0.8, "not reached"),
        (Target("hit", 0.3, server="absent"), None, "not measured"),
        (Target("refusal", 0.7, other_row="hit"), 0.5, "reached"),
        (Target("refusal", 0.7, other_row="no such row"), None, "not measured"),
        (Target("memory", 70), 66.0, "reached"),
        (Target("memory", 60), 66.0, "not reached"),
    ],
    ids=[
        "as cheap as it should be beside the best",
        "a little too dear beside the best",
        "beside a server that is named",
        "as cheap in the middle, and not in three of four pairs",
        "beside one that was not measured",
        "beside another row of ours",
        "beside a row that was not measured",
        "in its own unit",
        "too much in its own unit",
    ],
)
def test_a_target_is_reached_or_not(target: Target, found: float | None, word: str) -> None:
    workloads = rows(hit={OWN: 6.0, "fast": 10.0, "slow": 20.0}, refusal={OWN: 3.0})
    uneven = (5.0, 6.0, 7.0, 8.0, 9.0)
    workloads["uneven"] = {OWN: cell(*uneven), "fast": cell(*[10.0] * len(uneven))}
    holdings = {"memory": Holding("MiB", {OWN: 66.0, "fast": 40.0})}
    (verdict,) = judge([target], workloads, holdings)
    assert verdict.found == (None if found is None else pytest.approx(found))
    assert verdict.word == verdict.cells()[-1] == word


def test_what_we_did_not_do_has_not_reached_its_target() -> None:
    (verdict,) = judge([Target("hit", 0.6, server=BEST)], {"hit": {OWN: Cell(), "fast": cell(1.0)}}, {})
    assert verdict.word == "not measured"


def test_rows_that_were_left_out_have_no_verdict() -> None:
    assert judge([Target("hit", 0.6, server=BEST)], {}, {}) == []


def test_every_target_is_about_rows_that_there_are() -> None:
    there = {workload.name for workload in WORKLOADS} | {row.name for row in ROWS}
    for one in TARGETS:
        assert one.row in there
        assert one.other_row is None or one.other_row in there


def test_growth_is_judged_at_the_largest_size_of_what_is_ours() -> None:
    printed = """\
a full cache of 1,000
  longest store          1.0 ms
entries in the cache
      1,000      500 ns   1.00
  1,000,000      550 ns   1.10
entries of a plain dict: the memory's share
      1,000      100 ns   1.00
  1,000,000      900 ns   9.00
clients in the tables
         10      500 ns   1.00
  1,000,000      650 ns   1.30
"""
    assert [(verdict.row, verdict.word) for verdict in judge_growth(printed)] == [
        ("entries in the cache: 1,000,000", "reached"),
        ("clients in the tables: 1,000,000", "not reached"),
    ]


@pytest.mark.parametrize("connections", ["1 connection", "50 connections", "1,000 connections"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
def test_every_way_to_ask_for_a_cached_answer_has_a_row_and_a_target(
    protocol: str, method: str, connections: str
) -> None:
    row = re.compile(rf"cached {method}, {protocol}, {connections}(, 10? streams?)?")
    streams = 1 if protocol == "HTTP/1.1" else 2
    assert sum(row.fullmatch(workload.name) is not None for workload in WORKLOADS) == streams
    assert sum(row.fullmatch(one.row) is not None for one in TARGETS) == streams


@pytest.mark.parametrize("connections", ["1 connection", "50 connections", "1,000 connections"])
@pytest.mark.parametrize("in_flight", ["1 in flight", "10 in flight"])
def test_a_cached_answer_over_dot_has_a_row_and_a_target_beside_dnsdist(in_flight: str, connections: str) -> None:
    row = f"cached query, DoT, {connections}, {in_flight}"
    assert [workload.frontend for workload in WORKLOADS if workload.name == row] == ["dot"]
    assert [(one.most, one.server) for one in TARGETS if one.row == row] == [(0.9, "dnsdist")]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_server_has_a_port_for_doh_and_one_for_dot(peer: Peer) -> None:
    assert "127.0.0.1{}{{port}}".format("@" if peer.name == "Unbound" else ":") in peer.configuration
    assert "127.0.0.1{}{{dot_port}}".format("@" if peer.name == "Unbound" else ":") in peer.configuration
    assert "dot" in peer.frontends


def test_no_two_rows_have_the_same_name() -> None:
    names = [workload.name for workload in WORKLOADS]
    assert len(set(names)) == len(names)
    assert CONNECTIONS == (1, 50, 1_000)


def test_idle_connections_only_ever_become_more() -> None:
    held = [workload.idle for workload in WORKLOADS]
    assert held == sorted(held)

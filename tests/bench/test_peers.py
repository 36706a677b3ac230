"""The comparison's own arithmetic, and that each server is configured from the table."""

import importlib
import re
import string

import dns.message
import pytest

import bench.__main__
from bench.peers.clients import PREFACE, LoadFailed, first_flight, read_h2load, target
from bench.peers.memory import ROWS
from bench.peers.results import Cell, Holding, Page, Sample, markdown, ratio_to_best
from bench.peers.servers import PEERS, PLAIN, UPSTREAM_CONFIGURATION, Peer
from bench.peers.targets import BEST, OWN, TARGETS, Target, judge, judge_growth
from bench.peers.workloads import WORKLOADS
from dohproxy.doh.base64url import decode

TOLD = """\
finished in 1.50s, 13333.00 req/s, 1.78MB/s
requests: 20001 total, 20001 started, 20001 done, 1 succeeded, 20000 failed, 20000 errored, 0 timeout
status codes: 1 2xx, 0 3xx, 20000 4xx, 0 5xx
"""


def cell(*microseconds: float) -> Cell:
    """Return what turns of these costs make."""
    return Cell(tuple(Sample(one, 1_000.0) for one in microseconds))


def test_a_cell_is_its_median_and_its_spread() -> None:
    assert cell(12.0, 10.0, 30.0).text() == "12.0 (10.0 to 30.0), 1,000/s"


def test_a_cell_without_turns_is_a_hyphen() -> None:
    assert Cell().text() == "-"


@pytest.mark.parametrize(
    ("cells", "ratio"),
    [
        ({"us": cell(10.0), "one": cell(20.0), "two": cell(40.0)}, "0.50"),
        ({"us": cell(10.0), "one": Cell(), "two": cell(5.0)}, "2.00"),
        ({"us": cell(10.0), "one": Cell(), "two": Cell()}, "-"),
        ({"us": Cell(), "one": cell(5.0)}, "-"),
    ],
    ids=["ahead of the best", "behind the only one", "alone", "not measured"],
)
def test_the_ratio_is_to_the_best_of_the_others(cells: dict[str, Cell], ratio: str) -> None:
    assert ratio_to_best(cells, "us") == ratio


def test_the_page_has_a_row_for_each_workload_and_a_column_for_each_server() -> None:
    versions = {"us": "1.0", "them": "2.0"}
    page = markdown(
        Page(
            versions=versions,
            workloads={"cached": {"us": cell(1.0), "them": cell(2.0)}},
            holdings={"memory": Holding("MiB", {"us": 3.0})},
            verdicts=[["cached", "them", "0.6", "0.5", "reached"]],
            growth="entries\n  1,000  5 ns  1.00",
            notes=["them: holds nothing."],
            rounds=3,
            seconds=1.0,
        )
    )
    assert "| cached | 1.0 (1.0 to 1.0), 1,000/s | 2.0 (2.0 to 2.0), 1,000/s | 0.50 |" in page
    assert "| memory | 3 MiB | - |" in page
    assert "us 1.0, them 2.0" in page
    assert "| cached | them | 0.6 | 0.5 | reached |" in page
    assert "- them: holds nothing." in page
    assert "```\nentries\n  1,000  5 ns  1.00\n```" in page


def test_refusals_are_answers() -> None:
    load = read_h2load(TOLD)
    assert (load.answered, load.seconds) == (20_001, 1.5)


@pytest.mark.parametrize(
    "told",
    ["", TOLD.replace("20000 4xx", "19000 4xx"), TOLD.replace("1 2xx", "0 2xx").replace("20000 4xx", "0 4xx")],
    ids=["nothing", "some without an answer", "none with an answer"],
)
def test_a_run_that_lost_requests_means_nothing(told: str) -> None:
    with pytest.raises(LoadFailed):
        read_h2load(told)


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
    known = {"directory", "port", "side_port", "upstream", "tcp_places", "key", "configuration"}
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
        able = [
            peer.name for peer in PEERS if workload.frontend in peer.frontends and workload.variant in peer.variants
        ]
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
        "beside one that was not measured",
        "beside another row of ours",
        "beside a row that was not measured",
        "in its own unit",
        "too much in its own unit",
    ],
)
def test_a_target_is_reached_or_not(target: Target, found: float | None, word: str) -> None:
    workloads = rows(hit={OWN: 6.0, "fast": 10.0, "slow": 20.0}, refusal={OWN: 3.0})
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


def test_idle_connections_only_ever_become_more() -> None:
    held = [workload.idle for workload in WORKLOADS]
    assert held == sorted(held)

"""The comparison's own arithmetic, and that each server is configured from the table."""

import importlib
import re
import string

import dns.message
import pytest

import bench.__main__
from bench.peers.clients import PREFACE, LoadFailed, first_flight, read_h2load, target
from bench.peers.results import Cell, Sample, markdown, ratio_to_best
from bench.peers.servers import PEERS, PLAIN, UPSTREAM_CONFIGURATION, Peer
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
        versions,
        {"cached": {"us": cell(1.0), "them": cell(2.0)}},
        {"memory": {"us": "3 MiB", "them": "-"}},
        rounds=3,
        seconds=1.0,
    )
    assert "| cached | 1.0 (1.0 to 1.0), 1,000/s | 2.0 (2.0 to 2.0), 1,000/s | 0.50 |" in page
    assert "| memory | 3 MiB | - |" in page
    assert "us 1.0, them 2.0" in page


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
    known = {"directory", "port", "side_port", "upstream", "key", "configuration"}
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
        able = [peer.name for peer in PEERS if workload.door in peer.doors and workload.variant in peer.variants]
        assert able[0] == "dohproxy"
        assert len(able) > 1


@pytest.mark.parametrize("module", bench.__main__.MODULES.values())
def test_everything_that_make_bench_names_can_be_run(module: str) -> None:
    assert callable(importlib.import_module(module).main)

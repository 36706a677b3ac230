"""What viewers of the operator's page cost: the arithmetic, and a viewer that reads."""

import socket
from pathlib import Path

import pytest

from bench.console import Cost, each, looking, print_costs

COSTS = [Cost(0, 0.24, 0, 0), Cost(1, 0.84, 60, 2_400_000), Cost(5, 0.96, 60, 12_000_000)]


def test_news_cost_what_there_is_beyond_the_time_without_viewers() -> None:
    assert dict(each(COSTS)) == {1: pytest.approx(0.010), 5: pytest.approx(0.012)}


def test_a_row_tells_of_each_number_of_viewers(capsys: pytest.CaptureFixture[str]) -> None:
    print_costs(COSTS)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [["1", "10.0", "0.50", "40,000"], ["5", "12.0", "0.60", "40,000"]]


def test_a_viewer_asks_for_the_news_and_counts_what_it_reads(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "admin"))
        listening.listen()
        with looking(tmp_path / "admin", 1) as (viewer,):
            served, _ = listening.accept()
            with served:
                assert served.recv(1_000).startswith(b"GET /console/events HTTP/1.1\r\n")
                served.sendall(b"x" * 100)
            viewer.join(5)
            assert viewer.read_bytes == 100

"""What viewers of the operator's page cost: the arithmetic, and a viewer that reads."""

import socket
from pathlib import Path

import pytest

from bench.console import Cost, each_tick, looking, print_costs

COSTS = [Cost(0, 0.24, 0.001, 0), Cost(1, 0.36, 0.002, 240_000), Cost(5, 0.42, 0.002, 1_200_000)]


def test_a_tick_costs_what_there_is_beyond_the_time_without_viewers() -> None:
    assert dict(each_tick(COSTS, 24.0)) == {1: pytest.approx(0.010), 5: pytest.approx(0.015)}


def test_a_row_tells_of_each_number_of_viewers(capsys: pytest.CaptureFixture[str]) -> None:
    print_costs(COSTS, 24.0)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [
        ["0", "1.00", "-", "1.0", "-"],
        ["1", "1.50", "10.0", "2.0", "10.0"],
        ["5", "1.75", "15.0", "2.0", "10.0"],
    ]


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

"""The verb `report`: what it reads, which span it is of, how it ends."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dohproxy.cli.report import local_zone, whole_days
from dohproxy.cli.terminal import EXIT_CONFIG
from dohproxy.jobs.hour_file import add_hours
from dohproxy.observability.hour_sums import hour_of
from tests.cli.running import run, write


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A configuration whose service has counted."""
    now = hour_of(time.time())
    hours = {now: {"requests": 7, "seconds": 60}}
    for ago in range(1, 24 * 15):
        hours[now - 3_600 * ago] = {"requests": 100, "failed": 1, "outcome_cached": 100, "seconds": 3_600}
    add_hours(tmp_path / "hours.sqlite", hours)
    return write(tmp_path, f'[server]\nhost = "doh.example.net"\nstate_directory = "{tmp_path}"\n')


def test_the_last_seven_days_as_text(file: str) -> None:
    ended = run("report", "--config", file)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.startswith("DNS over HTTPS at doh.example.net\n")
    assert "  requests                    16,800  as many as before" in ended.stdout
    assert ended.stdout.count("█" * 40) == 7


def test_other_spans(file: str) -> None:
    day = json.loads(run("report", "--config", file, "--days", "1", "--json").stdout)
    assert (day["requests"], day["are_days"], len(day["bars"])) == (2_400, False, 24)
    hours = json.loads(run("report", "--config", file, "--since", "2h", "--json").stdout)
    assert hours["requests"] == 207


def test_a_page(file: str) -> None:
    ended = run("report", "--config", file, "--format", "html")
    assert ended.stdout.startswith("<!doctype html>")
    assert ended.stdout.endswith("</html>\n")


def test_a_program_gets_figures(file: str) -> None:
    told = json.loads(run("report", "--config", file, "--json").stdout)
    assert told["groups"]["cache"] == told["requests"] == 16_800
    assert told["incidents"] == []
    assert told["within_seconds"] == {"50": 0.0001, "95": 0.0001, "99": 0.0001}
    assert datetime.fromisoformat(told["until"]) - datetime.fromisoformat(told["since"]) == timedelta(days=7)


def test_without_a_state_directory_nothing_is_kept(tmp_path: Path) -> None:
    ended = run("report", "--config", write(tmp_path, ""))
    assert (ended.exit_code, ended.stdout) == (EXIT_CONFIG, "")
    assert "names no server.state_directory" in ended.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "There is no "), (b"", "holds no hours yet"), (b"x" * 5_000, "is damaged, or no file of hours")],
    ids=["no file", "an empty file", "another file"],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / "hours.sqlite").write_bytes(content)
    ended = run("report", "--config", write(tmp_path, f'[server]\nstate_directory = "{tmp_path}"\n'))
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert told in ended.stderr


MEANT_OTHERWISE = {
    "both": (["--since", "7d", "--days", "7"], "Give --since or --days, not both."),
    "no length of time": (["--since", "yesterday"], "--since yesterday is no length of time up to a year"),
    "too many days": (["--days", "401"], "401 is not in the range"),
    "another form": (["--format", "pdf"], "'pdf' is not one of"),
}


@pytest.mark.parametrize(("arguments", "told"), MEANT_OTHERWISE.values(), ids=MEANT_OTHERWISE)
def test_what_cannot_be_meant_is_2(file: str, arguments: list[str], told: str) -> None:
    ended = run("report", "--config", file, *arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert told in ended.stderr


def test_a_bad_configuration_ends_as_everywhere(tmp_path: Path) -> None:
    assert run("report", "--config", write(tmp_path, "[servr]\n")).exit_code == EXIT_CONFIG


def test_days_are_whole_also_where_one_has_an_hour_more() -> None:
    paris = ZoneInfo("Europe/Paris")
    since, until = whole_days(7, datetime(2026, 10, 27, 6, 30, tzinfo=paris))
    assert (since, until) == (datetime(2026, 10, 20, tzinfo=paris), datetime(2026, 10, 27, tzinfo=paris))
    assert until.astimezone(UTC) - since.astimezone(UTC) == timedelta(days=7, hours=1)


@pytest.mark.parametrize(("zone", "hours"), [("Asia/Tokyo", 9), (":Asia/Tokyo", 9), ("Nowhere/City", 0)])
def test_the_zone_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch, zone: str, hours: int) -> None:
    monkeypatch.setenv("TZ", zone)
    assert datetime(2026, 1, 1, tzinfo=local_zone()).utcoffset() == timedelta(hours=hours)


def test_without_one_it_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ")
    moment = datetime(2026, 7, 1, tzinfo=local_zone())
    assert moment.utcoffset() == datetime.fromtimestamp(moment.timestamp(), UTC).astimezone().utcoffset()

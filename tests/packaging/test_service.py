"""The systemd unit: its commands exist, it gives up every right it does not need, and it outlasts a drain."""

import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

from dohproxy.config import ConnectionsConfig
from tests.conftest import FindProgram

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "conf" / "dohproxy.service"
PROGRAM = "/opt/dohproxy/.venv/bin/dohproxy"

EXPOSURE_CEILING = 15
"""Tenths of a point of `systemd-analyze security`, of 100: its word for this is OK, most daemons have 90 or more."""


def _settings() -> dict[str, list[str]]:
    """Return every setting of the unit and all its values: systemd lets a key stand more than once."""
    settings: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("DynamicUser", ["yes"]),
        ("NoNewPrivileges", ["yes"]),
        ("ProtectSystem", ["strict"]),
        ("ProtectHome", ["yes"]),
        ("PrivateDevices", ["yes"]),
        ("MemoryDenyWriteExecute", ["yes"]),
        ("CapabilityBoundingSet", ["CAP_NET_BIND_SERVICE"]),
        ("AmbientCapabilities", ["CAP_NET_BIND_SERVICE"]),
        ("RestrictAddressFamilies", ["AF_INET AF_INET6 AF_UNIX"]),
        ("SystemCallFilter", ["@system-service", "~@privileged @resources"]),
        ("LimitNOFILE", ["65536"]),
        ("Restart", ["on-failure"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_unit_is_confined_by(setting: str, values: list[str]) -> None:
    assert _settings()[setting] == values


def test_a_user_namespace_does_not_take_the_low_port_away() -> None:
    # In a user namespace the capability holds for that namespace only, and binding port 443 is refused.
    assert "PrivateUsers" not in _settings()


@pytest.mark.parametrize("setting", ["ExecStartPre", "ExecStart"])
def test_what_it_runs_is_a_command_that_exists(setting: str) -> None:
    [command] = _settings()[setting]
    program, *arguments = command.removeprefix("-").split()
    assert program == PROGRAM
    parsed = subprocess.run(
        [sys.executable, "-m", "dohproxy", *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert parsed.returncode == 0, parsed.stderr


def test_the_configuration_is_checked_before_it_is_served() -> None:
    checked, served = (_settings()[setting][0].split() for setting in ("ExecStartPre", "ExecStart"))
    assert checked[1] == "check"
    # What `check` calls an error may be less bad than no service: `serve` refuses what it cannot use.
    assert checked[0].startswith("-")
    assert served[1] == "serve"
    assert checked[2:] == served[2:]


def test_systemd_waits_longer_than_the_longest_drain() -> None:
    [bound] = get_type_hints(ConnectionsConfig, include_extras=True)["drain_seconds"].__metadata__
    assert int(_settings()["TimeoutStopSec"][0]) > bound.maximum


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit with a program that exists on every machine, since systemd looks for it."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    return unit


def test_systemd_understands_every_line(installed_unit: Path, find_program: FindProgram) -> None:
    analyze = find_program("systemd-analyze", "systemd")
    verified = subprocess.run(
        [analyze, "verify", "--man=no", str(installed_unit)], capture_output=True, text=True, timeout=60
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_systemd_finds_it_little_exposed(installed_unit: Path, find_program: FindProgram) -> None:
    analyze = find_program("systemd-analyze", "systemd")
    judged = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={EXPOSURE_CEILING}", str(installed_unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert judged.returncode == 0, judged.stdout

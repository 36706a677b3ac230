"""The systemd units: their commands exist, they give up every right they do not need, and they fit the README."""

import grp
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_FAILED
from dohproxy.config import BansConfig, Config, ConnectionsConfig, read
from dohproxy.config.addresses import parse_listen
from dohproxy.frontends.health_listener import LOOK_SECONDS
from dohproxy.frontends.listening import BACKLOG
from dohproxy.nft.command import EXIT_CONFIG as EXIT_CONFIG_OF_NFT
from dohproxy.nft.command import SOCKET as SOCKET_OF_NFT
from dohproxy.nft.command import parser
from dohproxy.service_manager.activation import SERVER_KEY, Offered
from tests.conftest import FindProgram

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "conf" / "dohproxy.service"
SOCKET = ROOT / "conf" / "dohproxy.socket"
RELOAD = ROOT / "conf" / "notify-reload.conf"
NFT_UNIT = ROOT / "conf" / "dohproxy-nft.service"
HOOK = ROOT / "conf" / "certbot-deploy-hook"
PROGRAM = "/opt/dohproxy/.venv/bin/dohproxy"

EXPOSURE_CEILING = 15
"""Tenths of a point of `systemd-analyze security`, of 100: its word for this is OK, most daemons have 90 or more."""


def _settings(unit: Path = UNIT) -> dict[str, list[str]]:
    """Return every setting of a unit and all its values: systemd lets a key stand more than once."""
    settings: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        # A user that stays: a key can belong to its group, so that a renewal is seen where it lies.
        ("User", ["dohproxy"]),
        ("Group", ["dohproxy"]),
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
        ("LimitCORE", ["0"]),
        ("Restart", ["on-failure"]),
        # By which systemd would take the service for ended in good order.
        ("RestartForceExitStatus", ["SIGHUP"]),
        # Debian 12 has systemd 252, which knows no Type=notify-reload.
        ("Type", ["notify"]),
        # Whoever has repaired the configuration need not reset anything first.
        ("StartLimitIntervalSec", ["0"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_unit_is_confined_by(setting: str, values: list[str]) -> None:
    assert _settings()[setting] == values


def test_a_user_namespace_does_not_take_the_low_port_away() -> None:
    # In a user namespace the capability holds for that namespace only, and binding port 443 is refused.
    assert "PrivateUsers" not in _settings()


def _commands() -> list[str]:
    settings = [*_settings().items(), *_settings(RELOAD).items()]
    return [value for key, values in settings if key.startswith("Exec") for value in values if value]


@pytest.mark.parametrize("command", _commands())
def test_what_it_runs_is_a_command_that_exists(command: str) -> None:
    program, *arguments = command.split()
    if program != PROGRAM:
        assert (program, arguments) == ("/bin/kill", ["-HUP", "$MAINPID"])
        return
    parsed = subprocess.run(
        [sys.executable, "-m", "dohproxy", *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert parsed.returncode == 0, parsed.stderr


@pytest.mark.parametrize("unit", [UNIT, RELOAD], ids=lambda path: str(path.name))
def test_a_reload_is_checked_before_anything_changes(unit: Path) -> None:
    check = next(command for command in _settings(unit)["ExecReload"] if command)
    # An expired certificate, which `check` calls an error, must not forbid all other remedies.
    assert check.split()[1:3] == ["check", "--lenient"]
    assert check.split()[3:] == _settings()["ExecStart"][0].split()[2:]


def test_nothing_is_checked_by_what_would_be_tried_again() -> None:
    # RestartPreventExitStatus= is of ExecStart= alone, and ExecStartPre= runs when the service has been stopped.
    assert "ExecStartPre" not in _settings()


def test_what_only_a_person_can_repair_is_not_tried_again() -> None:
    usage_error = 2
    assert _settings()["RestartPreventExitStatus"] == [f"{usage_error} {EXIT_CONFIG}"]
    assert str(EXIT_FAILED) not in _settings()["RestartPreventExitStatus"][0].split()


def test_a_newer_systemd_waits_for_the_end_of_a_reload() -> None:
    settings = _settings(RELOAD)
    assert settings["Type"] == ["notify-reload"]
    # systemd sends the signal itself: ours would be a second one.
    assert (settings["ExecReload"][0], len(settings["ExecReload"])) == ("", 2)


def test_a_late_event_loop_is_not_taken_for_a_hanging_one() -> None:
    assert int(_settings()["WatchdogSec"][0]) > 100 * LOOK_SECONDS


def test_systemd_waits_longer_than_the_longest_drain() -> None:
    [bound] = get_type_hints(ConnectionsConfig, include_extras=True)["drain_seconds"].__metadata__
    assert int(_settings()["TimeoutStopSec"][0]) > bound.maximum


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The units with a program that exists on every machine, since systemd looks for it."""
    for unit in (UNIT, SOCKET, NFT_UNIT):
        text = re.sub(rf"{PROGRAM}(-nft)?", "/bin/true", unit.read_text(encoding="utf-8"))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return tmp_path / UNIT.name


@pytest.mark.parametrize("unit", [UNIT, SOCKET, NFT_UNIT], ids=lambda path: str(path.name))
def test_systemd_understands_every_line(installed_unit: Path, unit: Path, find_program: FindProgram) -> None:
    analyze = find_program("systemd-analyze", "systemd")
    verified = subprocess.run(
        [analyze, "verify", "--man=no", str(installed_unit.with_name(unit.name))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("unit", [UNIT, NFT_UNIT], ids=lambda path: str(path.name))
def test_systemd_finds_it_little_exposed(installed_unit: Path, unit: Path, find_program: FindProgram) -> None:
    analyze, installed = find_program("systemd-analyze", "systemd"), installed_unit.with_name(unit.name)
    judged = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={EXPOSURE_CEILING}", str(installed)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert judged.returncode == 0, judged.stdout


# --- The kernel drop ---


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        # A user of its own, in the group of the service, which alone may enter the directory of the socket.
        ("User", ["dohproxy-nft"]),
        ("Group", _settings()["Group"]),
        ("RuntimeDirectoryMode", ["0750"]),
        ("NoNewPrivileges", ["yes"]),
        ("CapabilityBoundingSet", ["CAP_NET_ADMIN"]),
        ("AmbientCapabilities", ["CAP_NET_ADMIN"]),
        ("RestrictAddressFamilies", ["AF_UNIX AF_NETLINK"]),
        ("IPAddressDeny", ["any"]),
        ("ProtectSystem", ["strict"]),
        # Being in the service's group it could read the key of TLS, and give commands.
        ("InaccessiblePaths", ["-/etc/dohproxy -/etc/letsencrypt -/run/dohproxy -/var/lib/dohproxy"]),
        ("SystemCallFilter", ["@system-service", "~@privileged @resources"]),
        # nft comes to its end, and the table is removed by the helper, or for it.
        ("KillMode", ["mixed"]),
        ("ExecStopPost", [f"{PROGRAM}-nft --clear"]),
        ("Before", ["dohproxy.service"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_unit_of_the_kernel_drop_is_confined_by(setting: str, values: list[str]) -> None:
    assert _settings(NFT_UNIT)[setting] == values


def test_the_services_unit_has_no_right_over_the_packet_filter() -> None:
    assert "NET_ADMIN" not in UNIT.read_text(encoding="utf-8")


def test_what_the_unit_of_the_kernel_drop_runs_can_be_understood() -> None:
    for key in ("ExecStart", "ExecStopPost"):
        program, *arguments = _settings(NFT_UNIT)[key][0].split()
        assert program == f"{PROGRAM}-nft"
        given = parser().parse_args(arguments)
        assert (given.user, str(given.socket)) == (_settings()["User"][0], "/run/dohproxy-nft/socket")
    settings = _settings(NFT_UNIT)
    assert Path("/run") / settings["RuntimeDirectory"][0] / "socket" == SOCKET_OF_NFT
    [described] = get_type_hints(BansConfig, include_extras=True)["kernel_socket"].__metadata__
    assert described.example == str(SOCKET_OF_NFT)


def test_what_only_a_person_can_repair_of_the_kernel_drop_is_not_tried_again() -> None:
    assert _settings(NFT_UNIT)["RestartPreventExitStatus"] == _settings()["RestartPreventExitStatus"]
    assert EXIT_CONFIG_OF_NFT == EXIT_CONFIG


# --- Sockets that outlive the service ---


def _readme_configuration() -> Config:
    [text] = [
        block
        for block in re.findall(
            r"^```toml\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        if "[tls]" in block
    ]
    return read(text, directory=ROOT)


def test_the_sockets_are_those_of_the_readmes_configuration() -> None:
    settings, config = _settings(SOCKET), _readme_configuration()
    offered = [
        Offered(settings["FileDescriptorName"][0], parse_listen(address, ROOT)) for address in settings["ListenStream"]
    ]
    assert [one.fits(SERVER_KEY, address) for one, address in zip(offered, config.server.listen, strict=True)] == [
        True,
        True,
    ]
    assert settings["BindIPv6Only"] == ["ipv6-only"]
    assert settings["Backlog"] == [str(BACKLOG)]


def test_a_service_that_crashes_does_not_close_its_sockets() -> None:
    settings = _settings(SOCKET)
    most_starts = int(settings["TriggerLimitIntervalSec"][0]) / int(_settings()["RestartSec"][0])
    # Less by the time of the start itself, which is half a second where it is short.
    assert most_starts / (1 + 0.5 / 2) < int(settings["TriggerLimitBurst"][0])


# --- The certificate ---


def test_the_readmes_certificate_is_where_the_hook_puts_it() -> None:
    tls = _readme_configuration().tls
    assert tls is not None
    assert (str(tls.certificate), str(tls.key)) == ("/etc/dohproxy/tls/fullchain.pem", "/etc/dohproxy/tls/privkey.pem")
    assert "DOHPROXY_ETC:-/etc/dohproxy}" in HOOK.read_text(encoding="utf-8")


def _lineage(directory: Path, content: str) -> Path:
    """Write a pair as certbot does, behind links."""
    archive, live = directory / "archive", directory / "live"
    archive.mkdir(exist_ok=True, parents=True)
    live.mkdir(exist_ok=True)
    for name in ("fullchain", "privkey"):
        (archive / f"{name}{content}.pem").write_text(f"{name} {content}")
        (live / f"{name}.pem").unlink(missing_ok=True)
        (live / f"{name}.pem").symlink_to(archive / f"{name}{content}.pem")
    return live


def _hook(etc: Path, *arguments: str, renewed: Path | None = None) -> "subprocess.CompletedProcess[str]":
    etc.mkdir(exist_ok=True)
    told = {"DOHPROXY_ETC": str(etc), "DOHPROXY_GROUP": grp.getgrgid(os.getegid()).gr_name, "PATH": os.environ["PATH"]}
    if renewed is not None:
        told["RENEWED_LINEAGE"] = str(renewed)
    return subprocess.run([HOOK, *arguments], env=told, capture_output=True, text=True, timeout=30, check=False)


def _installed(etc: Path) -> list[str]:
    return [(etc / "tls" / name).read_text() for name in ("fullchain.pem", "privkey.pem")]


def test_the_hook_installs_a_copy_that_the_services_group_may_read(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    run = _hook(etc, str(_lineage(tmp_path / "a", "1")))
    assert (run.returncode, run.stderr) == (0, "")
    assert _installed(etc) == ["fullchain 1", "privkey 1"]
    assert [oct((etc / "tls" / name).stat().st_mode)[-3:] for name in (".", "privkey.pem")] == ["750", "640"]


def test_the_hook_takes_renewals_of_the_certificate_it_was_given_and_of_no_other(tmp_path: Path) -> None:
    etc, ours, other = tmp_path / "etc", _lineage(tmp_path / "a", "1"), _lineage(tmp_path / "b", "9")
    unasked = _hook(etc, renewed=other)
    assert (unasked.returncode, "is not said yet" in unasked.stderr, (etc / "tls").exists()) == (0, True, False)
    _hook(etc, str(ours))
    assert _hook(etc, renewed=other).returncode == 0
    assert _installed(etc) == ["fullchain 1", "privkey 1"]
    _lineage(tmp_path / "a", "2")
    assert _hook(etc, renewed=ours).returncode == 0
    assert _installed(etc) == ["fullchain 2", "privkey 2"]


def test_the_hook_keeps_the_pair_before_and_none_older(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    for number in range(4):
        assert _hook(etc, str(_lineage(tmp_path / "a", str(number)))).returncode == 0
    kept = {directory.name: (directory / "privkey.pem").read_text() for directory in etc.glob("tls.*")}
    assert sorted(kept.values()) == ["privkey 2", "privkey 3"]


def test_a_renewal_without_a_key_leaves_the_old_pair(tmp_path: Path) -> None:
    etc, live = tmp_path / "etc", _lineage(tmp_path / "a", "1")
    _hook(etc, str(live))
    (live / "privkey.pem").unlink()
    assert _hook(etc, renewed=live).returncode != 0
    assert _installed(etc) == ["fullchain 1", "privkey 1"]
    assert len(list(etc.iterdir())) == 3


def test_the_hook_replaces_nothing_that_is_not_its_own(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    (etc / "tls").mkdir(parents=True)
    (etc / "tls" / "mine.pem").write_text("kept")
    run = _hook(etc, str(_lineage(tmp_path / "a", "1")))
    assert (run.returncode, "is not this hook's own" in run.stderr) == (1, True)
    assert [path.name for path in etc.iterdir()] == ["tls"]


# --- make service ---


def _install(destination: Path, make: str, version: int) -> None:
    command = [make, "service", f"DESTDIR={destination}", f"SYSTEMD_VERSION={version}"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize(("version", "waits"), [(0, False), (252, False), (253, True), (257, True)])
def test_make_service_installs_what_this_systemd_understands(
    tmp_path: Path, version: int, waits: bool, find_program: FindProgram
) -> None:
    make = find_program("make", "make")
    _install(tmp_path, make, 257)
    _install(tmp_path, make, version)
    units = tmp_path / "etc/systemd/system"
    assert (units / "dohproxy.service.d/notify-reload.conf").exists() is waits
    assert f"ExecStart={ROOT}/.venv/bin/dohproxy serve" in (units / "dohproxy.service").read_text(encoding="utf-8")
    assert (units / "dohproxy.socket").is_file()
    helper = (units / "dohproxy-nft.service").read_text(encoding="utf-8")
    assert helper.count(f"{ROOT}/.venv/bin/dohproxy-nft") >= 2
    assert "/opt/dohproxy" not in helper
    assert (tmp_path / "etc/sysusers.d/dohproxy.conf").is_file()
    assert os.access(tmp_path / "etc/letsencrypt/renewal-hooks/deploy/dohproxy", os.X_OK)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make users, in its own directory too")
def test_systemd_makes_the_user_that_the_unit_names(tmp_path: Path, find_program: FindProgram) -> None:
    sysusers = find_program("systemd-sysusers", "systemd")
    (tmp_path / "etc").mkdir()
    made = subprocess.run(
        [sysusers, f"--root={tmp_path}", str(ROOT / "conf" / "dohproxy.sysusers")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    for file in ("passwd", "group"):
        names = [line.partition(":")[0] for line in (tmp_path / "etc" / file).read_text().splitlines()]
        assert _settings()["User"][0] in names
        assert _settings(NFT_UNIT)["User"][0] in names

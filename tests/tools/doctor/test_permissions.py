"""Modes of files: each that lets in too many is told with the command that mends it."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import AdminConfig, AlertsConfig, Config, ServerConfig, TlsConfig, UpstreamAddress, UpstreamConfig
from dohproxy.config.permissions import Reader
from dohproxy.config.schema.bans import BansConfig
from dohproxy.config.schema.cache import CacheConfig
from dohproxy.config.schema.clients import ClientsConfig
from dohproxy.tools.doctor.findings import Severity
from dohproxy.tools.doctor.permissions import (
    ELSEWHERE,
    FileSeen,
    Unwritable,
    Use,
    judge,
    judge_unwritable,
    see,
    see_unwritable,
)

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
FILE = Path("/etc/dohproxy/x")

MODES = {
    "a configuration that everybody may write": (Use.CONFIGURATION, 0o646, "0644"),
    "a secret of the configuration that everybody may read": (Use.CONFIGURATION_WITH_SECRET, 0o644, "0640"),
    "a key that everybody may read": (Use.CERTIFICATE_KEY, 0o644, "0640"),
    "a key that its group may write": (Use.CERTIFICATE_KEY, 0o660, "0640"),
    "a directory that others may see into": (Use.STATE_DIRECTORY, 0o775, "0750"),
    "a key of hashes that the group may read": (Use.SECRET, 0o640, "0600"),
    "a file of members that everybody may write": (Use.MEMBERS, 0o602, "0600"),
    "a socket for everybody": (Use.ADMIN_SOCKET, 0o666, "0660"),
}


@pytest.mark.parametrize(("use", "mode", "wanted"), MODES.values(), ids=MODES)
def test_a_mode_that_lets_in_too_many(use: Use, mode: int, wanted: str) -> None:
    [found] = judge([FileSeen(FILE, use, mode)])
    assert found.severity is Severity.WARNING
    assert f"has the mode {mode:04o}" in found.what
    assert found.remedy == f"chmod {wanted} {FILE}"
    [mended] = judge([FileSeen(FILE, use, int(wanted, 8))])
    assert mended.severity is Severity.OK


def test_where_nothing_can_be_seen_nothing_is_said() -> None:
    assert list(judge([])) == []


def test_the_files_that_the_configuration_names_are_looked_at(tmp_path: Path) -> None:
    state = tmp_path / "state.d"
    state.mkdir(mode=0o700)
    for name, mode in (("d.toml", 0o640), ("key.pem", 0o640), ("state.d/key", 0o600), ("m.json", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    config = Config(
        (UPSTREAM,),
        ServerConfig(state_directory=state),
        TlsConfig(tmp_path / "certificate.pem", tmp_path / "key.pem"),
        clients=ClientsConfig(member_file=tmp_path / "m.json"),
        alerts=AlertsConfig(webhook="https://alerts.example.net/secret"),
        admin=AdminConfig(tmp_path / "absent" / "admin.sock"),
    )
    assert see(config, tmp_path / "d.toml") == [
        FileSeen(tmp_path / "d.toml", Use.CONFIGURATION_WITH_SECRET, 0o640),
        FileSeen(tmp_path / "key.pem", Use.CERTIFICATE_KEY, 0o640),
        FileSeen(state, Use.STATE_DIRECTORY, 0o700),
        FileSeen(state / "key", Use.SECRET, 0o600),
        FileSeen(tmp_path / "m.json", Use.MEMBERS, 0o600),
    ]


@pytest.mark.parametrize(("mode", "is_looked_at"), [(0o750, False), (0o755, True)], ids=["closed", "open"])
def test_a_socket_counts_only_where_everybody_gets_to_it(tmp_path: Path, mode: int, is_looked_at: bool) -> None:
    socket = tmp_path / "run" / "admin.sock"
    socket.parent.mkdir()
    socket.touch()
    socket.parent.chmod(mode)
    config = replace(Config((UPSTREAM,)), admin=AdminConfig(socket))
    assert (Use.ADMIN_SOCKET in [one.use for one in see(config, tmp_path / "absent.toml")]) is is_looked_at


def _reader(uid: int, *groups: int) -> Reader:
    return Reader("dohproxy", uid, "dohproxy", frozenset(groups))


WRITERS = {
    "its owner": (0o700, 0, 0, True),
    "its group": (0o770, 1, 0, True),
    "its group without the right": (0o750, 1, 0, False),
    "another": (0o770, 1, 1, False),
    "everybody": (0o777, 1, 1, True),
    "everybody who cannot enter": (0o776, 1, 1, False),
}
"""The mode, how far user and group are from the directory's, and whether the user may write."""


@pytest.mark.parametrize(("mode", "user", "group", "may"), WRITERS.values(), ids=WRITERS)
def test_directories_that_the_services_user_may_not_write_to(
    tmp_path: Path, mode: int, user: int, group: int, may: bool
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    owner = state.stat()
    state.chmod(mode)
    # Root may everything: so the user is another one, and the directory is made to be his where it has to be.
    uid = 12_345 if owner.st_uid == 0 else owner.st_uid
    if owner.st_uid == 0:
        os.chown(state, uid, owner.st_gid)
    config = Config((UPSTREAM,), ServerConfig(state_directory=state), cache=CacheConfig(snapshot_file=state / "cache"))
    reader = _reader(uid + user, owner.st_gid + group)
    found = see_unwritable(config, reader)
    assert found == ([] if may else [Unwritable(state, is_own=True)])
    told = list(judge_unwritable(found, reader))
    assert [one.severity for one in told] == ([] if may else [Severity.FAULT])
    assert all(one.remedy == f"chown dohproxy:dohproxy {state}" for one in told)


def _closed(directory: Path) -> tuple[Path, Reader]:
    """Return a directory, which nobody may write to, and a user who does not own it."""
    directory.mkdir()
    directory.chmod(0o555)
    return directory, _reader(directory.stat().st_uid + 1)


FOREIGN = {
    "the directory of the members": lambda there: {
        "clients": ClientsConfig(member_file=there / "members.json"),
        "admin": AdminConfig(there / "admin.sock"),
    },
    "the directory of the ban log": lambda there: {"bans": BansConfig(log_file=there / "bans.log")},
    "the directory of the cache's snapshot": lambda there: {"cache": CacheConfig(snapshot_file=there / "cache")},
}


@pytest.mark.parametrize("sections", FOREIGN.values(), ids=FOREIGN)
def test_a_directory_that_is_not_the_services_own_is_never_to_be_given_to_it(
    tmp_path: Path, sections: Callable[[Path], dict[str, Any]]
) -> None:
    there, reader = _closed(tmp_path / "etc")
    found = see_unwritable(replace(Config((UPSTREAM,)), **sections(there)), reader)
    assert found == [Unwritable(there, is_own=False)]
    [told] = judge_unwritable(found, reader)
    assert told.severity is Severity.FAULT
    assert told.remedy == ELSEWHERE
    assert "chown" not in told.remedy


def test_members_that_no_command_can_change_are_only_read(tmp_path: Path) -> None:
    there, reader = _closed(tmp_path / "etc")
    config = Config((UPSTREAM,), clients=ClientsConfig(member_file=there / "members.json"), admin=None)
    assert see_unwritable(config, reader) == []


def test_a_ban_log_that_is_there_is_asked_itself(tmp_path: Path) -> None:
    log = tmp_path / "bans.log"
    log.touch()
    log.chmod(0o600)
    tmp_path.chmod(0o755)
    config = Config((UPSTREAM,), bans=BansConfig(log_file=log))
    owner = log.stat().st_uid
    assert see_unwritable(config, Reader("dohproxy", owner or 12_345, "dohproxy", frozenset())) == (
        [] if owner else [Unwritable(log, is_own=False)]
    )
    assert see_unwritable(config, _reader(owner + 1)) == [Unwritable(log, is_own=False)]


def test_a_directory_that_is_not_there_is_for_others_to_tell(tmp_path: Path) -> None:
    config = Config((UPSTREAM,), ServerConfig(state_directory=tmp_path / "absent"))
    assert see_unwritable(config, _reader(12_345)) == []

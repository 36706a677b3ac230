"""Why a file may not be read or a port not be opened: by owner, group, mode and capability, with what to do."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dohproxy.config import Config, ListenAddress, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.config import permissions as judged
from dohproxy.config.permissions import (
    Reader,
    first_free_port,
    may_open_low_ports,
    obstacle,
    port_warnings,
    refusal,
    remedy,
    service_user,
    this_user,
)

STRANGER = Reader("dohproxy", 12_345, "dohproxy", frozenset({12_345}))
MEMBER = Reader("dohproxy", 12_345, "dohproxy", frozenset({12_345, os.getegid()}))
ROOT = Reader("root", 0, "root", frozenset({0}))


@pytest.fixture
def key() -> Iterator[Path]:
    """A key in a directory that all may pass, which none below pytest's own is."""
    with tempfile.TemporaryDirectory(dir=Path(tempfile.gettempdir()).resolve()) as name:
        directory = Path(name)
        directory.chmod(0o755)
        path = directory / "privkey.pem"
        path.write_text("a key")
        path.chmod(0o640)
        yield path


def test_a_file_of_the_group_is_for_its_members_and_root_alone(key: Path) -> None:
    assert [obstacle(key, reader) for reader in (STRANGER, MEMBER, ROOT)] == [key, None, None]


def test_the_owner_has_the_owners_rights_alone(key: Path) -> None:
    key.chmod(0o044)
    owner = Reader("owner", os.geteuid() or 1, "x", MEMBER.groups)
    found = key.stat()
    if found.st_uid == 0:
        os.chown(key, 1, -1)
    assert obstacle(key, owner) == key


def test_a_directory_on_the_way_is_named(key: Path) -> None:
    key.chmod(0o644)
    key.parent.chmod(0o700)
    assert obstacle(key, STRANGER) == key.parent
    assert f": {key.parent} is drwx------ " in refusal(key, STRANGER)


def test_a_directory_behind_a_link_is_named(key: Path) -> None:
    archive = key.parent / "archive"
    archive.mkdir()
    (archive / "privkey1.pem").write_text("a key")
    archive.chmod(0o700)
    link = key.parent / "linked.pem"
    link.symlink_to(archive / "privkey1.pem")
    assert obstacle(link, STRANGER) == archive


def test_what_is_not_there_is_no_matter_of_rights(tmp_path: Path) -> None:
    assert obstacle(tmp_path / "absent" / "key.pem", ROOT) is None


def test_a_refusal_names_user_file_mode_and_remedy(key: Path) -> None:
    told = refusal(key, STRANGER)
    owner = pwd.getpwuid(os.geteuid()).pw_name
    assert told.startswith(f"may not be read by the user dohproxy: {key} is -rw-r----- {owner} ")
    assert told.endswith(f". Let the group dohproxy read it: chgrp dohproxy {key} && chmod g+r {key}")


def test_of_what_certbot_keeps_a_copy_is_to_be_installed() -> None:
    told = remedy(Path("/etc/letsencrypt/live/doh.example.net/privkey.pem"), "dohproxy")
    assert "conf/certbot-deploy-hook" in told
    assert "chgrp" not in told


def test_this_user_is_who_runs_the_test() -> None:
    assert (this_user().uid, os.getegid() in this_user().groups) == (os.geteuid(), True)


def test_there_need_be_no_user_of_the_services_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "SERVICE_USER", "no-such-user")
    assert service_user() is None


def test_the_services_user_is_known_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "SERVICE_USER", "daemon")
    found = service_user()
    assert found is not None
    assert (found.uid, found.group) == (pwd.getpwnam("daemon").pw_uid, "daemon")


# --- Ports ---


@pytest.mark.parametrize(
    ("capabilities", "may"),
    [("0000000000000400", True), ("000001ffffffffff", True), ("0000000000000000", False), ("00000000000003ff", False)],
    ids=["that one", "all", "none", "those below it"],
)
def test_low_ports_are_for_who_has_the_capability(tmp_path: Path, capabilities: str, may: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapPrm:\t{'f' * 16}\nCapEff:\t{capabilities}\n")
    assert may_open_low_ports(status) is may


def test_where_capabilities_are_unknown_nothing_is_claimed(tmp_path: Path) -> None:
    assert may_open_low_ports(tmp_path / "absent")


@pytest.mark.parametrize(("written", "port"), [("80\n", 80), ("", 1024), (None, 1024)], ids=["80", "empty", "hidden"])
def test_the_first_port_for_everybody_is(tmp_path: Path, written: str | None, port: int) -> None:
    if written is not None:
        (tmp_path / "start").write_text(written)
    assert first_free_port(tmp_path / "start") == port


def test_ports_that_cannot_be_opened_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "may_open_low_ports", lambda: False)
    monkeypatch.setattr(judged, "first_free_port", lambda: 1024)
    listen = (
        ListenAddress("tcp", host="::", port=443),
        ListenAddress("tcp", host="127.0.0.1", port=8443),
        ListenAddress("tcp", host="127.0.0.1", port=0),
        ListenAddress("unix", path="/run/a"),
    )
    upstream = UpstreamConfig(name="ns0", url=UpstreamAddress("udp", "127.0.0.1", 53))
    [told] = port_warnings(Config(upstreams=(upstream,), server=ServerConfig(listen)))
    assert str(told).startswith(
        "server.listen #1 is [::]:443, which this user may not open: ports below 1024 need CAP_NET"
    )
    monkeypatch.setattr(judged, "may_open_low_ports", lambda: True)
    assert port_warnings(Config(upstreams=(upstream,), server=ServerConfig(listen))) == ()

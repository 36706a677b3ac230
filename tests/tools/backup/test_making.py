"""A backup holds what the service needs, and no more than is asked for."""

import os
import tarfile
from pathlib import Path

import pytest

from dohproxy.config import load
from dohproxy.tools.backup import archive
from dohproxy.tools.backup.contents import Group
from dohproxy.tools.backup.making import CannotBackUp, Wanted, make_backup
from dohproxy.tools.backup.manifest import Why
from tests.tools.backup.conftest import NOW, VERSION, House


def test_without_more_words_no_key_is_in_it(house: House) -> None:
    manifest = house.back_up()
    assert [part.key for part in manifest.parts] == [
        "configuration",
        "clients.member_file",
        "blocklist #1.file",
        "server.state_directory/state",
        "server.state_directory/blocks.json",
        "server.state_directory/hours.sqlite",
    ]
    assert {one.key: one.why for one in manifest.left_out} == {
        "tls.certificate": Why.KEYS,
        "tls.key": Why.KEYS,
        "server.state_directory/key": Why.KEYS,
        "cache.snapshot_file": Why.CACHE,
    }
    assert b"PRIVATE KEY" not in b"".join(_contents(house.target))


def _contents(target: Path) -> list[bytes]:
    with tarfile.open(target) as tar:
        files = [tar.extractfile(member) for member in tar]
        return [file.read() for file in files if file is not None]


def test_keys_and_the_cache_are_there_if_they_are_asked_for(house: House) -> None:
    (house.directory / "state" / "cache.snapshot").write_bytes(b"names")
    manifest = house.back_up(Wanted(with_keys=True, with_cache=True))
    assert not manifest.left_out
    assert b"names" in _contents(house.target)
    assert any(b"PRIVATE KEY" in content for content in _contents(house.target))


def test_what_nobody_wants_is_left_out(house: House) -> None:
    manifest = house.back_up(Wanted(without=(Group.LISTS, Group.HOURS)))
    assert manifest.why_without("blocklist #1.file") is Why.CHOICE
    assert manifest.why_without("server.state_directory/hours.sqlite") is Why.CHOICE


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(with_keys=True)], ids=["without keys", "with keys"])
def test_it_is_for_its_owner_alone(house: House, wanted: Wanted) -> None:
    house.back_up(wanted)
    assert house.target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in house.target.parent.iterdir()] == ["backup.tar.gz"]


def test_what_the_service_has_not_made_yet_is_no_fault(house: House) -> None:
    for name in ("members.json", "state", "blocks.json", "hours.sqlite", "key"):
        (house.directory / "state" / name).unlink()
    manifest = house.back_up()
    assert manifest.why_without("clients.member_file") is Why.ABSENT
    assert manifest.why_without("server.state_directory/state") is Why.ABSENT


def test_what_is_needed_and_not_there_is_told_and_the_last_backup_stays(house: House) -> None:
    house.back_up()
    before = house.target.read_bytes()
    (house.directory / "etc" / "ads.txt").unlink()
    with pytest.raises(CannotBackUp, match=r"blocklist #1\.file names .*ads\.txt, which is not there"):
        house.back_up()
    assert house.target.read_bytes() == before
    assert [path.name for path in house.target.parent.iterdir()] == ["backup.tar.gz"]


def test_a_file_of_the_services_own_that_others_may_write_to_is_told(house: House) -> None:
    (house.directory / "state" / "blocks.json").chmod(0o666)
    with pytest.raises(CannotBackUp, match="can be written by other users"):
        house.back_up()


def test_a_damaged_file_of_hours_is_told_and_can_be_left_out(house: House) -> None:
    (house.directory / "state" / "hours.sqlite").write_bytes(b"x" * 5_000)
    with pytest.raises(CannotBackUp, match="is damaged, or no file of hours"):
        house.back_up()
    house.back_up(Wanted(without=(Group.HOURS,)))


def test_a_named_pipe_stops_nothing(house: House) -> None:
    (house.directory / "etc" / "ads.txt").unlink()
    os.mkfifo(house.directory / "etc" / "ads.txt")
    with pytest.raises(CannotBackUp, match="cannot be read"):
        house.back_up()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("state/backup.tar.gz", "lies in server.state_directory"),
        ("out/../state/x/../b", "lies in server.state_directory"),
        ("etc/ads.txt", "is one of the files to keep"),
        ("etc/dohproxy.toml", "is one of the files to keep"),
        ("etc/other.txt", "is there already and no backup"),
        ("absent/backup.tar.gz", "cannot be written"),
        ("out", "cannot be written"),
    ],
)
def test_where_it_may_not_lie(house: House, name: str, told: str) -> None:
    (house.directory / "etc" / "other.txt").write_text("of somebody", encoding="utf-8")
    (house.directory / "state" / "x").mkdir()
    with pytest.raises(CannotBackUp, match=told):
        make_backup(house.directory / name, house.file, house.config, Wanted(), VERSION, NOW)
    assert (house.directory / "etc" / "other.txt").read_text(encoding="utf-8") == "of somebody"


def test_a_link_into_the_state_directory_is_seen_through(house: House) -> None:
    (house.directory / "link").symlink_to(house.directory / "state")
    with pytest.raises(CannotBackUp, match=r"lies in server\.state_directory"):
        make_backup(house.directory / "link" / "b", house.file, house.config, Wanted(), VERSION, NOW)


def test_it_does_not_lie_in_the_folder_that_everybody_is_shown(house: House) -> None:
    with house.file.open("a", encoding="utf-8") as file:
        file.write(f'\n[pages]\nenabled = true\nfolder = "{house.target.parent}"\n')
    with pytest.raises(CannotBackUp, match=r"lies in pages\.folder"):
        make_backup(house.target, house.file, load(house.file), Wanted(), VERSION, NOW)


def test_more_than_may_be_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1_000)
    with pytest.raises(CannotBackUp, match="leave the largest out"):
        house.back_up()


def test_a_list_that_is_longer_than_any_is_told(house: House) -> None:
    (house.directory / "state" / "blocks.json").write_bytes(bytes(8_388_609))
    with pytest.raises(CannotBackUp, match="is longer than 8,388,608 bytes"):
        house.back_up()

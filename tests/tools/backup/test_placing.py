"""What was proved is put in its place as a whole, or not at all."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import ConfigError, load
from dohproxy.tools.backup.making import Wanted
from dohproxy.tools.backup.placing import CannotRestore, Placing
from dohproxy.tools.backup.proof import Proven, prove, rooted
from tests.tools.backup.conftest import NOW, House


@pytest.fixture
def proven(house: House) -> Proven:
    """A backup with everything."""
    house.back_up(Wanted(with_keys=True))
    return prove(house.target)


def tree(directory: Path) -> dict[str, bytes]:
    """Return all files below a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_an_empty_directory_has_everything_afterwards(house: House, proven: Proven, tmp_path: Path) -> None:
    root = tmp_path / "new"
    placed = Placing(house.target, proven, root, NOW).place()
    assert (len(placed.files), placed.kept) == (len(proven.parts), ())
    there = rooted(root, house.directory)
    for name in ("etc/ads.txt", "etc/key.pem", "state/members.json", "state/blocks.json", "state/state", "state/key"):
        assert (there / name).read_bytes() == (house.directory / name).read_bytes()
    config = load(there / "etc" / "dohproxy.toml")
    assert config.server.state_directory == there / "state"
    assert config.bans.log_file == there / "log" / "bans.log"
    assert (there / "log").is_dir()
    assert (there / "state").stat().st_mode & 0o777 == 0o700


def test_secrets_are_for_few_and_the_rest_is_as_it_was(house: House, tmp_path: Path) -> None:
    (house.directory / "etc" / "key.pem").chmod(0o644)
    (house.directory / "etc" / "certificate.pem").chmod(0o644)
    (house.directory / "etc" / "ads.txt").chmod(0o664)
    house.back_up(Wanted(with_keys=True))
    Placing(house.target, prove(house.target), tmp_path / "new", NOW).place()
    there = rooted(tmp_path / "new", house.directory) / "etc"
    modes = {name: (there / name).stat().st_mode & 0o777 for name in ("key.pem", "certificate.pem", "ads.txt")}
    assert modes == {"key.pem": 0o640, "certificate.pem": 0o644, "ads.txt": 0o644}


def test_where_everything_is_as_it_should_be_nothing_is_written(house: House, proven: Proven) -> None:
    placing = Placing(house.target, proven, None, NOW)
    assert placing.taken() == []
    assert placing.place().files == ()


def test_what_is_in_the_way_is_named_and_kept_beside(house: House, proven: Proven, tmp_path: Path) -> None:
    root = tmp_path / "new"
    Placing(house.target, proven, root, NOW).place()
    ads = rooted(root, house.directory) / "etc" / "ads.txt"
    ads.write_text("newer\n", encoding="utf-8")
    placing = Placing(house.target, proven, root, NOW)
    assert placing.taken() == [ads]
    placed = placing.place()
    beside = ads.with_name("ads.txt.before-1800000000")
    assert (placed.files, placed.kept) == ((ads,), (beside,))
    assert (ads.read_text(encoding="utf-8"), beside.read_text(encoding="utf-8")) == ("ads.example\n", "newer\n")


def test_what_cannot_be_written_takes_back_all_before_it(house: House, proven: Proven, tmp_path: Path) -> None:
    root = tmp_path / "new"
    there = rooted(root, house.directory)
    (there / "etc").mkdir(parents=True)
    (there / "etc" / "key.pem").write_text("older", encoding="utf-8")
    (there / "state").mkdir()
    (there / "state" / "blocks.json").mkdir()  # A directory cannot be linked.
    before = tree(root)
    with pytest.raises(CannotRestore, match=r"blocks\.json cannot be written"):
        Placing(house.target, proven, root, NOW).place()
    assert tree(root) == before


def test_a_socket_that_would_have_too_long_a_name_is_told_before_anything_is_written(
    house: House, tmp_path: Path
) -> None:
    with house.file.open("a", encoding="utf-8") as file:
        file.write('\n[admin]\nsocket = "../a.sock"\n')
    replace(house, config=load(house.file)).back_up()
    with pytest.raises(ConfigError, match="more than 107 bytes"):
        Placing(house.target, prove(house.target), tmp_path / ("long" * 30), NOW)


def test_nothing_is_made_where_nothing_can_be_written(house: House, proven: Proven, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory", encoding="utf-8")
    with pytest.raises((CannotRestore, OSError)):
        Placing(house.target, proven, tmp_path / "file", NOW).place()
    assert (tmp_path / "file").read_text(encoding="utf-8") == "no directory"


def test_a_link_that_leads_out_is_not_followed(house: House, proven: Proven, tmp_path: Path) -> None:
    root = tmp_path / "new"
    outside = tmp_path / "outside"
    outside.mkdir()
    there = rooted(root, house.directory)
    there.mkdir(parents=True)
    (there / "etc").symlink_to(outside)
    with pytest.raises(CannotRestore, match="as a link leads there"):
        Placing(house.target, proven, root, NOW).place()
    assert list(outside.iterdir()) == []


def test_a_link_in_a_files_place_is_replaced_and_kept(house: House, proven: Proven, tmp_path: Path) -> None:
    root = tmp_path / "new"
    there = rooted(root, house.directory) / "etc"
    there.mkdir(parents=True)
    (there / "mine.txt").write_text("mine", encoding="utf-8")
    (there / "ads.txt").symlink_to(there / "mine.txt")
    Placing(house.target, proven, root, NOW).place()
    assert not (there / "ads.txt").is_symlink()
    assert (there / "mine.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_files_belong_to_whom_they_belonged(house: House, tmp_path: Path) -> None:
    for path in (house.directory / "state").iterdir():
        os.chown(path, 65_533, 65_533)
    os.chown(house.directory / "state", 65_533, 65_533)
    house.back_up(Wanted(with_keys=True))
    proven = prove(house.target)
    Placing(house.target, proven, tmp_path / "new", NOW).place()
    state = rooted(tmp_path / "new", house.directory) / "state"
    assert {path.stat().st_uid for path in (state, *state.iterdir())} == {65_533}
    parts = tuple(replace(part, user="nobody-knows", group="nobody-knows") for part in proven.manifest.parts)
    strangers = replace(proven, manifest=replace(proven.manifest, parts=parts))
    placed = Placing(house.target, strangers, tmp_path / "newer", NOW).place()
    assert placed.unknown_owners == ("nobody-knows",)

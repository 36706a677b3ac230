"""What was unpacked is opened as the service opens it."""

from pathlib import Path

from dohproxy.tools.backup.making import Wanted
from dohproxy.tools.backup.opening import opened
from dohproxy.tools.backup.proof import prove, stage
from tests.tools.backup.conftest import NOW, House


def looked(house: House, wanted: Wanted, directory: Path) -> list[tuple[bool, str]]:
    """Back up, unpack and open."""
    house.back_up(wanted)
    return list(opened(stage(house.target, prove(house.target), directory), NOW))


def test_with_its_keys_everything_can_be_opened(house: House, tmp_path: Path) -> None:
    assert looked(house, Wanted(with_keys=True), tmp_path / "stage") == [
        (True, "The list of members: 1, of whom 1 may ask."),
        (True, "Blocked or let through by hand: 1 names."),
        (True, "The state of 2027-01-15 08:00 UTC: 0 networks that have been here for some time."),
        (True, "The sums of 1 hours."),
    ]


def test_without_its_key_the_state_is_of_no_use(house: House, tmp_path: Path) -> None:
    found = looked(house, Wanted(), tmp_path / "stage")
    assert [is_well for is_well, _ in found] == [True, True, False, True]
    assert "its key is not there" in found[2][1]


def test_what_is_damaged_is_told_and_the_rest_is_opened(house: House, tmp_path: Path) -> None:
    for name in ("members.json", "blocks.json", "state", "cache.snapshot"):
        (house.directory / "state" / name).write_bytes(b"x")
        (house.directory / "state" / name).chmod(0o600)
    found = looked(house, Wanted(with_keys=True, with_cache=True), tmp_path / "stage")
    assert [is_well for is_well, _ in found] == [False, False, False, True, False]

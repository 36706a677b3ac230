"""The key of what is kept: made once, for this user alone, and never what it was not."""

from pathlib import Path

import pytest

from dohproxy.jobs.state_key import KEY_BYTES, NoKey, StateKey, open_key


def test_it_is_made_at_the_first_start_and_found_at_the_next(tmp_path: Path) -> None:
    first = open_key(tmp_path)
    found = (tmp_path / "key").stat()
    assert (found.st_mode & 0o777, found.st_size) == (0o600, KEY_BYTES)
    again = open_key(tmp_path)
    assert (again.clients, again.file, again.seal("x")) == (first.clients, first.file, first.seal("x"))
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_no_two_are_alike_and_each_purpose_has_its_own() -> None:
    one, other = StateKey(bytes(KEY_BYTES)), StateKey(b"\x01" * KEY_BYTES)
    made = [one.clients, one.file, other.clients, other.file]
    assert len(set(made)) == 4
    assert bytes(KEY_BYTES) not in made
    assert one.seal("udp://192.0.2.1") != other.seal("udp://192.0.2.1")
    assert one.mark != other.mark


def test_what_stands_for_an_upstream_says_nothing_of_it() -> None:
    seals = {StateKey(bytes(KEY_BYTES)).seal(name) for name in ("group home", "udp://192.0.2.1", "udp://192.0.2.2")}
    assert len(seals) == 3
    assert {len(seal) for seal in seals} == {32}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602], ids=oct)
def test_one_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    open_key(tmp_path)
    (tmp_path / "key").chmod(mode)
    with pytest.raises(NoKey, match=r"key can be (read|written) by other users.*: delete it"):
        open_key(tmp_path)


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33)], ids=len)
def test_one_of_another_length_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(NoKey, match="has not 32 bytes"):
        open_key(tmp_path)


def test_where_there_is_no_directory_there_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(NoKey, match=r"cannot be made \(No such file or directory\): the directory must be there"):
        open_key(tmp_path / "absent")


def test_a_directory_in_its_place_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    with pytest.raises(NoKey, match="cannot be read"):
        open_key(tmp_path)

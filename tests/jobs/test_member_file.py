"""The file of members: what is taken, what is refused, and who is told of whose token is valid."""

import math
import os
from pathlib import Path

import pytest

from dohproxy.config import ConfigError
from dohproxy.jobs.member_file import (
    MemberFile,
    MemberFileResult,
    MemberRefusal,
    NotWritten,
    read_members,
    write_members,
)
from dohproxy.policy.members import DIGEST_BYTES, Member, Members, encode
from tests.loops import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories

NOW = 1_800_000_000.0
Told = list[frozenset[bytes]]


def member(name: str, number: int, expires: float = math.inf) -> Member:
    return Member(name, number.to_bytes(DIGEST_BYTES), NOW, expires)


ALICE, BOB = member("alice", 1), member("bob", 2, NOW + 60)
BOTH = Members((ALICE, BOB))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "members.json"


@pytest.fixture
def told() -> Told:
    """What tokens were said to be valid, one time after the other."""
    return []


@pytest.fixture
def file(path: Path, told: Told) -> MemberFile:
    """The watch over it."""
    return MemberFile(path, told.append)


def rewrite(path: Path, content: bytes) -> None:
    """Write as an editor does: a new file in the old one's place."""
    beside = path.with_name("new")
    beside.write_bytes(content)
    beside.chmod(0o600)
    beside.replace(path)


def remove(path: Path) -> None:
    """Delete it."""
    path.unlink()


def mode_of(path: Path) -> int:
    """Return who may read and write it."""
    return path.stat().st_mode & 0o777


class TestReading:
    async def test_without_a_file_there_are_no_members(self, file: MemberFile, told: Told) -> None:
        await file.poll(NOW)
        assert (len(file.members), told, file.statistics().last_succeeded) == (0, [], True)

    async def test_a_file_that_appears_or_changes_is_taken(self, file: MemberFile, path: Path, told: Told) -> None:
        write_members(path, BOTH)
        await file.poll(NOW)
        await file.poll(NOW)
        rewrite(path, encode(BOTH.without("bob")))
        await file.poll(NOW)
        remove(path)
        await file.poll(NOW)
        assert told == [{ALICE.digest, BOB.digest}, {ALICE.digest}, set()]
        assert file.statistics().reads[MemberFileResult.LOADED] == 3

    async def test_who_is_over_goes_when_his_time_is_though_the_file_stays(
        self, file: MemberFile, path: Path, told: Told
    ) -> None:
        write_members(path, BOTH)
        await file.poll(NOW)
        await file.poll(BOB.expires - 1)
        assert told == [{ALICE.digest, BOB.digest}]
        await file.poll(BOB.expires)
        assert told[1:] == [{ALICE.digest}]
        assert (file.statistics().listed, file.statistics().valid) == (2, 1)

    @pytest.mark.parametrize(
        ("spoil", "result"),
        [
            (lambda path: rewrite(path, b"{"), MemberFileResult.UNUSABLE),
            (lambda path: path.chmod(0o666), MemberFileResult.UNUSABLE),
            (lambda path: (path.unlink(), path.mkdir()), MemberFileResult.UNREADABLE),
        ],
        ids=["half a file", "others may write to it", "a directory"],
    )
    async def test_a_file_that_is_no_good_changes_nothing_and_is_told(
        self, file: MemberFile, path: Path, told: Told, spoil: object, result: MemberFileResult
    ) -> None:
        write_members(path, BOTH)
        await file.poll(NOW)
        spoil(path)  # type: ignore[operator]
        await file.poll(NOW)
        assert (len(told), len(file.members)) == (1, 2)
        statistics = file.statistics()
        assert (statistics.reads[result], statistics.last_succeeded) == (1, False)
        with pytest.raises(NotWritten, match="Put it right"):
            await file.change(lambda members: members.without("bob"), NOW)
        refusal = read_members(path)
        assert isinstance(refusal, MemberRefusal)
        assert refusal.sentence.startswith(str(path))


class TestWriting:
    async def test_a_change_is_written_for_this_user_alone_and_holds_at_once(
        self, file: MemberFile, path: Path, told: Told
    ) -> None:
        await file.change(lambda members: members.with_one_more(ALICE), NOW)
        assert told == [{ALICE.digest}]
        assert mode_of(path) == 0o600
        assert read_members(path).all() == [ALICE]  # type: ignore[union-attr]
        await file.poll(NOW)
        assert file.statistics().reads[MemberFileResult.LOADED] == 0

    async def test_what_was_written_by_hand_a_moment_ago_is_not_lost(self, file: MemberFile, path: Path) -> None:
        await file.poll(NOW)
        write_members(path, Members((BOB,)))
        await file.change(lambda members: members.with_one_more(ALICE), NOW)
        assert [one.name for one in file.members.all()] == ["bob", "alice"]

    async def test_where_it_cannot_be_written_nothing_changes(self, told: Told, tmp_path: Path) -> None:
        file = MemberFile(tmp_path / "nowhere" / "members.json", told.append)
        with pytest.raises(NotWritten, match="nothing has changed"):
            await file.change(lambda members: members.with_one_more(ALICE), NOW)
        assert (told, len(file.members)) == ([], 0)

    async def test_what_the_change_raises_leaves_everything_as_it_was(self, file: MemberFile, path: Path) -> None:
        def refuse(_: Members) -> Members:
            raise KeyError("no")

        with pytest.raises(KeyError):
            await file.change(refuse, NOW)
        assert len(file.members) == 0
        assert isinstance(read_members(path), Members)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
    def test_what_root_writes_belongs_to_whom_the_directory_belongs_to(self, path: Path) -> None:
        os.chown(path.parent, 12_345, 12_345)
        write_members(path, BOTH)
        assert path.stat().st_uid == 12_345
        os.chown(path, 54_321, 54_321)
        write_members(path, BOTH)
        assert path.stat().st_uid == 54_321


class TestAnotherFile:
    async def test_its_members_are_those_from_then_on_and_it_is_the_one_that_is_watched(
        self, file: MemberFile, path: Path, told: Told, tmp_path: Path
    ) -> None:
        rewrite(path, encode(Members((ALICE,))))
        await file.poll(NOW)
        other = tmp_path / "other.json"
        rewrite(other, encode(Members((BOB,))))
        await file.adopt(other, await file.prepare(other), NOW)
        assert told == [frozenset((ALICE.digest,)), frozenset((BOB.digest,))]
        rewrite(path, encode(BOTH))
        await file.poll(NOW)
        rewrite(other, encode(BOTH))
        await file.poll(NOW)
        assert told[2:] == [frozenset((ALICE.digest, BOB.digest))]

    async def test_one_that_cannot_be_used_is_refused_and_nothing_changes(
        self, file: MemberFile, path: Path, told: Told, tmp_path: Path
    ) -> None:
        rewrite(path, encode(BOTH))
        await file.poll(NOW)
        rewrite(tmp_path / "other.json", b"{")
        with pytest.raises(ConfigError, match=r"clients\.member_file is refused: .* is no JSON"):
            await file.prepare(tmp_path / "other.json")
        assert (file.path, len(told)) == (path, 1)

    async def test_the_same_one_goes_on(self, file: MemberFile, path: Path, told: Told) -> None:
        rewrite(path, encode(BOTH))
        await file.poll(NOW)
        await file.adopt(path, await file.prepare(path), NOW)
        await file.poll(NOW)
        assert (len(told), file.statistics().reads[MemberFileResult.LOADED]) == (1, 1)

    async def test_without_one_nobody_is_a_member_and_none_can_be_added(
        self, file: MemberFile, path: Path, told: Told
    ) -> None:
        rewrite(path, encode(BOTH))
        await file.poll(NOW)
        await file.adopt(None, await file.prepare(None), NOW)
        await file.poll(NOW)
        assert told[1:] == [frozenset()]
        with pytest.raises(NotWritten):
            await file.change(lambda members: members, NOW)
        await file.adopt(path, await file.prepare(path), NOW)
        assert told[2:] == [frozenset((ALICE.digest, BOB.digest))]

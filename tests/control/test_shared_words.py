"""Members and limits by hand, told and taken."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dohproxy.adoption import Changes, compare
from dohproxy.config import Config, ConfigError, Problem, read
from dohproxy.control.hand_limits import Agreed, HandLimit, HandLimits
from dohproxy.control.shared_words import LimitWords, MemberWords
from dohproxy.jobs.member_file import MemberFile, read_members
from dohproxy.policy.members import Member, Members
from dohproxy.sharing.events import Event, Kind
from dohproxy.sharing.hand_words import NotTaken, Owner

NOW, WALL = 100.0, 1_700_000_000.0


def of(kind: Kind, subject: str, said: dict[str, Any] | None) -> Event:
    """Return an event."""
    return Event(kind, subject, 1, "a" * 16, math.inf, said)


def told(owner: Owner) -> list[Event]:
    """Return what an owner has to tell."""
    return [
        of(owner.kind, owner.subject(key), dict(owner.word(value, NOW, WALL).said))
        for key, value in owner.held().items()
    ]


class Members_:
    """A node's members."""

    def __init__(self, path: Path | None) -> None:
        self.taken_back: list[tuple[Kind, str]] = []
        self.file = MemberFile(path, lambda _: None)
        self.words = MemberWords(self.file, lambda kind, key: self.taken_back.append((kind, key)))

    async def change(self, make: Callable[[Members], Members]) -> None:
        """Do as a command does."""
        await self.file.change(make, WALL)


ALICE = Member("alice", bytes(32), 1_000.4, WALL + 500.0)


async def test_a_member_is_known_elsewhere_by_the_digest_and_revoked_by_a_command_alone(tmp_path: Path) -> None:
    one, other = Members_(tmp_path / "one.json"), Members_(tmp_path / "other.json")
    before = one.words.version()
    await one.change(lambda members: members.with_one_more(ALICE))
    assert before != one.words.version()
    [event] = told(one.words)
    key, value = await other.words.take(event, NOW, WALL)
    await other.words.settle(WALL)
    assert other.words.held()[key] == value == Member("alice", bytes(32), 1_000.0, WALL + 500.0)
    assert isinstance(read_members(tmp_path / "other.json"), Members)
    await one.change(lambda members: members.without("alice"))
    assert one.taken_back == [(Kind.MEMBER, "alice")]
    await other.words.take(of(Kind.MEMBER, "alice", None), NOW, WALL)
    await other.words.settle(WALL)
    assert (len(other.file.members), other.taken_back) == (0, []), "what was learnt is not told on"


async def test_a_member_with_another_token_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    node = Members_(tmp_path / "members.json")
    await node.change(lambda members: members.with_one_more(ALICE))
    said = {"digest": "11" * 32, "created": 7, "expires": None}
    await node.words.take(of(Kind.MEMBER, "alice", said), NOW, WALL)
    await node.words.settle(WALL)
    assert node.file.members.find("alice") == Member("alice", b"\x11" * 32, 7.0, math.inf)
    # Whoever has the same token under another name does not fit, and all others are taken.
    await node.words.take(of(Kind.MEMBER, "bob", said), NOW, WALL)
    await node.words.take(of(Kind.MEMBER, "carol", said | {"digest": "22" * 32}), NOW, WALL)
    await node.words.settle(WALL)
    assert node.words.held().keys() == {"alice", "carol"}


async def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    node = Members_(tmp_path / "members.json")
    await node.words.take(of(Kind.MEMBER, "alice", None), NOW, WALL)
    await node.words.settle(WALL)
    assert not (tmp_path / "members.json").exists()


async def test_a_node_without_a_file_of_members_or_that_cannot_write_it_says_so(tmp_path: Path) -> None:
    said = {"digest": "11" * 32, "created": 7, "expires": None}
    with pytest.raises(NotTaken, match=r"clients\.member_file"):
        await Members_(None).words.take(of(Kind.MEMBER, "alice", said), NOW, WALL)
    node = Members_(tmp_path / "absent" / "members.json")
    await node.words.take(of(Kind.MEMBER, "alice", said), NOW, WALL)
    with pytest.raises(NotTaken, match="cannot be written"):
        await node.words.settle(WALL)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("a b", {}), ("alice", {"digest": "1"}), ("alice", {"digest": 7}), ("alice", {"digest": "zz" * 32}),
     ("alice", {"created": None}), ("alice", {"expires": "x"})],
)  # fmt: skip
async def test_what_is_no_member_is_not_taken(tmp_path: Path, name: str, changes: dict[str, Any]) -> None:
    said = {"digest": "11" * 32, "created": 7, "expires": None} | changes
    with pytest.raises(NotTaken):
        await Members_(tmp_path / "members.json").words.take(of(Kind.MEMBER, name, said), NOW, WALL)


class Limits:
    """A node's limits by hand."""

    def __init__(self) -> None:
        self.config = read('[[upstream]]\nname = "ns0"\nurl = "udp://192.0.2.53"\n', directory=Path("/etc"))
        self.is_unfit = False
        self.taken_back: list[tuple[Kind, str]] = []
        self.limits = HandLimits(self.alter, lambda: NOW)
        self.words = LimitWords(self.limits, lambda kind, key: self.taken_back.append((kind, key)))

    async def alter(self, make: Callable[[Config], Config]) -> Changes:
        """Hold to what is made of the configuration."""
        if self.is_unfit:
            raise ConfigError((Problem("limits.requests_burst", "is less than the burst of misses"),))
        changes = compare(self.config, make(self.config))
        self.config = changes.config
        return changes


async def test_a_limit_holds_elsewhere_as_long_and_is_taken_back_by_a_command_alone() -> None:
    one, other = Limits(), Limits()
    await one.limits.hold(HandLimit("limits.requests_burst", 77, NOW + 60))
    [event] = told(one.words)
    key, value = await other.words.take(event, NOW + 1, WALL + 1)
    assert other.words.held()[key] == value
    assert value.until == pytest.approx(NOW + 60)
    assert other.config.limits.requests_burst == 77
    await one.limits.release("limits.requests_burst")
    assert one.taken_back == [(Kind.LIMIT, "limits.requests_burst")]
    for _ in range(2):
        assert await other.words.take(of(Kind.LIMIT, key, None), NOW, WALL) == (key, None)
    assert (other.limits.current(), other.taken_back) == ((), [])


async def test_what_was_agreed_is_told_with_what_it_was_agreed_beside() -> None:
    limits = Limits()
    limit = HandLimit("upstream.ns0.burst", 50, math.inf, Agreed(20, frozenset({"udp://192.0.2.1"})), "group")
    [word] = [limits.words.word(limit, NOW, WALL)]
    assert word.said["agreed"] == [20, ["udp://192.0.2.1"]]
    limits.is_unfit = True
    with pytest.raises(NotTaken, match="does not fit this node's file"):
        await limits.words.take(of(Kind.LIMIT, "limits.requests_burst", dict(word.said)), NOW, WALL)


async def test_a_limit_whose_time_is_over_is_not_held() -> None:
    limits = Limits()
    said = {"value": 7, "until": WALL - 1, "group": "", "agreed": None}
    await limits.words.take(of(Kind.LIMIT, "limits.requests_burst", said), NOW, WALL)
    assert limits.limits.current() == ()


@pytest.mark.parametrize(
    "changes",
    [{"value": "7"}, {"value": True}, {"value": math.inf}, {"until": "x"}, {"group": None}, {"agreed": 7},
     {"agreed": [1]}, {"agreed": [1, [2]]}, {"agreed": ["1", []]}],
)  # fmt: skip
async def test_what_is_no_limit_is_not_taken(changes: dict[str, Any]) -> None:
    said = {"value": 7, "until": None, "group": "", "agreed": None} | changes
    with pytest.raises(NotTaken):
        await Limits().words.take(of(Kind.LIMIT, "limits.requests_burst", said), NOW, WALL)

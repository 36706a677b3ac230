"""Blocking and letting through by hand: what then holds, what is told, and how it is taken back."""

import math
import time
from dataclasses import replace
from typing import Any

import pytest

from dohproxy.config import BlocklistConfig
from dohproxy.control.blocks import allow, block, blocks, disallow, hand_line, list_lines, unblock
from dohproxy.control.command import Refused, Result, WrongArguments
from dohproxy.control.commands import COMMANDS
from dohproxy.control.explain import Owners
from dohproxy.jobs.blocklist_watch import BlocklistWatch
from dohproxy.jobs.blocks_file import HandBlocks
from dohproxy.policy.blocklists.by_hand import MOST_ENTRIES, TEXT, HandEntry
from dohproxy.wire.name import from_text
from tests.control.command_samples import FakeService
from tests.fakes.steps import turns_beside
from tests.fakes.walk import Walk

pytestmark = pytest.mark.interpreted  # the walk's resolver is derived from ours, which the compiled one allows nobody

HANDLERS = {"block": block, "unblock": unblock, "allow": allow, "disallow": disallow, "blocks": blocks}


class Duty:
    """A service, and who gives it commands."""

    def __init__(self, *configs: BlocklistConfig) -> None:
        walk = Walk()
        self.blocklists = walk.names.blocklists
        self.changes = 0
        watch = BlocklistWatch(configs, self.blocklists, self._changed, time.time())
        self.service = FakeService()
        self.service.walked = Owners(walk.request_limiter, walk.names, walk.routes, walk.pipeline, walk.penalties.bans)
        self.service.told_of_lists = watch.statistics(time.time())
        self.service.blocks = HandBlocks(None, self.blocklists, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    async def do(self, word: str, /, **given: Any) -> Result:
        """Give a command as it is typed."""
        command = next(one for one in COMMANDS if one.name == word)
        assert command.handler is HANDLERS[word]
        return await command.handler(self.service, command.read(given))

    def withholds(self, name: str) -> bool:
        return self.blocklists.find(from_text(name)) is not None


async def test_a_name_is_blocked_for_a_while_with_the_reason_that_was_given() -> None:
    duty = Duty()
    result = await duty.do("block", name="Bad.Example.", **{"for": "1h"}, reason="it spreads malware")
    assert duty.withholds("bad.example")
    assert not duty.withholds("www.bad.example")
    assert result.sentence == (
        'bad.example is refused, which clients are told as "it spreads malware", for 1 h. A restart ends it: there is'
        " no server.state_directory to keep it in."
    )
    assert 3_598 <= result.figures["seconds_left"] <= 3_600
    assert duty.changes == 1


async def test_a_name_is_blocked_until_it_is_taken_back_with_all_below_it() -> None:
    duty = Duty()
    result = await duty.do("block", name="bad.example", below=True)
    assert duty.withholds("www.bad.example")
    assert "bad.example and all names below it are refused" in result.sentence
    assert "until it is taken back" in result.sentence
    assert (result.figures["text"], result.figures["seconds_left"]) == (TEXT, None)
    assert (await duty.do("unblock", name="bad.example")).sentence.startswith("bad.example is answered again.")
    assert not duty.withholds("bad.example")


async def test_what_a_list_withholds_is_let_through_for_a_while() -> None:
    duty = Duty(BlocklistConfig("ads", names=("ads.example",), below=True))
    result = await duty.do("allow", name="good.ads.example", **{"for": "2d"})
    assert "good.ads.example is let through, whatever lists say, for 2 d." in result.sentence
    assert not duty.withholds("good.ads.example")
    assert duty.withholds("www.good.ads.example")
    told = (await duty.do("disallow", name="good.ads.example")).sentence
    assert told.startswith("good.ads.example is let through no longer, and is withheld all the same, by the list ads.")
    assert duty.withholds("good.ads.example")


async def test_what_was_not_said_by_hand_cannot_be_taken_back_and_it_is_told_what_to_do() -> None:
    duty = Duty(BlocklistConfig("ads", names=("ads.example",)))
    with pytest.raises(Refused, match=r"withheld by the list ads; to let it through: allow ads\.example"):
        await duty.do("unblock", name="ads.example")
    with pytest.raises(Refused, match=r"other\.example was not blocked by hand\.$"):
        await duty.do("unblock", name="other.example")
    await duty.do("block", name="bad.example")
    with pytest.raises(Refused, match="was not let through by hand"):
        await duty.do("disallow", name="bad.example")
    assert duty.withholds("bad.example")


async def test_the_last_word_counts() -> None:
    duty = Duty()
    await duty.do("block", name="a.example")
    await duty.do("allow", name="a.example")
    assert not duty.withholds("a.example")
    with pytest.raises(Refused):
        await duty.do("unblock", name="a.example")


@pytest.mark.parametrize(
    "given",
    [{"name": "."}, {"name": "*.example"}, {"name": "a b"}, {"name": "a.example", "for": "soon"}, {"name": "a.example",
     "reason": "two\nlines"}, {"name": "a.example", "reason": "x" * 161}, {"name": "a.example", "reason": " "}],
    ids=str,
)  # fmt: skip
async def test_what_cannot_be_meant_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(WrongArguments):
        await Duty().do("block", **given)


async def test_where_there_is_no_room_it_is_told_where_a_list_belongs() -> None:
    duty = Duty()
    for number in range(MOST_ENTRIES):
        duty.service.blocks.entries.put(HandEntry(from_text(f"n{number}.example"), True, False, math.inf))
    with pytest.raises(Refused, match=r"\[\[blocklist\]\]"):
        await duty.do("block", name="more.example")


async def test_all_of_it_is_told() -> None:
    duty = Duty(BlocklistConfig("ads", names=("ads.example", "*.cdn.example")))
    await duty.do("block", name="bad.example", **{"for": "1h"}, reason="it is bad")
    await duty.do("allow", name="good.example", below=True)
    result = await duty.do("blocks")
    assert result.is_well
    assert result.sentence == "1 list with 2 names, 2 entries by hand."
    assert result.lines[0] == "list ads: 2 names, operator, refused, 0 hits"
    assert [line.partition(",")[0] for line in result.lines[1:]] == [
        "bad.example is blocked by hand",
        "good.example is let through by hand",
    ]
    assert [one["name"] for one in result.figures["by_hand"]] == ["bad.example", "good.example"]
    assert result.figures["lists"][0]["names"] == 2


async def test_others_have_their_turns_while_as_many_as_there_may_be_are_told() -> None:
    duty = Duty()
    names = [f"n{number}.example" for number in range(MOST_ENTRIES)]
    for name in names:
        duty.service.blocks.entries.put(HandEntry(from_text(name), True, False, math.inf))
    result, turns = await turns_beside(duty.do("blocks"))
    assert [one["name"] for one in result.figures["by_hand"]] == sorted(names)
    assert len(result.lines) == MOST_ENTRIES
    assert turns > 10


async def test_a_list_that_is_not_in_use_is_told_and_not_well() -> None:
    duty = Duty(BlocklistConfig("ads", names=("ads.example",)))
    (one,) = duty.service.told_of_lists
    broken = replace(one, file="/lists/ads", problem="cannot be read (No such file or directory)")
    duty.service.told_of_lists = [broken]
    result = await duty.do("blocks")
    assert not result.is_well
    assert result.sentence.endswith("Not in use as it lies on the disk: ads.")
    assert "list ads: /lists/ads cannot be read (No such file or directory)" in result.lines


async def test_everything_that_is_to_be_known_of_a_list_stands_in_its_lines() -> None:
    duty = Duty(BlocklistConfig("court", reason="law", reference="27/1", names=("a.example",)))
    one = replace(
        duty.service.told_of_lists[0], ends="2027-05-31", loaded_at=1_000.0, format="hosts", hits=1_234, bad_lines=2,
        faults=("line 7 has no name",), left_out=3, networks=1,
    )  # fmt: skip
    lines = list(list_lines(one, 1_060.0))
    assert lines == [
        "list court: 1 name, 1 network of clients, law, refused, until 2027-05-31, 1,234 hits, read 1 min ago as hosts",
        "list court: 2 lines cannot be used: line 7 has no name",
        "list court: 3 lines left out: no list of names can follow what they say",
    ]
    assert ", over since 2027-05-31," in next(list_lines(replace(one, is_over=True), 1_060.0))
    assert ", lets through," in next(list_lines(replace(one, action="allow", ends=None), 1_060.0))


def test_what_is_told_of_an_entry() -> None:
    entry = HandEntry(from_text("a.example"), True, True, 1_090.0, "it is bad")
    assert (
        hand_line(entry, 1_000.0) == "a.example is blocked by hand, with all below it, for 1 min 30 s more: it is bad"
    )

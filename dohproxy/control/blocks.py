"""The commands `block`, `unblock`, `allow`, `disallow` and `blocks`: what is withheld, and what is let through."""

import heapq
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Protocol

from dohproxy.config.blocklist_values import parse_public_text
from dohproxy.config.keys import Switch, Text
from dohproxy.control.command import Argument, Refused, Result, WrongArguments
from dohproxy.control.durations import duration
from dohproxy.control.explain import Owners
from dohproxy.control.names import NAME
from dohproxy.durations import in_words
from dohproxy.jobs.blocklist_watch import BlocklistStatistics
from dohproxy.jobs.blocks_file import HandBlocks, name_of
from dohproxy.jobs.turns import in_turns
from dohproxy.policy.blocklists.by_hand import MOST_ENTRIES, TEXT, HandEntry
from dohproxy.wire.name import from_text

STEP_ENTRIES: Final = 64
"""Entries that are told between two steps: some 0.5 ms."""
_NAME: Final = Argument("name", NAME, is_required=True, is_private=True)
_BELOW: Final = Argument("below", Switch("All names below it too."), is_option=True, default=False)
_FOR: Final = Argument(
    "for", duration("How long, as in 90s, 10m, 1h, 2d; without it until it is taken back."), is_option=True
)
BLOCK_ARGUMENTS: Final = (
    _NAME,
    _BELOW,
    _FOR,
    Argument(
        "reason",
        Text(parse_public_text, "a line of text", "it spreads malware", "Why, for everybody who asks for it to read."),
        is_option=True,
    ),
)
ALLOW_ARGUMENTS: Final = (_NAME, _BELOW, _FOR)
NAME_ARGUMENTS: Final = (_NAME,)


class HasBlocks(Protocol):
    """A service that withholds names."""

    blocks: HandBlocks

    def blocklists(self) -> Sequence[BlocklistStatistics]:
        """Return what there is to say of each list."""

    def owners(self) -> Owners:
        """Return those whom the walk asks."""


async def block(service: HasBlocks, values: Mapping[str, Any]) -> Result:
    """Withhold a name."""
    return await _say(service, values, is_block=True, text=values["reason"] or TEXT)


async def allow(service: HasBlocks, values: Mapping[str, Any]) -> Result:
    """Let a name through."""
    return await _say(service, values, is_block=False, text=TEXT)


async def _say(service: HasBlocks, values: Mapping[str, Any], *, is_block: bool, text: str) -> Result:
    name, seconds, now = values["name"], values["for"], time.time()
    if name == ".":
        raise WrongArguments("The root is every name there is; to let nobody ask anything, drain the service.")
    until = math.inf if seconds is None else now + seconds
    entry = HandEntry(from_text(name), is_block, values["below"], until, text)
    if not await service.blocks.put(entry, now):
        raise Refused(
            f"There are {MOST_ENTRIES:,} entries by hand, which is as many as there may be: write them into a file and"
            " name it in a [[blocklist]]."
        )
    return Result(said_sentence(entry, now, service.blocks), _plain(entry, now))


def said_sentence(entry: HandEntry, now: float, blocks: HandBlocks) -> str:
    """Return what holds from now on."""
    what = f"{name_of(entry)} and all names below it are" if entry.below else f"{name_of(entry)} is"
    how = f'refused, which clients are told as "{entry.text}"' if entry.is_block else "let through, whatever lists say"
    lasts = "until it is taken back" if math.isinf(entry.until) else f"for {in_words(entry.until - now)}"
    return f"{what} {how}, {lasts}.{_kept(blocks)}"


def _kept(blocks: HandBlocks) -> str:
    if blocks.problem:
        return f" It could not be saved ({blocks.problem}), so a restart would end it."
    if not blocks.is_kept:
        return " A restart ends it: there is no server.state_directory to keep it in."
    return ""


async def unblock(service: HasBlocks, values: Mapping[str, Any]) -> Result:
    """Take back a block."""
    return await _take_back(service, values["name"], is_block=True)


async def disallow(service: HasBlocks, values: Mapping[str, Any]) -> Result:
    """Take back what let a name through."""
    return await _take_back(service, values["name"], is_block=False)


async def _take_back(service: HasBlocks, name: str, *, is_block: bool) -> Result:
    wire = from_text(name)
    entry = service.blocks.entries.get(wire)
    if entry is None or entry.is_block is not is_block:
        verb = "blocked" if is_block else "let through"
        raise Refused(f"{name} was not {verb} by hand.{_advice(service, name, wire, is_block=is_block)}")
    await service.blocks.remove(wire, time.time())
    withheld = service.owners().names.blocklists.find(wire)
    left = "is answered again" if withheld is None else f"is withheld all the same, by {withheld.by}"
    done = f"{name} {left}" if is_block else f"{name} is let through no longer, and {left.removesuffix(' again')}"
    return Result(f"{done}.{_kept(service.blocks)}", {"name": name, "withheld_by": withheld and withheld.by})


def _advice(service: HasBlocks, name: str, wire: bytes, *, is_block: bool) -> str:
    withheld = service.owners().names.blocklists.find(wire)
    if not is_block or withheld is None:
        return ""
    return f" It is withheld by {withheld.by}; to let it through: allow {name}"


async def blocks(service: HasBlocks, _: Mapping[str, Any]) -> Result:
    """Tell what is withheld."""
    now, lists = time.time(), service.blocklists()
    by_hand, hand_lines = await in_turns(_tell_by_hand(list(service.blocks.entries), now))
    figures = {
        "lists": [asdict(one) for one in lists],
        "by_hand": by_hand,
        "by_hand_hits": service.blocks.entries.hits,
    }
    lines = [*(line for one in lists for line in list_lines(one, now)), *hand_lines]
    is_well = all(not one.problem for one in lists) and not service.blocks.problem
    return Result(blocks_sentence(lists, len(by_hand)), figures, lines, is_well=is_well)


def _tell_by_hand(
    entries: Sequence[HandEntry], now: float
) -> Generator[None, None, tuple[list[dict[str, Any]], list[str]]]:
    """Return what there is to say of all entries in the order of their names, for programs and for persons."""
    by_name: dict[str, HandEntry] = {}
    sorted_parts = []
    for first in range(0, len(entries), STEP_ENTRIES):
        part = {name_of(entry): entry for entry in entries[first : first + STEP_ENTRIES]}
        by_name |= part
        sorted_parts.append(sorted(part))
        yield
    plain, lines = [], []
    for number, name in enumerate(heapq.merge(*sorted_parts), start=1):
        plain.append(_plain(by_name[name], now))
        lines.append(hand_line(by_name[name], now))
        if number % STEP_ENTRIES == 0:
            yield
    return plain, lines


def blocks_sentence(lists: Sequence[BlocklistStatistics], entries: int) -> str:
    """Return how much there is of it."""
    names = sum(one.names for one in lists if one.action != "allow" and not one.is_over and one.mode == "enforce")
    hand = "1 entry" if entries == 1 else f"{entries:,} entries"
    broken = [one.name for one in lists if one.problem]
    wrong = f" Not in use as it lies on the disk: {', '.join(broken)}." if broken else ""
    return f"{counted(len(lists), 'list')} with {counted(names, 'name')}, {hand} by hand.{wrong}"


def counted(number: int, word: str) -> str:
    """Return how many there are of something."""
    return f"1 {word}" if number == 1 else f"{number:,} {word}s"


def list_lines(one: BlocklistStatistics, now: float) -> Iterator[str]:
    """Yield what there is to say of one list."""
    what = [counted(one.names, "name")]
    if one.networks:
        what.append(f"{counted(one.networks, 'network')} of clients")
    mode = {"shadow": "in shadow: ", "off": "off: "}.get(one.mode, "")
    how = "lets through" if one.action == "allow" else f"{one.reason}, {one.action}"
    ends = "" if one.ends is None else f", over since {one.ends}" if one.is_over else f", until {one.ends}"
    since = f", read {in_words(now - one.loaded_at)} ago as {one.format}" if one.loaded_at else ""
    yield f"list {one.name}: {mode}{', '.join(what)}, {how}{ends}, {counted(one.hits, 'hit')}{since}"
    if one.problem:
        yield f"list {one.name}: {one.file} {one.problem}"
    if one.bad_lines:
        yield f"list {one.name}: {counted(one.bad_lines, 'line')} cannot be used: {'; '.join(one.faults)}"
    if one.left_out:
        yield f"list {one.name}: {counted(one.left_out, 'line')} left out: no list of names can follow what they say"


def hand_line(entry: HandEntry, now: float) -> str:
    """Return what there is to say of one entry."""
    what = "blocked" if entry.is_block else "let through"
    below = ", with all below it" if entry.below else ""
    lasts = "until it is taken back" if math.isinf(entry.until) else f"for {in_words(entry.until - now)} more"
    told = f": {entry.text}" if entry.is_block else ""
    return f"{name_of(entry)} is {what} by hand{below}, {lasts}{told}"


def _plain(entry: HandEntry, now: float) -> dict[str, Any]:
    left = None if math.isinf(entry.until) else max(0, round(entry.until - now))
    return {
        "name": name_of(entry),
        "is": "blocked" if entry.is_block else "allowed",
        "below": entry.below,
        "seconds_left": left,
        "text": entry.text,
    }

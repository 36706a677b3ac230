"""How what is said by hand is told, and taken: of networks, names, the mode and announcements."""

import math
from typing import Any

import pytest

from dohproxy.config import BansConfig
from dohproxy.policy.announcements import MOST_ANNOUNCEMENTS, Announcements
from dohproxy.policy.bans import MOST_COMMANDS, Bans
from dohproxy.policy.blocklists.by_hand import ByHand, HandEntry
from dohproxy.policy.identity import Identities
from dohproxy.policy.mode import Mode, ModeSwitch, Reaction
from dohproxy.policy.prefixes import Prefix, parse_prefix
from dohproxy.sharing.events import Event, Kind
from dohproxy.sharing.hand_words import (
    AnnouncementWords,
    ModeWords,
    NameWords,
    NetworkWords,
    NotTaken,
    Owner,
    is_overruled,
    read_prefix,
    written_prefix,
)
from dohproxy.sharing.ledger import KEPT_SECONDS, Ledger
from dohproxy.wire.name import from_text

NOW, WALL = 100.0, 1_700_000_000.0


def told(owner: Owner, stamp: int = 1) -> list[Event]:
    """Return what an owner has to tell."""
    found = []
    for key, value in owner.held().items():
        word = owner.word(value, NOW, WALL)
        found.append(Event(owner.kind, owner.subject(key), stamp, "a" * 16, word.kept, word.said))
    return found


async def pass_on(owner: Owner, other: Owner) -> None:
    """Have another take all that an owner has to tell, and see that it then has the same to tell."""
    for event in told(owner):
        key, value = await other.take(event, NOW, WALL)
        await other.settle(WALL)
        assert other.held().get(key) == value
    assert told(owner) == told(other)


def of(kind: Kind, subject: str, said: dict[str, Any] | None) -> Event:
    """Return an event."""
    return Event(kind, subject, 1, "a" * 16, math.inf, said)


# --- Networks ---


def bans() -> Bans:
    """Return a node's bans."""
    return Bans(BansConfig(mode="enforce"), Identities(bytes(32)).prefix_hashes)


async def test_bans_and_unbans_are_taken_as_they_were_said() -> None:
    one, other = bans(), bans()
    one.ban(parse_prefix("192.0.2.0/24"), 60, "scans us", NOW, spares=False)
    one.ban(parse_prefix("2001:db8::/48"), 60, "", NOW, spares=True)
    one.unban(parse_prefix("192.0.2.7"), 60, NOW)
    await pass_on(NetworkWords(one), NetworkWords(other))
    [ban] = [ban for *_, ban in other.by_command() if ban.prefix == parse_prefix("192.0.2.0/24")]
    assert (ban.reason, ban.spares, ban.until) == ("scans us", False, NOW + 60)


async def test_an_unban_is_remembered_after_its_time_and_lifts_what_is_longer() -> None:
    one, other = bans(), bans()
    other.ban(parse_prefix("192.0.2.7"), 600, "", NOW, spares=True)
    one.unban(parse_prefix("192.0.2.7"), 1, NOW)
    [event] = told(NetworkWords(one))
    assert event.until == WALL + KEPT_SECONDS
    await NetworkWords(other).take(event, NOW + 50, WALL + 50)
    client = Identities(bytes(32)).client(parse_prefix("192.0.2.7").packed)
    assert not other.is_banned(client, NOW + 51)


async def test_a_ban_that_is_over_is_not_begun_again() -> None:
    one, other = bans(), bans()
    one.ban(parse_prefix("192.0.2.7"), 5, "", NOW, spares=True)
    [event] = told(NetworkWords(one))
    await NetworkWords(other).take(event, NOW + 9, WALL + 9)
    assert other.by_command() == []


@pytest.mark.parametrize("subject", ["", "192.0.2.7", "c0000207/33", "c0000207/24", "c00002/24", "zz/8", "c0000207/-1"])
async def test_what_names_no_network_is_not_taken(subject: str) -> None:
    with pytest.raises(NotTaken):
        await NetworkWords(bans()).take(of(Kind.NETWORK, subject, {"until": WALL + 9, "reason": ""}), NOW, WALL)


@pytest.mark.parametrize("said", [None, {}, {"until": "x", "reason": ""}, {"until": WALL + 9, "reason": "a\nb"}])
async def test_what_says_nothing_of_a_network_is_not_taken(said: dict[str, Any] | None) -> None:
    with pytest.raises(NotTaken):
        await NetworkWords(bans()).take(of(Kind.NETWORK, "c0000207/32", said), NOW, WALL)


async def test_where_there_is_no_room_for_a_network_that_is_said() -> None:
    full = bans()
    for number in range(MOST_COMMANDS):
        full.ban(Prefix(number.to_bytes(2) + bytes(2), 16), 60, "", NOW, spares=True)
    with pytest.raises(NotTaken, match="no room"):
        await NetworkWords(full).take(of(Kind.NETWORK, "c0000207/32", {"until": WALL + 9, "reason": ""}), NOW, WALL)


def test_networks_are_written_so_that_they_are_read_again() -> None:
    for text in ("192.0.2.7", "192.0.2.0/24", "2001:db8::/48"):
        assert read_prefix(written_prefix(parse_prefix(text))) == parse_prefix(text)


def test_a_later_word_about_a_wider_network_overrules_its_opposite_alone() -> None:
    def word(network: str, stamp: int, *, lets_in: bool) -> Event:
        said = {"lets_in": lets_in}
        return Event(Kind.NETWORK, written_prefix(parse_prefix(network)), stamp, "a" * 16, math.inf, said)

    def among(*words: Event) -> Ledger:
        ledger = Ledger("f" * 16)
        for number, one in enumerate(words):
            ledger.take(one, (number + 1, 0), WALL)
        return ledger

    ban = word("192.0.2.0/25", 5, lets_in=False)
    assert is_overruled(ban, among(word("192.0.2.0/24", 6, lets_in=True)))
    assert is_overruled(ban, among(word("192.0.2.0/25", 6, lets_in=True)))
    assert is_overruled(ban, among(word("192.0.0.0/16", 6, lets_in=False), word("192.0.2.0/24", 6, lets_in=True)))
    assert not is_overruled(ban, among(word("192.0.2.0/24", 4, lets_in=True)))
    assert not is_overruled(ban, among(word("192.0.2.0/24", 6, lets_in=False)))
    assert not is_overruled(ban, among(word("192.0.2.0/26", 6, lets_in=True)))
    assert not is_overruled(ban, among(word("2001:db8::/32", 6, lets_in=True)))
    assert not is_overruled(ban, among())
    assert is_overruled(of(Kind.NETWORK, "nonsense", {}), among(word("192.0.2.0/24", 6, lets_in=True)))


# --- Names ---


class Blocks:
    """Entries by hand without a file."""

    def __init__(self) -> None:
        self.entries = ByHand()
        self.settled: list[float] = []

    def changed_elsewhere(self, now: float) -> None:
        """Take notice."""
        self.settled.append(now)


async def test_names_are_taken_as_they_were_said_and_forgotten_when_they_are_taken_back() -> None:
    one, other = Blocks(), Blocks()
    one.entries.put(HandEntry(from_text("bad.example"), True, True, math.inf, "it spreads malware"))
    one.entries.put(HandEntry(from_text("good.bad.example"), False, False, WALL + 60))
    await pass_on(NameWords(one), NameWords(other))
    assert other.settled == [WALL, WALL]
    assert await NameWords(other).take(of(Kind.NAME, "bad.example", None), NOW, WALL) == (
        from_text("bad.example"),
        None,
    )
    assert [entry.name for entry in other.entries] == [from_text("good.bad.example")]


@pytest.mark.parametrize(
    ("subject", "changes"),
    [
        ("not a name", {}),
        ("bad.example", {"text": 1}),
        ("bad.example", {"text": "a\nb"}),
        ("bad.example", {"is_block": 1}),
        ("bad.example", {"below": None}),
        ("bad.example", {"until": "x"}),
    ],
)
async def test_what_says_nothing_of_a_name_is_not_taken(subject: str, changes: dict[str, Any]) -> None:
    said = {"is_block": True, "below": False, "until": None, "text": "x"} | changes
    with pytest.raises(NotTaken):
        await NameWords(Blocks()).take(of(Kind.NAME, subject, said), NOW, WALL)


async def test_where_there_is_no_room_for_a_name_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dohproxy.policy.blocklists.by_hand.MOST_ENTRIES", 0)
    said = {"is_block": True, "below": False, "until": None, "text": "x"}
    with pytest.raises(NotTaken, match="no room"):
        await NameWords(Blocks()).take(of(Kind.NAME, "bad.example", said), NOW, WALL)


# --- The mode ---


def mode_words() -> tuple[ModeSwitch, ModeWords, list[str]]:
    """Return a node's mode, what tells it, and how often the walk was told."""
    switch, applied = ModeSwitch(Reaction.NOTHING), [""]
    return switch, ModeWords(switch, lambda: applied.append("")), applied


async def test_a_mode_and_a_trial_are_taken_as_they_were_said_and_left() -> None:
    one, words, _ = mode_words()
    other, other_words, applied = mode_words()
    one.enter(Mode.OPEN, NOW + 60)
    one.attempt(Mode.MEMBERS)
    await pass_on(words, other_words)
    assert other.now(NOW).mode is Mode.OPEN
    assert len(applied) == 2
    assert await other_words.take(of(Kind.MODE, "mode", None), NOW, WALL) == ("mode", None)
    assert other.said.mode is None
    assert other_words.held() == {}


async def test_a_mode_whose_time_is_over_is_not_entered() -> None:
    one, words, _ = mode_words()
    _, other_words, _ = mode_words()
    one.enter(Mode.MEMBERS, NOW + 5)
    [event] = told(words)
    assert event.until == WALL + 5
    assert await other_words.take(event, NOW + 9, WALL + 9) == ("mode", None)


@pytest.mark.parametrize("said", [{"mode": "closed"}, {"mode": "open", "mode_until": "x"}, {"tried": 7}])
async def test_a_mode_that_there_is_not_is_not_taken(said: dict[str, Any]) -> None:
    _, words, _ = mode_words()
    with pytest.raises(NotTaken):
        await words.take(of(Kind.MODE, "mode", said), NOW, WALL)


# --- Announcements ---


def announcement_words() -> tuple[Announcements, AnnouncementWords]:
    """Return what a node announces, and what tells it."""
    announcements = Announcements()
    return announcements, AnnouncementWords(announcements, lambda: WALL)


async def test_announcements_are_taken_with_their_numbers_and_withdrawn() -> None:
    one, words = announcement_words()
    other, other_words = announcement_words()
    one.announce("Tonight.", WALL + 60, WALL)
    one.announce("Tomorrow.", WALL + 90, WALL)
    await pass_on(words, other_words)
    [event, _] = told(words)
    await other_words.take(of(Kind.ANNOUNCEMENT, event.subject, None), NOW, WALL)
    assert [(found.number, found.text) for found in other.current(WALL)] == [(2, "Tomorrow.")]
    await other_words.take(of(Kind.ANNOUNCEMENT, "not told", None), NOW, WALL)


async def test_two_announcements_of_one_number_are_both_told() -> None:
    one, words = announcement_words()
    other, other_words = announcement_words()
    one.announce("Here.", WALL + 60, WALL)
    other.announce("There.", WALL + 60, WALL)
    await other_words.take(told(words)[0], NOW, WALL)
    assert [(found.number, found.text) for found in other.current(WALL)] == [(1, "There."), (2, "Here.")]


@pytest.mark.parametrize(
    "changes", [{"text": ""}, {"text": "a\u202eb"}, {"number": "1"}, {"since": None}, {"until": "x"}]
)
async def test_what_could_not_be_announced_is_not_taken(changes: dict[str, Any]) -> None:
    said = {"number": 1, "text": "Here.", "since": WALL, "until": WALL + 60} | changes
    with pytest.raises(NotTaken):
        await announcement_words()[1].take(of(Kind.ANNOUNCEMENT, "x", said), NOW, WALL)


async def test_where_there_is_no_room_for_an_announcement() -> None:
    full, words = announcement_words()
    for number in range(MOST_ANNOUNCEMENTS):
        full.announce(f"{number}", WALL + 60, WALL)
    said = {"number": 1, "text": "Here.", "since": WALL, "until": WALL + 60}
    with pytest.raises(NotTaken, match="no room"):
        await words.take(of(Kind.ANNOUNCEMENT, "x", said), NOW, WALL)

"""What holds by hand: each thing is told with its end, and nothing else is."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import ServerConfig, read
from dohproxy.control.announce import ARGUMENTS as ANNOUNCE
from dohproxy.control.announce import announce
from dohproxy.control.command import Command
from dohproxy.control.hand_limits import HandLimit
from dohproxy.control.in_force import InForce, by_hand, in_force
from dohproxy.policy.blocklists.by_hand import HandEntry
from dohproxy.policy.mode import Mode, Reaction
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.upstream.resolvers import Resolvers
from dohproxy.wire.name import from_text
from tests.control.command_samples import FakeService
from tests.control.test_upstreams import asking
from tests.fakes.upstream import FakeUpstream

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://192.0.2.53"\n'
MOMENT = r"[0-9-]{10} [0-9:]{5} UTC"


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    """A service with one upstream, which keeps what it is told over restarts."""
    async with asking(FakeUpstream().config(name="ns0")) as (found, _):
        config = read(UPSTREAM, directory=Path("/etc"))
        found.config = replace(config, server=ServerConfig(state_directory=Path("/nowhere")))
        yield found


def only(service: FakeService) -> InForce:
    (found,) = in_force(service)
    return found


def test_where_nobody_has_said_anything_nothing_is_told(service: FakeService) -> None:
    assert in_force(service) == []


def test_a_mode_is_told_if_a_person_has_entered_it(service: FakeService) -> None:
    service.mode.adopt(Reaction.MEMBERS)
    service.mode.tell_listed(is_listed=True)
    assert in_force(service) == []
    service.mode.enter(Mode.MEMBERS, time.monotonic() + 600)
    told = only(service)
    assert (told.what, told.seconds_left) == ("mode", 600)
    assert told.words.startswith("mode members, for 10 min more, until 2")


def test_a_mode_that_is_only_tried_is_told_beside_the_one_that_holds(service: FakeService) -> None:
    service.mode.enter(Mode.OPEN)
    service.mode.attempt(Mode.MEMBERS, time.monotonic() + 600)
    held, tried = in_force(service)
    assert held.words == "mode open, until it is taken back"
    assert (tried.what, tried.seconds_left) == ("mode", 600)
    assert tried.words.startswith("mode members, only tried, for 10 min more, until 2")


def test_what_no_directory_keeps_is_told_to_end_with_a_restart(service: FakeService) -> None:
    service.config = read(UPSTREAM, directory=Path("/etc"))
    service.mode.enter(Mode.OPEN)
    assert only(service) == InForce("mode", "mode open, until it is taken back or until a restart", None)


def test_bans_are_counted_and_no_network_is_named(service: FakeService) -> None:
    now = time.monotonic()
    service.banned.ban(parse_prefix("192.0.2.0/24"), 600, "why", now, spares=False)
    service.banned.ban(parse_prefix("198.51.100.7"), 60, "", now, spares=False)
    service.banned.unban(parse_prefix("203.0.113.9"), 3_600, now)
    banned, let_in = in_force(service)
    assert banned.words.startswith("2 networks banned, the last for 10 min more, until 2")
    assert banned.words.endswith(" UTC (`bans` lists them)")
    assert (banned.what, banned.seconds_left, let_in.what, let_in.seconds_left) == ("ban", 600, "unban", 3_600)
    assert let_in.words.startswith("1 network let in, for 1 h more, until 2")


async def test_blocks_are_counted_and_no_name_is_told(service: FakeService) -> None:
    now = time.time()
    await service.blocks.put(HandEntry(from_text("ads.example.net"), True, False, now + 600), now)
    await service.blocks.put(HandEntry(from_text("good.example.net"), False, False, float("inf")), now)
    blocked, through = in_force(service)
    assert (blocked.what, blocked.words.partition(", ")[0]) == ("block", "1 name blocked")
    assert through == InForce("allow", "1 name let through, until it is taken back (`blocks` lists them)", None)
    assert "example" not in blocked.words + through.words


async def test_a_limit_is_told_with_what_the_file_says(service: FakeService) -> None:
    await service.hand_limits.hold(HandLimit("limits.requests_burst", 50, time.monotonic() + 600))
    told = only(service)
    assert told.words.startswith("limit limits.requests_burst = 50, for 10 min, until 2")
    assert (told.words.endswith(" UTC (the file says 200)"), told.seconds_left) == (True, 600)


def test_an_upstream_that_is_left_alone_is_told_with_since_when(service: FakeService) -> None:
    assert isinstance(service.asked, Resolvers)
    service.asked.pause("ns0")
    told = only(service)
    assert told.words.startswith("upstream ns0 paused since 2")
    assert told.words.endswith(" UTC, until it is taken back")


async def test_another_level_of_the_log_is_told(service: FakeService) -> None:
    service.log_level.change("debug", 600)
    told = only(service)
    assert told.words.startswith("log level debug, for 10 min more, until 2")
    assert told.words.endswith(" UTC or until a restart")
    service.log_level.go_back()
    assert in_force(service) == []


async def test_an_announcement_is_told_with_its_text(service: FakeService) -> None:
    command: Command[FakeService] = Command("announce", "", "", announce, ANNOUNCE)
    await announce(service, command.read({"text": "Maintenance.", "for": "2h"}))
    assert by_hand(service) == [
        {"what": "announce", "words": "announcement 1, for 2 h more: Maintenance.", "seconds_left": 7_200}
    ]


def test_a_service_that_ends_says_so(service: FakeService) -> None:
    service.drain()
    assert only(service).what == "drain"

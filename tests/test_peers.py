"""Whole services that share a real store: what is said at one of them holds at all."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dohproxy.builders import clock
from dohproxy.jobs import alert_sender
from dohproxy.jobs.blocks_file import name_of
from dohproxy.observability.alert_messages import MessageResult
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind
from dohproxy.policy.announcements import Announcement
from dohproxy.policy.ban_table import BanSource
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.sharing import presence, roster
from dohproxy.sharing.alert_claims import SPARE_SECONDS, AlertClaims, Claim
from dohproxy.sharing.events import Kind
from tests.conftest import FindProgram
from tests.fakes.nodes import Node, node, nodes
from tests.fakes.store import StoreProcess, store_process, until
from tests.fakes.upstream import FakeUpstream
from tests.frontends.client import get

STRANGER = "198.51.100.7"


@pytest.fixture(scope="module")
def process(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store of this module."""
    with store_process(find_program("redis-server", "redis-server"), tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes find each other sooner than people need."""
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(roster, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(alert_sender, "LATER_SECONDS", 0.1)


def is_banned(node: Node, network: str) -> bool:
    """Tell whether a network is kept out at a node."""
    client = node.runtime.look_at(parse_prefix(network).packed)
    return node.runtime.bans().is_banned(client, clock())


async def test_a_ban_at_one_node_ends_open_connections_at_the_others_within_a_second(
    process: StoreProcess, tmp_path: Path
) -> None:
    async with nodes(tmp_path, process, ("a", "b", "c"), "ban") as (a, b, c):
        clients = [await one.connect(STRANGER) for one in (b, c)]
        for client in clients:
            await client.send(get("localhost"))
            assert (await client.response()).status == 200
        begun = time.monotonic()
        assert (await a.say("ban", network=STRANGER, reason="scans us"))["status"] == 200
        for client in clients:
            assert await client.rest() == b""
        assert time.monotonic() - begun < 1.0
        told = (await b.say("bans"))["bans"]
        assert [(one["network"], one["source"], one["reason"]) for one in told] == [(STRANGER, "command", "scans us")]


async def test_an_unban_at_any_node_lifts_the_ban_at_all_and_goes_before_bans_by_rule(
    process: StoreProcess, tmp_path: Path
) -> None:
    async with nodes(tmp_path, process, ("a", "b"), "unban") as (a, b):
        await a.say("ban", network="198.51.100.0/24")
        await until(lambda: is_banned(b, STRANGER))
        await b.say("unban", network=STRANGER)
        await until(lambda: not is_banned(a, STRANGER))
        assert is_banned(a, "198.51.100.8")
        for one in (a, b):
            client = one.runtime.look_at(parse_prefix(STRANGER).packed)
            one.runtime.bans().ban_by_rule(client, 0, "malformed", clock())
            assert not is_banned(one, STRANGER)


async def test_who_is_banned_by_rule_at_one_node_is_banned_at_all_for_as_long(
    process: StoreProcess, tmp_path: Path
) -> None:
    async with nodes(tmp_path, process, ("a", "b"), "rule", '[bans]\nmode = "enforce"') as (a, b):
        client = a.runtime.look_at(parse_prefix(STRANGER).packed)
        a.runtime.bans().ban_by_rule(client, 0, "not_a_query", clock())
        await until(lambda: is_banned(b, STRANGER), seconds=1.0)
        [(_, there)], [(_, here)] = b.runtime.bans().by_rule(), a.runtime.bans().by_rule()
        assert there.until == pytest.approx(here.until, abs=0.05)
        assert (there.level, there.source, there.prefix) == (1, BanSource.RULE, parse_prefix(STRANGER))
        await asyncio.sleep(0.5)
        assert b.peers.rule_bans.told == 0, "it was told on"


async def test_what_people_say_at_one_node_holds_at_all_until_it_is_taken_back_at_any(
    process: StoreProcess, tmp_path: Path
) -> None:
    async with nodes(tmp_path, process, ("a", "b"), "said") as (a, b):
        await a.say("block", name="bad.example", below=True, reason="it spreads malware")
        await a.say("announce", text="Maintenance tonight.")
        await a.say("limit", key="limits.requests_burst", value="77")
        added = await a.say("member add", name="alice")
        await a.say("mode", mode="members")
        assert added["status"] == 200
        there = b.runtime
        await until(lambda: there.config.limits.requests_burst == 77)
        await until(lambda: [one.text for one in there.blocks.entries] == ["it spreads malware"])
        await until(lambda: [one.text for one in told_at(b)] == ["Maintenance tonight."])
        await until(lambda: there.mode.now(clock()).mode == "members")
        await until(lambda: members_of(b) == members_of(a) == ["alice"])
        assert there.server.core.service.rules.tokens == a.runtime.server.core.service.rules.tokens
        assert (tmp_path / "b" / "members.json").exists()

        await b.say("unblock", name="bad.example")
        await b.say("announce", withdraw=told_at(b)[0].number)
        await b.say("limit", key="limits.requests_burst", reset=True)
        await b.say("member revoke", name="alice")
        await b.say("mode", mode="auto")
        here = a.runtime
        await until(lambda: here.config.limits.requests_burst != 77)
        await until(lambda: not len(here.blocks.entries))
        await until(lambda: not told_at(a))
        await until(lambda: here.mode.now(clock()).mode == "open")
        await until(lambda: not members_of(a))
        assert here.server.core.service.rules.tokens == frozenset()


def told_at(node: Node) -> tuple[Announcement, ...]:
    """Return what is announced at a node."""
    return node.runtime.announcements.current(time.time())


def members_of(node: Node) -> list[str]:
    """Return the names of the members that a node knows."""
    book = node.runtime.member_book()
    assert book is not None
    return [member.name for member in book.members.all()]


async def test_a_node_that_comes_later_learns_all_that_holds_and_tells_what_it_brings(
    process: StoreProcess, tmp_path: Path
) -> None:
    upstream = FakeUpstream()
    async with nodes(tmp_path, process, ("a",), "later") as (a,), upstream.running():
        await a.say("ban", network=STRANGER)
        await a.say("block", name="bad.example")
        await a.say("block", name="worse.example")
        await until(lambda: a.peers.mind.statistics().said[Kind.NAME] == 2)
        await a.say("unblock", name="worse.example")
        await until(lambda: a.peers.mind.statistics().said[Kind.NAME] == 3)
        state = tmp_path / "b" / "state"
        state.mkdir(parents=True, mode=0o700)
        names = ("own.example", "worse.example")
        entries = ", ".join(
            f'{{"name": "{name}", "is": "blocked", "below": false, "until": null, "text": "x"}}' for name in names
        )
        (state / "blocks.json").write_text(f"[{entries}]")
        (state / "blocks.json").chmod(0o600)
        more = f'state_directory = "{state}"'
        async with node(tmp_path / "b", process, "b", upstream, "later", server=more) as b:
            await until(lambda: is_banned(b, STRANGER))
            await until(lambda: names_at(b) == {"bad.example", "own.example"})
            await until(lambda: names_at(a) == {"bad.example", "own.example"})


def names_at(node: Node) -> set[str]:
    """Return the names that something was said of by hand at a node."""
    return {name_of(entry) for entry in node.runtime.blocks.entries}


async def test_the_store_may_hang_or_be_lost_and_nodes_agree_again_when_it_is_back(
    find_program: FindProgram, tmp_path: Path
) -> None:
    program = find_program("redis-server", "redis-server")
    with store_process(program, tmp_path) as process:
        async with nodes(tmp_path, process, ("a", "b"), "fail") as (a, b):
            await a.say("ban", network=STRANGER, **{"for": "30s"})
            await a.say("block", name="kept.example")
            await until(lambda: is_banned(b, STRANGER) and bool(names_at(b)))

            process.freeze()
            begun = time.monotonic()
            assert (await b.say("ban", network="203.0.113.9"))["status"] == 200
            assert (await a.say("block", name="meanwhile.example"))["status"] == 200
            assert is_banned(b, "203.0.113.9"), "what is said holds here at once"
            assert time.monotonic() - begun < 1.0
            await until(lambda: not a.peers.is_store_up and not b.peers.is_store_up)
            process.thaw()
            await until(lambda: is_banned(a, "203.0.113.9") and "meanwhile.example" in names_at(b))

            process.end()
            await a.say("unban", network="203.0.113.9")
            await b.say("unblock", name="kept.example")
            process.begin()
            await until(lambda: not is_banned(b, "203.0.113.9") and names_at(a) == {"meanwhile.example"})
            # All that was lost is told again, once.
            await until(lambda: a.peers.mind.statistics().told_anew + b.peers.mind.statistics().told_anew > 0)
            upstream = FakeUpstream()
            async with upstream.running(), node(tmp_path / "c", process, "c", upstream, "fail") as c:
                await until(lambda: is_banned(c, STRANGER) and names_at(c) == {"meanwhile.example"})
                assert not is_banned(c, "203.0.113.9")
            assert is_banned(a, STRANGER)
            assert is_banned(b, STRANGER)


async def test_commands_are_carried_out_at_other_nodes_and_say_which(process: StoreProcess, tmp_path: Path) -> None:
    async with nodes(tmp_path, process, ("a", "b"), "remote") as (a, b):
        await until(lambda: a.peers.commands.carry_out is not None and b.peers.commands.carry_out is not None)
        said = await a.say("log-level", level="debug", node="b")
        assert (said["status"], said["node"]) == (200, "b")
        assert said["sentence"].startswith("b: ")
        assert (b.runtime.log_level.now, a.runtime.log_level.now) == ("debug", "info")
        everywhere = await a.say("status", node="all")
        assert everywhere["nodes"].keys() == {"a", "b"}
        assert everywhere["sentence"] == "2 nodes have answered."
        for command, given, why in (
            ("console", {"node": "b"}, "for the node itself"),
            ("member add", {"node": "all", "name": "eve"}, "for the node itself"),
            ("drain", {"node": "all"}, "for one node after the other"),
            ("status", {"node": "elsewhere"}, "There is no node elsewhere; there are a, b."),
        ):
            refused = await a.say(command, **given)
            assert (refused["status"], why in refused["sentence"]) == (409, True), refused
        assert (await a.say("ban", node="b", network="nonsense"))["status"] == 400


async def test_nodes_tells_who_is_there_and_what_is_amiss(process: StoreProcess, tmp_path: Path) -> None:
    upstream = FakeUpstream()
    async with nodes(tmp_path, process, ("a",), "list") as (a,), upstream.running():
        async with node(tmp_path / "b", process, "b", upstream, "list", "[limits]\nrequests_burst = 7") as b:
            await until(lambda: list(a.peers.names_there()) == ["a", "b"])
            told = await a.say("nodes")
            assert (told["sentence"], told["well"]) == ("2 nodes are there.", False)
            assert "another configuration" in told["lines"][1]
            assert "another configuration" not in told["lines"][0]
            assert (await b.say("nodes forget", name="a"))["status"] == 409
        await until(lambda: list(a.peers.names_there()) == ["a"])
        assert "silent for" in (await a.say("nodes"))["lines"][1]
        assert (await a.say("nodes forget", name="b"))["status"] == 200
        assert (await a.say("nodes"))["sentence"] == "1 node is there."


async def test_an_alert_that_all_find_out_is_sent_by_one_and_again_if_that_one_dies_over_it(
    process: StoreProcess, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    more = f'[alerts]\ncommand = ["/bin/sh", "-c", "cat >> {told}"]'
    async with nodes(tmp_path, process, ("a", "b"), "alert", more) as (a, b):
        # Somebody has claimed it, and is gone.
        assert a.runtime.sharing is not None
        dead = AlertClaims(a.runtime.sharing.store, a.runtime.sharing.keys, "d" * 16)
        about = {"alert": AlertKind.REQUEST_FLOOD, "event": "begin", "subject": ""}
        assert await dead.claim(about, 0.3 - SPARE_SECONDS) is Claim.OURS
        event = AlertEvent(AlertKind.REQUEST_FLOOD, "", True, "many requests", "", clock(), clock())
        for one in (a, b):
            one.runtime.alerting.sender.tell(event, time.time())

        def sent() -> list[dict[str, Any]]:
            return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []

        await until(lambda: len(sent()) == 1)
        counts = [one.runtime.alerting.sender.counts().results for one in (a, b)]
        await until(
            lambda: (
                sum(one.runtime.alerting.sender.counts().results.get(MessageResult.SENT_ELSEWHERE, 0) for one in (a, b))
                == 1
            )
        )
        assert [one["node"] in "ab" for one in sent()] == [True], counts
        # What is one node's own affair each of them tells itself.
        for one in (a, b):
            own = AlertEvent(AlertKind.DISK, "", True, "no room", "", clock(), clock())
            one.runtime.alerting.sender.tell(own, time.time())
        await until(lambda: sorted(one["node"] for one in sent() if one["alert"] == "disk") == ["a", "b"])


async def test_networks_that_ask_at_two_nodes_are_counted_once_and_requests_are_added(
    process: StoreProcess, tmp_path: Path
) -> None:
    async with nodes(tmp_path, process, ("a", "b"), "sum") as (a, b):
        await until(lambda: not a.peers.visitors.proposals() and not b.peers.visitors.proposals())
        for number in range(100):
            a.runtime.server.identities.client(bytes([198, 18, number, 1]))
        for number in range(50, 150):
            b.runtime.server.identities.client(bytes([198, 18, number, 1]))
        for one in (a, b, a):
            one.peers.sketches.exchange_now()
            await asyncio.sleep(0.2)
        for one in (a, b):
            assert one.peers.visitors.statistics().hour == pytest.approx(150, rel=0.05)
            assert one.runtime.server.visitors.statistics().hour == pytest.approx(100, rel=0.05)
        async with asyncio.timeout(10):
            client = await a.connect(STRANGER)
            for _ in range(3):
                assert (await client.ask(get("localhost"))).status == 200
            a.runtime.alerting.look()
            await until(lambda: b.peers.presence.roster.others().get("accepted") == 1)
        before = sum(b.runtime.alerting.watch.last.requests.values())
        b.runtime.alerting.look()
        assert sum(b.runtime.alerting.watch.last_of_all.requests.values()) == before + 3

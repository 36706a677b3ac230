"""Sending: real programs, the message on their standard input, and none of them in anybody's way."""

import asyncio
import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dohproxy.config import AlertsConfig
from dohproxy.jobs import alert_sender
from dohproxy.jobs.alert_sender import MOST_SAID, MOST_WAITING, AlertSender, environment, run
from dohproxy.observability.alert_messages import MessageResult
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind
from dohproxy.sharing.alert_claims import Claim
from tests.frontends.served import until
from tests.jobs.test_webhook import Received, server

EVENT = AlertEvent(AlertKind.LISTED, "", True, "many are here", "read docs/listed.md", since=100.0, at=100.0)
MESSAGE = {"alert": "listed", "text": "many\nare here"}


def script(directory: Path, text: str) -> str:
    """Write a program for sh; return its path."""
    file = directory / "tell"
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(stat.S_IRWXU)
    return str(file)


class TestRun:
    async def test_a_program_gets_the_message_and_its_fields(self, tmp_path: Path) -> None:
        program = script(tmp_path, f'cat > {tmp_path}/in; printf %s "$DOHPROXY_TEXT" > {tmp_path}/text; echo "$1"')
        assert await run((program, "$(false) *"), MESSAGE, {}, 10.0) == (MessageResult.SENT, "")
        assert json.loads((tmp_path / "in").read_text(encoding="utf-8")) == MESSAGE
        assert (tmp_path / "text").read_text(encoding="utf-8") == "many\nare here"

    async def test_arguments_are_no_shells(self, tmp_path: Path) -> None:
        program = script(tmp_path, f'printf "%s|" "$@" > {tmp_path}/arguments')
        await run((program, "$(false) *", "a b"), MESSAGE, {}, 10.0)
        assert (tmp_path / "arguments").read_text(encoding="utf-8") == "$(false) *|a b|"

    async def test_one_that_fails_is_told_with_what_it_says(self, tmp_path: Path) -> None:
        program = script(tmp_path, "echo 'no such room' >&2; exit 3")
        assert await run((program,), MESSAGE, {}, 10.0) == (MessageResult.FAILED, "exit code 3: no such room")

    async def test_one_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        result, said = await run((str(tmp_path / "absent"),), MESSAGE, {}, 10.0)
        assert (result, said.startswith("cannot be started: ")) == (MessageResult.FAILED, True)

    async def test_one_that_hangs_is_killed_with_all_that_it_has_started(self, tmp_path: Path) -> None:
        program = script(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child; sleep 60")
        result, said = await run((program,), MESSAGE, {}, 0.5)
        assert (result, said) == (MessageResult.TIMED_OUT, "not done after 0.5 s")
        child = int((tmp_path / "child").read_text(encoding="utf-8"))
        await until(lambda: not is_running(child), "the end of what it has started")

    async def test_one_that_is_given_up_is_killed(self, tmp_path: Path) -> None:
        program = script(tmp_path, f"echo $$ > {tmp_path}/own; exec sleep 60")
        sending = asyncio.ensure_future(run((program,), MESSAGE, {}, 30.0))  # noqa: TID251 - awaited below
        own = tmp_path / "own"
        await until(lambda: own.exists() and own.stat().st_size > 0, "the program")
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        # Where it was given up while it was being started, the event loop kills it, and waits for nothing.
        await until(lambda: not is_running(int(own.read_text(encoding="utf-8"))), "its end")

    async def test_one_that_says_without_end_is_heard_for_some_lines(self, tmp_path: Path) -> None:
        program = script(tmp_path, "head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1")
        result, said = await run((program,), MESSAGE, {}, 10.0)
        assert (result, len(said)) == (MessageResult.FAILED, len("exit code 1: ") + MOST_SAID)

    async def test_one_that_reads_nothing_is_no_trouble(self, tmp_path: Path) -> None:
        assert await run(("/bin/true",), {"text": "x" * 100_000}, {}, 10.0) == (MessageResult.SENT, "")

    def test_it_inherits_nothing_that_is_the_services_own(self) -> None:
        ours = {"HOME": "/var/lib/dohproxy", "NOTIFY_SOCKET": "/run/x", "LISTEN_FDS": "1", "SECRET": "x"}
        found = environment(ours, MESSAGE)
        assert set(found) == {"PATH", "HOME", "DOHPROXY_ALERT", "DOHPROXY_TEXT"}


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody has waited for is still there by its number.
    state = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return state != "Z"


class TestLine:
    async def test_a_message_goes_both_ways(self, tmp_path: Path) -> None:
        received = Received(200)
        with server(received) as address:
            program = script(tmp_path, f"cat > {tmp_path}/in")
            sender = AlertSender(AlertsConfig(command=(program,), webhook=address), "doh.example.net")
            sender.tell(EVENT, time.time())
            task = asyncio.ensure_future(sender.send_forever())  # noqa: TID251 - cancelled below
            await until(lambda: sender.counts().results.get(MessageResult.SENT, 0) == 2, "both messages")
            task.cancel()
        by_command = json.loads((tmp_path / "in").read_text(encoding="utf-8"))
        [request] = received.requests
        assert by_command == json.loads(request[-1])
        assert by_command["text"] == "doh.example.net: many are here.\nWhat to do: read docs/listed.md."

    async def test_where_nobody_is_to_be_told_nothing_waits(self) -> None:
        sender = AlertSender(AlertsConfig(), "h")
        sender.tell(EVENT, 0.0)
        assert (sender.counts().waiting, sum(sender.counts().results.values())) == (0, 0)

    async def test_no_more_wait_than_there_is_room_for(self) -> None:
        sender = AlertSender(AlertsConfig(command=("/bin/true",), messages_per_hour=3_600), "h")
        for number in range(3 * MOST_WAITING):
            sender.tell(replace(EVENT, subject=str(number)), 0.0)
        counts = sender.counts()
        assert (counts.waiting, counts.most_waiting) == (MOST_WAITING, MOST_WAITING)
        assert counts.results == {MessageResult.QUEUE_FULL: 2 * MOST_WAITING}

    async def test_what_is_not_sent_is_counted_by_why(self) -> None:
        sender = AlertSender(AlertsConfig(command=("/bin/true",), messages_per_hour=1), "h")
        for event in (EVENT, EVENT, replace(EVENT, subject="other")):
            sender.tell(event, 0.0)
        assert sender.counts().results == {MessageResult.REPEATED: 1, MessageResult.OVER_RATE: 1}

    async def test_that_nobody_could_be_told_is_in_the_log(self) -> None:
        sender = AlertSender(AlertsConfig(command=("/bin/false",)), "h")
        with capture_logs() as logs:
            await sender.send_one(MESSAGE)
        assert [(line["event"], line["way"], line["result"]) for line in logs] == [
            ("an alert was not sent", "command", "failed")
        ]
        assert sender.counts().results == {MessageResult.FAILED: 1}

    async def test_another_configuration_holds_for_what_waits(self, tmp_path: Path) -> None:
        sender = AlertSender(AlertsConfig(command=("/bin/false",)), "h")
        sender.adopt(AlertsConfig(command=("/bin/true",)), "other")
        await sender.send_one(MESSAGE)
        assert sender.counts().results == {MessageResult.SENT: 1}


class Claimed:
    """What another node has said of each message, one after the other; and what it was told."""

    def __init__(self, *claims: Claim) -> None:
        self.claims = list(claims)
        self.concluded: list[bool] = []

    async def claim(self, message: Mapping[str, Any], seconds: float) -> Claim:
        assert seconds > 0
        return self.claims.pop(0)

    async def conclude(self, message: Mapping[str, Any], *, is_sent: bool) -> None:
        self.concluded.append(is_sent)


class TestAmongNodes:
    async def send(self, directory: Path, claims: Claimed, text: str) -> AlertSender:
        sender = AlertSender(AlertsConfig(command=(script(directory, text),)), "doh.example.net")
        sender.share("paris", claims)
        sender.tell(EVENT, 0.0)
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(sender.send_forever())
            await until(lambda: not claims.claims and bool(sender.counts().results), "the end of the message")
            working.cancel()
        return sender

    async def test_what_is_ours_is_sent_with_the_nodes_name_and_others_are_told_how_that_went(
        self, tmp_path: Path
    ) -> None:
        claims = Claimed(Claim.OURS)
        sender = await self.send(tmp_path, claims, f"cat > {tmp_path}/in")
        message = json.loads((tmp_path / "in").read_text(encoding="utf-8"))
        assert (message["node"], message["text"].startswith("doh.example.net (paris): ")) == ("paris", True)
        assert (sender.counts().results, claims.concluded) == ({MessageResult.SENT: 1}, [True])
        failing = Claimed(Claim.OURS)
        await self.send(tmp_path, failing, "exit 1")
        assert failing.concluded == [False]

    async def test_what_another_has_sent_is_not_sent(self, tmp_path: Path) -> None:
        sender = await self.send(tmp_path, Claimed(Claim.SENT), f"cat > {tmp_path}/in")
        assert sender.counts().results == {MessageResult.SENT_ELSEWHERE: 1}
        assert not (tmp_path / "in").exists()

    async def test_what_another_is_about_to_send_is_looked_at_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(alert_sender, "LATER_SECONDS", 0.01)
        sender = await self.send(tmp_path, Claimed(Claim.LATER, Claim.LATER, Claim.OURS), "true")
        assert sender.counts().results == {MessageResult.SENT: 1}

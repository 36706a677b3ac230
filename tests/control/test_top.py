"""The command `top`: what it shows of what it has seen, and that nothing of it reaches a terminal as it came."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dohproxy.control.command import Command, Refused, Result, WrongArguments
from dohproxy.control.top import ARGUMENTS, MOST_SHOWN, name_in_words, sentence, table, top
from dohproxy.observability.top_talkers import MOST_VIEWERS, By
from dohproxy.outcomes import Frontend, Outcome, Reason
from dohproxy.parsed_request import ParsedRequest
from dohproxy.wire.query import Query, parse_query
from tests.control.command_samples import FakeService
from tests.fakes.walk import ask_for, client_of
from tests.frontends.served import until

COMMAND: Command[Any] = Command("top", "", "", top, ARGUMENTS)
HOSTILE = b"\x06\x1b[2J\x07\xff\x03c\\.\x03net\x00"


def query(qname: bytes | str) -> Query:
    plain = parse_query(ask_for(qname if isinstance(qname, str) else "www.example.com"))
    return plain if isinstance(qname, str) else replace(plain, qname=qname)


def end(
    service: FakeService, address: bytes, qname: bytes | str = "example.com", reason: Reason = Reason.CACHED
) -> None:
    """Have a request end."""
    parsed = ParsedRequest(Frontend.HTTP2, 1)
    parsed.query = query(qname)
    assert service.watch is not None
    service.watch(client_of(address, (1, 2), (3, 4)), parsed, reason)


async def looked(service: FakeService, by: str, meanwhile: Any) -> Result:
    """Look for as long as it takes."""
    with pytest.MonkeyPatch.context() as patch:
        may_end = asyncio.Event()

        async def sleep(_: float) -> None:
            await may_end.wait()

        # Nobody else's `asyncio.sleep`: there are tests that have a service in a thread.
        patch.setattr("dohproxy.control.top.asyncio", SimpleNamespace(sleep=sleep))
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(top(service, COMMAND.read({"by": by})))
            for _ in range(3):
                await asyncio.wait((task,), timeout=0.001)
            meanwhile()
            may_end.set()
        return task.result()


async def test_networks_are_shown_with_their_share_and_how_they_end() -> None:
    service = FakeService()

    def requests() -> None:
        for number in range(8):
            end(service, b"\xc0\x00\x02\x07", reason=Reason.CACHED if number else Reason.CLIENT_LIMIT)
        end(service, b"\xc6\x33\x64\x01")
        end(service, b"")

    result = await looked(service, "network", requests)
    assert result.sentence.startswith("10 requests were looked at in 0 s, ")
    assert result.lines == [
        "requests, share, network, how they end",
        "8  80.0 %  192.0.2.0/24, mostly 192.0.2.7        cached 88 %, client_limit 12 %",
        "1  10.0 %  198.51.100.0/24, mostly 198.51.100.1  cached 100 %",
        "1  10.0 %  clients without an address            cached 100 %",
    ]
    first = result.figures["top"][0]
    assert first == {
        "what": "192.0.2.0/24",
        "count": 8,
        "share": 80.0,
        "error": 0,
        "reasons": {"cached": 7, "client_limit": 1},
        "mostly": "192.0.2.7",
    }
    assert (result.figures["total"], result.figures["viewers"]) == (10, 1)
    assert service.watch is None


async def test_what_a_client_has_chosen_reaches_no_terminal_as_it_came() -> None:
    service = FakeService()
    result = await looked(service, "domain", lambda: end(service, b"\xc0\x00\x02\x07", HOSTILE))
    assert all(line.isprintable() and line.isascii() for line in result.lines)
    assert result.figures["top"][0]["what"] == "\\027\\0912J\\007\\255.c\\092\\046.net"


@pytest.mark.parametrize(
    ("wire", "text"),
    [(b"\x00", "."), (b"\x03net\x00", "net"), (b"\x02_a\x03b-9\x00", "_a.b-9"), (b"\x02a b"[:3] + b"\x00", "a\\032")],
)
def test_a_name_is_written_in_letters_digits_hyphens_and_underscores(wire: bytes, text: str) -> None:
    assert name_in_words(wire) == text


async def test_reasons_are_those_that_were_counted_meanwhile() -> None:
    service = FakeService()
    cached = service.tallied.tally(Outcome(Reason.CACHED, Frontend.HTTP2, "GET", "rfc-get"))
    other = service.tallied.tally(Outcome(Reason.CACHED, Frontend.HTTP1, "GET", "rfc-get"))
    banned = service.tallied.tally(Outcome(Reason.BANNED, Frontend.HTTP1, "other", "other"))
    for _ in range(100):
        banned(0.0)

    def requests() -> None:
        cached(0.0)
        other(0.0)
        other(0.0)
        banned(0.0)

    result = await looked(service, "reason", requests)
    assert result.lines == ["requests, share, reason", "3  75.0 %  cached", "1  25.0 %  banned"]
    assert service.watch is None


async def test_of_nothing_there_is_no_table() -> None:
    result = await looked(FakeService(), "network", lambda: None)
    assert result.sentence.startswith("0 requests were looked at")
    assert result.lines == []


async def test_so_many_may_look_at_once() -> None:
    service = FakeService()
    with ExitStack() as stack:
        for _ in range(MOST_VIEWERS):
            stack.enter_context(service.top_talkers.looking(By.NETWORK, 0.0))
        with pytest.raises(Refused, match="5 people look already"):
            await top(service, COMMAND.read({"by": "domain"}))


async def test_who_is_cut_off_looks_no_longer() -> None:
    service = FakeService()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(top(service, COMMAND.read({"by": "domain", "for": "60s"})))
        await until(lambda: service.watch is not None, "the look")
        task.cancel()
    assert (service.watch, service.top_talkers.viewers) == (None, 0)


@pytest.mark.parametrize("given", [{"by": "name"}, {"for": "0s"}, {"for": "2m"}], ids=str)
def test_what_cannot_be_looked_at_is_said_to_be_wrong(given: dict[str, object]) -> None:
    with pytest.raises(WrongArguments):
        COMMAND.read(given)


def test_where_a_count_may_be_too_high_it_is_said_by_how_much() -> None:
    rows = [
        {"what": "192.0.2.0/24", "count": 12_034, "share": 61.2, "error": 12, "reasons": {"cached": 5}},
        {"what": "x" * 99, "count": 7, "share": 0.1, "error": 7, "reasons": {}},
    ]
    assert list(table("network", rows)) == [
        "requests, share (at most -n: it may be so much less), network, how they end",
        f"12,034 -12  61.2 %  {'192.0.2.0/24':<48}  cached 100 %",
        f"      7 -7   0.1 %  {'x' * 45}...",
    ]


def test_it_is_said_how_much_there_was() -> None:
    assert sentence(1, 10.0) == "1 request was looked at in 10 s, 0.1 a second."
    assert sentence(12_345, 10.0) == "12,345 requests were looked at in 10 s, 1,234.5 a second."
    assert MOST_SHOWN < 24

"""One connection without a network: frames in every cut, and what its end means to those who wait."""

import asyncio
import socket

import pytest

from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.transports.connection import Asked, Connection
from dohproxy.wire.answer import Answer
from tests.fakes import upstream as fakes
from tests.fakes.upstream import make_query


class RecordingTransport(asyncio.Transport):
    """Keeps what is written and how it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed_by = ""
        self.socket: object = None

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.socket if name == "socket" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.closed_by = "abort"

    def close(self) -> None:
        self.closed_by = "close"

    def queries(self) -> list[bytes]:
        """The frames written so far."""
        frames = []
        rest = self.written
        while rest:
            end = 2 + int.from_bytes(rest[:2])
            frames.append(rest[2:end])
            rest = rest[end:]
        return frames


class Rig:
    """A connection, its transport and how often it said that it has ended."""

    def __init__(self, *, idle_seconds: float = 60) -> None:
        self.ended = 0
        self.result: SendStatus | None = None
        self.transport = RecordingTransport()
        self.connection = Connection(padded=False, idle_seconds=idle_seconds, on_end=self._on_end)

    def _on_end(self, _: Connection, result: SendStatus | None) -> None:
        self.ended += 1
        self.result = result

    def open(self) -> None:
        self.connection.connection_made(self.transport)

    def ask(self, qname: str = "www.example.") -> Asked:
        return self.connection.ask(make_query(qname))

    def reply(self, *queries: bytes) -> bytes:
        """The frames that answer these queries."""
        return b"".join(_frame(fakes.make_reply(query)) for query in queries)


def _frame(wire: bytes) -> bytes:
    return len(wire).to_bytes(2) + wire


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000], ids=lambda size: f"{size} at a time")
async def test_replies_are_read_however_they_are_cut(size: int) -> None:
    rig = Rig()
    rig.open()
    asked = [rig.ask("one.example."), rig.ask("two.example.")]
    replies = rig.reply(*reversed(rig.transport.queries()))
    for start in range(0, len(replies), size):
        rig.connection.data_received(replies[start : start + size])
    assert all(isinstance(one.reply.result(), Answer) for one in asked)


async def test_what_is_asked_before_it_is_open_goes_out_when_it_opens() -> None:
    rig = Rig()
    kept, forgotten = rig.ask("kept.example."), rig.ask("forgotten.example.")
    rig.connection.forget(forgotten)
    rig.open()
    [query] = rig.transport.queries()
    assert query[:2] == kept.identifier.to_bytes(2)


async def test_an_id_that_is_taken_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([7, 7, 7, 8])
    monkeypatch.setattr("secrets.randbelow", lambda _: next(drawn))
    rig = Rig()
    assert [rig.ask().identifier, rig.ask().identifier] == [7, 8]


async def test_a_second_reply_to_one_query_is_ignored() -> None:
    rig = Rig()
    rig.open()
    asked = rig.ask()
    reply = rig.reply(*rig.transport.queries())
    rig.connection.data_received(reply + reply)
    assert isinstance(asked.reply.result(), Answer)
    assert rig.connection.ignored_frames == 1


async def test_a_reply_that_comes_too_late_is_ignored() -> None:
    rig = Rig()
    rig.open()
    asked = rig.ask()
    rig.connection.forget(asked)
    rig.connection.data_received(rig.reply(*rig.transport.queries()))
    assert rig.connection.ignored_frames == 1
    assert rig.connection.takes_queries


@pytest.mark.parametrize("rcode", [1, 2, 4, 5], ids=["FORMERR", "SERVFAIL", "NOTIMP", "REFUSED"])
async def test_an_error_without_a_question_ends_its_own_query_and_no_other(rcode: int) -> None:
    rig = Rig()
    rig.open()
    refused, other = rig.ask("refused.example."), rig.ask("other.example.")
    first, second = rig.transport.queries()
    rig.connection.data_received(_frame(fakes.header_alone(first, rcode)))
    answer = refused.reply.result()
    assert isinstance(answer, Answer)
    assert answer.rcode == rcode
    assert not other.reply.done()
    rig.connection.data_received(rig.reply(second))
    assert isinstance(other.reply.result(), Answer)
    assert (rig.ended, rig.connection.ignored_frames) == (0, 0)


async def test_a_header_that_says_nothing_costs_its_own_query_alone() -> None:
    rig = Rig()
    rig.open()
    asked, other = rig.ask("one.example."), rig.ask("other.example.")
    rig.connection.data_received(_frame(fakes.header_alone(rig.transport.queries()[0], 0)))
    assert asked.reply.result() is SendStatus.UNUSABLE
    assert not other.reply.done()
    assert rig.connection.takes_queries


async def test_an_error_that_comes_too_late_is_ignored() -> None:
    rig = Rig()
    rig.open()
    asked = rig.ask()
    rig.connection.forget(asked)
    rig.connection.data_received(_frame(fakes.header_alone(rig.transport.queries()[0])))
    assert rig.connection.ignored_frames == 1
    assert rig.connection.takes_queries


async def test_the_frames_after_rubbish_are_not_read() -> None:
    rig = Rig()
    rig.open()
    asked = rig.ask()
    rig.connection.data_received(_frame(b"rubbish") + rig.reply(*rig.transport.queries()))
    assert asked.reply.result() is SendStatus.UNREACHABLE
    assert rig.transport.closed_by == "abort"


@pytest.mark.parametrize(
    ("answered", "waiting", "result"),
    [
        pytest.param(0, 1, SendStatus.UNREACHABLE, id="before it was of any use"),
        pytest.param(1, 1, SendStatus.LOST, id="after it has been"),
        pytest.param(0, 2, SendStatus.LOST, id="before it was of any use, but two may have been too many"),
    ],
)
async def test_an_end_tells_everybody_once_to_ask_again(answered: int, waiting: int, result: SendStatus) -> None:
    rig = Rig()
    rig.open()
    for _ in range(answered):
        first = rig.ask()
        rig.connection.data_received(rig.reply(rig.transport.queries()[-1]))
        rig.connection.forget(first)
    asked = [rig.ask() for _ in range(waiting)]
    rig.connection.connection_lost(None)
    rig.connection.end(SendStatus.ABANDONED)
    assert [one.reply.result() for one in asked] == [SendStatus.LOST] * waiting
    assert (rig.ended, rig.result) == (1, result)
    assert rig.connection.closed.done()
    assert not rig.connection.takes_queries


async def test_one_that_opens_after_its_end_is_closed_at_once() -> None:
    rig = Rig()
    rig.connection.end(SendStatus.ABANDONED)
    rig.open()
    assert rig.transport.closed_by == "abort"
    assert not rig.connection.is_open


async def test_one_nobody_wants_any_more_when_it_opens_waits_to_be_used() -> None:
    rig = Rig(idle_seconds=0)
    rig.open()
    await asyncio.sleep(0.01)
    assert rig.transport.closed_by == "close"
    assert rig.ended == 1


async def test_forgetting_after_the_end_begins_no_new_wait() -> None:
    rig = Rig(idle_seconds=0)
    rig.open()
    asked = rig.ask()
    rig.connection.end(SendStatus.TIMEOUT)
    rig.connection.forget(asked)
    await asyncio.sleep(0.01)
    assert rig.ended == 1
    assert rig.transport.closed_by == "abort"


async def test_what_the_other_end_has_acknowledged_is_asked_of_the_kernel() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = Connection(padded=False, idle_seconds=60, on_end=lambda *_: None)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: connection, *listening.getsockname())
        connection.ask(make_query())
        async with asyncio.timeout(10):
            while not connection.is_acknowledged:  # noqa: ASYNC110  # nobody to tell us
                await asyncio.sleep(0.001)
        connection.end(SendStatus.ABANDONED)
        await connection.closed


@pytest.mark.parametrize(
    ("info", "is_acknowledged"),
    [(b"\0" * 28, True), (b"\0" * 24 + b"\1\0\0\0", False)],
    ids=["nothing is missing", "a segment is"],
)
async def test_what_was_not_acknowledged_never_arrived(info: bytes, *, is_acknowledged: bool) -> None:
    class Kernel:
        def getsockopt(self, *_: int) -> bytes:
            return info

    rig = Rig()
    rig.transport.socket = Kernel()
    rig.open()
    rig.ask()
    assert rig.connection.is_acknowledged is is_acknowledged


async def test_a_retired_one_ends_with_its_last_query() -> None:
    rig = Rig()
    rig.open()
    first, second = rig.ask(), rig.ask()
    assert rig.connection.give_up(first) is SendStatus.TIMEOUT
    rig.connection.forget(first)
    assert not rig.connection.takes_queries
    assert rig.ended == 0
    rig.connection.data_received(rig.reply(rig.transport.queries()[1]))
    assert isinstance(second.reply.result(), Answer)
    rig.connection.forget(second)
    assert rig.ended == 1

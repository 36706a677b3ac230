"""UDP: what is a reply, what is noise, and when the wait ends."""

import asyncio
import errno
import socket
import time
from itertools import pairwise

import dns.edns
import dns.message
import pytest

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.sends import Late, SendOutcome
from dohproxy.upstream.transports.udp import UdpTransport
from dohproxy.wire.answer import Answer
from tests.fakes import upstream as fakes
from tests.fakes.asking import exchange
from tests.fakes.upstream import LOOPBACK, Act, FakeUpstream, make_query

QUERY = make_query()
SOON = 0.3
"""Seconds: enough for loopback on a busy machine, for waits that must run out."""
LONG = 10.0


async def _exchange(fake: FakeUpstream, seconds: float) -> tuple[Answer | Unproven | SendStatus, int]:
    async with fake.running():
        transport = UdpTransport(fake.config().url)
        outcome = await exchange(transport, QUERY, until=time.monotonic() + seconds)
        return outcome, transport.ignored_packets


async def test_an_answer_comes_back() -> None:
    outcome, ignored = await _exchange(FakeUpstream(), LONG)
    assert isinstance(outcome, Answer)
    assert outcome.counts[0] == 1
    assert ignored == 0


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(fakes.WRONG_ID, id="another id"),
        pytest.param(fakes.WRONG_QUESTION, id="another question"),
        pytest.param(fakes.ECHO, id="our own query"),
        pytest.param(fakes.GARBAGE, id="no dns at all"),
        pytest.param(Act(lambda _: [b"\x00"]), id="a single byte"),
        pytest.param(fakes.UNREADABLE, id="a reply that cannot be read"),
        pytest.param(fakes.WRONG_COOKIE, id="another's cookie"),
    ],
)
async def test_what_matches_nothing_is_counted_and_waited_past(noise: Act) -> None:
    outcome, ignored = await _exchange(FakeUpstream(udp=[noise.then(fakes.ANSWER)]), LONG)
    assert isinstance(outcome, Answer)
    assert ignored == 1


class _Late:
    """A query that is listened for after its time, and what came of it."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[SendOutcome] = asyncio.get_running_loop().create_future()
        self.overdue = 0

    def notify(self) -> None:
        self.overdue += 1

    async def ask(self, fake: FakeUpstream, *, until: float, late_until: float) -> SendOutcome:
        async with fake.running():
            now = time.monotonic()
            late = Late(now + late_until, self.notify)
            sending = UdpTransport(fake.config().url).send(QUERY, self.ended.set_result, until=now + until, late=late)
            assert not isinstance(sending, SendStatus)
            async with asyncio.timeout(LONG):
                return await self.ended


class TestLateReplies:
    async def test_one_counts_and_its_lateness_is_told_before(self) -> None:
        late = _Late()
        assert isinstance(
            await late.ask(FakeUpstream(udp=[fakes.ANSWER.after(0.3)]), until=0.05, late_until=LONG), Answer
        )
        assert late.overdue == 1

    async def test_one_in_time_is_not_late(self) -> None:
        late = _Late()
        assert isinstance(await late.ask(FakeUpstream(), until=LONG, late_until=2 * LONG), Answer)
        assert late.overdue == 0

    async def test_there_is_an_end_to_it(self) -> None:
        late = _Late()
        assert await late.ask(FakeUpstream(udp=[fakes.SILENCE]), until=0.05, late_until=0.1) is SendStatus.TIMEOUT
        assert late.overdue == 1

    @pytest.mark.parametrize(
        "guess",
        [
            pytest.param(fakes.WRONG_ID, id="another id"),
            pytest.param(fakes.WRONG_QUESTION, id="another question"),
            pytest.param(fakes.GARBAGE, id="no dns at all"),
        ],
    )
    async def test_whoever_finds_the_port_of_one_that_is_late_has_one_guess(self, guess: Act) -> None:
        """A forger has no more to gain from what is listened for longer: the next packet finds the port closed."""
        late = _Late()
        forged = guess.then(fakes.ANSWER).after(0.3)
        assert await late.ask(FakeUpstream(udp=[forged]), until=0.05, late_until=LONG) is SendStatus.TIMEOUT

    async def test_while_it_is_in_time_a_guess_is_waited_past(self) -> None:
        forged = fakes.WRONG_ID.then(fakes.ANSWER).after(0.05)
        assert isinstance(await _Late().ask(FakeUpstream(udp=[forged]), until=LONG, late_until=2 * LONG), Answer)


class _NeverEmpty(socket.socket):
    """What has been read is there to be read again."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        return super().recv(size, flags | socket.MSG_PEEK)


async def test_a_flood_does_not_outlast_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeUpstream(udp=[fakes.GARBAGE])
    async with fake.running():
        transport = UdpTransport(fake.config().url)
        monkeypatch.setattr("dohproxy.upstream.transports.udp.socket.socket", _NeverEmpty)
        outcome = await exchange(transport, QUERY, until=time.monotonic() + SOON)
    assert outcome is SendStatus.TIMEOUT
    assert transport.ignored_packets > 10


async def test_a_machine_without_descriptors_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "too many open files")

    transport = UdpTransport(UpstreamAddress("udp", LOOPBACK, 53))
    with monkeypatch.context() as patch:
        patch.setattr("socket.socket", refuse)
        outcome = await exchange(transport, QUERY, until=time.monotonic() + SOON)
    assert outcome is SendStatus.UNSENT


async def test_an_unreadable_reply_is_no_silence() -> None:
    outcome, _ = await _exchange(FakeUpstream(udp=[fakes.UNREADABLE]), SOON)
    assert outcome is SendStatus.UNUSABLE


async def test_a_reply_that_could_be_forged_is_no_silence_either() -> None:
    outcome, _ = await _exchange(FakeUpstream(udp=[fakes.WRONG_COOKIE]), SOON)
    assert outcome is SendStatus.UNPROVEN


async def test_silence_ends_with_the_attempt() -> None:
    outcome, _ = await _exchange(FakeUpstream(udp=[fakes.SILENCE]), SOON)
    assert outcome is SendStatus.TIMEOUT


async def test_a_port_where_nobody_listens_is_known_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        port = sock.getsockname()[1]
    transport = UdpTransport(UpstreamAddress("udp", LOOPBACK, port))
    async with asyncio.timeout(LONG):
        outcome = await exchange(transport, QUERY, until=time.monotonic() + 10 * LONG)
    assert outcome is SendStatus.UNREACHABLE


async def test_a_packet_from_another_address_never_arrives() -> None:
    fake = FakeUpstream(udp=[fakes.SILENCE])
    async with fake.running(), asyncio.TaskGroup() as tasks:
        transport = UdpTransport(fake.config().url)
        asked = tasks.create_task(exchange(transport, QUERY, until=time.monotonic() + SOON))
        await fake.wait_asked()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.sendto(fakes.make_reply(fake.asked_over_udp[0]), (LOOPBACK, fake.udp_ports[0]))
    assert asked.result() is SendStatus.TIMEOUT
    assert transport.ignored_packets == 0


async def test_every_query_has_a_port_an_id_and_a_case_of_its_own() -> None:
    fake = FakeUpstream()
    async with fake.running():
        transport = UdpTransport(fake.config().url)
        for _ in range(30):
            await exchange(transport, QUERY, until=time.monotonic() + LONG)
    assert len({wire[12:29] for wire in fake.asked_over_udp}) > 25
    assert {wire[12:29].lower() for wire in fake.asked_over_udp} == {QUERY.qname}
    # Drawn, so two may be equal; a counter would give steps that are all alike.
    for numbers in (fake.udp_ports, [int.from_bytes(wire[:2]) for wire in fake.asked_over_udp]):
        assert len(set(numbers)) > 25
        steps = {later - earlier for earlier, later in pairwise(numbers)}
        assert len(steps) > 20


async def test_the_cookie_is_ours_for_one_upstream_and_one_run() -> None:
    fake = FakeUpstream(udp=[fakes.ANSWER, fakes.ANSWER, fakes.COOKIE, fakes.ANSWER])
    async with fake.running():
        for transport in (UdpTransport(fake.config().url), UdpTransport(fake.config().url)):
            for _ in range(2):
                await exchange(transport, QUERY, until=time.monotonic() + LONG)
    first, again, other, other_with_servers = map(fakes.cookie_of, fake.asked_over_udp)
    assert (len(first), first) == (8, again)
    assert other != first
    assert other_with_servers == other + fakes.SERVER_COOKIE


async def test_an_edns_size_that_no_path_has_to_cut_is_announced_and_no_client_subnet() -> None:
    fake = FakeUpstream()
    async with fake.running():
        await exchange(UdpTransport(fake.config().url), QUERY, until=time.monotonic() + LONG)
    sent = dns.message.from_wire(fake.asked_over_udp[0])
    assert (sent.edns, sent.payload) == (0, 1232)
    assert {option.otype for option in sent.options} == {dns.edns.OptionType.COOKIE}


async def test_an_answer_as_large_as_a_datagram_can_be_is_read() -> None:
    large = Act(lambda query: [_large_reply(query)])
    outcome, _ = await _exchange(FakeUpstream(udp=[large]), LONG)
    assert isinstance(outcome, Answer)
    assert len(outcome.records) > 60_000


def _large_reply(query: bytes) -> bytes:
    reply = fakes.make_reply(query, records=0)
    address = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04" + bytes(4)
    unknown = b"\xc0\x0c\xff\x00\x00\x01\x00\x00\x01\x2c" + (65_000).to_bytes(2) + bytes(65_000)
    question_end = reply.index(b"\x00", 12) + 5
    return reply[:6] + b"\x00\x01\x00\x00\x00\x01" + reply[12:question_end] + address + unknown


async def test_a_cancelled_query_leaves_no_socket() -> None:
    fake = FakeUpstream(udp=[fakes.SILENCE])
    async with fake.running(), asyncio.TaskGroup() as tasks:
        transport = UdpTransport(fake.config().url)
        asked = tasks.create_task(exchange(transport, QUERY, until=time.monotonic() + LONG))
        await fake.wait_asked()
        asked.cancel()
        await asyncio.wait([asked])
        # Nobody has the port any more: a socket that was left open would hold it.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((LOOPBACK, fake.udp_ports[0]))

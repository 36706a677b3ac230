"""The DoT frontend under stubs as they are, and under clients that do what they should not."""

import asyncio
import contextlib
import itertools
import ssl
from dataclasses import replace

import dns.edns
import dns.message
import dns.rcode
import dns.rrset
import pytest

from dohproxy.config import BansConfig, ClientsConfig, DotConfig
from dohproxy.doh.request import RequestRules
from dohproxy.dot.member_name import member_name
from dohproxy.frontends.connections import Closing
from dohproxy.frontends.dot.connection import MOST_AT_ONCE, MOST_BEGUN_AT_ONCE, MOST_QUEUED_BYTES, DotFrontend
from dohproxy.member_token import TOKEN_BYTES, digest_of, token_of
from tests.e2e.answers import ede_codes
from tests.fakes.upstream import ANSWER, SILENCE, TRUNCATED, Act, FakeUpstream, large_reply, make_reply
from tests.frontends.client import get
from tests.frontends.dot_client import DotClient, framed, query
from tests.frontends.served import (
    SWEEP_SECONDS,
    Certificate,
    RunningFrontend,
    Setting,
    open_frontend,
    resident_bytes,
)

DOT = DotConfig(host="localhost")
KEEPALIVE = dns.edns.OptionType(11)
PADDING = dns.edns.OptionType.PADDING
TEXT = f'"{{:05}}{245 * "x"}"'
TOKEN = token_of(bytes(range(TOKEN_BYTES)))


@pytest.fixture(params=["plain", "tls"])
def setting(request: pytest.FixtureRequest, certificate: Certificate) -> Setting:
    """A frontend in the clear, as behind a front proxy, and one with TLS."""
    return Setting(certificate=certificate if request.param == "tls" else None, dot=DOT)


def slow(setting: Setting, seconds: float = 0.3) -> Setting:
    """The same, over an upstream that takes its time."""
    return replace(setting, upstream=FakeUpstream(udp=(ANSWER.after(seconds),)))


def silent(setting: Setting) -> Setting:
    """The same, over one that says nothing."""
    return replace(setting, upstream=FakeUpstream(udp=(SILENCE,)))


# --- Queries as they should be ---


async def test_queries_follow_each_other_on_one_connection_each_with_its_own_id(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await DotClient.connect(frontend)
        for number in (0, 1, 0xFFFF, 1):
            answer = await client.ask(query(number=number))
            assert (answer.id, len(answer.answer)) == (number, 1)
        assert frontend.reasons == ["FORWARDED", "CACHED", "CACHED", "CACHED"]
        assert {outcome.frontend.value for outcome in frontend.outcomes} == {"dot"}


async def test_what_is_pipelined_is_answered_in_one_write_where_it_can_be(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await DotClient.connect(frontend)
        await client.ask(query())
        await client.send(*(query(number=number) for number in range(20)))
        assert [(await client.answer()).id for _ in range(20)] == list(range(20))


async def test_an_answer_that_is_there_overtakes_one_that_is_not(setting: Setting) -> None:
    async with open_frontend(slow(setting)) as frontend:
        client = await DotClient.connect(frontend)
        await client.ask(query("known.example.net"))
        await client.send(query("new.example.net", number=1), query("known.example.net", number=2))
        assert [(await client.answer()).id for _ in range(2)] == [2, 1]


async def test_one_id_may_be_under_way_twice(setting: Setting) -> None:
    async with open_frontend(slow(setting, 0.1)) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(query("a.example.net", number=9), query("b.example.net", number=9))
        names = {str((await client.answer()).question[0].name) for _ in range(2)}
        assert names == {"a.example.net.", "b.example.net."}


@pytest.mark.parametrize("step", [1, 2, 3, 7])
async def test_segments_change_nothing(setting: Setting, step: int) -> None:
    async with open_frontend(setting.with_connections(header_seconds=5.0)) as frontend:
        client = await DotClient.connect(frontend)
        data = framed(query(number=1), query("b.example.net", number=2))
        for start in range(0, len(data), step):
            await client.raw.send(data[start : start + step])
            await asyncio.sleep(0)
        assert {(await client.answer()).id for _ in range(2)} == {1, 2}


async def test_a_client_that_half_closes_gets_its_answers(certificate: Certificate) -> None:
    # TLS has no half of a connection: who says goodbye there has said it for both.
    async with open_frontend(slow(Setting(dot=DOT))) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(query(number=1), query("b.example.net", number=2))
        client.raw.half_close()
        assert {(await client.answer()).id for _ in range(2)} == {1, 2}
        assert await client.raw.rest() == b""


async def test_an_answer_of_many_packets_is_whole(setting: Setting) -> None:
    wanted = replace(setting, upstream=FakeUpstream(udp=(TRUNCATED,), stream=(Act(large_reply),)))
    async with open_frontend(wanted) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(query("large.example.net", "TXT"))
        wire = await client.wire()
        assert len(wire) > 16_384
        answer = dns.message.from_wire(wire)
        assert answer.answer
        assert not answer.flags & dns.flags.TC


@pytest.mark.parametrize("is_padded", [True, False], ids=["padded", "not padded"])
async def test_an_answer_is_padded_if_its_query_was(setting: Setting, is_padded: bool) -> None:
    options = [dns.edns.GenericOption(PADDING, bytes(9))] if is_padded else []
    async with open_frontend(setting) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(query(options=options))
        assert (len(await client.wire()) == 468) is is_padded


async def test_who_asks_how_long_it_may_be_idle_is_told(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(idle_seconds=12.5)) as frontend:
        client = await DotClient.connect(frontend)
        asked = [dns.edns.GenericOption(KEEPALIVE, b"")]
        for _ in range(2):  # Once from upstream, once from the cache.
            (said,) = (await client.ask(query(options=asked))).options
            assert (said.otype, said.to_wire()) == (KEEPALIVE, (125).to_bytes(2))
        assert not (await client.ask(query())).options


# --- Which protocol ---


@pytest.mark.parametrize("offered", ["dot", "acme/1"])
async def test_who_comes_to_the_port_of_dot_is_served_whatever_else_it_speaks(
    certificate: Certificate, offered: str
) -> None:
    async with open_frontend(Setting(certificate=certificate, dot=DOT)) as frontend:
        client = await DotClient.connect(frontend, certificate.client_context(offered))
        assert (await client.ask(query())).answer


async def test_who_has_no_alpn_is_served_there_too(certificate: Certificate) -> None:
    context = ssl.create_default_context(cafile=str(certificate.file))
    async with open_frontend(Setting(certificate=certificate, dot=DOT)) as frontend:
        client = await DotClient.connect(frontend, context)
        assert (await client.ask(query())).answer


async def test_who_says_http_there_gets_http(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate, dot=DOT)) as frontend:
        client = await frontend.connect(context=certificate.client_context("http/1.1"))
        assert (await client.ask(get())).message().answer
        assert {outcome.frontend.value for outcome in frontend.outcomes} == {"http1"}


# --- Refusals in DNS terms ---


async def test_who_is_over_its_limit_is_refused_with_a_reason(setting: Setting) -> None:
    limits = replace(setting.limits, requests_per_second=1.0, requests_burst=3)
    async with open_frontend(replace(setting, limits=limits)) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(*(query(f"{number}.example.net", number=number) for number in range(40)))
        answers = [await client.answer() for _ in range(40)]
        refused = [answer for answer in answers if answer.rcode() == dns.rcode.REFUSED]
        assert len(refused) > 20
        assert {code for answer in refused for code in ede_codes(answer)} == {18}
        assert all(answer.question for answer in refused)
        # A few are let through for prefixes wider than the client's, and none is truncated.
        assert not any(answer.flags & dns.flags.TC for answer in answers)


async def test_a_message_with_another_opcode_gets_notimp_and_the_next_query_its_answer(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await DotClient.connect(frontend)
        wire = bytearray(query(number=5))
        wire[2] |= 0x20
        answer = await client.ask(bytes(wire))
        assert (answer.id, answer.rcode()) == (5, dns.rcode.NOTIMP)
        assert (await client.ask(query())).answer


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\x00\x00", id="an empty message"),
        pytest.param(framed(bytes(11)), id="less than a header"),
        pytest.param(framed(query()[:2] + b"\x81\x80" + query()[4:]), id="a response"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", id="HTTP"),
        pytest.param(b"\xff\xff", id="more than is read"),
        pytest.param((1025).to_bytes(2), id="one byte more than is read"),
    ],
)
async def test_what_is_no_query_by_any_reading_ends_the_connection(setting: Setting, sent: bytes) -> None:
    async with open_frontend(setting) as frontend:
        client = await DotClient.connect(frontend)
        await client.raw.send(sent)
        assert await client.raw.rest() == b""
        assert frontend.reasons in (["UNREADABLE"], ["BODY_TOO_LARGE"])


async def test_what_was_asked_before_something_unreadable_is_answered_first(setting: Setting) -> None:
    async with open_frontend(slow(setting)) as frontend:
        client = await DotClient.connect(frontend)
        await client.raw.send(framed(query(number=3)) + b"\x00\x00" + framed(query("b.example.net")))
        assert (await client.answer()).id == 3
        assert await client.raw.rest() == b""
        assert sorted(frontend.reasons) == ["FORWARDED", "UNREADABLE"]


# --- Limits ---


async def test_no_more_wait_for_an_upstream_than_may(setting: Setting) -> None:
    wanted = replace(slow(setting), dot=replace(DOT, max_in_flight=3))
    async with open_frontend(wanted) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(*(query(f"{number}.example.net", number=number) for number in range(8)))
        most = 0
        answers = asyncio.gather(*(client.answer() for _ in range(1)))
        while not answers.done():
            most = max(most, frontend.misses)
            await asyncio.sleep(0)
        assert most == 3
        assert len({(await client.answer()).id for _ in range(7)}) == 7


async def test_one_read_is_answered_in_turns_that_leave_the_others_theirs(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await DotClient.connect(frontend)
        await client.ask(query())
        count = 5 * MOST_AT_ONCE
        await client.send(*(query(number=number) for number in range(count)))
        answered = [len(frontend.outcomes)]
        while answered[-1] <= count:
            await asyncio.sleep(0)
            answered.append(len(frontend.outcomes))
        assert max(after - before for before, after in itertools.pairwise(answered)) == MOST_AT_ONCE
        assert [(await client.answer()).id for _ in range(count)] == list(range(count))


async def test_queries_that_have_to_wait_are_begun_a_few_at_a_time(setting: Setting) -> None:
    async with open_frontend(silent(setting)) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(*(query(f"{number}.example.net") for number in range(3 * MOST_BEGUN_AT_ONCE)))
        waiting = [0]
        while waiting[-1] < 3 * MOST_BEGUN_AT_ONCE:
            await asyncio.sleep(0)
            waiting.append(frontend.misses)
        assert max(after - before for before, after in itertools.pairwise(waiting)) == MOST_BEGUN_AT_ONCE
        client.raw.reset()


async def test_large_answers_are_written_as_their_client_takes_them(setting: Setting) -> None:
    def long_reply(wire: bytes) -> list[bytes]:  # As long as is kept in the cache.
        reply = dns.message.from_wire(make_reply(wire, records=0))
        reply.answer.append(dns.rrset.from_text(reply.question[0].name, 300, "IN", "TXT", *map(TEXT.format, range(55))))
        return [reply.to_wire(max_size=65_535)]

    wanted = replace(setting, upstream=FakeUpstream(udp=(TRUNCATED,), stream=(Act(long_reply),)))
    async with open_frontend(replace(wanted, sweeps=False)) as frontend:
        client = await DotClient.connect(frontend)
        large = query("large.example.net", "TXT")
        await client.send(large)
        size = len(await client.wire())
        client.raw.stop_reading()
        await client.send(*[large] * MOST_AT_ONCE)
        await frontend.until(lambda: len(frontend.outcomes) > 1, "the first answers")
        await asyncio.sleep(0.02)
        (connection,) = frontend.register.everybody()
        assert connection.waiting(0.0).queued_bytes <= 2 * MOST_QUEUED_BYTES + size
        client.raw.read_again()
        for _ in range(MOST_AT_ONCE):
            assert len(await client.wire()) == size
        assert "CACHED" in frontend.reasons


async def test_a_client_that_asks_for_many_large_answers_at_once_gets_all_as_it_takes_them(
    setting: Setting,
) -> None:
    made: list[bytes] = []

    def same_reply(wire: bytes) -> list[bytes]:  # Under another name of the same length: to make one takes long.
        if not made:
            made.extend(large_reply(wire))
        end = wire.index(0, 12) + 5
        return [wire[:2] + made[0][2:12] + wire[12:end] + made[0][end:]]

    wanted = replace(setting, upstream=FakeUpstream(udp=(TRUNCATED,), stream=(Act(same_reply),)))
    async with open_frontend(wanted.with_connections(max_queued_bytes=196_608, write_seconds=5.0)) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(query("99.example.net", "TXT"))
        await client.wire()
        client.raw.stop_reading()
        await client.send(*(query(f"{number:02}.example.net", "TXT", number=number) for number in range(32)))
        (connection,) = frontend.register.everybody()
        assert isinstance(connection, DotFrontend)
        await frontend.until(lambda: connection.held_bytes() > 500_000, "answers that wait")
        await asyncio.sleep(2 * SWEEP_SECONDS)
        client.raw.read_again()
        assert {int.from_bytes((await client.wire())[:2]) for _ in range(32)} == set(range(32))
        assert not frontend.closed
        await frontend.until(lambda: connection.held_bytes() == 0, "the last of them")


async def test_what_has_been_read_and_answered_is_not_kept_with_a_silent_connection(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await DotClient.connect(frontend)
        await client.ask(query())
        await client.send(*(query(number=number) for number in range(300)))
        for _ in range(300):
            await client.wire()
        (connection,) = frontend.register.everybody()
        assert isinstance(connection, DotFrontend)
        assert connection._messages._held == b""


async def test_a_message_that_does_not_end_ends_the_connection(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await DotClient.connect(frontend)
        await client.ask(query())
        await client.raw.send(framed(query())[:-1])
        assert await client.raw.rest() == b""
        assert frontend.closed == {Closing.HEADER_DEADLINE: 1}
        assert frontend.reasons[-1] == "SLOW_REQUEST"


async def test_a_silent_connection_is_closed_by_its_last_query(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(idle_seconds=0.2)) as frontend:
        client = await DotClient.connect(frontend)
        await client.ask(query())
        assert await client.raw.rest() == b""
        assert frontend.closed == {Closing.IDLE: 1}


async def test_a_connection_ends_after_so_many_queries(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(max_requests=3)) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(*(query(number=number) for number in range(3)))
        assert len([await client.answer() for _ in range(3)]) == 3
        assert await client.raw.rest() == b""


async def test_what_was_read_whole_is_answered_before_a_connection_ends_for_its_number_or_a_drain(
    setting: Setting,
) -> None:
    wanted = replace(slow(setting, 0.1), dot=replace(DOT, max_in_flight=3))
    async with open_frontend(wanted.with_connections(max_requests=4)) as frontend:
        for is_draining in (False, True):
            client = await DotClient.connect(frontend)
            names = [f"{number}-{is_draining}.example.net" for number in range(8)]
            await client.send(*(query(name, number=number) for number, name in enumerate(names)))
            await frontend.until(lambda: frontend.misses == 3, "those that may wait")
            if is_draining:
                frontend.register.drain()
            assert {(await client.answer()).id for _ in range(8)} == set(range(8))
            assert await client.raw.rest() == b""


async def test_an_old_connection_ends_after_the_query_that_finds_it_so(setting: Setting) -> None:
    async with open_frontend(replace(setting, sweeps=False)) as frontend:
        client = await DotClient.connect(frontend)
        await client.ask(query())
        frontend.clock.ahead = setting.connections.max_age_seconds + 1
        assert (await client.ask(query())).question
        assert await client.raw.rest() == b""


async def test_a_client_that_never_reads_is_cut_and_its_answers_are_not_heaped_up(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(write_seconds=0.5, max_requests=1_000_000)) as frontend:
        client = await DotClient.connect(frontend)
        padded = query(options=[dns.edns.GenericOption(PADDING, bytes(9))])
        await client.ask(padded)
        client.raw.stop_reading()
        before = resident_bytes()
        for _ in range(4_000):
            if frontend.closed:
                break
            client.raw.write(framed(padded))
            await asyncio.sleep(0)
        await frontend.until(lambda: bool(frontend.closed), "the cut")
        assert frontend.closed == {Closing.WRITE_DEADLINE: 1}
        assert resident_bytes() - before < 2**24


async def test_a_query_that_nobody_waits_for_any_more_is_given_up(setting: Setting) -> None:
    async with open_frontend(silent(setting)) as frontend:
        client = await DotClient.connect(frontend)
        await client.send(query())
        await frontend.until(lambda: frontend.misses == 1, "the miss")
        client.raw.reset()  # In the clear its mere end would only say that it asks nothing more.
        await frontend.until(lambda: frontend.misses == 0, "the end of the miss")


async def test_draining_lets_queries_under_way_end_and_closes_the_rest(setting: Setting) -> None:
    async with open_frontend(slow(setting)) as frontend:
        busy, idle = await DotClient.connect(frontend), await DotClient.connect(frontend)
        await busy.send(query())
        await frontend.until(lambda: frontend.misses == 1, "the miss")
        frontend.register.drain()
        assert await idle.raw.rest() == b""
        assert (await busy.answer()).answer
        assert await busy.raw.rest() == b""


async def test_who_sends_what_is_no_query_again_and_again_is_banned(certificate: Certificate) -> None:
    # A client in the clear is a front proxy's, and no address of its own.
    bans = BansConfig(points=10, forgiven_per_second=0.1)
    async with open_frontend(Setting(certificate=certificate, dot=DOT, bans=bans)) as frontend:
        for _ in range(40):
            with contextlib.suppress(OSError):
                client = await DotClient.connect(frontend)
                await client.raw.send(b"\x00\x00")
                await client.raw.rest()
        assert frontend.closed[Closing.BANNED] > 0


async def test_a_bug_ends_the_connection_and_no_other(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_frontend(setting) as frontend:
        hurt, other = await DotClient.connect(frontend), await DotClient.connect(frontend)
        assert (await other.ask(query())).answer

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(frontend.core.pipeline, "begin", fail)
        assert (await hurt.ask(query())).rcode() == dns.rcode.SERVFAIL
        monkeypatch.undo()
        assert (await other.ask(query())).answer
        assert (await hurt.ask(query())).answer


async def test_a_bug_is_told_to_each_under_the_name_it_asked_for(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_frontend(setting) as frontend:
        client = await DotClient.connect(frontend)

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(frontend.core.pipeline, "begin", fail)
        for name in ("a.example.net.", "b.example.net."):
            answer = await client.ask(query(name))
            assert (str(answer.question[0].name), answer.rcode()) == (name, dns.rcode.SERVFAIL)


# --- Members by name ---


def with_tokens(frontend: RunningFrontend, *tokens: str) -> None:
    """Have these tokens be valid."""
    rules: RequestRules = frontend.core.service.rules
    frontend.core.service.adopt(replace(rules, tokens=frozenset(map(digest_of, tokens)), takes_tokens=True))


async def named(frontend: RunningFrontend, certificate: Certificate, name: str) -> DotClient:
    """A client that asks for this name in its handshake, and looks at no certificate's."""
    context = certificate.client_context("dot")
    context.check_hostname = False
    address = frontend.listener.listening.getsockname()
    reader, writer = await asyncio.open_connection(*address[:2], ssl=context, server_hostname=name)
    return DotClient(frontend.adopted(reader, writer))


async def test_a_name_with_a_valid_token_makes_its_client_a_member(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate, dot=DOT, clients=ClientsConfig())) as frontend:
        with_tokens(frontend, TOKEN)
        client = await named(frontend, certificate, member_name("localhost", TOKEN).upper())
        assert (await client.ask(query())).answer
        assert [one.member for one in frontend.asked_limits] == [True]
        stranger = await DotClient.connect(frontend)
        await stranger.ask(query())
        assert not frontend.asked_limits[-1].member


async def test_a_token_that_is_not_valid_any_more_is_not_served_as_if_it_were_nobodys(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate, dot=DOT)) as frontend:
        with_tokens(frontend, TOKEN)
        client = await named(frontend, certificate, member_name("localhost", TOKEN))
        assert (await client.ask(query())).answer
        with_tokens(frontend)
        await client.send(query())
        assert await client.raw.rest() == b""
        assert frontend.reasons[-1] == "UNKNOWN_TOKEN"

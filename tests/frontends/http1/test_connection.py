"""The HTTP/1.1 frontend under clients that do what they should not; hardening.md speaks of each row by its CVE."""

import asyncio
import contextlib
import gzip
from dataclasses import replace

import dns.message
import pytest

from dohproxy.frontends import lingering
from dohproxy.frontends.connections import Closing
from dohproxy.frontends.http1.connection import MOST_AT_ONCE, MOST_READ_AHEAD, Http1Frontend
from dohproxy.frontends.http1.parsing import read_message
from dohproxy.http1.connection import Http1Connection
from dohproxy.outcomes import Client
from tests.fakes.upstream import ANSWER, SILENCE, FakeUpstream
from tests.frontends.by_hand import connected
from tests.frontends.client import PATH, RawClient, chunked, get, post, post_head, query
from tests.frontends.served import QUICK, Certificate, RunningFrontend, Setting, open_frontend, resident_bytes

HOST = b"Host: localhost\r\n"
SLOW = Setting(upstream=FakeUpstream(udp=(ANSWER.after(0.3),)))


@pytest.fixture(params=["plain", "tls"])
def setting(request: pytest.FixtureRequest, certificate: Certificate) -> Setting:
    """A frontend in the clear, and one with TLS."""
    return Setting(certificate=certificate if request.param == "tls" else None)


@pytest.fixture
def lingers_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a refused client still sends is read for a tenth of the time; for tests whose clients send nothing more."""
    monkeypatch.setattr(lingering, "LINGERING_SECONDS", lingering.LINGERING_SECONDS / 10)


# --- Requests as they should be ---


@pytest.mark.parametrize("sequence", ["gg", "pp", "gp", "pg", "gppgp"])
async def test_requests_follow_each_other_on_one_connection(setting: Setting, sequence: str) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        for kind in sequence:
            for name in ("localhost", "www.example.net"):
                response = await client.ask(get(name) if kind == "g" else post(name))
                assert response.message().answer
                assert not response.closes
        assert len(frontend.outcomes) == 2 * len(sequence)


@pytest.mark.parametrize("step", [1, 7, 64])
@pytest.mark.parametrize(
    "request_bytes", [get(), post(), post_head("Transfer-Encoding: chunked\r\n") + chunked(query(), 1)]
)
async def test_segments_change_nothing(setting: Setting, step: int, request_bytes: bytes) -> None:
    # CVE-2025-69229, CVE-2026-54277
    async with open_frontend(setting.with_connections(header_seconds=5.0, body_seconds=5.0)) as frontend:
        client = await frontend.connect()
        for start in range(0, len(request_bytes), step):
            await client.send(request_bytes[start : start + step])
            await asyncio.sleep(0)
        assert (await client.response()).message().answer
        assert (await client.ask(get())).status == 200


async def test_a_client_that_expects_to_be_invited_is_invited(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        body = query()
        head = post_head(f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n")
        assert (await client.ask(head)).status == 100
        assert (await client.ask(body)).message().answer


async def test_http_1_0_is_answered_and_closed(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        response = await client.ask(get(fields="Connection: keep-alive\r\n", version="1.0"))
        assert (response.status, response.closes) == (200, True)
        assert await client.rest() == b""


async def test_a_client_that_says_close_is_answered_and_closed(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        response = await client.ask(get(fields="Connection: close\r\n"))
        assert (response.status, response.closes) == (200, True)
        assert await client.rest() == b""


# --- The synchronous half ---


async def test_a_hit_is_answered_where_it_arrives() -> None:
    async with open_frontend() as frontend:
        await (await frontend.connect()).ask(get("www.example.net"))
        with connected(frontend.server.http1.frontend, frontend.register) as client:
            for request in (get("www.example.net"), post("www.example.net"), get(), get(path="/wrong")):
                assert client.send(request).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 404 "))
        assert frontend.reasons == ["FORWARDED", "CACHED", "CACHED", "LOCAL", "WRONG_PATH"]


async def test_pipelined_hits_wait_for_the_miss_before_them() -> None:
    async with open_frontend(SLOW) as frontend:
        client = await frontend.connect()
        await client.ask(get("known.example.net"))
        names = ["known.example.net", "slow.example.net", "localhost", "known.example.net", "other.example.net"]
        await client.send(b"".join(get(name) if number % 2 else post(name) for number, name in enumerate(names)))
        replies = [(await client.response()).message() for _ in names]
        assert [str(reply.question[0].name).rstrip(".") for reply in replies] == names
        assert all(reply.answer for reply in replies)


@pytest.mark.parametrize("name", ["localhost", "www.example.net"])
async def test_ten_thousand_pipelined_requests_are_all_answered(setting: Setting, name: str) -> None:
    # CVE-2026-54273
    count = 10_000
    async with open_frontend(setting.with_connections(max_requests=count + 10, write_seconds=30.0)) as frontend:
        client = await frontend.connect()
        await client.ask(get(name))
        before = resident_bytes()
        client.write(get(name) * count)
        async for response in client.responses(count, within_seconds=30.0):
            assert response.status == 200
        assert resident_bytes() - before < 48 * 2**20
        assert (await client.ask(get(name))).status == 200


@pytest.mark.parametrize(("kind", "one_read"), [("tls", 16_384), ("plain", 262_144)])
async def test_pipelined_misses_are_read_ahead_no_further_than_the_queue(
    certificate: Certificate, kind: str, one_read: int
) -> None:
    # The client takes its time over the first six of ten thousand.
    slow = replace(SLOW, certificate=certificate if kind == "tls" else None)
    async with open_frontend(slow.with_connections(header_seconds=5.0, write_seconds=5.0)) as frontend:
        client = await frontend.connect()
        client.write(b"".join(get(f"n{number}.example.net") for number in range(10_000)))
        longest = 0
        for number in range(6):
            response = await client.response()
            assert f"n{number}.example.net" in str(response.message().question[0])
            (connection,) = _frontends(frontend)
            longest = max(longest, connection._engine.held_bytes)
        assert MOST_READ_AHEAD < longest <= MOST_READ_AHEAD + one_read
        assert frontend.misses <= 1


async def test_pipelined_requests_after_one_that_is_not_http_are_dropped(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        assert (await client.ask(get())).status == 200
        await client.send(get())
        await client.response()
        await client.send(b"\x00\x01\r\n\r\n" + get())
        refused = await client.response()
        assert (refused.status in (400, 501), refused.closes) == (True, True)
        assert await client.rest() == b""


# --- Several requests in one read ---

BROKEN = get(fields="X : y\r\n")


async def test_what_is_no_request_spoils_none_of_those_before_it(setting: Setting) -> None:
    # RFC 9112 section 9.3.2
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        await client.send(get() + get("www.example.net") + post() + BROKEN + get())
        assert [(await client.response()).status for _ in range(4)] == [200, 200, 200, 400]
        assert await client.rest() == b""
        assert frontend.reasons == ["LOCAL", "FORWARDED", "LOCAL", "BAD_HTTP"]


@pytest.mark.parametrize("behind", [b"x", b"\r\n", b"\x00", get(), BROKEN, bytes(50_000)])
async def test_what_is_behind_a_last_request_is_not_looked_at(setting: Setting, behind: bytes) -> None:
    # RFC 9112 section 9.6
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        await client.send(get() + get("www.example.net", "Connection: close\r\n") + behind)
        responses = [await client.response() for _ in range(2)]
        assert [response.closes for response in responses] == [False, True]
        assert all(response.message().answer for response in responses)
        assert await client.rest() == b""


async def test_an_upgrade_that_is_not_made_swallows_nothing(setting: Setting) -> None:
    # RFC 9110 section 7.8
    upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    names = ["a.example.net", "b.example.net", "c.example.net"]
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        await client.send(get(names[0], upgrade) + get(names[1]) + post(names[2]))
        asked = [str((await client.response()).message().question[0].name).rstrip(".") for _ in names]
        assert asked == names
        assert (await client.ask(get())).status == 200


async def test_many_in_one_read_are_answered_some_in_a_turn() -> None:
    async with open_frontend() as frontend:
        with connected(frontend.server.http1.frontend, frontend.register) as client:
            turns = [client.send(get() * 100).count(b"HTTP/1.1 200 ")]
            while sum(turns) < 100:
                await asyncio.sleep(0)
                turns.append(client.written().count(b"HTTP/1.1 200 "))
    assert turns == [MOST_AT_ONCE] * 3 + [100 - 3 * MOST_AT_ONCE]


# --- What is refused is told, whatever its sender still sends ---


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (BROKEN, 400),
        (post_head("Content-Length: 200000\r\n"), 413),
        (post_head("Transfer-Encoding: chunked\r\n") + b"30d40\r\n", 413),
        (post_head("Transfer-Encoding: chunked\r\n") + b"x\r\n", 400),
    ],
    ids=["no request", "a long body", "a long chunk", "no chunk"],
)
async def test_a_refusal_is_not_lost_to_a_reset(setting: Setting, begun: bytes, status: int) -> None:
    async with open_frontend(setting) as frontend:
        for _ in range(10):
            client = await frontend.connect()
            # The client does not look before it has sent everything, as most do.
            await client.send(begun)
            with contextlib.suppress(ConnectionError):  # Over TLS it is closed by the goodbye.
                for _ in range(20):
                    await client.send(bytes(10_000))
                    await asyncio.sleep(0)
            response = await client.response()
            assert (response.status, response.closes) == (status, True)
            client.cut()


async def test_who_does_not_stop_sending_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGERING_SECONDS", 30.0)
    async with open_frontend(Setting().with_connections(idle_seconds=30.0)) as frontend:
        client = await frontend.connect()
        await client.send(BROKEN)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await client.send(bytes(100_000))
                await asyncio.sleep(0.01)
            raise AssertionError("it was not cut")
        await frontend.until(lambda: frontend.register.slots_taken == 0, "the end of the connection")


async def test_who_does_not_close_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGERING_SECONDS", 0.1)
    async with open_frontend() as frontend:
        client = await frontend.connect()
        assert (await client.ask(BROKEN)).status == 400
        await frontend.until(lambda: frontend.register.slots_taken == 0, "the end of the connection")


# --- Broken and hostile requests ---

BODY = query()
LENGTH = f"Content-Length: {len(BODY)}\r\n"
REFUSED: dict[str, tuple[bytes, int]] = {
    # 2.2, CVE-2023-47641, and RFC 9112 section 6.3
    "a length beside chunks": (post_head(f"{LENGTH}Transfer-Encoding: chunked\r\n") + chunked(BODY, 9), 400),
    "two lengths": (post_head(f"{LENGTH}Content-Length: 7\r\n") + BODY, 400),
    "the same length twice": (post_head(LENGTH + LENGTH) + BODY, 400),
    "a length with a sign": (post_head(f"Content-Length: +{len(BODY)}\r\n") + BODY, 400),
    "a negative length": (post_head("Content-Length: -1\r\n") + BODY, 400),
    "a list of lengths": (post_head(f"Content-Length: {len(BODY)}, {len(BODY)}\r\n") + BODY, 400),
    "an endless length": (post_head(f"Content-Length: {'9' * 30}\r\n"), 400),
    # 2.12, CVE-2025-69224
    "a length in digits that are not ASCII": (
        post_head("").replace(b"\r\n\r\n", "\r\nContent-Length: \uff11\uff12\r\n\r\n".encode()),
        400,
    ),
    # 2.17, CVE-2026-34525
    "two hosts": (get(fields="Host: other\r\n"), 400),
    "no host": (get().replace(HOST, b""), 400),
    **{
        f"the host {host!r}": (get().replace(HOST, f"Host: {host}\r\n".encode()), 400)
        for host in ("a b", "user@localhost", "local/host", "localhost:port", "[::1")
    },
    "two spaces behind the method": (get().replace(b"GET ", b"GET  "), 400),
    "RTSP": (get().replace(b"HTTP/1.1", b"RTSP/1.0"), 400),
    # 2.3, CVE-2023-37276
    "NUL in a value": (get(fields="X-A: a\x00b\r\n"), 400),
    "CR in a value": (get(fields="X-A: a\rb\r\n"), 400),
    "NUL in a name": (get(fields="X\x00A: b\r\n"), 400),
    "a space in a name": (get(fields="X A: b\r\n"), 400),
    "a space before the colon": (get(fields="X-A : b\r\n"), 400),
    "a folded line": (get(fields="X-A: b\r\n c\r\n"), 400),
    "a bare LF": (get().replace(b"\r\n", b"\n"), 400),
    "NUL in the target": (get().replace(PATH.encode(), PATH.encode() + b"\x00"), 400),
    "a space in the target": (get().replace(PATH.encode(), b"/a b"), 400),
    # 2.9, CVE-2024-52304
    "a newline in a chunk extension": (post_head("Transfer-Encoding: chunked\r\n") + b"1;a\nb\r\nx\r\n0\r\n\r\n", 400),
    "chunks of unknown size": (post_head("Transfer-Encoding: chunked\r\n") + b"zz\r\n", 400),
    "a chunk longer than its size": (post_head("Transfer-Encoding: chunked\r\n") + b"3\r\nabcd", 400),
    "two codings": (post_head("Transfer-Encoding: gzip, chunked\r\n") + chunked(BODY, 9), 501),
    "an unknown coding": (post_head("Transfer-Encoding: identity\r\n") + BODY, 400),
    # 2.28
    "65 fields": (get(fields="".join(f"X-{n}: a\r\n" for n in range(64))), 431),
    "a field of 5 KiB": (get(fields=f"X-A: {'a' * 5120}\r\n"), 431),
    "a block over 8 KiB": (get(fields="".join(f"X-{n}: {'a' * 900}\r\n" for n in range(10))), 431),
    "a target over 4 KiB": (get(path=PATH + "?" + "a" * 4200), 414),
    "a line over 8 KiB": (get(path=PATH + "?" + "a" * 9000), 414),
    "an unknown method": (b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "CONNECT": (b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n", 404),
    "half the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nGET\r\n\r\n", 400),
    "HTTP/3.7": (get(version="3.7"), 400),
    "HTTP/0.9": (b"GET /dns-query\r\n\r\n", 400),
    "TLS where none is": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400),
    "SMTP": (b"EHLO example.net\r\n\r\n", 400),
    # 2.26, 2.25: 415, and never decompressed
    "gzip": (
        post_head(f"Content-Encoding: gzip\r\nContent-Length: {len(gzip.compress(BODY))}\r\n") + gzip.compress(BODY),
        415,
    ),
    "2,000 members of gzip": (
        post_head(f"Content-Encoding: gzip\r\nContent-Length: {len(gzip.compress(b'')) * 50}\r\n")
        + gzip.compress(b"") * 50,
        415,
    ),
    # 2.30
    "a body over the limit": (post_head("Content-Length: 1025\r\n") + bytes(1025), 413),
    "a huge body announced": (post_head("Content-Length: 4294967296\r\n"), 413),
    "endless chunks": (
        post_head("Transfer-Encoding: chunked\r\n")
        + b"100\r\n"
        + bytes(256)
        + b"\r\n"
        + (b"100\r\n" + bytes(256) + b"\r\n") * 8,
        413,
    ),
    "neither length nor chunks": (post_head(""), 400),
    "a body elsewhere": (post_head("Content-Length: 100000\r\n", path="/elsewhere"), 404),
}
STAYS_OPEN = {
    "a target over 4 KiB",
    "CONNECT",
    "an unknown method",
    "gzip",
    "2,000 members of gzip",
    "neither length nor chunks",
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
@pytest.mark.usefixtures("lingers_shortly")
async def test_refused(request: pytest.FixtureRequest, data: bytes, status: int) -> None:
    what = request.node.callspec.id
    async with open_frontend() as frontend:
        bystander = await frontend.connect()
        client = await frontend.connect()
        response = await client.ask(data)
        assert (response.status, response.body if status != 200 else b"") == (status, b"")
        stays_open = any(name in what for name in STAYS_OPEN)
        assert response.closes is not stays_open
        if not stays_open:
            assert await client.rest() == b""
        assert (await bystander.ask(get())).status == 200
        assert len(frontend.outcomes) == 2


@pytest.mark.parametrize("later", [b"x\r\n", b"5\nhello", b"3\r\nabcd", b"0\r\nX : y\r\n"])
async def test_a_malformed_chunk_in_a_later_segment_is_refused_when_it_comes(setting: Setting, later: bytes) -> None:
    async with open_frontend(setting.with_connections(body_seconds=30.0)) as frontend:
        client = await frontend.connect()
        await client.send(post_head("Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n")
        await asyncio.sleep(0.05)
        response = await client.ask(later)
        assert (response.status, response.closes) == (400, True)


async def test_trailers_without_end_are_refused(setting: Setting) -> None:
    # 2.16, CVE-2026-22815
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        await client.send(post_head("Transfer-Encoding: chunked\r\n") + b"1\r\na\r\n0\r\n")
        before = resident_bytes()
        for number in range(2000):
            client.write(f"X-{number}: {'a' * 1000}\r\n".encode())
        received = await client.rest()
        assert received.startswith((b"HTTP/1.1 408", b"HTTP/1.1 4")) or received == b""
        assert resident_bytes() - before < 32 * 2**20
        assert frontend.misses == 0


@pytest.mark.parametrize("extension", [b"1" + b";a" * 60_000, b"0" * 100_000])
async def test_a_chunk_header_without_end_is_refused_by_its_size(setting: Setting, extension: bytes) -> None:
    async with open_frontend(setting.with_connections(body_seconds=30.0)) as frontend:
        client = await frontend.connect()
        client.write(post_head("Transfer-Encoding: chunked\r\n") + extension)
        response = await client.response()
        assert (response.status, response.closes) == (400, True)


async def test_a_header_that_never_ends_is_cut_by_its_size(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(header_seconds=30.0)) as frontend:
        client = await frontend.connect()
        await client.send(b"GET / HTTP/1.1\r\n")
        for number in range(40):
            client.write(f"X-{number}: {'a' * 1000}\r\n".encode())
        assert (await client.rest()).startswith(b"HTTP/1.1 431 ")
        assert frontend.closed == {Closing.HEADER_FLOOD: 1}


# --- Slow clients ---


async def test_a_silent_connection_is_cut_at_the_idle_deadline(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(idle_seconds=0.3)) as frontend:
        client = await frontend.connect()
        assert await client.rest() == b""
        await frontend.until(lambda: frontend.register.slots_taken == 0, "the end of the connection")


async def test_a_connection_is_cut_when_it_falls_silent(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(idle_seconds=0.3)) as frontend:
        client = await frontend.connect()
        for _ in range(3):
            assert (await client.ask(get())).status == 200
        assert await client.rest() == b""
        assert frontend.closed == {Closing.IDLE: 1}


@pytest.mark.parametrize("begun", [b"", get()], ids=["first request", "second request"])
async def test_a_header_that_drips_is_cut_at_its_deadline(setting: Setting, begun: bytes) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        if begun:
            assert (await client.ask(begun)).status == 200
        drip = asyncio.get_running_loop().create_task(_drip(client))
        received = await client.rest()
        drip.cancel()
        assert received.startswith(b"HTTP/1.1 408 ")
        assert received.count(b"HTTP/1.1") == 1
        assert frontend.closed == {Closing.HEADER_DEADLINE: 1}
        assert frontend.reasons.count("SLOW_REQUEST") == 1


async def _drip(client: RawClient) -> None:
    for _ in range(1000):
        client.write(b"G" if _ == 0 else b"ET / HTTP/1.1\r\nX-A: " if _ == 1 else b"a")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("body", [b"", BODY[:5]], ids=["none of it", "a part"])
@pytest.mark.parametrize("coding", [LENGTH, "Transfer-Encoding: chunked\r\n"], ids=["length", "chunks"])
@pytest.mark.usefixtures("lingers_shortly")
async def test_a_body_that_never_comes_is_cut_at_its_deadline(setting: Setting, body: bytes, coding: str) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        sent = body if coding == LENGTH else chunked(body, 5)[:-5] if body else b""
        response = await client.ask(post_head(coding) + sent)
        assert (response.status, response.closes) == (408, True)
        assert await client.rest() == b""


async def test_a_body_that_drips_gets_no_more_time(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        await client.send(post_head("Content-Length: 1000\r\n"))
        drip = asyncio.get_running_loop().create_task(_drip(client))
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
        drip.cancel()


async def test_a_slow_header_before_an_answered_request_is_not_held_against_the_next() -> None:
    async with open_frontend(Setting().with_connections(header_seconds=0.3)) as frontend:
        client = await frontend.connect()
        request = get()
        await client.send(request[:20])
        await asyncio.sleep(0.1)
        assert (await client.ask(request[20:])).status == 200
        await asyncio.sleep(0.5)
        assert (await client.ask(request)).status == 200
        assert not frontend.closed


async def test_an_empty_line_in_two_pieces_is_not_the_beginning_of_a_slow_header() -> None:
    async with open_frontend(Setting().with_connections(header_seconds=0.2)) as frontend:
        client = await frontend.connect()
        for byte in (get() + b"\r", b"\n"):
            await client.send(byte)
            await asyncio.sleep(0.05)
        assert (await client.response()).status == 200
        await asyncio.sleep(0.4)
        assert (await client.ask(get())).status == 200
        assert not frontend.closed


# --- Clients that do not read ---


@pytest.mark.parametrize("kind", ["hits", "misses"])
async def test_a_client_that_never_reads_is_cut_and_costs_little(certificate: Certificate, kind: str) -> None:
    connections = {"write_seconds": 0.4, "max_requests": 1_000_000, "max_queued_bytes": 65_536}
    async with open_frontend(Setting().with_connections(**connections)) as frontend:
        bystander = await frontend.connect()
        client = await frontend.connect()
        client.stop_reading()
        before = resident_bytes()
        names = ["localhost"] if kind == "hits" else [f"n{number}.example.net" for number in range(50)]
        block = b"".join(get(name) for name in names)
        while frontend.register.slots_taken == 2 and len(frontend.outcomes) < 500_000:
            client.write(block * (200 if kind == "hits" else 4))
            await asyncio.sleep(0.005)
        assert resident_bytes() - before < 64 * 2**20
        assert set(frontend.closed) <= {Closing.WRITE_DEADLINE, Closing.QUEUE_FULL}
        assert sum(frontend.closed.values()) == 1
        assert (await bystander.ask(get())).status == 200


async def test_a_connection_closing_with_unread_bytes_is_cut_too() -> None:
    # It is closed for its slow header while responses wait: a close that a client could keep from ever happening.
    setting = Setting().with_connections(
        header_seconds=0.3, write_seconds=0.8, max_requests=1_000_000, idle_seconds=30.0
    )
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        await client.ask(get())
        client.stop_reading()
        (connection,) = _frontends(frontend)
        assert connection._transport is not None
        while connection._transport.get_write_buffer_size() < 20_000:
            client.write(get() * 100)
            await asyncio.sleep(0.01)
        connection.close_for(Closing.HEADER_DEADLINE)
        assert not frontend.closed
        await frontend.until(lambda: frontend.closed == {Closing.WRITE_DEADLINE: 1}, "the cut")
        await frontend.until(lambda: frontend.register.slots_taken == 0, "the place given back")


def _frontends(frontend: RunningFrontend) -> list[Http1Frontend]:
    return [connection for connection in frontend.register._open if isinstance(connection, Http1Frontend)]


# --- The end of a connection ---


async def test_the_last_request_of_a_connection_is_told_so(setting: Setting) -> None:
    async with open_frontend(setting.with_connections(max_requests=3)) as frontend:
        client = await frontend.connect()
        closes = [(await client.ask(request)).closes for request in (get(), post("www.example.net"), get())]
        assert closes == [False, False, True]
        assert await client.rest() == b""


async def test_a_connection_that_is_too_old_closes_with_its_next_response(setting: Setting) -> None:
    async with open_frontend(Setting(certificate=setting.certificate, sweeps=False)) as frontend:
        client = await frontend.connect()
        assert not (await client.ask(get())).closes
        frontend.clock.ahead = QUICK.max_age_seconds + 1
        assert (await client.ask(get())).closes
        assert await client.rest() == b""


async def test_a_connection_that_is_too_old_and_idle_is_closed(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        assert not (await client.ask(get())).closes
        frontend.clock.ahead = QUICK.max_age_seconds + 1
        assert await client.rest() == b""
        assert frontend.closed == {Closing.AGE: 1}


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_during_a_miss_gives_back_everything_and_the_fetch_goes_on(
    certificate: Certificate, how: str
) -> None:
    setting = Setting(certificate=certificate, upstream=FakeUpstream(udp=(ANSWER.after(0.5),)))
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        await client.send(get("www.example.net"))
        await frontend.until(lambda: frontend.misses == 1, "the miss")
        client.reset() if how == "reset" else client.cut()
        await frontend.until(lambda: frontend.misses == 0, "the place for the miss")
        await frontend.until(lambda: frontend.register.slots_taken == 0, "the place for the connection")
        statistics = frontend.core.resolver.statistics(0.0)
        assert (statistics.fetches, statistics.waiters) == (1, 0)
        await frontend.until(lambda: frontend.core.cache.statistics().positive_entries == 1, "the answer")
        assert (await (await frontend.connect()).ask(get("www.example.net"))).message().answer
        assert frontend.reasons == ["CACHED"]


async def test_a_connection_that_is_cut_gives_its_miss_back() -> None:
    async with open_frontend(Setting(upstream=FakeUpstream(udp=(SILENCE,)))) as frontend:
        client = await frontend.connect()
        assert (await client.ask(get())).status == 200
        (connection,) = _frontends(frontend)
        connection.data_received(get("www.example.net"))
        assert frontend.misses == 1
        assert connection._transport is not None
        connection._transport.abort()
        await frontend.until(lambda: frontend.misses == 0, "the miss given back")
        assert frontend.core.resolver.statistics(0.0).waiters == 0


@pytest.mark.parametrize("count", [1, 3], ids=["one request", "three requests"])
@pytest.mark.parametrize("when", ["before", "during"])
async def test_a_client_that_sends_nothing_more_gets_all_its_answers(when: str, count: int) -> None:
    async with open_frontend(SLOW) as frontend:
        client = await frontend.connect()
        await client.send(b"".join(get(f"n{number}.example.net") for number in range(count)))
        if when == "during":
            await frontend.until(lambda: frontend.misses == 1, "the miss")
        client.half_close()
        responses = [await client.response() for _ in range(count)]
        assert all(response.message().answer for response in responses)
        assert [response.closes for response in responses] == [False] * (count - 1) + [True]
        assert await client.rest() == b""


@pytest.mark.parametrize("begun", [b"", get()[:-10], post_head(LENGTH) + BODY[:5]], ids=["nothing", "a head", "a body"])
async def test_a_client_that_sends_nothing_more_of_half_a_request_is_closed(begun: bytes) -> None:
    async with open_frontend(Setting().with_connections(header_seconds=30.0, body_seconds=30.0)) as frontend:
        client = await frontend.connect()
        assert (await client.ask(get())).status == 200
        await client.send(begun)
        client.half_close()
        assert await client.rest() == b""
        assert not frontend.closed


async def test_draining_finishes_what_is_under_way_and_closes_the_rest(setting: Setting) -> None:
    slow = Setting(certificate=setting.certificate, upstream=FakeUpstream(udp=(ANSWER.after(0.3),)))
    async with open_frontend(slow) as frontend:
        idle, busy = await frontend.connect(), await frontend.connect()
        assert (await idle.ask(get())).status == 200
        await busy.send(get("www.example.net"))
        await frontend.until(lambda: frontend.misses == 1, "the miss")
        frontend.register.drain()
        assert await idle.rest() == b""
        response = await busy.response()
        assert (response.status, response.closes) == (200, True)
        async with asyncio.timeout(5):
            await frontend.register.wait_empty()


async def test_what_outlasts_the_drain_is_cut(setting: Setting) -> None:
    silent = Setting(certificate=setting.certificate, upstream=FakeUpstream(udp=(SILENCE,)))
    async with open_frontend(silent) as frontend:
        client = await frontend.connect()
        await client.send(get("www.example.net"))
        await frontend.until(lambda: frontend.misses == 1, "the miss")
        frontend.register.drain()
        frontend.register.cut()
        assert await client.rest() == b""
        assert frontend.closed == {Closing.DRAIN: 1}


# --- Our own bugs ---


async def test_a_bug_in_the_walk_costs_one_request(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        assert (await client.ask(get())).status == 200

        def broken(client: Client, now: float) -> float:
            raise KeyError("www.example.net")

        limiter = frontend.core.request_limiter
        limiter.admit_request, admit = broken, limiter.admit_request
        response = await client.ask(get())
        limiter.admit_request = admit
        assert (response.status, response.closes, response.body) == (500, True, b"")
        assert (await (await frontend.connect()).ask(get())).status == 200


async def test_a_bug_in_the_frontend_is_answered_with_500_and_not_taken_for_the_client_s(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        client = await frontend.connect()
        assert (await client.ask(get())).status == 200

        def broken_once() -> float:
            frontend.server.http1.clock = frontend.clock
            raise RuntimeError

        frontend.server.http1.clock = broken_once
        response = await client.ask(get("localhost", "X: not known yet\r\n"))
        assert (response.status, response.closes) == (500, True)
        assert frontend.reasons == ["LOCAL", "BUG"]


# --- What the walk gets to see ---


def test_repeated_fields_are_joined_and_others_left_out() -> None:
    engine = Http1Connection(1_024)
    engine.receive(get(fields="Accept: text/html\r\nX-Pad: aaa\r\nAccept: */*\r\nCookie: a=b\r\n"))
    request = engine.next_request()
    assert request is not None
    seen = read_message(request.head, request.body or b"")
    assert seen.accept == "text/html, */*"
    assert seen.pad_header
    assert (seen.content_type, seen.content_encoding, seen.body) == (None, None, b"")


async def test_a_reply_is_what_the_stamp_says_and_nothing_more(setting: Setting) -> None:
    async with open_frontend(setting) as frontend:
        response = await (await frontend.connect()).ask(post())
        assert set(response.fields) == {"content-type", "cache-control", "content-length", "date"}
        assert dns.message.from_wire(response.body).id == 0

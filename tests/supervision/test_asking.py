"""A worker is asked over its private socket, and one that does not answer is no reason to wait."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dohproxy.supervision.asking import MOST_ANSWER_BYTES, Answer, NoAnswer, ask, read_head


@asynccontextmanager
async def _answering(path: Path, response: bytes, seen: list[bytes]) -> AsyncIterator[None]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
        seen.append(head + await reader.readexactly(length))
        writer.write(response)
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, str(path))
    try:
        yield
    finally:
        server.close()


def _response(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_a_question_is_a_get_and_what_has_a_body_a_post(tmp_path: Path) -> None:
    seen: list[bytes] = []
    async with _answering(tmp_path / "s", _response(b'{"well": true}', "409 Conflict"), seen):
        assert await ask(tmp_path / "s", "/worker/look", seconds=5) == Answer(409, {"well": True})
        await ask(tmp_path / "s", "/v1/ban", {"network": "192.0.2.1"}, seconds=5)
    assert seen[0].startswith(b"GET /worker/look HTTP/1.1\r\nHost: localhost\r\n")
    assert seen[1].startswith(b"POST /v1/ban HTTP/1.1\r\n")
    assert json.loads(seen[1].partition(b"\r\n\r\n")[2]) == {"network": "192.0.2.1"}


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        _response(b"[]"),
        _response(b"no json"),
        b"x" * 100_000,
    ],
    ids=["nothing", "no HTTP", "no length", "cut", "no object", "no JSON", "no end of the head"],
)
async def test_what_is_no_answer_is_none(tmp_path: Path, response: bytes) -> None:
    async with _answering(tmp_path / "s", response, []):
        with pytest.raises(NoAnswer):
            await ask(tmp_path / "s", "/worker/look", seconds=5)


async def test_where_nobody_listens_there_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer):
        await ask(tmp_path / "s", "/worker/look", seconds=5)


async def test_who_hangs_is_waited_for_no_longer_than_said(tmp_path: Path) -> None:
    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.close()

    server = await asyncio.start_unix_server(hang, str(tmp_path / "s"))
    with pytest.raises(NoAnswer):
        await ask(tmp_path / "s", "/worker/look", seconds=0.01)
    await asyncio.sleep(0.25)
    server.close()


@pytest.mark.parametrize("length", [str(MOST_ANSWER_BYTES + 1), "-1", "many"])
def test_an_answer_longer_than_any_can_be_is_not_read(length: str) -> None:
    with pytest.raises(ValueError, match=r"length|many"):
        read_head(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode())

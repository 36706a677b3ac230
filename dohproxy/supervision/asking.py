"""Asks one worker at its private socket: one HTTP/1.1 request a connection, and JSON in both directions."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MOST_ANSWER_BYTES: Final = 67_108_864
"""Of one answer: what another worker goes on with, with all bans and blocks, is some 10 MiB."""
MOST_HEAD_BYTES: Final = 16_384


class NoAnswer(Exception):
    """A worker did not answer, or not in time: it has died, or hangs, or is about to begin."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker said."""

    status: int
    """Of HTTP."""
    body: Mapping[str, Any]


async def ask(path: Path, target: str, body: Mapping[str, Any] | None = None, *, seconds: float) -> Answer:
    """Return what the worker at this socket says within so many seconds; with a `body` it is sent by POST. Raises
    NoAnswer."""
    try:
        async with asyncio.timeout(seconds):
            return await _ask(path, target, body)
    except (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        raise NoAnswer(type(error).__name__) from None


async def _ask(path: Path, target: str, body: Mapping[str, Any] | None) -> Answer:
    reader, writer = await asyncio.open_unix_connection(str(path), limit=MOST_HEAD_BYTES)
    try:
        sent = b"" if body is None else json.dumps(body, default=str).encode()
        head = f"{'GET' if body is None else 'POST'} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
        writer.write(head.encode("ascii") + b"\r\n" + sent)
        await writer.drain()
        status, length = read_head(await reader.readuntil(b"\r\n\r\n"))
        found = json.loads(await reader.readexactly(length))
    finally:
        writer.close()
    if not isinstance(found, dict):
        raise ValueError("an answer that is no object")
    return Answer(status, found)


def read_head(head: bytes) -> tuple[int, int]:
    """Return the status and the length of the body. Raises ValueError if there is neither."""
    first, *fields = head.decode("ascii").split("\r\n")
    lengths = [value for name, _, value in (one.partition(":") for one in fields) if name.lower() == "content-length"]
    length = int(lengths[0]) if len(lengths) == 1 else -1
    if not 0 <= length <= MOST_ANSWER_BYTES:
        raise ValueError("an answer without a length that can be")
    return int(first.split(" ")[1]), length

"""The end of a connection in the clear: the last word is read, whatever its reader still sends."""

import asyncio
import contextlib
import socket
from typing import cast

import pytest

from dohproxy.frontends import lingering
from dohproxy.frontends.lingering import LINGERING_BYTES, Lingering
from tests.frontends.served import until

LAST = b"the last word"


class _Ending(asyncio.Protocol):
    """Says something, and goes."""

    def __init__(self, *, was_paused: bool = False, is_at_end: bool = False) -> None:
        self._was_paused = was_paused
        self._is_at_end = is_at_end
        self._lingering: Lingering | None = None
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)
        if self._was_paused:
            made.pause_reading()
        made.write(LAST)
        self._lingering = Lingering(made, is_at_end=self._is_at_end)

    def data_received(self, data: bytes) -> None:
        assert self._lingering is not None
        self._lingering.pass_over(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if self._lingering is not None:
            self._lingering.stop()


async def _connect(ending: _Ending) -> socket.socket:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    await loop.connect_accepted_socket(lambda: ending, ours)
    return theirs


async def _read_all(client: socket.socket) -> bytes:
    received = b""
    async with asyncio.timeout(5):
        while chunk := await asyncio.get_running_loop().sock_recv(client, 65_536):
            received += chunk
    return received


@pytest.mark.parametrize("was_paused", [False, True])
async def test_who_still_sends_reads_the_last_word(*, was_paused: bool) -> None:
    ending = _Ending(was_paused=was_paused)
    with contextlib.closing(await _connect(ending)) as client:
        for _ in range(20):
            await asyncio.get_running_loop().sock_sendall(client, bytes(10_000))
        assert await _read_all(client) == LAST
    await until(lambda: ending.is_lost, "the end")


async def test_the_end_is_when_the_client_has_read_it() -> None:
    ending = _Ending()
    with contextlib.closing(await _connect(ending)) as client:
        assert await _read_all(client) == LAST
        await asyncio.sleep(0.05)
        assert not ending.is_lost
    await until(lambda: ending.is_lost, "the end")


async def test_who_does_not_close_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGERING_SECONDS", 0.1)
    ending = _Ending()
    with contextlib.closing(await _connect(ending)):
        await until(lambda: ending.is_lost, "the end")


async def test_who_does_not_stop_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGERING_SECONDS", 30.0)
    ending = _Ending()
    sent = 0
    with contextlib.closing(await _connect(ending)) as client, contextlib.suppress(OSError):
        while not ending.is_lost:
            assert sent <= LINGERING_BYTES + 2_000_000  # What the kernel takes on the way is not passed over.
            await asyncio.get_running_loop().sock_sendall(client, bytes(50_000))
            sent += 50_000
            await asyncio.sleep(0)
    await until(lambda: ending.is_lost, "the end")
    assert sent >= LINGERING_BYTES


async def test_who_sends_nothing_more_is_not_waited_for() -> None:
    ending = _Ending(is_at_end=True)
    with contextlib.closing(await _connect(ending)) as client:
        await until(lambda: ending.is_lost, "the end")
        assert await _read_all(client) == LAST

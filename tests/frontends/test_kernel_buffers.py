"""The kernel holds little for a client that does not read, and nothing once its connection is cut."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dohproxy.frontends.connections import Closing
from dohproxy.frontends.kernel_buffers import (
    MOST_LEFT_BYTES,
    SEND_BYTES,
    UNSENT_BYTES,
    bound_sending,
    kernel_bytes,
    reset_on_close,
)
from dohproxy.frontends.protocol_chooser import ProtocolChooser
from dohproxy.http2.frames import PREFACE
from tests.frontends.client import get
from tests.frontends.served import Certificate, Setting, open_frontend


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client that reads nothing, and the accepted end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bound_sending(listening, 7.0)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect(listening.getsockname())
            accepted, _ = listening.accept()
            accepted.setblocking(False)
            with accepted:
                yield client, accepted


def fill(connected: socket.socket) -> int:
    """Write until the kernel takes no more, and for a moment longer; return how much it took."""
    taken, last = 0, time.monotonic()
    while time.monotonic() < last + 0.05:
        with contextlib.suppress(BlockingIOError):
            taken += connected.send(bytes(16_384))
            last = time.monotonic()
    return taken


def test_what_is_accepted_inherits_the_bounds(pair: tuple[socket.socket, socket.socket]) -> None:
    _, accepted = pair
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BYTES
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7_000
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT_BYTES


def test_the_kernel_takes_little_for_a_client_that_does_not_read(pair: tuple[socket.socket, socket.socket]) -> None:
    _, accepted = pair
    assert fill(accepted) < 4 * SEND_BYTES
    assert 0 < kernel_bytes(accepted) <= 2 * SEND_BYTES


def _read_all(client: socket.socket) -> None:
    while client.recv(65_536):
        pass


def test_a_reset_leaves_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = pair
    ends = client.getsockname(), client.getpeername()
    fill(accepted)
    reset_on_close(accepted)
    accepted.close()
    assert held_for(*ends) == (0, 0)
    with pytest.raises(ConnectionResetError):
        _read_all(client)


def test_a_socket_that_has_gone_holds_nothing() -> None:
    gone = socket.socket()
    gone.close()
    assert kernel_bytes(gone) == 0
    reset_on_close(gone)


def test_a_unix_socket_is_left_as_it_is(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        before = listening.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        bound_sending(listening, 7.0)
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before


# --- Whole frontends ---


def held_for(client: tuple[str, int], server: tuple[str, int]) -> tuple[int, int]:
    """Return how many of our ends there are of a client's connection, and the bytes that wait in them (proc(5))."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    wanted = f":{server[1]:04X}", f":{client[1]:04X}"
    ends = [fields for fields in map(str.split, lines) if (fields[1][8:], fields[2][8:]) == wanted]
    return len(ends), sum(int(fields[4].partition(":")[0], 16) for fields in ends)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
@pytest.mark.parametrize("tls", [False, True], ids=["in the clear", "TLS"])
async def test_nothing_is_left_of_a_client_that_is_cut(certificate: Certificate, tls: bool, protocol: str) -> None:
    # All that it sent has been read: with bytes unread, its connection would be reset anyway.
    setting = Setting(certificate=certificate if tls else None)
    async with open_frontend(setting.with_connections(write_seconds=30.0, max_queued_bytes=16_777_216)) as frontend:
        client = await frontend.connect(context=certificate.client_context(protocol) if tls else None)
        client.write(PREFACE + bytes(3) + b"\x04" + bytes(5) if protocol == "h2" else get())
        await frontend.until(
            lambda: any(not isinstance(one, ProtocolChooser) for one in frontend.register._open), "its frontend"
        )
        client.stop_reading()
        ends = client._writer.get_extra_info("sockname"), client._writer.get_extra_info("peername")
        (connection,) = frontend.register._open
        connection._transport.write(bytes(1_048_576))  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)
        assert held_for(*ends)[1] > 0
        connection.close_for(Closing.WRITE_DEADLINE)
        await frontend.until(lambda: held_for(*ends) == (0, 0), "the end of our end")


async def test_nothing_is_left_of_a_client_whose_time_for_the_last_bytes_is_over(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dohproxy.frontends.tls_transport.SHUTDOWN_SECONDS", 0.05)
    async with open_frontend(
        Setting(certificate=certificate).with_connections(write_seconds=30.0, max_queued_bytes=16_777_216)
    ) as frontend:
        client = await frontend.connect()
        assert (await client.ask(get())).status == 200
        client.stop_reading()
        ends = client._writer.get_extra_info("sockname"), client._writer.get_extra_info("peername")
        (connection,) = frontend.register._open
        connection._transport.write(bytes(1_048_576))  # type: ignore[attr-defined]
        connection.close_for(Closing.AGE)
        await frontend.until(lambda: held_for(*ends) == (0, 0), "the end of our end")


def connect(port: int, certificate: Certificate) -> ssl.SSLSocket:
    """Return a client that has asked, and of which nothing is read but by whoever has it."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    plain.settimeout(5)
    plain.connect(("127.0.0.1", port))
    client = certificate.client_context().wrap_socket(plain, server_hostname="localhost")
    client.sendall(get())
    return client


def read_slowly(port: int, certificate: Certificate) -> bytes:
    """Ask, and return all that comes, read by and by."""
    taken = b""
    with connect(port, certificate) as client:
        while more := client.recv(16_384):
            taken += more
            # At one speed, however long the records are.
            time.sleep(0.05 * len(more) / 16_384)
    return taken


async def test_a_client_that_takes_its_last_bytes_slowly_gets_them_all(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dohproxy.frontends.tls_transport.SHUTDOWN_SECONDS", 0.4)
    limits = {"write_seconds": 30.0, "max_queued_bytes": 16_777_216}
    async with open_frontend(Setting(certificate=certificate).with_connections(**limits)) as frontend:
        parsed = asyncio.get_running_loop().run_in_executor(None, read_slowly, frontend.port, certificate)
        await frontend.until(lambda: len(frontend.outcomes) == 1, "the request")
        (connection,) = frontend.register._open
        last_words = bytes(range(256)) * 1_024
        connection._transport.write(last_words)  # type: ignore[attr-defined]
        connection.close_for(Closing.AGE)
        assert (await parsed).endswith(last_words)


async def test_nothing_is_left_of_a_client_that_goes_without_having_read(certificate: Certificate) -> None:
    # It says that it sends nothing more, and leaves what it is owed where it is: a close in order, were it believed.
    async with open_frontend(Setting(certificate=certificate).with_connections(write_seconds=30.0)) as frontend:
        loop = asyncio.get_running_loop()
        with await loop.run_in_executor(None, connect, frontend.port, certificate) as client:
            await frontend.until(lambda: len(frontend.outcomes) == 1, "the request")
            (connection,) = frontend.register._open
            connection._transport.write(bytes(80_000))  # type: ignore[attr-defined]
            ends = client.getsockname(), client.getpeername()
            await asyncio.sleep(0.05)
            assert held_for(*ends)[1] > MOST_LEFT_BYTES
            with socket.socket(fileno=socket.dup(client.fileno())) as end:
                end.shutdown(socket.SHUT_WR)
            await frontend.until(lambda: held_for(*ends) == (0, 0), "the end of our end")

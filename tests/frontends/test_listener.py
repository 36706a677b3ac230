"""From `accept` to the frontend: places, handshakes, and what happens when the machine runs out of something."""

import asyncio
import errno
import gc
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import ListenAddress
from dohproxy.frontends.connections import Closing
from tests.fakes.upstream import SILENCE, FakeUpstream
from tests.frontends.client import RawClient, get
from tests.frontends.http2_client import Http2Client
from tests.frontends.http2_client import get as get_frame
from tests.frontends.served import HURRIED_SECONDS, QUICK, Certificate, RunningFrontend, Setting, open_frontend, until

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The beginning of a TLS handshake."""


@pytest.fixture(params=["127.0.0.1", "::1", "unix"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> ListenAddress:
    """Every kind of address there is."""
    if request.param == "unix":
        return ListenAddress("unix", path=str(tmp_path / "h1.sock"))
    return ListenAddress("tcp", host=request.param, port=0)


# --- Listening ---


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_every_kind_of_address_is_served(address: ListenAddress, certificate: Certificate, tls: bool) -> None:
    async with open_frontend(Setting(listen=address, certificate=certificate if tls else None)) as frontend:
        client = await frontend.connect()
        assert (await client.ask(get())).message().answer
        assert (await client.ask(get("www.example.net"))).message().answer


# --- Places ---


async def _leave_by_closing(frontend: RunningFrontend) -> None:
    client = await frontend.connect()
    assert (await client.ask(get())).status == 200
    client.cut()


async def _leave_by_reset(frontend: RunningFrontend) -> None:
    client = await frontend.connect()
    assert (await client.ask(get())).status == 200
    client.reset()


async def _leave_at_once(frontend: RunningFrontend) -> None:
    (await frontend.connect(tls=False)).reset()


async def _leave_during_the_handshake(frontend: RunningFrontend) -> None:
    client = await frontend.connect(tls=False, before=HELLO)
    await asyncio.sleep(0.05)
    client.cut()


async def _stall_the_handshake(frontend: RunningFrontend) -> None:
    client = await frontend.connect(tls=False, before=HELLO)
    assert await client.rest() == b""


async def _fall_silent(frontend: RunningFrontend) -> None:
    client = await frontend.connect(tls=False)
    assert await client.rest() == b""


async def _speak_something_else(frontend: RunningFrontend) -> None:
    client = await frontend.connect(tls=False)
    await client.send(get())
    await client.rest()


async def _be_refused(frontend: RunningFrontend) -> None:
    client = await frontend.connect()
    await client.send(b"\x00\r\n\r\n")
    await client.rest()


async def _show_no_interest_in_the_certificate(frontend: RunningFrontend) -> None:
    with pytest.raises(ssl.SSLError):
        await frontend.connect(context=ssl.create_default_context())


async def _have_the_last_answer(frontend: RunningFrontend) -> None:
    client = await frontend.connect()
    assert (await client.ask(get(fields="Connection: close\r\n"))).closes
    client.cut()


async def _leave_while_waiting(frontend: RunningFrontend) -> None:
    client = await frontend.connect()
    client.write(get("www.example.net"))
    await frontend.until(lambda: frontend.misses == 1, "a miss")
    client.cut()


async def _leave_http2(frontend: RunningFrontend) -> None:
    client = await Http2Client.connect(frontend)
    assert (await client.ask(1)).status == 200
    client.raw.cut()


async def _leave_http2_while_waiting(frontend: RunningFrontend) -> None:
    client = await Http2Client.connect(frontend)
    await client.send(get_frame(1, "www.example.net"))
    await frontend.until(lambda: frontend.misses == 1, "a miss")
    client.raw.cut()


async def _break_http2(frontend: RunningFrontend) -> None:
    client = await Http2Client.connect(frontend)
    assert (await client.ask(3)).status == 200
    await client.send(get_frame(1))
    await client.until_closed()
    assert client.goaways


WAYS_TO_LEAVE = [
    _leave_by_closing,
    _have_the_last_answer,
    _leave_while_waiting,
    _leave_http2,
    _leave_http2_while_waiting,
    _break_http2,
    _leave_by_reset,
    _leave_at_once,
    _leave_during_the_handshake,
    _stall_the_handshake,
    _fall_silent,
    _speak_something_else,
    _be_refused,
    _show_no_interest_in_the_certificate,
]


def _silent(certificate: Certificate) -> Setting:
    setting = Setting(certificate=certificate, upstream=FakeUpstream(udp=(SILENCE,)))
    return setting.with_connections(handshake_seconds=HURRIED_SECONDS)


@pytest.mark.parametrize("leave", WAYS_TO_LEAVE, ids=lambda way: way.__name__.strip("_"))
async def test_a_place_is_given_back(certificate: Certificate, leave: Any) -> None:
    async with open_frontend(_silent(certificate).with_connections(max_total=2)) as frontend:
        bystander = await frontend.connect()
        for _ in range(3):  # with one place left, each needs that of the one before
            await leave(frontend)
            await frontend.until(lambda: frontend.register.slots_taken == 1, "the place")
        assert (await bystander.ask(get())).status == 200
        assert frontend.closed.get(Closing.TOO_MANY, 0) == 0
        assert frontend.register.statistics().accepted == 4


@pytest.mark.parametrize("leave", WAYS_TO_LEAVE, ids=lambda way: way.__name__.strip("_"))
async def test_a_connection_that_is_lost_leaves_nothing_to_the_garbage_collector(
    certificate: Certificate, leave: Any
) -> None:
    # What OpenSSL has for one is some ten kilobytes, and objects that live so long are rarely looked at.
    async with open_frontend(_silent(certificate)) as frontend:
        gc.collect()
        gc.disable()
        try:
            await leave(frontend)
            await frontend.until(lambda: frontend.register.slots_taken == 0, "the place")
            await asyncio.sleep(0)  # The event loop itself has to be through with it.
            assert _left_to_the_collector() == set()
        finally:
            gc.enable()


def _left_to_the_collector() -> set[str]:
    """Return of which classes of the package there are objects that only the garbage collector can free."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return {type(found).__name__ for found in gc.garbage if type(found).__module__.startswith("dohproxy.")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_over_the_cap_a_connection_is_closed_before_a_byte_and_harms_nobody(
    certificate: Certificate, tls: bool
) -> None:
    setting = Setting(certificate=certificate if tls else None).with_connections(max_total=3)
    async with open_frontend(setting) as frontend:
        inside = [await frontend.connect() for _ in range(3)]
        for _ in range(20):
            refused = await frontend.connect(tls=False)
            assert await refused.rest() == b""
        assert frontend.closed == {Closing.TOO_MANY: 20}
        assert [(await client.ask(get("www.example.net"))).status for client in inside] == [200, 200, 200]
        inside[0].cut()
        await frontend.until(lambda: frontend.register.slots_taken == 2, "the place")
        assert (await (await frontend.connect()).ask(get())).status == 200


async def test_a_crowd_comes_and_goes(certificate: Certificate) -> None:
    async with open_frontend(
        Setting(certificate=certificate).with_connections(max_total=50, handshake_seconds=30)
    ) as frontend:

        async def visit() -> bool:
            try:
                client = await frontend.connect()
                return (await client.ask(get())).status == 200
            except (OSError, EOFError):
                return False
            finally:
                await asyncio.sleep(0)

        served = await asyncio.gather(*(visit() for _ in range(100)))
        assert 1 <= sum(served) <= 100
        for client in frontend.clients:
            client.cut()
        await frontend.until(lambda: frontend.register.slots_taken == 0, "every place")
        assert (await (await frontend.connect()).ask(get())).status == 200


# --- Handshakes ---


@pytest.mark.parametrize(
    "sent", [b"", HELLO[:1], HELLO, HELLO + bytes(3000)], ids=["nothing", "a byte", "half", "lies"]
)
async def test_a_handshake_that_stalls_is_cut_at_its_deadline(certificate: Certificate, sent: bytes) -> None:
    # Long enough for the handshake of the bystander, on a machine that has other things to do.
    async with open_frontend(Setting(certificate=certificate).with_connections(handshake_seconds=1.0)) as frontend:
        client = await frontend.connect(tls=False, before=sent)
        bystander = await frontend.connect()
        received = await client.rest()
        assert received == b"" or received[0] == 0x15  # a TLS alert
        await frontend.until(lambda: frontend.closed == {Closing.HANDSHAKE: 1}, "the count")
        assert (await bystander.ask(get())).status == 200


async def test_plain_http_to_a_tls_port_is_closed_and_counted(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        client = await frontend.connect(tls=False)
        await client.send(get())
        assert not (await client.rest()).startswith(b"HTTP")
        await frontend.until(lambda: frontend.closed == {Closing.HANDSHAKE: 1}, "the count")
        assert frontend.outcomes == []


async def test_tls_to_a_plain_port_is_refused_and_counted(certificate: Certificate) -> None:
    async with open_frontend() as frontend:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await frontend.connect(context=certificate.client_context())
        assert frontend.reasons == ["BAD_HTTP"]


# --- Shortages ---


class _Faulty:
    """A listening socket whose first accepts fail."""

    def __init__(self, listening: socket.socket, error: int, times: int) -> None:
        self._listening = listening
        self._failures = [OSError(error, "no")] * times
        self.fileno = listening.fileno

    def accept(self) -> tuple[socket.socket, Any]:
        if self._failures:
            raise self._failures.pop()
        return self._listening.accept()


@pytest.mark.parametrize(
    ("error", "warnings"),
    [(errno.EMFILE, 3), (errno.ENFILE, 3), (errno.ENOMEM, 3), (errno.ENOBUFS, 3), (errno.ECONNABORTED, 0)],
    ids=["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ECONNABORTED"],
)
async def test_accepting_survives(error: int, warnings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[object] = []
    monkeypatch.setattr("dohproxy.frontends.listener._log.warning", lambda *_, **__: warned.append(0))
    monkeypatch.setattr("dohproxy.frontends.listener.OVERLOAD_PAUSE_SECONDS", 0.01)
    async with open_frontend() as frontend:
        listening = frontend.listener.listening
        frontend.listener.listening = _Faulty(listening, error, 3)  # type: ignore[assignment]
        client = await RawClient.connect(listening.getsockname())
        frontend.clients.append(client)
        assert (await client.ask(get())).status == 200
        assert len(warned) == warnings
        frontend.listener.listening = listening


OUT_OF_DESCRIPTORS = """
import asyncio, resource, socket, sys
import uvloop
from tests.frontends.client import get
from tests.frontends.served import Setting, open_frontend

async def main():
    async with open_frontend(Setting().with_connections(idle_seconds=60.0, max_total=1000)) as frontend:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        address = ("127.0.0.1", frontend.port)
        crowd = []
        # both ends are in this process: when a client gets no descriptor, neither does the server
        try:
            while True:
                crowd.append(socket.socket())
                crowd[-1].connect(address)
        except OSError as error:
            assert error.errno == 24, error
        await asyncio.sleep(0.5)
        for client in crowd:
            client.close()
        crowd.clear()
        await frontend.until(lambda: frontend.register.slots_taken == 0, "the end of the crowd")
        client = await frontend.connect()
        print((await client.ask(get())).status)

with asyncio.Runner(loop_factory=LOOP) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("loop", ["asyncio.new_event_loop", "uvloop.new_event_loop"])
def test_running_out_of_descriptors_is_survived(loop: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", OUT_OF_DESCRIPTORS.replace("LOOP", loop)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert run.stdout.strip().endswith("200"), run.stderr
    assert "cannot accept connections for now" in run.stdout + run.stderr


# --- The end ---


async def test_after_stopping_nobody_is_accepted_and_handshakes_still_end(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate).with_connections(handshake_seconds=5.0)) as frontend:
        client = await frontend.connect(tls=False, before=b"")
        await frontend.until(lambda: frontend.register.slots_taken == 1, "the connection")
        frontend.listener.stop()
        late = await RawClient.connect(frontend.listener.listening.getsockname())
        frontend.clients.append(late)
        frontend.listener.listening.close()
        transport = client._writer.transport
        loop = asyncio.get_running_loop()
        protocol = transport.get_protocol()
        async with asyncio.timeout(5):
            secured = await loop.start_tls(
                transport, protocol, certificate.client_context(), server_hostname="localhost"
            )
        assert secured is not None
        secured.abort()
        assert frontend.register.statistics().accepted == 1


async def test_at_the_end_handshakes_under_way_are_cut(certificate: Certificate) -> None:
    setting = Setting(certificate=certificate, connections=QUICK).with_connections(handshake_seconds=60.0)
    async with open_frontend(setting) as frontend:
        clients = [await frontend.connect(tls=False, before=HELLO) for _ in range(3)]
        await frontend.until(lambda: frontend.register.slots_taken == 3, "the handshakes")
        for task in asyncio.all_tasks():
            if "accept_forever" in repr(task.get_coro()):
                task.cancel()
        for client in clients:
            assert await client.rest() == b""
        await until(lambda: frontend.register.slots_taken == 0, "the places")
        assert frontend.closed == {Closing.HANDSHAKE: 3}

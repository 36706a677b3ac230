"""The health check has a frontend of its own: what is said there, and that nobody who crowds the others shuts it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dohproxy.config import Config, ListenAddress, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.frontends.health_listener import LOOK_SECONDS, LOOKS, HealthListener, LoopDelay, listener_name
from dohproxy.tools.healthcheck import Unhealthy, check_health
from tests.frontends.served import RunningFrontend, Setting, open_frontend

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))


def config(address: ListenAddress) -> Config:
    return Config((UPSTREAM,), ServerConfig((address,)))


def address_of(frontend: RunningFrontend) -> ListenAddress:
    return ListenAddress("tcp", host="127.0.0.1", port=frontend.port)


@asynccontextmanager
async def open_health(
    address: ListenAddress, delay: LoopDelay, *, answers: bool = True
) -> AsyncIterator[HealthListener]:
    health = HealthListener(lambda: answers, delay)
    await health.start(address)
    try:
        yield health
    finally:
        health.stop()


async def test_the_check_does_not_go_through_the_frontend_that_is_crowded() -> None:
    async with (
        open_frontend(Setting().with_connections(max_total=8)) as frontend,
        open_health(address_of(frontend), LoopDelay()),
    ):
        silent = [await frontend.connect() for _ in range(8)]
        await frontend.until(lambda: frontend.register.slots_taken == len(silent), "every place taken")
        told = await asyncio.to_thread(check_health, config(address_of(frontend)))
        assert told == "the event loop was at most 0 ms late"
        assert frontend.register.statistics().accepted == len(silent)


async def test_a_service_that_does_not_answer_itself_is_not_well() -> None:
    async with open_frontend() as frontend, open_health(address_of(frontend), LoopDelay(), answers=False):
        with pytest.raises(Unhealthy, match="something else than an address"):
            await asyncio.to_thread(check_health, config(address_of(frontend)))


async def test_an_event_loop_that_is_late_is_told_and_at_last_unhealthy() -> None:
    delay = LoopDelay()
    async with open_frontend() as frontend, open_health(address_of(frontend), delay):
        delay._seen.append(0.25)
        assert "at most 250 ms late" in await asyncio.to_thread(check_health, config(address_of(frontend)))
        delay._seen.append(2.5)
        with pytest.raises(Unhealthy, match=r"event loop was 2\.5 s late"):
            await asyncio.to_thread(check_health, config(address_of(frontend)))


async def test_what_is_no_listener_of_ours_is_not_believed() -> None:
    async with open_frontend() as frontend:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(listener_name(address_of(frontend)))
            other.listen()
            checking = asyncio.get_running_loop().run_in_executor(None, check_health, config(address_of(frontend)))
            accepted, _ = await asyncio.to_thread(other.accept)
            accepted.sendall(b"hello\n")
            accepted.close()
            with pytest.raises(Unhealthy, match="no answer at its own listener"):
                await checking


async def test_a_name_that_is_taken_is_lived_without() -> None:
    async with open_frontend() as frontend, open_health(address_of(frontend), LoopDelay()):
        async with open_health(address_of(frontend), LoopDelay(), answers=False):
            pass
        assert await asyncio.to_thread(check_health, config(address_of(frontend)))


async def test_without_such_a_listener_the_question_goes_to_the_service() -> None:
    async with open_frontend() as frontend, open_health(ListenAddress("tcp", host="127.0.0.1", port=0), LoopDelay()):
        assert await asyncio.to_thread(check_health, config(address_of(frontend))) == ""
        assert frontend.reasons == ["LOCAL"]


async def test_how_late_the_loop_is_is_seen_and_forgotten() -> None:
    delay = LoopDelay()
    watching = asyncio.get_running_loop().create_task(delay.watch_forever())
    await asyncio.sleep(LOOK_SECONDS / 2)
    time.sleep(LOOK_SECONDS)  # noqa: ASYNC251 - whatever keeps the loop.
    await asyncio.sleep(0.05)
    assert delay.seconds > 0.05
    for _ in range(LOOKS):
        delay._seen.append(0.0)
    assert delay.seconds == 0
    watching.cancel()

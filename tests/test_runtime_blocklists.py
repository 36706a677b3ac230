"""Blocklists under the whole service: before it serves, and while it does."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import dns.rcode
import pytest

from dohproxy import runtime
from dohproxy.config import BlocklistConfig, LogConfig
from dohproxy.jobs.blocklist_watch import BlocklistWatch
from tests.frontends.client import get
from tests.test_serving import Running, run

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
LISTED = "secret.example.net"


pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def listed(tmp_path: Path) -> BlocklistConfig:
    """A list in a file."""
    file = tmp_path / "list"
    file.write_text(f"{LISTED}\n")
    return BlocklistConfig("ads", file=file)


async def rcode_of(service: Running, name: str = LISTED) -> dns.rcode.Rcode:
    client = await service.connect()
    reply = (await client.ask(get(name))).message()
    client.cut()
    return reply.rcode()


def test_the_first_request_meets_the_lists_of_files(loop_factory: LoopFactory, listed: BlocklistConfig) -> None:
    async def ask(service: Running) -> None:
        assert await rcode_of(service) == dns.rcode.REFUSED
        assert await rcode_of(service, "other.example.net") == dns.rcode.NOERROR

    run(loop_factory, ask, blocklists=(listed,))


def test_a_start_does_not_wait_for_ever_and_the_lists_come_later(
    loop_factory: LoopFactory, listed: BlocklistConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = asyncio.Event()
    begin = BlocklistWatch.begin

    async def begin_late(self: BlocklistWatch, now: float, loaded: asyncio.Event) -> None:
        await may_go_on.wait()
        await begin(self, now, loaded)

    monkeypatch.setattr(runtime, "START_SECONDS", 0.05)
    monkeypatch.setattr(BlocklistWatch, "begin", begin_late)

    async def ask(service: Running) -> None:
        assert await rcode_of(service) == dns.rcode.NOERROR
        may_go_on.set()
        async with asyncio.timeout(5):
            while await rcode_of(service) != dns.rcode.REFUSED:
                pass

    run(loop_factory, ask, blocklists=(listed,), log=LogConfig(level="error"))

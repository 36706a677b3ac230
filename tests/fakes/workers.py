"""Workers of one service in this process, as their supervisor reaches them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dohproxy.builders import table_sizes
from dohproxy.config.schema import LimitsConfig
from dohproxy.runtime import Runtime
from dohproxy.saved import Saved
from dohproxy.workers.division import Place
from dohproxy.workers.handover import Handover, admin_socket_of
from dohproxy.workers.seat import Seat, seat_of
from dohproxy.workers.shared_tables import bytes_of
from tests.fakes.full_service import serving
from tests.fakes.upstream import FakeUpstream

SECRET = b"s" * 32
SLOTS = LimitsConfig().table_slots
SECTIONS = """
[server]
listen = ["127.0.0.1:0"]
"""


class FakeProcess:
    """A worker as the supervisor knows it, which is no process of its own."""

    def __init__(self, number: int, run_directory: Path) -> None:
        self.number = number
        self.admin_socket = admin_socket_of(run_directory, number)
        self.ready = asyncio.Event()
        self.pid = 4711 + number
        self.content = b""


def make_tables() -> int:
    """Memory for the tables of all workers; the caller closes it."""
    descriptor = os.memfd_create("tables")
    os.ftruncate(descriptor, bytes_of(table_sizes(SLOTS)))
    return descriptor


def seat(number: int, tables: int, run_directory: Path, *, of: int = 2, saved: Saved | None = None) -> Seat:
    """The place of one of two workers, whose memory this is."""
    handover = Handover(
        Place(number, of), SECRET, run_directory, b"", SLOTS, os.dup(tables), lifeline=-1, sockets=(), environment={},
        saved=saved, is_replacement=saved is not None,
    )  # fmt: skip
    return seat_of(handover, table_sizes(SLOTS))


@asynccontextmanager
async def worker(
    number: int, tables: int, run_directory: Path, upstream: FakeUpstream, *, saved: Saved | None = None
) -> AsyncIterator[tuple[Runtime, FakeProcess]]:
    """Serve as one of two workers; yield it from inside and from outside, once it takes commands."""
    managed = asyncio.Event()
    process = FakeProcess(number, run_directory)
    directory = run_directory / f"of-{number}"
    directory.mkdir(exist_ok=True)
    where = seat(number, tables, run_directory, saved=saved)
    async with serving(directory, SECTIONS, upstream, when_managed=managed.set, seat=where) as (runtime, _):
        await managed.wait()
        process.ready.set()
        yield runtime, process


@asynccontextmanager
async def two_workers(
    run_directory: Path, upstream: FakeUpstream
) -> AsyncIterator[tuple[list[Runtime], list[FakeProcess]]]:
    """Serve as two workers that have their tables in common."""
    tables = make_tables()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(os.close, tables)
        both = [await stack.enter_async_context(worker(number, tables, run_directory, upstream)) for number in range(2)]
        yield [runtime for runtime, _ in both], [process for _, process in both]

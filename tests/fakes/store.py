"""A real store for tests: a redis-server of its own, at a Unix socket, without a network port and without files."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from valkey import Valkey

from dohproxy.config.store_address import StoreAddress
from dohproxy.sharing.connecting import StoreSettings
from dohproxy.sharing.store import Store

SECRET = bytes(range(32))
"""What all nodes of a test have."""


class StoreProcess:
    """One redis-server, that can be stopped, frozen and begun again."""

    def __init__(self, program: str, directory: Path, *more: str) -> None:
        self.path = directory / "store.sock"
        self._command = [program, "--port", "0", "--unixsocket", str(self.path), "--save", "", "--appendonly", "no"]
        self._command += ["--dir", str(directory), "--loglevel", "warning", *more]
        self._process: subprocess.Popen[bytes] | None = None
        self.begin()

    @property
    def address(self) -> StoreAddress:
        """Where it is."""
        return StoreAddress("unix", path=str(self.path))

    @property
    def settings(self) -> StoreSettings:
        """How to get in."""
        return StoreSettings(self.address, None, None, None)

    def begin(self) -> None:
        """Begin, empty, and wait until it can be reached."""
        self.path.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.path.exists():
            assert self._process.poll() is None, "the store has ended"
            assert time.monotonic() < deadline, "the store has not begun"
            time.sleep(0.01)

    def end(self) -> None:
        """End at once, as in a power cut."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait()

    def tell(self, *words: str) -> None:
        """Give a command."""
        with Valkey(unix_socket_path=str(self.path)) as client:
            client.execute_command(*words)

    def freeze(self) -> None:
        """Let it do nothing, with all its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def store_process(program: str, directory: Path, *more: str) -> Iterator[StoreProcess]:
    """Yield a store that ends with the block; `more` are arguments of redis-server."""
    process = StoreProcess(program, directory, *more)
    try:
        yield process
    finally:
        process.end()


@asynccontextmanager
async def running(*parts: Store) -> AsyncIterator[None]:
    """Have stores keep their connections within the block."""
    async with asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(part.run()) for part in parts]
        try:
            yield
        finally:
            for one in begun:
                one.cancel()


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds, in real time; fail if it does not come."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - of another process, which sets no event
            await asyncio.sleep(0.005)

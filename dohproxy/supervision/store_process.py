"""The store that the service starts for its workers where none is configured: Valkey or Redis on a private socket.

It holds nothing that cannot be lost: leases of budgets that last for seconds, and answers that every worker can ask for
again. So nothing is written to the disk. No port is opened; the socket lies in the supervisor's directory, which is
for this user alone. It ends with the supervisor, however that ends, by the kernel's PR_SET_PDEATHSIG.

Of its memory the least recently used goes first (volatile-lru; every key has a TTL). With noeviction a cache that fills
it would keep leases from being renewed; what is renewed each second is the last that is ever given up, and a store that
has lost it is told apart from one that has not.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from dohproxy.supervision.restarts import Restarts

PROGRAMS: Final = ("valkey-server", "redis-server")
"""The preferred one first; both speak the same."""
MAX_MEGABYTES: Final = 64
"""As much as the cache of one process has by default."""
MOST_CLIENTS: Final = 64
"""Eight workers with a few connections each."""
READY_SECONDS: Final = 2.0
"""From its start to its first answer: some 30 ms."""
PING_SECONDS: Final = 0.5
POLL_SECONDS: Final = 0.02

# Run by a bare interpreter, in whose place the store comes: `preexec_fn` would run Python between fork and exec, in a
# process that may have had threads.
_LAUNCH: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

_log = structlog.get_logger("dohproxy.workers")


def find_program(which: Callable[[str], str | None] = shutil.which) -> str | None:
    """Return the program of a store that this machine has, None if it has none."""
    return next((found for name in PROGRAMS if (found := which(name)) is not None), None)


def command_of(program: str, directory: Path, path: Path) -> list[str]:
    """Return how the store is started that listens at `path` alone."""
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(directory),
        "maxmemory": f"{MAX_MEGABYTES}mb",
        "maxmemory-policy": "volatile-lru",
        "maxclients": str(MOST_CLIENTS),
        "databases": "1",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [program, *(part for name, value in settings.items() for part in (f"--{name}", value))]


class StoreProcess:
    """The store, and the next one in its place."""

    def __init__(self, run_directory: Path, clock: Callable[[], float], program: str | None = None) -> None:
        """`program`: that of the store; by default what this machine has."""
        self.path = run_directory / "store.sock"
        self.program = find_program() if program is None else program
        self.is_up = False
        self.restarts = Restarts()
        self._directory = run_directory
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None

    @property
    def socket(self) -> str:
        """What workers are configured with; "" if there is no such program."""
        return "" if self.program is None else str(self.path)

    @property
    def pid(self) -> int:
        """Its process id, 0 while there is none."""
        return 0 if self._process is None or self._process.returncode is not None else self._process.pid

    async def start(self) -> bool:
        """Start it and wait until it answers; tell whether it does."""
        if self.program is None:
            _log.info("workers keep to their parts of each budget: there is no store", programs=" or ".join(PROGRAMS))
            return False
        self.path.unlink(missing_ok=True)
        self.restarts.started(self._clock())
        self._process = await asyncio.create_subprocess_exec(
            *launched(command_of(self.program, self._directory, self.path), os.getpid()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            process_group=0,
        )
        until = self._clock() + READY_SECONDS
        while self._process.returncode is None and self._clock() < until:
            if await answers(self.path):
                self.is_up = True
                return True
            await asyncio.sleep(POLL_SECONDS)
        _log.error("the store for the workers does not begin, and they keep to their parts of each budget")
        return False

    async def keep_forever(self) -> None:
        """Start it again whenever it has ended, later and later if that is of no use; until cancelled."""
        while self._process is not None:
            status = await self._process.wait()
            self.is_up = False
            pause = self.restarts.died(self._clock())
            _log.error("the store of the workers has ended and is started again", status=status, after=pause)
            await asyncio.sleep(pause)
            await self.start()

    def stop(self) -> None:
        """End it at once: it has nothing to write."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)


def launched(command: Sequence[str], parent: int) -> list[str]:
    """Return the command that runs `command` until the process `parent` ends."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(parent), *command]


async def answers(path: Path) -> bool:
    """Tell whether a store answers at a socket."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False

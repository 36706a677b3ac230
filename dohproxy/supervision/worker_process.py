"""One worker as the supervisor has it: a process, and what it says of itself by sd_notify(3).

A worker knows nothing of supervisors there: it says that it is ready and lives to whoever has started it, as it would
to systemd.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from dohproxy.workers.handover import VARIABLE, Handover, admin_socket_of, encode

WATCHDOG_SECONDS: Final = 15.0
"""Without a sign of life, after which a worker hangs and is replaced; its loop is at most some 40 ms late, and the
machine may swap. Half of what systemd gives the whole."""
START_SECONDS: Final = 60.0
"""From its start to its readiness: a second or two, and the cache's file may be large."""
MOST_DATAGRAM_BYTES: Final = 4_096
_NOT_PASSED: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


def same_program() -> list[str]:
    """Return the command that has started this process."""
    return [sys.executable, *sys.orig_argv[1:]]


class StandBy:
    """A process that has imported all that a worker needs, and waits to be told which one it is."""

    def __init__(self, process: asyncio.subprocess.Process, pipe: int) -> None:
        self.process = process
        self._pipe = pipe

    @classmethod
    async def start(cls, descriptors: Iterable[int], command: Sequence[str] | None = None) -> "StandBy":
        """Start one that inherits these descriptors; `command` starts it, by default the one that has started this
        process. Raises OSError if the system does not let us."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}
            # A group of its own: Ctrl-C at a terminal is for the supervisor, which ends its workers in turn.
            process = await asyncio.create_subprocess_exec(
                *(same_program() if command is None else command),
                stdin=asyncio.subprocess.DEVNULL,
                env={**environment, VARIABLE: str(reading)},
                pass_fds=(reading, *descriptors),
                process_group=0,
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        return cls(process, writing)

    @property
    def is_there(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None

    async def hand_over(self, handover: Handover) -> None:
        """Tell it which worker it is. One that has died meanwhile is told nothing, and its end seen soon."""
        pipe, self._pipe = self._pipe, -1
        with contextlib.suppress(BrokenPipeError):
            await asyncio.to_thread(_write, pipe, encode(handover))

    def dismiss(self) -> None:
        """Have it end without having been a worker."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


def _write(pipe: int, content: bytes) -> None:
    with os.fdopen(pipe, "wb") as file:
        file.write(content)


class WorkerProcess:
    """One of the workers, and the next one in its place."""

    def __init__(self, number: int, run_directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.number = number
        self.admin_socket = admin_socket_of(run_directory, number)
        self.ready = asyncio.Event()
        """Whether it serves."""
        self.content = b""
        """Of the configuration file that it was started with, or has been told since."""
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._began = self._last_sign = 0.0
        self._notify_path = run_directory / f"notify-{number}.sock"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.setblocking(False)
        self._notify.bind(str(self._notify_path))
        asyncio.get_running_loop().add_reader(self._notify, self._hear)

    @property
    def pid(self) -> int:
        """Its process id, 0 while there is none."""
        return 0 if self._process is None or self._process.returncode is not None else self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """What it needs in its environment to be heard here."""
        return {"NOTIFY_SOCKET": str(self._notify_path), "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1_000_000))}

    async def begin(self, standing_by: StandBy, handover: Handover) -> None:
        """Have this process be the worker from now on."""
        self.ready.clear()
        self.content = handover.content
        self._began = self._last_sign = self._clock()
        self._process = standing_by.process
        await standing_by.hand_over(handover)

    async def ended(self) -> int:
        """Wait for its end and return its exit status, negative for a signal."""
        if self._process is None:
            return 0
        status = await self._process.wait()
        self.ready.clear()
        return status

    def hangs(self, now: float) -> bool:
        """Tell whether it has given no sign of life for too long, or takes too long to begin."""
        if not self.pid:
            return False
        if self.ready.is_set():
            return now - self._last_sign > WATCHDOG_SECONDS
        return now - self._began > START_SECONDS

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def close(self) -> None:
        """Hear nothing of it any more."""
        asyncio.get_running_loop().remove_reader(self._notify)
        self._notify.close()
        self._notify_path.unlink(missing_ok=True)

    def _hear(self) -> None:
        while True:
            try:
                datagram = self._notify.recv(MOST_DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            self._last_sign = self._clock()
            if b"READY=1" in datagram.split(b"\n"):
                self.ready.set()

"""Child processes of the end-to-end tests: a port nobody holds, bounded waiting, an end by process id.

Nothing here finds a process by its name: each is started, watched and stopped through its own handle.
"""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

LOOPBACK = "127.0.0.1"

# Below the range from which Linux takes the source ports of outgoing connections (32768 up): a server killed
# and started again must find its port free, whatever the other processes asked meanwhile.
# Each worker of pytest-xdist has ports of its own, so that none takes what another has just found free.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
PORT_CANDIDATES = range(10240 + WORKER, 32768, WORKERS)

# Both servers are up within 1 s on an idle machine; a busy one may need more.
START_SECONDS = 15.0
POLL_SECONDS = 0.02
START_ATTEMPTS = 3

_given: deque[int] = deque(maxlen=100)
"""Ports that were given away, the last of them."""


def free_port() -> int:
    """A loopback port free now for TCP and for UDP alike; who cannot bind it any more asks again.

    One that was given away is not given away again soon: it may not be bound yet, or be meant to stay free.
    """
    for _ in range(100):
        port = secrets.choice(PORT_CANDIDATES)
        if port not in _given and _is_free(port, socket.SOCK_STREAM) and _is_free(port, socket.SOCK_DGRAM):
            _given.append(port)
            return port
    raise RuntimeError("no free port among 100 candidates")


def start_on_free_ports(start_once: Callable[[], T], only_if: str = "") -> T:
    """Call what finds free ports and starts a server there, again where it raises RuntimeError with these words in it.

    Three times at most. A port that was free a moment ago may be taken when the server binds it.
    """
    for _ in range(START_ATTEMPTS - 1):
        try:
            return start_once()
        except RuntimeError as error:
            if only_if not in str(error):
                raise
    return start_once()


def wait_until(condition: Callable[[], bool], within_seconds: float, what: str) -> None:
    """Poll `condition` until it holds; raise TimeoutError naming `what` when it does not in time."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within_seconds:g} s")
        time.sleep(POLL_SECONDS)


def accepts_connections(port: int) -> bool:
    """Whether something listens on this loopback TCP port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


class Child:
    """One child process whose output goes to a file, so that a full pipe can never stop it."""

    close_fds = True
    """Whether it gets none of our descriptors but the standard streams."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.log = log
        self._argv = list(argv)
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                close_fds=self.close_fds,
            )

    @property
    def pid(self) -> int:
        """The process id, also after the end."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    @property
    def state(self) -> str:
        """Whether it runs, in words that continue its name."""
        return "runs" if self.is_running else f"has ended with {self._process.returncode}"

    def wait_until_ready(self, is_ready: Callable[[], bool], within_seconds: float = START_SECONDS) -> None:
        """Wait for the process to serve; raise RuntimeError with its log when it ends or is too slow."""
        try:
            wait_until(lambda: not self.is_running or is_ready(), within_seconds, "start")
        except TimeoutError as error:
            self.kill()
            raise RuntimeError(f"{self._argv[0]} did not become ready:\n{self.log_text()}") from error
        if not self.is_running:
            raise RuntimeError(f"{self._argv[0]} {self.state}:\n{self.log_text()}")

    def signal(self, number: signal.Signals) -> None:
        """Send one signal, to this process only."""
        self._process.send_signal(number)

    def wait(self, within_seconds: float) -> int:
        """Wait for the end by itself; the exit status, negative for a signal. Raise TimeoutExpired."""
        return self._process.wait(within_seconds)

    def terminate(self, within_seconds: float = 10.0) -> int:
        """Ask with SIGTERM and wait; kill and raise TimeoutExpired when the process does not go in time."""
        self._process.terminate()
        try:
            return self._process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End the process at once and collect it; harmless when it has ended already."""
        self._process.kill()
        self._process.wait()

    def log_text(self) -> str:
        """Everything the process has written so far; others may have written to the same file before it."""
        return self.log.read_bytes()[self._log_start :].decode("utf-8", errors="replace")


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True

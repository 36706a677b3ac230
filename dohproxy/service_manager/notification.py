"""What the service manager is told: sd_notify(3), one datagram for each piece of news.

The plain functions say what is in a datagram; `ServiceManager` sends it. Without a service manager all of it does
nothing, so that nobody who has news needs to ask whether somebody listens.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Final

MOST_STATUS_BYTES: Final = 512
"""Of the sentence: `systemctl status` shows it in one line, and nothing bounds how many upstreams are in trouble."""
SEND_SECONDS: Final = 1.0
"""How long news may wait while the manager's own queue is full; its reader is PID 1, which reads at once or is itself
in trouble."""
WATCHDOG_FRACTION: Final = 3
"""Signs of life in one interval: sd_watchdog_enabled(3) asks for two, and one more lets any one of them be late."""
SUPPORTED_PREFIXES: Final = ("/", "@")
"""A file, or a name in Linux's abstract namespace. The third kind, vsock, is for whole virtual machines."""


def manager_address(environment: Mapping[str, str]) -> str | None:
    """Return where the service manager listens, as `socket.connect` wants it; None if nobody does."""
    name = environment.get("NOTIFY_SOCKET", "")
    if not name.startswith(SUPPORTED_PREFIXES) or len(name) == 1:
        return None
    return f"\0{name[1:]}" if name.startswith("@") else name


def watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    """Return within which time the manager wants a sign of life, None if it does not.

    WATCHDOG_PID says whom it means: a child that inherited the variables is not meant.
    """
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        return None
    return int(text) / 1_000_000


def ready_message(status: str) -> bytes:
    """Say that the service serves: at the start, and at the end of each reload."""
    return _message("READY=1", status)


def reloading_message(status: str, monotonic_seconds: float) -> bytes:
    """Say that a reload begins. The time tells systemd which of its requests this one answers (Type=notify-reload)."""
    return _message(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic_seconds * 1_000_000)}", status)


def stopping_message(status: str) -> bytes:
    """Say that the service ends; what is left is the drain."""
    return _message("STOPPING=1", status)


def status_message(status: str) -> bytes:
    """Say how the service is, in one sentence."""
    return f"STATUS={one_line(status)}".encode()


def one_line(sentence: str) -> str:
    """Return a sentence without line ends, which would begin another assignment, and no longer than is shown."""
    encoded = " ".join(sentence.split()).encode()
    if len(encoded) <= MOST_STATUS_BYTES:
        return encoded.decode()
    return encoded[:MOST_STATUS_BYTES].decode(errors="ignore") + " …"


def _message(state: str, status: str) -> bytes:
    return f"{state}\nSTATUS={one_line(status)}".encode()


class ServiceManager:
    """Sends news to whoever started this process, if it listens."""

    def __init__(self, address: str | None, watchdog: float | None, clock: Callable[[], float]) -> None:
        """`watchdog`: the interval in seconds, None for none; `clock` gives monotonic seconds."""
        self._address = address
        self._clock = clock
        self._status = ""
        self.watchdog = watchdog

    @classmethod
    def from_environment(
        cls, environment: MutableMapping[str, str], pid: int, clock: Callable[[], float]
    ) -> "ServiceManager":
        """Return what the environment names, and take it out of there: no child of ours may speak for the service."""
        found = cls(manager_address(environment), watchdog_seconds(environment, pid), clock)
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(name, None)
        return found

    @property
    def ping_seconds(self) -> float | None:
        """Between two signs of life, None if none is wanted."""
        return None if self.watchdog is None else self.watchdog / WATCHDOG_FRACTION

    def ready(self, status: str) -> None:
        """Everything listens."""
        self._status = status
        self._send(ready_message(status))

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that a reload is under way as long as the block lasts, however it ends: READY says that the service
        serves, not that the new configuration is good."""
        self._send(reloading_message("reads its configuration", self._clock()))
        try:
            yield
        finally:
            self._send(ready_message(self._status))

    def stopping(self, status: str) -> None:
        """Nothing new is taken any more."""
        self._status = status
        self._send(stopping_message(status))

    def tell(self, status: str) -> None:
        """Say how the service is; the same sentence is not sent twice in a row."""
        if status != self._status:
            self._status = status
            self._send(status_message(status))

    def ping(self) -> None:
        """Give a sign of life. One that cannot be sent at once is left out: the next one comes soon."""
        self._send(b"WATCHDOG=1", seconds=0.0)

    def _send(self, message: bytes, *, seconds: float = SEND_SECONDS) -> None:
        """Send one datagram; nothing that befalls it is a reason not to serve."""
        if self._address is None:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.settimeout(seconds)
            sending.connect(self._address)
            sending.send(message)

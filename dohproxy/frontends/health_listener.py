"""The frontend of the health check: its own, so that whoever crowds the others does not have the service restarted.

It is a name in Linux's abstract namespace (unix(7)): no file, no port, nobody from another machine, and there whatever
is configured. Who connects is told one line and needs to ask nothing: whether a question is answered, and how late the
event loop has been.
"""

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import structlog

from dohproxy.config import ListenAddress

LOOK_SECONDS: Final = 0.25
"""The pause between two looks at how late the event loop is."""
LOOKS: Final = 40
"""Looks that are remembered: those of ten seconds."""

_log = structlog.get_logger("dohproxy.health")


def listener_name(address: ListenAddress) -> str:
    """Return where the service that listens on this address (its first) has its frontend."""
    return f"\0dohproxy/health/{address}"


class LoopDelay:
    """How late the event loop has been of late."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque((0.0,), maxlen=LOOKS)

    @property
    def seconds(self) -> float:
        """The longest that it was late in the last ten seconds, in seconds."""
        return max(self._seen)

    async def watch_forever(self) -> None:
        """Look every so often, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self._seen.append(max(0.0, loop.time() - due))


class HealthListener:
    """Tells whoever connects how the service is."""

    def __init__(self, answers: Callable[[], bool], delay: LoopDelay) -> None:
        """`answers`: whether the service answers a question that it needs nobody for."""
        self._answers = answers
        self._delay = delay
        self._server: asyncio.Server | None = None

    async def start(self, address: ListenAddress) -> None:
        """Open, unless this system or somebody else does not let us: then the check asks at the service's own
        frontends."""
        if address.port == 0 and address.kind == "tcp":
            return  # Nobody could find it.
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(listener_name(address))
        except OSError as error:
            listening.close()
            _log.warning("the health check has no listener of its own", error=error.strerror)
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Telling(self.notify), sock=listening)

    def stop(self) -> None:
        """Close."""
        if self._server is not None:
            self._server.close()

    def notify(self) -> bytes:
        """Return the line."""
        told = {"answers": self._answers(), "loop_delay_seconds": round(self._delay.seconds, 3)}
        return json.dumps(told).encode() + b"\n"


class _Telling(asyncio.Protocol):
    """Says what there is to say, and closes."""

    def __init__(self, notify: Callable[[], bytes]) -> None:
        self._notify = notify

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say how the service is, and close."""
        writing = cast(asyncio.WriteTransport, transport)
        writing.write(self._notify())
        writing.close()

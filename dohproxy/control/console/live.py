"""What all who look at the operator's page see: made once every two seconds for all of them, and not if nobody looks.

There is no task of its own. Whoever waits for news makes them if nobody else does, and all others get the same bytes.
So five viewers cost what one does, a viewer that goes away in the middle leaves the work to the next, and one that does
not read keeps nobody waiting and no more than the newest bytes.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from dohproxy.control.console.history import History, counted
from dohproxy.control.console.view import view
from dohproxy.control.service import Service

EVERY_SECONDS: Final = 2.0
"""Quick enough to see what a button has done; a snapshot costs some milliseconds."""
MOST_VIEWERS: Final = 5
"""The people of a shift with a telephone each, well below the connections of one management server."""


Show = Callable[[Mapping[str, Any], float, float], Awaitable[dict[str, Any]]]
"""Takes a snapshot, and its moment as monotonic and as Unix seconds."""


class TooManyViewers(Exception):
    """MOST_VIEWERS look already."""


class Live:
    """The news for all viewers of one process."""

    def __init__(
        self,
        service: Service,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        show: Show | None = None,
    ) -> None:
        """`show` makes of a snapshot what is shown; by default it is this process's own."""
        self._service = service
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self._show = self._own_view if show is None else show
        self._history = History()
        self._making = asyncio.Lock()
        self._news = b""
        self._number = 0
        self._made_at = clock() - EVERY_SECONDS
        self.viewers = 0

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Count somebody as a viewer. Raises TooManyViewers."""
        if self.viewers >= MOST_VIEWERS:
            raise TooManyViewers
        self.viewers += 1
        try:
            yield
        finally:
            self.viewers -= 1

    def past(self) -> bytes:
        """Return the event with all points of the charts up to now."""
        return encode("past", {"points": self._history.points()})

    async def after(self, number: int) -> tuple[int, bytes]:
        """Return the news after those of this number, 0 for a viewer that has none, with their own number."""
        if number < self._number and self._clock() - self._made_at < EVERY_SECONDS:
            return self._number, self._news
        async with self._making:
            if number >= self._number or self._clock() - self._made_at >= EVERY_SECONDS:
                await self._sleep(max(0.0, self._made_at + EVERY_SECONDS - self._clock()))
                await self._make()
            return self._number, self._news

    async def _make(self) -> None:
        snapshot = await self._service.snapshot()
        # Each of these takes a millisecond or two where everything is full, for which everybody else would wait.
        await asyncio.sleep(0)
        now, wall = self._clock(), self._wall()
        point = self._history.add(counted(snapshot["figures"]), now, wall)
        await asyncio.sleep(0)
        shown = await self._show(snapshot, now, wall) | {"viewers": self.viewers, "max_viewers": MOST_VIEWERS}
        self._news = encode("state", shown | {"point": point})
        self._number += 1
        self._made_at = now

    async def _own_view(self, snapshot: Mapping[str, Any], now: float, wall: float) -> dict[str, Any]:
        return view(self._service, snapshot, now, wall)


def encode(event: str, body: Mapping[str, Any]) -> bytes:
    """Return a server-sent event; JSON has no line ends of its own."""
    return f"event: {event}\ndata: {json.dumps(body, default=str)}\n\n".encode()

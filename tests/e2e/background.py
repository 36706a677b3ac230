"""Servers of ours that run beside the test, in a thread and an event loop of their own."""

import asyncio
import threading


class BackgroundServer:
    """Runs between `start` and `stop`; what it is for says how it is bound and closed."""

    def __init__(self, name: str) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def start(self) -> None:
        """Bind a free port, kept in `port`, and answer from now on."""
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._bind(), self._loop).result(timeout=5)

    def stop(self) -> None:
        """Forget what is still to be answered, and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _bind(self) -> int:
        """Begin, and return the port."""
        raise NotImplementedError

    async def _close(self) -> None:
        """Answer nothing more."""
        raise NotImplementedError

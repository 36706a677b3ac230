"""The sign of life that the service manager restarts us without (WatchdogSec= in the systemd unit).

It comes from the event loop that serves clients, so that a loop that hangs gives none. A thread of its own would go on
saying that all is well.
"""

import asyncio

from dohproxy.service_manager.notification import ServiceManager


async def ping_forever(manager: ServiceManager) -> None:
    """Give signs of life until cancelled; return at once if none are wanted."""
    seconds = manager.ping_seconds
    if seconds is None:
        return
    while True:
        manager.ping()
        await asyncio.sleep(seconds)

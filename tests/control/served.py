"""Serves an application of ours on a free port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def served(application: web.Application, *, idle_seconds: float = 75.0) -> AsyncIterator[str]:
    """Serve it until the context is left; its address is what the context gives."""
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=idle_seconds)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

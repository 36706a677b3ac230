"""The admin socket's application: what the person on duty may ask of the running service."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web


def admin_application(snapshot: Callable[[], dict[str, Any]]) -> web.Application:
    """Return the application behind `[admin] socket`; `snapshot` gives what `/status` shows, ready for JSON."""

    async def status(_: web.Request) -> web.Response:
        return web.json_response(snapshot(), dumps=lambda value: json.dumps(value, indent=1, default=str))

    application = web.Application()
    application.router.add_get("/status", status)
    return application

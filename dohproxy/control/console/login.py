"""The command `console`: where the operator's page is, and a link with which one person logs in once."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from dohproxy.config import Config
from dohproxy.control.command import Refused, Result
from dohproxy.control.console.sessions import TOKEN_SECONDS, Sessions
from dohproxy.durations import in_words


class HasConsole(Protocol):
    """A service with an operator's page."""

    config: Config
    sessions: Sessions


async def console(service: HasConsole, _: Mapping[str, Any]) -> Result:
    """Make a link; whoever opens it first is logged in."""
    admin = service.config.admin
    if admin is None or admin.listen is None:
        raise Refused(
            'There is no listener for the operator\'s page: write listen = "127.0.0.1:8054" into [admin] and start the'
            " service again. Or lead a port of your own machine to the admin socket, which needs no login:"
            f" ssh -L 8054:{'/run/dohproxy/admin.sock' if admin is None else admin.socket} HOST, and then"
            " http://localhost:8054/"
        )
    url = f"http://{admin.listen}/#{service.sessions.issue(time.monotonic())}"
    return Result(
        f"The operator's page, for whoever opens this first within {in_words(TOKEN_SECONDS)}: {url}",
        {"url": url, "seconds": TOKEN_SECONDS},
        [f"from another machine first: ssh -L {admin.listen.port}:{admin.listen} HOST"],
    )

"""[admin]: the socket for commands, and the listener for the operator's page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from dohproxy.config.addresses import ListenAddress, parse_loopback, parse_socket
from dohproxy.config.keys import Text

ADMIN_SOCKET: Final = Path("/run/dohproxy/admin.sock")


@dataclass(frozen=True, slots=True)
class AdminConfig:
    """The socket of the volunteer on duty. Without this section there is none."""

    socket: Annotated[
        Path,
        Text(
            parse_socket,
            "file name",
            "/run/dohproxy/admin.sock",
            "Unix socket for commands; who may open the file may give them, so there is no password.",
        ),
    ] = ADMIN_SOCKET
    listen: Annotated[
        ListenAddress | None,
        Text(
            parse_loopback,
            "loopback address:port",
            "127.0.0.1:8054",
            "Where the operator's page is for who has logged in with a link of `dohproxy console`; loopback alone,"
            " as whoever gets in may do everything. Without it the page is at the socket alone (docs/console.md).",
        ),
    ] = None

"""[admin]: the socket for commands."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from dohproxy.config.addresses import parse_socket
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

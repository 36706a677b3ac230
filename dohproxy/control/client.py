"""The other end of the admin socket: sends one command and says in a sentence what keeps it from arriving."""

import contextlib
import grp
import http.client
import json
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CONNECT_SECONDS: Final = 5.0
"""The socket is on this machine; who does not take the connection for so long hangs."""
MOST_ANSWER_BYTES: Final = 8_388_608
"""Of one answer: `config show` and `status` have some 20 KiB, a hundred upstreams a few hundred."""


class Unreachable(Exception):
    """The service was not reached, or did not answer; the text is a sentence with what to do."""

    def __init__(self, sentence: str, *, is_absent: bool = False) -> None:
        """`is_absent`: nobody listens, so nothing can have been begun."""
        super().__init__(sentence)
        self.is_absent = is_absent


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said."""

    status: int
    """Of HTTP."""
    body: Mapping[str, Any]

    @property
    def sentence(self) -> str:
        """The answer for a person."""
        return str(self.body.get("sentence", ""))


def send(path: Path, target: str, arguments: Mapping[str, Any], seconds: float) -> Answer:
    """Send a command to the service at a socket and return what it says within so many seconds. Raises Unreachable."""
    with contextlib.closing(_connect(path)) as connected:
        connected.settimeout(seconds)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = connected
        try:
            connection.request("POST", target, json.dumps(arguments), {"content-type": "application/json"})
            response = connection.getresponse()
            body = response.read(MOST_ANSWER_BYTES + 1)
        except TimeoutError:
            raise Unreachable(
                f"The service took the command and did not answer within {seconds:.0f} s; it may still carry it out."
                " Look at its log, and at `dohproxy status`."
            ) from None
        except (OSError, http.client.HTTPException):
            raise Unreachable(
                f"The service closed the connection at {path} without an answer: too many others are connected, or it"
                " is ending. Try again in a moment."
            ) from None
    return Answer(response.status, _read(path, body))


def _read(path: Path, body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or len(body) > MOST_ANSWER_BYTES:
        raise Unreachable(f"What answers at {path} is not dohproxy, or another version of it: restart the service.")
    return found


def _connect(path: Path) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.settimeout(CONNECT_SECONDS)
    try:
        connected.connect(str(path))
    except OSError as error:
        connected.close()
        is_absent = isinstance(error, FileNotFoundError | NotADirectoryError | ConnectionRefusedError)
        raise Unreachable(_why(path, error), is_absent=is_absent) from None
    return connected


def _why(path: Path, error: OSError) -> str:
    """Return what keeps a connection from being made, and what to do."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return (
                f"There is no socket {path}: the service does not run, or has no [admin] section, or another socket."
                " Start it, or name its file with --config FILE, or its socket with --socket PATH."
            )
        case PermissionError():
            return f"You may not open {path}{_owners(path)}. Use sudo, or become that user."
        case ConnectionRefusedError() if not path.is_socket():
            return f"{path} is no socket. Name the service's with --socket PATH, or its file with --config FILE."
        case ConnectionRefusedError():
            return f"Nobody listens at {path}: the service has ended. Start it again."
        case BlockingIOError() | TimeoutError():
            return f"The service does not take the connection at {path}: it is busy, or hangs. Look at its log."
        case _:
            return f"{path} cannot be used as a socket: {error.strerror or error}. Name another with --socket PATH."


def _owners(path: Path) -> str:
    try:
        found = path.stat()
        return f", which is for the user {pwd.getpwuid(found.st_uid).pw_name} and the group " + (
            grp.getgrgid(found.st_gid).gr_name
        )
    except (OSError, KeyError):
        return ""

"""From the address of the store to a connection that can be used, or to a sentence that says why there is none.

All that is used of the client library stands here and in `store.py`: its connection with what it knows of TLS, logins
and replies. Its pool and its commands are not: one connection carries everything, in order.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from valkey.asyncio import Connection, UnixDomainSocketConnection
from valkey.asyncio.connection import AbstractConnection
from valkey.exceptions import AuthenticationError, ValkeyError

from dohproxy.config import NodesConfig
from dohproxy.config.store_address import StoreAddress
from dohproxy.regular_file import read_regular

CONNECT_SECONDS: Final = 1.0
"""For a connection, its handshake and the login, each."""
UNACKNOWLEDGED_MILLISECONDS: Final = 2_000
"""What was sent and is not acknowledged for so long is never delivered (TCP_USER_TIMEOUT, tcp(7)): a command that
arrives when nobody thinks of it any more would still be carried out."""
LEAST_VERSION: Final = (7, 0)
MOST_PASSWORD_BYTES: Final = 4_096
MOST_KEY_BYTES: Final = 4_096


class Unfit(Exception):
    """The store cannot be used; the message continues "the store "."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How to get in."""

    address: StoreAddress
    user: str | None
    password: str | None
    ca_file: Path | None


def read_secrets(config: NodesConfig) -> tuple[bytes, str | None]:
    """Return the secret of all nodes and the password at the store. Blocks; raises OSError and ValueError."""
    password = None
    if config.password_file is not None:
        lines = read_regular(config.password_file, MOST_PASSWORD_BYTES).decode().splitlines()
        password = lines[0] if lines else ""
    return read_regular(config.key_file, MOST_KEY_BYTES), password


async def connect(settings: StoreSettings) -> AbstractConnection:
    """Return an open connection to a store that can be used. Raises Unfit, OSError and ValkeyError."""
    connection = _connection(settings)
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("HELLO", 2, check_health=False)
        _judge(await connection.read_response())
        # The client library waits by `asyncio.wait_for`, which before Python 3.12 may forget a cancellation.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
    except BaseException:
        await drop(connection)
        raise
    # From here on it is the store that watches over what is late, as all of it is late at once.
    connection.socket_timeout = None
    return connection


async def drop(connection: AbstractConnection) -> None:
    """End a connection at once. One over TLS would else stay until the other side, which may hang, says goodbye, half a
    minute at most."""
    writer = connection._writer
    if writer is not None:
        writer.transport.abort()
    await connection.disconnect(nowait=True)


def _judge(hello: Any) -> None:
    """Do nothing if the store can be used, by what it says of itself (HELLO). Raises Unfit."""
    said = dict(zip(hello[::2], hello[1::2], strict=False)) if isinstance(hello, list) else {}
    version = said.get(b"version", b"")
    try:
        numbers = tuple(int(part) for part in version.split(b".")[:2])
    except (ValueError, AttributeError):
        numbers = ()
    if numbers < LEAST_VERSION:
        raise Unfit(f"is version {version!r}, and 7.0 is needed")
    if said.get(b"role") != b"master":
        raise Unfit("is a replica, which takes nothing: name the primary in nodes.store")


def _connection(settings: StoreSettings) -> AbstractConnection:
    address = settings.address
    common: dict[str, Any] = {
        "username": settings.user,
        "password": settings.password,
        "socket_timeout": CONNECT_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        # It would be told to the store with each connection, for which a confined user has no right.
        "lib_name": None,
        "lib_version": None,
    }
    if address.kind == "unix":
        return UnixDomainSocketConnection(path=address.path, **common)
    common |= {
        "host": address.host,
        "port": address.port,
        "socket_keepalive": True,
        "socket_keepalive_options": {socket.TCP_USER_TIMEOUT: UNACKNOWLEDGED_MILLISECONDS},
    }
    if address.kind == "tcp":
        return Connection(**common)
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return _TlsConnection(context, address.verify_name or address.host, **common)


class _TlsConnection(Connection):
    """A connection over TLS that verifies a name which is not that of the address."""

    def __init__(self, context: ssl.SSLContext, name: str, **common: Any) -> None:
        super().__init__(**common)
        self._context = context
        self._name = name

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._context, "server_hostname": self._name}


def explain(error: Exception, address: StoreAddress) -> str:
    """Return why there is no connection; continues "the store "."""
    if isinstance(error, Unfit):
        return str(error)
    cause = error.__cause__ or error.__context__
    for one in (error, cause):
        if isinstance(one, AuthenticationError):
            return f"at {address} refuses nodes.user or the password in nodes.password_file"
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"at {address} shows a certificate that is not believed: {one.verify_message}"
        if isinstance(one, TimeoutError):
            return f"at {address} does not answer"
        if isinstance(one, OSError) and one.strerror:
            return f"at {address} cannot be reached: {one.strerror}"
    if isinstance(error, ValkeyError) and "Timeout" in str(error):
        return f"at {address} does not answer"
    return f"at {address} cannot be used: {str(error)[:200]}"

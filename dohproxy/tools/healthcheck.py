"""The `healthcheck` verb: whether the running service answers a question for which it needs no upstream.

It is about `localhost`, so it says whether this process serves, and does not fail because somebody else is down. Where
the service has a frontend for this, nobody who crowds the others makes it fail; else a real DoH query is sent.
"""

import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
from typing import Final

from dohproxy.config import Config, ListenAddress, ServerConfig
from dohproxy.config.addresses import bracketed
from dohproxy.doh.media import DNS_MESSAGE
from dohproxy.frontends.health_listener import listener_name
from dohproxy.policy.forwarded import trusted_by
from dohproxy.policy.proxy_protocol import local_header
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import HEADER_BYTES

TIMEOUT_SECONDS: Final = 5.0
"""As long as a stub waits; what takes longer is not healthy."""
LATEST_SECONDS: Final = 2.0
"""How late an event loop may be: many stubs ask again after 2 s."""
LONGEST_LINE: Final = 4_096
LOCALHOST_QUERY: Final = (
    b"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + from_text("localhost") + b"\x00\x01\x00\x01"
)
LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound
"""Where what listens on all addresses of a family is asked."""


class Unhealthy(Exception):
    """The service does not answer as it should; the message is for the operator."""


def check_health(config: Config) -> str:
    """Ask at the frontend that the service has for this, else its first listener; return what else there is to say.

    Raises Unhealthy with the reason.
    """
    address = config.server.listen[0]
    told = _ask_health_listener(address)
    if told is not None:
        return told
    try:
        status, media, body = _ask(address, config)
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"no answer from {address}: {error}") from None
    if status != http.HTTPStatus.OK:
        raise Unhealthy(f"{address} answers with HTTP status {status}")
    if media != DNS_MESSAGE or len(body) <= HEADER_BYTES or body[3] & 0x0F:
        raise Unhealthy(f"{address} answers with something else than an address for localhost")
    return ""


def _ask_health_listener(address: ListenAddress) -> str | None:
    """Return what is said there; None if there is no such frontend. Raises Unhealthy."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
        connected.settimeout(TIMEOUT_SECONDS)
        try:
            connected.connect(listener_name(address))
        except OSError:
            return None
        try:
            with connected.makefile("rb") as line:
                told = json.loads(line.read(LONGEST_LINE))
            answers, delay = bool(told["answers"]), float(told["loop_delay_seconds"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise Unhealthy(f"no answer at its own listener: {error}") from None
    if not answers:
        raise Unhealthy("it answers a question for localhost with something else than an address")
    if delay > LATEST_SECONDS:
        raise Unhealthy(f"its event loop was {delay} s late; answers take as long")
    return f"the event loop was at most {delay * 1000:.0f} ms late"


def _ask(address: ListenAddress, config: Config) -> tuple[int, str | None, bytes]:
    with contextlib.closing(connect_as_front_proxy(address, config)) as plain:
        return ask_localhost(plain, config.server, is_tls=config.tls is not None)


def ask_localhost(plain: socket.socket, server: ServerConfig, *, is_tls: bool) -> tuple[int, str | None, bytes]:
    """Ask for the address of localhost on a connection; return status, media type and body. Raises OSError and
    HTTPException."""
    connection = http.client.HTTPConnection(bracketed(server.host))
    connection.sock = _secure(plain, server.host) if is_tls else plain
    with contextlib.closing(connection):
        connection.request("POST", server.path, LOCALHOST_QUERY, {"content-type": DNS_MESSAGE, "accept": DNS_MESSAGE})
        response = connection.getresponse()
        return response.status, response.headers.get("content-type"), response.read()


def connect_as_front_proxy(address: ListenAddress, config: Config) -> socket.socket:
    """Connect to a listener of the service, with a PROXY header of our own where it waits for one. Raises OSError."""
    plain = connect(address)
    if config.clients.address_from == "proxy-protocol" and _is_trusted(plain, config):
        plain.sendall(local_header())
    return plain


def connect(address: ListenAddress) -> socket.socket:
    """Connect; what listens on all addresses is asked over loopback. Raises OSError."""
    if address.kind == "unix":
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.settimeout(TIMEOUT_SECONDS)
        try:
            connected.connect(str(address.path))
        except OSError:
            connected.close()
            raise
        return connected
    return socket.create_connection((LOOPBACK_OF.get(address.host, address.host), address.port), TIMEOUT_SECONDS)


def _secure(plain: socket.socket, host: str) -> ssl.SSLSocket:
    """Start TLS without judging the certificate: that it expires is for the metrics to say, in good time."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host)


def _is_trusted(plain: socket.socket, config: Config) -> bool:
    """Tell whether the service sees in us a front proxy, and so waits for a PROXY header."""
    packed = None if plain.family == socket.AF_UNIX else ipaddress.ip_address(plain.getsockname()[0]).packed
    return trusted_by(config.clients).includes(packed)

"""Proof at start that aiohttp really enforces our limits.

aiohttp has dropped all limits over one misspelt keyword, and changed what a keyword means between releases. So a door
is built exactly as for a connection and fed what must be refused, before anybody can connect.
"""

from typing import Final

from aiohttp import http_parser
from aiohttp.http_exceptions import HttpProcessingError

from dohproxy.frontends.connections import Connections, Place
from dohproxy.frontends.h1 import Http1Door, Http1Server
from dohproxy.frontends.h1_message import LINGERING_SECONDS, LONGEST_FIELD, LONGEST_LINE, MOST_FIELDS

_START = b"GET / HTTP/1.1\r\nhost: localhost\r\n"
_PROBES = {
    "a request line that is too long": b"GET /" + b"a" * LONGEST_LINE + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a header field that is too long": _START + b"a: " + b"a" * (LONGEST_FIELD + 1) + b"\r\n\r\n",
    "too many header fields": _START + b"a: b\r\n" * MOST_FIELDS + b"\r\n",
    "Content-Length beside Transfer-Encoding": (
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "two Host fields": _START + b"host: other\r\n\r\n",
}
_GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"


MOST_PIPELINED: Final = 32
"""Requests read ahead on one connection, aiohttp's own constant since CVE-2026-54273. Real clients pipeline none."""


class LimitsNotInForce(RuntimeError):
    """aiohttp does not enforce a limit; the message says which. The service must not start."""


def check_limits(server: Http1Server) -> None:
    """Raise LimitsNotInForce unless a door of `server` refuses all that it has to."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise LimitsNotInForce(
            "aiohttp runs without its C parser (AIOHTTP_NO_EXTENSIONS is set, or its wheel is not the compiled one);"
            " several advisories exist for the other one only: reinstall aiohttp"
        )
    for what, probe in _PROBES.items():
        try:
            _door(server)._parser.feed_data(probe)  # type: ignore[union-attr]
        except HttpProcessingError:
            continue
        raise LimitsNotInForce(f"aiohttp accepts {what}; this release of it cannot be used")
    _check_attributes(_door(server), server)
    _check_pipelining(_door(server))
    _check_no_decompression(_door(server))


def _door(server: Http1Server) -> Http1Door:
    return server.door(None, Place(Connections(server.register.limits)))


def _check_attributes(door: Http1Door, server: Http1Server) -> None:
    if (door.keepalive_timeout, door._lingering_time) != (server.register.limits.idle_seconds, LINGERING_SECONDS):
        in_force = (door.keepalive_timeout, door._lingering_time)
        raise LimitsNotInForce(f"aiohttp's idle and lingering limits are {in_force}, not those configured")
    if door._max_msg_queue_size > MOST_PIPELINED:
        raise LimitsNotInForce(f"aiohttp reads {door._max_msg_queue_size} requests ahead; {MOST_PIPELINED} are allowed")


def _check_pipelining(door: Http1Door) -> None:
    messages, _, _ = door._parser.feed_data((_START + b"\r\n") * (2 * MOST_PIPELINED))  # type: ignore[union-attr]
    if len(messages) > MOST_PIPELINED:
        raise LimitsNotInForce(f"aiohttp's parser reads {len(messages)} requests ahead; {MOST_PIPELINED} are allowed")


def _check_no_decompression(door: Http1Door) -> None:
    head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
    messages, _, _ = door._parser.feed_data(head % len(_GZIP) + _GZIP)  # type: ignore[union-attr]
    if messages[0][1].read_nowait() != _GZIP:
        raise LimitsNotInForce("aiohttp decompresses request bodies; this release of it cannot be used")

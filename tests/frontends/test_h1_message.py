"""What the parser's messages are taken for."""

import asyncio

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawRequestMessage
from aiohttp.http_parser import HttpRequestParser

from dohproxy.frontends.h1_message import ends_with_body, is_spelled, read_message

GET = b"GET /dns-query?dns=AAAA HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
POST = b"POST /dns-query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"


async def parse(data: bytes) -> RawRequestMessage:
    """The first request in these bytes."""
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(BaseProtocol(loop), loop, 65_536, max_line_size=8_190, max_field_size=8_190)
    messages, _, _ = parser.feed_data(data)
    message = messages[0][0]
    assert isinstance(message, RawRequestMessage)
    return message


@pytest.mark.parametrize(
    ("parsed", "body", "data", "is_it"),
    [
        pytest.param(GET, b"", GET, True, id="a GET"),
        pytest.param(POST + b"body", b"body", POST + b"body", True, id="a POST with its body"),
        pytest.param(b"GET /other HTTP/1.1\r\nX: " + GET, b"", GET, False, id="the other half of a header"),
        pytest.param(GET + GET, b"", GET + GET, False, id="two requests"),
        pytest.param(GET, b"", GET + b"GET", False, id="the beginning of another one behind it"),
        pytest.param(POST + b"body", b"body", POST + b"bodyG", False, id="a byte behind the body"),
        pytest.param(POST + b"body", b"body", POST, False, id="the body apart"),
        pytest.param(GET.replace(b": ", b":"), b"", GET.replace(b": ", b":"), False, id="an unusual spelling"),
        pytest.param(b"\r\n" + GET, b"", b"\r\n" + GET, False, id="an empty line before it"),
    ],
)
async def test_bytes_are_remembered_only_if_they_are_the_request_and_nothing_else(
    parsed: bytes, body: bytes, data: bytes, *, is_it: bool
) -> None:
    assert is_spelled(await parse(parsed), body, data) is is_it


@pytest.mark.parametrize(
    ("data", "does_it"),
    [
        pytest.param(POST + b"body", True, id="to the last byte"),
        pytest.param(POST + b"bod", False, id="one byte short"),
        pytest.param(POST + b"body!", False, id="one byte more"),
    ],
)
async def test_bytes_end_with_the_body_that_was_announced(data: bytes, *, does_it: bool) -> None:
    assert ends_with_body(data, await parse(POST + b"body")) is does_it


async def test_repeated_fields_are_joined() -> None:
    request = read_message(await parse(GET.replace(b"*/*", b"a/b\r\nAccept: */*")), b"")
    assert (request.method, request.target, request.accept) == ("GET", "/dns-query?dns=AAAA", "a/b, */*")

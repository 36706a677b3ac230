"""The frames of a response, written for others to read."""

import pytest
from hpack import Decoder
from hyperframe.frame import DataFrame, HeadersFrame

from dohproxy.http2.hpack import encode_field
from dohproxy.http2.response import Response
from tests.http2.client import fields_of, parsed

FIELDS = (("content-type", "application/dns-message"), ("content-length", "6"))


@pytest.mark.parametrize("stream_id", [1, 2**31 - 1])
def test_a_response_with_a_body_is_two_frames(stream_id: int) -> None:
    header, data = parsed(b"".join(Response(200, FIELDS, b"answer").frames(stream_id)))
    assert isinstance(header, HeadersFrame)
    assert isinstance(data, DataFrame)
    assert (header.stream_id, set(header.flags)) == (stream_id, {"END_HEADERS"})
    assert (data.stream_id, set(data.flags), data.data) == (stream_id, {"END_STREAM"}, b"answer")
    assert fields_of(Decoder(), header) == [(":status", "200"), *FIELDS]


@pytest.mark.parametrize("body", [b"", b"answer"])
def test_the_first_response_is_the_same_but_says_that_we_keep_no_table(body: bytes) -> None:
    response = Response(200, FIELDS, body)
    first, usual = b"".join(response.first_frames(7)), b"".join(response.frames(7))
    header, *rest = parsed(first)
    assert isinstance(header, HeadersFrame)
    decoder = Decoder()
    assert fields_of(decoder, header) == [(":status", "200"), *FIELDS]
    assert decoder.header_table.maxsize == 0
    assert len(rest) == bool(body)
    # But for that, which is one byte, and the length that has it.
    assert first[3:9] + first[10:] == usual[3:]


@pytest.mark.parametrize("size", [1, 255, 256, 16_384])
def test_the_length_of_the_body_is_that_of_its_frame(size: int) -> None:
    assert parsed(b"".join(Response(200, (), bytes(size)).frames(1)))[1].body_len == size


def test_a_response_without_a_body_is_one_frame() -> None:
    [header] = parsed(b"".join(Response(404, ()).frames(3)))
    assert (header.stream_id, set(header.flags)) == (3, {"END_HEADERS", "END_STREAM"})


@pytest.mark.parametrize("body", [b"", b"answer"])
def test_the_last_field_may_come_encoded(body: bytes) -> None:
    response = Response(200, FIELDS, body, last_field=encode_field(b"date", b"today"))
    header, *_ = parsed(b"".join(response.frames(1)))
    assert isinstance(header, HeadersFrame)
    assert fields_of(Decoder(), header) == [(":status", "200"), *FIELDS, ("date", "today")]


@pytest.mark.parametrize("body", [b"", b"answer"])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_header_alone_ends_the_stream_if_there_is_no_body(body: bytes, is_first: bool) -> None:
    [header] = parsed(Response(200, FIELDS, body).header(5, is_first=is_first))
    assert isinstance(header, HeadersFrame)
    assert header.stream_id == 5
    assert ("END_STREAM" in header.flags) is not bool(body)
    decoder = Decoder()
    assert fields_of(decoder, header) == [(":status", "200"), *FIELDS]
    assert decoder.header_table.maxsize == (0 if is_first else 4_096)

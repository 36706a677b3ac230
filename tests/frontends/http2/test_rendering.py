"""Responses as the engine takes them."""

import time
from email.utils import parsedate_to_datetime

import pytest
from hpack import Decoder
from hyperframe.frame import DataFrame, HeadersFrame

from dohproxy.doh.exchange import HttpResponse
from dohproxy.frontends.http2.rendering import render
from dohproxy.http2.response import Response
from dohproxy.outcomes import OUTCOMES
from tests.http2.client import fields_of, parsed


def read(response: Response) -> tuple[dict[str, str], bytes]:
    """Return the fields and the body of a response."""
    frames = parsed(b"".join(response.frames(1)))
    assert isinstance(frames[0], HeadersFrame)
    return dict(fields_of(Decoder(), frames[0])), b"".join(each.data for each in frames if isinstance(each, DataFrame))


@pytest.mark.parametrize("body", [b"", b"\x00", bytes(range(256)) * 64], ids=["empty", "a byte", "16,384 bytes"])
def test_a_response_reads_back_as_it_was_meant(body: bytes) -> None:
    fields, got = read(render(HttpResponse(200, (("content-type", "a/b"), ("x-a", "b")), body), 0.0))
    assert (fields[":status"], fields["content-type"], got) == ("200", "a/b", body)
    assert fields["content-length"] == str(len(body))
    assert parsedate_to_datetime(fields["date"]).tzinfo is not None


@pytest.mark.parametrize("status", sorted({ending.status for ending in OUTCOMES.values()}))
def test_nothing_else_is_said_about_the_server(status: int) -> None:
    fields, _ = read(render(HttpResponse(status, ()), 0.0))
    assert fields.keys() == {":status", "date"} | ({"content-length"} if status != 204 else set())
    assert fields[":status"] == str(status)


def test_a_response_that_is_given_again_is_made_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    response = HttpResponse(200, (), b"answer")
    start, now = 1_700_000_000.75, 0.0
    monkeypatch.setattr(time, "time", lambda: start + now)
    first = render(response, now)
    assert render(response, 0.125) is first
    dates = []
    for now in (0.125, 0.25, 0.5, 1.125, 1.25):
        fields, _ = read(render(response, now))
        dates.append(parsedate_to_datetime(fields["date"]).timestamp() - 1_700_000_000)
    assert dates == [0, 1, 1, 1, 2]


def test_head_is_told_the_length_of_what_is_not_sent() -> None:
    fields, body = read(render(HttpResponse(200, (), omitted_bytes=1_234), 0.0))
    assert (fields["content-length"], body) == ("1234", b"")


@pytest.mark.parametrize("status", [204, 304])
def test_what_never_has_a_body_has_no_length(status: int) -> None:
    fields, body = read(render(HttpResponse(status, (("etag", '"a"'),)), 0.0))
    assert (set(fields), body) == ({":status", "etag", "date"}, b"")

"""Responses as bytes: what the narrowest client can read."""

import http.client
import io
import socket
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import cast

import pytest

from dohproxy.doh.exchange import HttpResponse
from dohproxy.frontends.http1.rendering import render, render_again
from dohproxy.outcomes import OUTCOMES


class _Read:
    """A socket that has already received everything."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._received)


def _parse(data: bytes) -> tuple[http.client.HTTPResponse, bytes]:
    response = http.client.HTTPResponse(cast(socket.socket, _Read(data)))
    response.begin()
    return response, response.read()


@pytest.mark.parametrize("body", [b"", b"\x00", bytes(range(256)) * 256], ids=["empty", "a byte", "65,536 bytes"])
@pytest.mark.parametrize("close", [False, True], ids=["stays", "closes"])
def test_a_response_reads_back_as_it_was_meant(body: bytes, close: bool) -> None:
    response, read = _parse(render(HttpResponse(200, (("content-type", "a/b"), ("x-a", "b")), body), close=close))
    assert (response.status, response.reason, response.version, read) == (200, "OK", 11, body)
    assert response.will_close is close
    assert response.headers["content-type"] == "a/b"
    assert response.headers["content-length"] == str(len(body))
    assert parsedate_to_datetime(response.headers["date"]).tzinfo is not None


@pytest.mark.parametrize("status", sorted({ending.status for ending in OUTCOMES.values()}))
def test_every_status_of_the_outcome_table_has_a_line(status: int) -> None:
    response, _ = _parse(render(HttpResponse(status, ()), close=True))
    assert (response.status, response.reason) == (status, HTTPStatus(status).phrase)


@pytest.mark.parametrize("close", [False, True], ids=["stays", "closes"])
def test_nothing_else_is_said_about_the_server(close: bool) -> None:
    response, _ = _parse(render(HttpResponse(404, ()), close=close))
    said = {name.lower() for name in response.headers}
    assert said == {"content-length", "date"} | ({"connection"} if close else set())


def test_a_response_that_is_given_again_is_the_same_and_its_body_is_kept_once() -> None:
    body = bytes(10_000)
    response = HttpResponse(200, (("content-type", "a/b"),), body)
    first, second = (_parse(render_again(response)) for _ in range(2))
    assert first[1] == second[1] == body
    # But for the date: another second may have begun between the two.
    assert {**first[0].headers, "date": ""} == {**second[0].headers, "date": ""}
    assert len(repr(response.rendered)) < 1_000


def test_head_is_told_the_length_of_what_is_not_sent() -> None:
    data = render(HttpResponse(200, (), omitted_bytes=1_234), close=False)
    assert b"\r\ncontent-length: 1234\r\n" in data
    assert data.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_what_never_has_a_body_has_no_length(status: int) -> None:
    response, read = _parse(render(HttpResponse(status, (("etag", '"a"'),)), close=False))
    assert (response.status, read, response.headers["content-length"]) == (status, b"", None)
    assert not response.will_close

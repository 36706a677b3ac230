"""One exchange's values: frozen, with the defaults of a request that says nothing more than it has to."""

import dataclasses

import pytest

from dohproxy.doh.exchange import HttpRequest, HttpResponse


def test_a_request_that_says_little_leaves_the_rest_absent() -> None:
    request = HttpRequest("GET", "/dns-query")
    assert request.body == b""
    assert (request.accept, request.content_type, request.content_encoding) == (None, None, None)
    assert not request.pad_header


def test_a_response_keeps_its_connection_unless_it_says_otherwise() -> None:
    response = HttpResponse(404, ())
    assert response.body == b""
    assert not response.close


@pytest.mark.parametrize("value", [HttpRequest("GET", "/"), HttpResponse(200, ())], ids=["a request", "a response"])
def test_nobody_changes_it_later(value: HttpRequest | HttpResponse) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.body = b"other"  # type: ignore[misc]  # that is what the test is about

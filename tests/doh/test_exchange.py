"""One exchange's values, with the defaults of a request that says nothing more than it has to."""

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

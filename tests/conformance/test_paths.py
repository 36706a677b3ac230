"""The same bytes whichever way a response took: out of the callback that read the request, or after waiting.

A request takes the waiting way when its body comes in a later segment, when its answer has to be fetched, or when it is
the connection's last. Its response must not tell.
"""

import itertools

import pytest

from tests.conformance.exchange import ACCEPT, CONTENT_TYPE, Request, Response, get, post
from tests.conformance.http1 import Http1Client, render
from tests.conformance.queries import PADDING, option, query
from tests.fakes.conformance import RunningServer

WWW = query("www.example.com")
PADDED = query("localhost", "A", option(PADDING), identifier=0xCAFE)


def _at_once(http1: Http1Client, request: Request) -> Response:
    return http1.exchange(request)


def _with_a_late_body(http1: Http1Client, request: Request) -> Response:
    """The head and the body in two segments, the second sent when the server has read the first."""
    whole = render(request)
    http1.send(whole[: -len(request.body)])
    # Only a request that is complete is answered, so what comes back first is the answer to this one.
    http1.send(whole[-len(request.body) :])
    return http1.receive()


def _after_one_that_waits(http1: Http1Client, request: Request) -> Response:
    """Behind a question that the upstream has to be asked: the answer stands in the queue."""
    fresh = query(f"before{next(_numbers)}.example")
    http1.send(render(get(fresh)) + render(request))
    assert http1.receive().status == 200
    return http1.receive()


def _in_chunks(http1: Http1Client, request: Request) -> Response:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(request.body), request.body)
    chunked = Request(request.method, request.target, (*request.fields, ("Transfer-Encoding", "chunked")), body)
    return http1.exchange(chunked)


_numbers = itertools.count()

WAYS = [
    pytest.param(_with_a_late_body, id="with a late body"),
    pytest.param(_after_one_that_waits, id="behind a miss"),
    pytest.param(_in_chunks, id="in chunks"),
]
REQUESTS = [
    pytest.param(post(PADDED, CONTENT_TYPE), id="a local answer"),
    pytest.param(post(query("localhost", "AXFR"), CONTENT_TYPE), id="a refused type"),
    pytest.param(post(query("localhost", "A")[:-1], CONTENT_TYPE), id="a FORMERR"),
    pytest.param(post(bytes(16), CONTENT_TYPE), id="a 400"),
    pytest.param(post(WWW, path="/other"), id="a 404"),
    pytest.param(post(WWW, CONTENT_TYPE, ("Accept", "text/html")), id="a 406"),
    pytest.param(post(WWW, ("Content-Type", "text/plain")), id="a 415"),
    pytest.param(post(WWW, CONTENT_TYPE, query="dns=AAAA"), id="a POST with dns"),
]


def _without_date(response: Response) -> tuple[int, list[tuple[str, str]], bytes]:
    fields = [(name, value if name != "date" else "") for name, value in response.fields]
    return response.status, fields, response.body


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("way", WAYS)
def test_a_response_is_the_same_whichever_way_it_took(http1: Http1Client, way: object, request_: Request) -> None:
    assert callable(way)
    expected = _without_date(_at_once(http1, request_))
    assert _without_date(way(http1, request_)) == expected


@pytest.mark.parametrize("label", ["fresh", "nxdomain", "nodata", "chain"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_first_answer_and_the_cached_one_are_the_same(
    server: RunningServer, http1: Http1Client, label: str, method: str
) -> None:
    wire = query(f"{label}.way{next(_numbers)}.example", "A", option(PADDING))
    request = get(wire, ACCEPT) if method == "GET" else post(wire, CONTENT_TYPE)
    asked = server.upstream.asked
    awaited, cached = http1.exchange(request), http1.exchange(request)
    assert server.upstream.asked == asked + 1
    assert [name for name, _ in awaited.fields] == [name for name, _ in cached.fields]
    # A second may have gone by between the two.
    assert awaited.max_age - cached.max_age in (0, 1)
    if awaited.max_age == cached.max_age:
        assert _without_date(awaited) == _without_date(cached)


def test_the_last_response_of_a_connection_says_so_and_nothing_else(http1: Http1Client) -> None:
    request = post(PADDED, CONTENT_TYPE)
    expected = _without_date(_at_once(http1, request))
    last = http1.exchange(Request(request.method, request.target, (CONTENT_TYPE, ("Connection", "close")), PADDED))
    status, fields, body = _without_date(last)
    assert fields.pop() == ("connection", "close")
    assert (status, fields, body) == expected
    assert http1.is_at_end()

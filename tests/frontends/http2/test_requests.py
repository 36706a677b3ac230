"""What of an HTTP/2 request the walk gets to see, and what is read once for how many of them."""

from dataclasses import dataclass, field
from typing import cast

import pytest

from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest
from dohproxy.frontends.http2.requests import RequestReader, read_head
from dohproxy.frontends.service import Service
from dohproxy.http2.fields import RequestHead, RestOfHead
from dohproxy.outcomes import Frontend
from dohproxy.parsed_request import ParsedRequest

pytestmark = pytest.mark.interpreted  # its service is none of ours

DNS = "application/dns-message"
FIELDS = (("accept", DNS), ("user-agent", "one"))


def head(
    method: str = "GET", path: str = "/dns-query?dns=AAAA", fields: tuple[tuple[str, str], ...] = ()
) -> RequestHead:
    """Return a head as the engine would, a new object each time."""
    return RequestHead(RestOfHead(method, "doh.example.net", fields, None), path)


@dataclass
class Rules:
    """As much of a walk as there is of it while nothing is asked."""

    rules_version: int = 1


@dataclass
class ReadingService:
    """A service that counts what it has to read."""

    read_so_far: list[HttpRequest] = field(default_factory=list)
    pipeline: Rules = field(default_factory=Rules)

    def read(self, request: HttpRequest, frontend: Frontend) -> ParsedRequest:
        self.read_so_far.append(request)
        return ParsedRequest(frontend, self.pipeline.rules_version, request.method, Dialect.RFC_GET, request.body)


@pytest.fixture
def service() -> ReadingService:
    return ReadingService()


@pytest.fixture
def requests(service: ReadingService) -> RequestReader:
    return RequestReader(cast(Service, service))


def of(requests: RequestReader, head: RequestHead, body: bytes) -> ParsedRequest:
    """Return what a request says, as the frontend does for a client within its limit."""
    return requests.find(head, body) or requests.read(head, body)


# --- What the walk gets to see ---


def test_a_request_is_what_its_head_and_body_say() -> None:
    fields = (("content-type", DNS), ("content-encoding", "gzip"), ("x-pad", "123"), *FIELDS)
    assert read_head(head("POST", "/dns-query", fields), b"query") == HttpRequest(
        "POST", "/dns-query", b"query", accept=DNS, content_type=DNS, content_encoding="gzip", pad_header=True
    )


def test_what_is_not_said_is_none() -> None:
    assert read_head(head(), b"") == HttpRequest("GET", "/dns-query?dns=AAAA")


def test_repeated_fields_are_joined_in_their_order() -> None:
    assert read_head(head(fields=(("accept", "a/b"), ("x", "1"), ("accept", "c/d"))), b"").accept == "a/b, c/d"


# --- What is read once ---


def test_a_head_that_comes_again_is_read_once(requests: RequestReader, service: ReadingService) -> None:
    one = head(fields=FIELDS)
    assert of(requests, one, b"") is of(requests, one, b"")
    assert len(service.read_so_far) == 1


def test_a_head_with_another_body_is_another_request(requests: RequestReader) -> None:
    one = head("POST", "/dns-query", FIELDS)
    first, second = of(requests, one, b"first"), of(requests, one, b"second")
    assert (first.wire, second.wire) == (b"first", b"second")
    assert of(requests, one, b"first") is first


def test_the_same_question_from_another_client_is_read_once(requests: RequestReader, service: ReadingService) -> None:
    same = [
        (("accept", DNS), ("user-agent", "one")),
        (("accept", DNS), ("user-agent", "two"), ("x-forwarded-for", "192.0.2.1")),
        (("x-first", "1"), ("accept", DNS)),
    ]
    assert len({id(of(requests, head(fields=fields), b"")) for fields in same}) == 1
    assert len(service.read_so_far) == 1


def test_random_padding_makes_no_other_request(requests: RequestReader) -> None:
    one, other = (of(requests, head(fields=(("x-pad", padding),)), b"") for padding in ("aaa", "bbbbb"))
    assert one is other
    assert of(requests, head(), b"") is not one


DIFFERENT = [
    head(),
    head("POST"),
    head(path="/dns-query?dns=AAAB"),
    head(fields=(("accept", DNS),)),
    head(fields=(("accept", ""),)),
    head(fields=(("content-type", DNS),)),
    head(fields=(("content-encoding", DNS),)),
    head(fields=(("accept", "a"), ("content-type", "b"))),
    head(fields=(("accept", "a', 'content-type': 'b"),)),
    head(fields=(("x-pad", ""),)),
]


def test_what_differs_to_the_walk_is_read_apart(requests: RequestReader) -> None:
    assert len({id(of(requests, one, body)) for one in DIFFERENT for body in (b"", b"AAAA", b"\0")}) == 30


def test_the_end_of_a_target_is_not_the_beginning_of_a_body(requests: RequestReader) -> None:
    assert of(requests, head(path="/a"), b"b") is not of(requests, head(path="/ab"), b"")


@pytest.mark.parametrize("is_same_head", [True, False], ids=["noted at its head", "known by what it says"])
def test_under_other_rules_it_is_read_anew_and_once(
    service: ReadingService, requests: RequestReader, *, is_same_head: bool
) -> None:
    first = head()
    before = of(requests, first, b"")
    service.pipeline.rules_version += 1
    for _ in range(2):
        after = of(requests, first if is_same_head else head(), b"")
        assert (after is before, after.rules_version) == (False, 2)
    assert len(service.read_so_far) == 2

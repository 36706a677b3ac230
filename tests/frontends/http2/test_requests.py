"""What of an HTTP/2 request the walk gets to see, and what is read once for how many of them."""

import pytest

from dohproxy.config import PagesConfig
from dohproxy.doh.exchange import HttpRequest
from dohproxy.frontends.http2.requests import RequestReader, read_head
from dohproxy.frontends.service import Service
from dohproxy.http2.fields import RequestHead, RestOfHead
from dohproxy.parsed_request import ParsedRequest
from tests.fakes.walk import Walk

DNS = "application/dns-message"
HOST = "doh.example.net"
FIELDS = (("accept", DNS), ("user-agent", "one"))


def head(
    method: str = "GET",
    path: str = "/dns-query?dns=AAAA",
    fields: tuple[tuple[str, str], ...] = (),
    authority: str = HOST,
) -> RequestHead:
    """Return a head as the engine would, a new object each time."""
    return RequestHead(RestOfHead(method, authority, fields, None), path)


@pytest.fixture
def service() -> Service:
    return Walk().service


@pytest.fixture
def requests(service: Service) -> RequestReader:
    return RequestReader(service)


def of(requests: RequestReader, head: RequestHead, body: bytes) -> ParsedRequest:
    """Return what a request says, as the frontend does for a client within its limit."""
    return requests.find(head, body) or requests.read(head, body)


# --- What the walk gets to see ---


def test_a_request_is_what_its_head_and_body_say() -> None:
    fields = (("content-type", DNS), ("content-encoding", "gzip"), ("x-pad", "123"), *FIELDS)
    assert read_head(head("POST", "/dns-query", fields), b"query") == HttpRequest(
        "POST",
        "/dns-query",
        b"query",
        accept=DNS,
        content_type=DNS,
        content_encoding="gzip",
        pad_header=True,
        user_agent=dict(FIELDS).get("user-agent"),
        authority=HOST,
    )


@pytest.mark.parametrize(("agent", "is_stub"), [("dnscrypt-proxy", True), ("dnscrypt-proxy/2", False), ("", False)])
def test_stubs_of_public_lists_are_known_by_their_name(agent: str, is_stub: bool) -> None:
    assert read_head(head(fields=(("user-agent", agent),)), b"").list_stub is is_stub


def test_other_agents_share_what_is_known(requests: RequestReader, service: Service) -> None:
    read = [of(requests, head(fields=(("user-agent", agent),)), b"") for agent in ("Mozilla", "curl", "dnscrypt-proxy")]
    assert read[0] is read[1]
    assert read[2] is not read[0]


def test_what_is_not_said_is_none() -> None:
    assert read_head(head(), b"") == HttpRequest("GET", "/dns-query?dns=AAAA", authority=HOST)


def test_repeated_fields_are_joined_in_their_order() -> None:
    assert read_head(head(fields=(("accept", "a/b"), ("x", "1"), ("accept", "c/d"))), b"").accept == "a/b, c/d"


# --- What is read once ---


def test_a_head_that_comes_again_is_read_once(requests: RequestReader) -> None:
    one = head(fields=FIELDS)
    assert of(requests, one, b"") is of(requests, one, b"")


def test_a_head_with_another_body_is_another_request(requests: RequestReader) -> None:
    one = head("POST", "/dns-query", (("content-type", DNS), *FIELDS))
    first, second = of(requests, one, b"first"), of(requests, one, b"second")
    assert (first.wire, second.wire) == (b"first", b"second")
    assert of(requests, one, b"first") is first


def test_the_same_question_from_another_client_is_read_once(requests: RequestReader) -> None:
    same = [
        (("accept", DNS), ("user-agent", "one")),
        (("accept", DNS), ("user-agent", "two"), ("x-forwarded-for", "192.0.2.1")),
        (("x-first", "1"), ("accept", DNS)),
    ]
    assert len({id(of(requests, head(fields=fields), b"")) for fields in same}) == 1


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
    service: Service, requests: RequestReader, *, is_same_head: bool
) -> None:
    first = head()
    before = of(requests, first, b"")
    seen: list[ParsedRequest] = []
    service.pipeline.rules_changed()
    for _ in range(2):
        after = of(requests, first if is_same_head else head(), b"")
        assert after.rules_version == service.pipeline.rules_version == before.rules_version + 1
        seen.append(after)
    assert seen[0] is seen[1]


# --- Pages ---


def test_what_a_page_depends_on_is_read_and_divides_no_queries(requests: RequestReader, service: Service) -> None:
    french, english = (("accept-language", language) for language in ("fr", "en"))
    assert read_head(head(fields=(french, ("if-none-match", '"a"'))), b"") == HttpRequest(
        "GET", "/dns-query?dns=AAAA", accept_language="fr", if_none_match='"a"', authority=HOST
    )
    assert of(requests, head(fields=(french,)), b"") is of(requests, head(fields=(english,)), b"")


def test_a_page_is_known_by_the_whole_head_alone(requests: RequestReader, service: Service) -> None:
    service.pages.adopt(PagesConfig(enabled=True), 0.0)
    service.pipeline.rules_changed()
    first = head(path="/", fields=(("accept-language", "fr"),))
    french = of(requests, first, b"")
    english = of(requests, head(path="/", fields=(("accept-language", "en"),)), b"")
    assert (french.page.language, english.page.language) == ("fr", "en")
    assert of(requests, first, b"") is french
    assert len(requests.known) == 0


def test_a_picture_at_the_wrong_name_is_not_remembered_of_the_right_one(
    requests: RequestReader, service: Service
) -> None:
    service.pages.adopt(PagesConfig(enabled=True, proof_domain="check.example.net"), 0.0)
    service.pipeline.rules_changed()
    wrong = of(requests, head(path="/en/proof.svg"), b"")
    right = of(requests, head(path="/en/proof.svg", authority="proof-0123456789abcdef.check.example.net"), b"")
    assert (wrong.page.is_misplaced, right.page.is_misplaced) == (True, False)

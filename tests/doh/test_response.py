"""Responses: what the table of outcomes becomes in HTTP."""

from collections.abc import Callable

import pytest

from dohproxy.doh.exchange import HttpResponse
from dohproxy.doh.response import http_response, refusal, response_to
from dohproxy.outcomes import OUTCOMES, Reason, Refused, Reply

REFUSALS = [reason for reason, ending in OUTCOMES.items() if ending.status != 200]
BY_NAME = [pytest.param(reason, id=reason.name.lower()) for reason in REFUSALS]


def test_a_reply_goes_out_with_its_type_and_its_freshness() -> None:
    response = response_to(Reply(b"wire", Reason.CACHED, 42))
    assert response.status == 200
    assert response.fields == (("content-type", "application/dns-message"), ("cache-control", "max-age=42"))
    assert response.body == b"wire"
    assert not response.close


@pytest.mark.parametrize("reason", BY_NAME)
def test_a_refusal_has_the_status_of_the_table_and_no_body(reason: Reason) -> None:
    response = refusal(reason)
    assert response.status == OUTCOMES[reason].status
    assert response.body == b""
    assert "content-type" not in dict(response.fields)


@pytest.mark.parametrize("reason", BY_NAME)
def test_only_what_its_target_alone_decides_is_kept_and_only_for_a_get(reason: Reason) -> None:
    kept = {Reason.WRONG_PATH: 300, Reason.BASE64: 300, Reason.UNREADABLE: 86_400}.get(reason)
    assert dict(refusal(reason).fields)["cache-control"] == "no-store"
    directive = dict(refusal(reason, cacheable=True).fields)["cache-control"]
    assert directive == (f"max-age={kept}" if kept else "no-store")


@pytest.mark.parametrize(
    ("reason", "field"),
    [
        pytest.param(Reason.METHOD_NOT_ALLOWED, ("allow", "GET, HEAD, POST"), id="405 says what is allowed"),
        pytest.param(Reason.MEDIA_TYPE, ("accept", "application/dns-message"), id="415 says what is accepted"),
        pytest.param(Reason.CLIENT_LIMIT, ("retry-after", "1"), id="429 says when to return"),
        pytest.param(Reason.SERVICE_LIMIT, ("retry-after", "1"), id="503 says when to return"),
    ],
)
def test_a_refusal_says_what_would_help(reason: Reason, field: tuple[str, str]) -> None:
    assert field in refusal(reason).fields


@pytest.mark.parametrize(
    ("wait", "said"),
    [(0.0, "1"), (0.01, "1"), (1.0, "1"), (1.2, "2"), (59.0, "59")],
    ids=lambda value: str(value),
)
def test_a_wait_is_said_in_whole_seconds_never_too_short(wait: float, said: str) -> None:
    assert dict(refusal(Reason.CLIENT_LIMIT, retry_after=wait).fields)["retry-after"] == said


@pytest.mark.parametrize("reason", BY_NAME)
def test_the_connection_ends_where_the_rest_of_it_is_in_doubt_or_unwanted(reason: Reason) -> None:
    doubtful = {"BAD_HTTP", "TRANSFER_CODING", "HEADERS_TOO_LARGE", "BODY_TOO_LARGE", "SLOW_REQUEST", "BUG"}
    unwanted = {"LIST_STUB"}
    assert refusal(reason).close is (reason.name in doubtful | unwanted)


@pytest.mark.parametrize(
    ("said", "response"),
    [
        (Reply(b"wire", Reason.CACHED, 42), response_to(Reply(b"wire", Reason.CACHED, 42))),
        (Refused(Reason.CLIENT_LIMIT, 3), refusal(Reason.CLIENT_LIMIT, retry_after=3)),
    ],
    ids=["a reply", "a refusal"],
)
def test_what_is_said_again_is_the_same_response(said: Reply | Refused, response: HttpResponse) -> None:
    first = http_response(said, "GET")
    assert first == response
    assert http_response(said, "GET") is first


@pytest.mark.parametrize(
    ("method", "kept"),
    [("GET", "max-age=300"), ("HEAD", "max-age=300"), ("POST", "no-store"), ("other", "no-store")],
)
def test_a_refusal_of_the_walk_is_kept_for_a_get_and_its_head_alone(method: str, kept: str) -> None:
    response = http_response(Refused(Reason.WRONG_PATH), method)
    assert dict(response.fields)["cache-control"] == kept


def test_what_is_said_at_a_members_url_is_kept_by_no_shared_cache() -> None:
    reply = http_response(Reply(b"wire", Reason.CACHED, 42), "GET", is_private=True)
    assert dict(reply.fields)["cache-control"] == "private, max-age=42"
    assert http_response(Reply(b"wire", Reason.CACHED, 42), "GET").fields != reply.fields


@pytest.mark.parametrize("reason", BY_NAME)
def test_a_refusal_at_a_members_url_is_kept_by_nobody_and_tells_nobody_where_it_was(reason: Reason) -> None:
    fields = dict(http_response(Refused(reason), "GET", is_private=True).fields)
    assert (fields["cache-control"], fields["referrer-policy"]) == ("no-store", "no-referrer")
    everybodys = dict(http_response(Refused(reason), "GET").fields)
    assert "referrer-policy" not in everybodys


SAID = [
    pytest.param(lambda: Reply(b"wire", Reason.CACHED, 42), id="a reply"),
    *(pytest.param(lambda reason=reason: Refused(reason, 3), id=reason.name.lower()) for reason in REFUSALS),
]
MakeSaid = Callable[[], Reply | Refused]


@pytest.mark.parametrize("make", SAID)
@pytest.mark.parametrize("is_private", [False, True], ids=["everybody's", "a member's"])
def test_scripts_of_any_page_may_read_what_is_said_if_they_may_ask(make: MakeSaid, is_private: bool) -> None:
    closed = http_response(make(), "GET", is_private=is_private)
    opened = http_response(make(), "GET", is_private=is_private, any_origin=True)
    assert ("access-control-allow-origin", "*") in opened.fields
    assert "access-control-allow-credentials" not in dict(opened.fields)
    if closed.status != 204:
        assert not [name for name, _ in closed.fields if name.startswith("access-control")]
    assert (opened.status, opened.body, opened.close) == (closed.status, closed.body, closed.close)
    others = [field for field in opened.fields if not field[0].startswith("access-control")]
    assert [name for name, _ in others] == [name for name, _ in closed.fields if not name.startswith("access-control")]


def test_a_script_that_is_to_wait_can_read_how_long() -> None:
    fields = dict(refusal(Reason.CLIENT_LIMIT, retry_after=3.0, any_origin=True).fields)
    assert (fields["retry-after"], fields["access-control-expose-headers"]) == ("3", "retry-after")


def test_a_preflight_is_told_what_a_script_may_send() -> None:
    response = refusal(Reason.PREFLIGHT, any_origin=True)
    fields = dict(response.fields)
    assert (response.status, response.body) == (204, b"")
    assert fields["access-control-allow-methods"] == "GET, POST"
    assert fields["access-control-allow-headers"] == "accept, content-type"
    assert fields["access-control-max-age"] == "86400"
    assert fields["allow"] == "GET, HEAD, POST, OPTIONS"


@pytest.mark.parametrize("make", SAID)
def test_a_head_is_told_what_a_get_would_be_and_gets_no_body(make: MakeSaid) -> None:
    whole, head = http_response(make(), "GET"), http_response(make(), "HEAD")
    assert (head.status, head.fields, head.close) == (whole.status, whole.fields, whole.close)
    assert (head.body, head.omitted_bytes) == (b"", len(whole.body))
    assert head.is_reply is whole.is_reply is (whole.status == 200)


@pytest.mark.parametrize("reason", BY_NAME)
def test_who_wants_json_is_told_what_to_send_where_that_is_what_is_wrong(reason: Reason) -> None:
    response = refusal(reason, wants_json=True)
    if reason in (Reason.DNS_PARAMETER, Reason.NOT_ACCEPTABLE):
        assert dict(response.fields)["content-type"] == "text/plain"
        assert b"no JSON API" in response.body
        assert b"application/dns-message" in response.body
    else:
        assert response == refusal(reason)

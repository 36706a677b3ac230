"""Responses: what the table of outcomes becomes in HTTP."""

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
        pytest.param(Reason.METHOD_NOT_ALLOWED, ("allow", "GET, POST"), id="405 says what is allowed"),
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


@pytest.mark.parametrize(("method", "kept"), [("GET", "max-age=300"), ("POST", "no-store"), ("other", "no-store")])
def test_a_refusal_of_the_walk_is_kept_for_a_get_alone(method: str, kept: str) -> None:
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

"""The HTTP rows of the outcome table, one request each; the walk behind them has its own tests."""

import base64

import pytest

from dohproxy.doh.dialects import CONFIGURABLE, Dialect
from dohproxy.doh.exchange import HttpRequest
from dohproxy.doh.media import DNS_MESSAGE
from dohproxy.doh.request import (
    KNOWN_METHODS,
    LONGEST_TARGET,
    AcceptedRequest,
    RefusedRequest,
    RequestRules,
    find_token,
    read_request,
)
from dohproxy.member_token import TOKEN_BYTES, digest_of, token_of
from dohproxy.outcomes import Reason

Q = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"
WIRE = base64.urlsafe_b64decode(Q)
RULES = RequestRules("/dns-query", 1024)
JSON = "application/dns-json"


def _get(
    query: str,
    accept: str | None = DNS_MESSAGE,
    *,
    path: str = "/dns-query",
    content_type: str | None = None,
    content_encoding: str | None = None,
) -> HttpRequest:
    return HttpRequest("GET", f"{path}?{query}", b"", accept, content_type, content_encoding)


def _post(
    body: bytes = WIRE,
    content_type: str | None = DNS_MESSAGE,
    *,
    query: str = "",
    accept: str | None = None,
    content_encoding: str | None = None,
) -> HttpRequest:
    target = "/dns-query" + ("?" + query if query else "")
    return HttpRequest("POST", target, body, accept, content_type, content_encoding)


def _size(count: int) -> str:
    """The base64url of so many zero bytes."""
    return base64.urlsafe_b64encode(bytes(count)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(_get(f"dns={Q}"), id="GET"),
        pytest.param(_get(f"dns={Q}", None), id="GET without Accept"),
        pytest.param(_get(f"dns={Q}", content_type="text/plain"), id="GET whose Content-Type nobody reads"),
        pytest.param(_get(f"x=1&dns={Q}&y"), id="GET with parameters around"),
        pytest.param(_get(f"ct=&dns={Q}"), id="GET with an empty ct"),
        pytest.param(_get(f"ct&dns={Q}"), id="GET with a bare ct"),
        pytest.param(_get(f"ct=application/dns-message&dns={Q}"), id="GET with our type as ct"),
        pytest.param(_get(f"ct=application%2Fdns-message&dns={Q}"), id="GET with our type as ct, escaped"),
        pytest.param(_get(f"ct=application%2fDNS-message&dns={Q}"), id="GET with our type as ct, in another case"),
        pytest.param(_get(f"body={Q}&dns={Q}"), id="GET with a body parameter"),
        pytest.param(_post(), id="POST"),
        pytest.param(_post(accept="*/*"), id="POST that takes anything"),
        pytest.param(_post(query="body_hash=ab"), id="POST with a body_hash"),
        pytest.param(_post(query="ct="), id="POST with an empty ct"),
        pytest.param(HttpRequest("HEAD", f"/dns-query?dns={Q}"), id="HEAD"),
        pytest.param(HttpRequest("HEAD", f"/dns-query?dns={Q}", b"x"), id="HEAD with a body that nobody reads"),
        pytest.param(HttpRequest("GET", f"http://localhost/dns-query?dns={Q}"), id="GET in the absolute form"),
        pytest.param(
            HttpRequest("GET", f"HTTPS://localhost:443/dns-query?dns={Q}"), id="GET in the absolute form, in capitals"
        ),
    ],
)
def test_a_query_is_found(request_: HttpRequest) -> None:
    found = read_request(request_, RULES)
    assert isinstance(found, AcceptedRequest)
    assert found.wire == WIRE
    assert not found.shadow


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        pytest.param(_get("dns=" + "A" * LONGEST_TARGET), Reason.TARGET_TOO_LONG, id="a target over the cap"),
        pytest.param(HttpRequest("FOO", "/dns-query"), Reason.METHOD_UNKNOWN, id="an unknown method"),
        pytest.param(HttpRequest("FOO", "/other"), Reason.METHOD_UNKNOWN, id="an unknown method somewhere"),
        pytest.param(HttpRequest("PUT", "/other"), Reason.WRONG_PATH, id="a known method somewhere"),
        pytest.param(HttpRequest("OPTIONS", "*"), Reason.WRONG_PATH, id="OPTIONS of the server"),
        pytest.param(_get(f"dns={Q}", path="/"), Reason.WRONG_PATH, id="the root"),
        pytest.param(_get(f"dns={Q}", path="/dns-query/"), Reason.WRONG_PATH, id="a slash at the end"),
        pytest.param(_get(f"dns={Q}", path="/dns-query/x"), Reason.WRONG_PATH, id="a path below"),
        pytest.param(_get(f"dns={Q}", path="/DNS-query"), Reason.WRONG_PATH, id="another case"),
        pytest.param(_get(f"dns={Q}", path="/dns%2Fquery"), Reason.WRONG_PATH, id="an escaped path"),
        pytest.param(_get(f"dns={Q}%3D"), Reason.BASE64, id="an escaped character that means something"),
        pytest.param(_get(f"dns=%2525{Q}"), Reason.BASE64, id="an escaped escape"),
        pytest.param(_get("dns=" + "%41" * 129), Reason.BASE64, id="more escapes than are read"),
        pytest.param(_get(f"dns={Q}", path="//dns-query"), Reason.WRONG_PATH, id="two slashes"),
        pytest.param(
            HttpRequest("GET", f"http://localhost?x=/dns-query?dns={Q}"),
            Reason.WRONG_PATH,
            id="a path inside the query of an absolute form without one",
        ),
        pytest.param(HttpRequest("GET", "ftp://localhost/dns-query"), Reason.WRONG_PATH, id="another scheme"),
        pytest.param(HttpRequest("GET", "/dns-query"), Reason.DNS_PARAMETER, id="no query string"),
        pytest.param(_get("x=1"), Reason.DNS_PARAMETER, id="no dns"),
        pytest.param(_get("dns="), Reason.DNS_PARAMETER, id="an empty dns"),
        pytest.param(_get("dns"), Reason.DNS_PARAMETER, id="a bare dns"),
        pytest.param(_get(f"DNS={Q}"), Reason.DNS_PARAMETER, id="dns in capitals"),
        pytest.param(_get(f"dns={Q}&dns={Q}"), Reason.DNS_PARAMETER, id="two dns"),
        pytest.param(_get(f"dns={Q}" + "&a=b" * 16), Reason.DNS_PARAMETER, id="more parameters than are read"),
        pytest.param(_get("name=a", JSON), Reason.NOT_ACCEPTABLE, id="JSON wanted, no dns"),
        pytest.param(_get(f"dns={Q}", JSON), Reason.NOT_ACCEPTABLE, id="JSON wanted"),
        pytest.param(_get(f"dns={Q}", "application/dns-message;q=0"), Reason.NOT_ACCEPTABLE, id="ours ruled out"),
        pytest.param(_get(f"ct=text/plain&dns={Q}"), Reason.MEDIA_TYPE, id="a foreign ct"),
        pytest.param(_get(f"dns={Q}", content_encoding="gzip"), Reason.MEDIA_TYPE, id="a GET said to be compressed"),
        pytest.param(_get(f"dns={Q}=="), Reason.BASE64, id="padded base64"),
        pytest.param(_get("dns=a+b/"), Reason.BASE64, id="the other alphabet"),
        pytest.param(_get(f"dns={_size(1025)}"), Reason.TARGET_TOO_LONG, id="a GET of more bytes than allowed"),
        pytest.param(_post(b""), Reason.EMPTY_BODY, id="an empty body"),
        pytest.param(_post(bytes(1025)), Reason.BODY_TOO_LARGE, id="a body over the cap"),
        pytest.param(_post(content_type=None), Reason.MEDIA_TYPE, id="a body of no type"),
        pytest.param(_post(content_type="text/plain"), Reason.MEDIA_TYPE, id="a body of another type"),
        pytest.param(_post(content_encoding="gzip"), Reason.MEDIA_TYPE, id="a compressed body"),
        pytest.param(_post(content_encoding="identity"), Reason.MEDIA_TYPE, id="a body said to be encoded"),
        pytest.param(_post(query="ct=text/plain"), Reason.MEDIA_TYPE, id="a POST with a foreign ct"),
        pytest.param(_post(query=f"dns={Q}"), Reason.DNS_PARAMETER, id="a POST with dns"),
        pytest.param(_post(query=f"dns={Q}&dns={Q}"), Reason.DNS_PARAMETER, id="a POST with two dns"),
        pytest.param(_post(accept=JSON), Reason.NOT_ACCEPTABLE, id="a POST that wants JSON"),
        pytest.param(HttpRequest("HEAD", "/dns-query"), Reason.DNS_PARAMETER, id="a HEAD without dns"),
        pytest.param(HttpRequest("HEAD", f"/other?dns={Q}"), Reason.WRONG_PATH, id="a HEAD somewhere"),
    ],
)
def test_a_request_without_a_query_is_refused(request_: HttpRequest, reason: Reason) -> None:
    found = read_request(request_, RULES)
    assert isinstance(found, RefusedRequest)
    assert found.reason is reason


@pytest.mark.parametrize("method", sorted(KNOWN_METHODS - {"GET", "HEAD", "POST"}))
def test_a_known_method_is_not_allowed_here(method: str) -> None:
    found = read_request(HttpRequest(method, f"/dns-query?dns={Q}"), RULES)
    assert found == RefusedRequest(Reason.METHOD_NOT_ALLOWED, Dialect.OTHER)


def test_a_head_is_read_as_the_get_that_it_stands_for() -> None:
    for target in (f"/dns-query?dns={Q}", f"/dns-query?ct=&dns={Q}", "/dns-query?name=a", f"/dns-query?dns={Q}=="):
        assert read_request(HttpRequest("HEAD", target), RULES) == read_request(HttpRequest("GET", target), RULES)


OPEN = RequestRules("/dns-query", 1024, any_origin=True)


@pytest.mark.parametrize("target", ["/dns-query", f"/dns-query?dns={Q}", "/dns-query?&&&"])
def test_a_preflight_is_told_what_scripts_may_send_if_they_may(target: str) -> None:
    assert read_request(HttpRequest("OPTIONS", target), OPEN) == RefusedRequest(Reason.PREFLIGHT, Dialect.OTHER)
    closed = RefusedRequest(Reason.METHOD_NOT_ALLOWED, Dialect.OTHER)
    assert read_request(HttpRequest("OPTIONS", target), RULES) == closed


@pytest.mark.parametrize("target", ["*", "/", "/other", "/dns-query/x"])
def test_a_preflight_of_another_path_is_told_nothing(target: str) -> None:
    assert read_request(HttpRequest("OPTIONS", target), OPEN) == RefusedRequest(Reason.WRONG_PATH, Dialect.OTHER)


@pytest.mark.parametrize("method", sorted(KNOWN_METHODS - {"GET", "HEAD", "POST", "OPTIONS"}))
def test_scripts_may_use_no_further_method(method: str) -> None:
    found = read_request(HttpRequest(method, "/dns-query"), OPEN)
    assert found == RefusedRequest(Reason.METHOD_NOT_ALLOWED, Dialect.OTHER)


def test_methods_are_told_apart_by_case() -> None:
    found = read_request(HttpRequest("get", f"/dns-query?dns={Q}"), RULES)
    assert found == RefusedRequest(Reason.METHOD_UNKNOWN, Dialect.OTHER)


@pytest.mark.parametrize(
    "request_",
    [_get(f"dns={_size(1024)}"), _post(bytes(1024))],
    ids=["GET", "POST"],
)
def test_a_query_of_exactly_the_cap_is_read(request_: HttpRequest) -> None:
    found = read_request(request_, RULES)
    assert isinstance(found, AcceptedRequest)
    assert len(found.wire) == 1024


def test_a_target_of_exactly_the_cap_is_read() -> None:
    target = f"/dns-query?dns={Q}&x="
    found = read_request(HttpRequest("GET", target + "x" * (LONGEST_TARGET - len(target))), RULES)
    assert isinstance(found, AcceptedRequest)


REQUESTS = {
    Dialect.POST_BODY_HASH: _post(query="body_hash=ab"),
    Dialect.POST_X_PAD: HttpRequest("POST", "/dns-query", WIRE, content_type=DNS_MESSAGE, pad_header=True),
    Dialect.GET_CT_EMPTY: _get(f"ct=&dns={Q}"),
    Dialect.GET_CT_MESSAGE: _get(f"ct=application/dns-message&dns={Q}"),
    Dialect.GET_RANDOM_PADDING: _get(f"ct=&dns={Q}&random_padding=XX"),
    Dialect.GET_BODY_PARAM: _get(f"body={Q}&ct=&dns={Q}"),
}


def test_every_configurable_dialect_has_a_request_here() -> None:
    assert set(REQUESTS) == CONFIGURABLE


@pytest.mark.parametrize("dialect", sorted(CONFIGURABLE))
@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("serve", lambda dialect: AcceptedRequest(WIRE, dialect)),
        ("count", lambda dialect: AcceptedRequest(WIRE, dialect, shadow=True)),
        ("refuse", lambda dialect: RefusedRequest(Reason.DIALECT_REFUSED, dialect)),
    ],
    ids=["is served", "is served and counted", "is refused"],
)
def test_a_dialect_as_configured(dialect: Dialect, action: str, expected: object) -> None:
    assert callable(expected)
    rules = RequestRules("/dns-query", 1024, {dialect: action})
    assert read_request(REQUESTS[dialect], rules) == expected(dialect)


@pytest.mark.parametrize("dialect", [Dialect.RFC_GET, Dialect.RFC_POST])
def test_the_rfc_itself_cannot_be_refused(dialect: Dialect) -> None:
    rules = RequestRules("/dns-query", 1024, {dialect: "refuse"})
    request = _get(f"dns={Q}") if dialect is Dialect.RFC_GET else _post()
    assert read_request(request, rules) == AcceptedRequest(WIRE, dialect)


def test_a_refused_dialect_is_still_refused_for_the_fault_it_has_first() -> None:
    rules = RequestRules("/dns-query", 1024, {Dialect.POST_BODY_HASH: "refuse"})
    found = read_request(_post(b"", query="body_hash=ab"), rules)
    assert found == RefusedRequest(Reason.EMPTY_BODY, Dialect.POST_BODY_HASH)


@pytest.mark.parametrize(
    "target",
    [
        f"/dns%2Dquery?dns={Q}",
        f"/dns%2dquery?dns={Q}",
        f"/%64ns-query?%64n%73={Q}",
        f"/dns-query?dns={''.join(f'%{ord(one):02X}' for one in Q)}",
        f"http://localhost/dns%2Dquery?dns={Q}",
    ],
    ids=["the path", "in lower case", "a name", "the whole query", "the absolute form"],
)
def test_an_escape_that_need_not_be_changes_nothing(target: str) -> None:
    found = read_request(HttpRequest("GET", target), RULES)
    assert isinstance(found, AcceptedRequest)
    assert (found.wire, found.dialect) == (WIRE, Dialect.RFC_GET)


def test_a_query_with_both_characters_of_base64url_may_have_them_escaped() -> None:
    wire = bytes((0xFB, 0xEF, 0xBE, 0xFF, 0xFF, 0xFF))
    found = read_request(HttpRequest("GET", "/dns-query?dns=%2D-%2d-%5F_%5f_"), RULES)
    assert isinstance(found, AcceptedRequest)
    assert found.wire == wire


# --- Members' tokens ---

TOKEN = token_of(bytes(range(TOKEN_BYTES)))
DIGEST = digest_of(TOKEN)
MEMBERS_RULES = RequestRules("/dns-query", 1024, tokens=frozenset((DIGEST,)))


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("GET", f"/dns-query/{TOKEN}?dns={Q}"),
        HttpRequest("GET", f"http://localhost/dns-query/{TOKEN}?dns={Q}"),
        HttpRequest("GET", f"/dns-query/%{ord(TOKEN[0]):02x}{TOKEN[1:]}?dns={Q}"),
        HttpRequest("POST", f"/dns-query/{TOKEN}", WIRE, content_type="application/dns-message"),
    ],
    ids=["GET", "the absolute form", "an escape", "POST"],
)
def test_a_valid_token_in_the_path_says_whose_request_it_is(request_: HttpRequest) -> None:
    found = read_request(request_, MEMBERS_RULES)
    assert isinstance(found, AcceptedRequest)
    assert (found.wire, found.token) == (WIRE, DIGEST)
    assert find_token(request_.target, MEMBERS_RULES) == DIGEST


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"/dns-query/{TOKEN[:-1]}x", Reason.UNKNOWN_TOKEN),
        (f"/dns-query/{TOKEN.swapcase()}", Reason.UNKNOWN_TOKEN),
        (f"/dns-query/{TOKEN[:-1]}", Reason.WRONG_PATH),
        (f"/dns-query/{TOKEN}/", Reason.WRONG_PATH),
        (f"/{TOKEN}", Reason.WRONG_PATH),
        ("/dns-query/", Reason.WRONG_PATH),
    ],
)
def test_a_wrong_token_is_no_member_and_told_from_a_path_that_is_none_of_ours(path: str, reason: Reason) -> None:
    for method in ("GET", "PUT"):
        found = read_request(HttpRequest(method, f"{path}?dns={Q}"), MEMBERS_RULES)
        assert isinstance(found, RefusedRequest)
        assert (found.reason, found.token) == (reason, None)
    assert find_token(f"{path}?dns={Q}", MEMBERS_RULES) is None


def test_where_there_may_be_tokens_and_none_is_valid_each_is_unknown() -> None:
    target = f"/dns-query/{TOKEN}?dns={Q}"
    for takes_tokens, reason in ((True, Reason.UNKNOWN_TOKEN), (False, Reason.WRONG_PATH)):
        rules = RequestRules("/dns-query", 1024, takes_tokens=takes_tokens)
        assert read_request(HttpRequest("GET", target), rules) == RefusedRequest(reason, Dialect.RFC_GET)


def test_everybodys_path_is_nobodys() -> None:
    found = read_request(HttpRequest("GET", f"/dns-query?dns={Q}"), MEMBERS_RULES)
    assert isinstance(found, AcceptedRequest)
    assert found.token is None


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (HttpRequest("PUT", f"/dns-query/{TOKEN}"), Reason.METHOD_NOT_ALLOWED),
        (HttpRequest("GET", f"/dns-query/{TOKEN}"), Reason.DNS_PARAMETER),
        (HttpRequest("GET", f"/dns-query/{TOKEN}?dns=*"), Reason.BASE64),
        (HttpRequest("GET", f"/dns-query/{TOKEN}?dns=a&dns=b"), Reason.DNS_PARAMETER),
    ],
    ids=lambda one: one.name if isinstance(one, Reason) else "",
)
def test_a_members_request_is_refused_for_the_same_and_stays_his(request_: HttpRequest, reason: Reason) -> None:
    found = read_request(request_, MEMBERS_RULES)
    assert isinstance(found, RefusedRequest)
    assert (found.reason, found.token) == (reason, DIGEST)


def test_a_members_dialect_may_be_refused_too() -> None:
    rules = RequestRules("/dns-query", 1024, {Dialect.POST_BODY_HASH: "refuse"}, frozenset((DIGEST,)))
    request = HttpRequest("POST", f"/dns-query/{TOKEN}?body_hash=ab", WIRE, content_type="application/dns-message")
    assert read_request(request, rules) == RefusedRequest(Reason.DIALECT_REFUSED, Dialect.POST_BODY_HASH, DIGEST)


def test_no_token_is_looked_for_in_a_target_that_is_too_long() -> None:
    assert find_token(f"/dns-query/{TOKEN}?{'x' * LONGEST_TARGET}", MEMBERS_RULES) is None

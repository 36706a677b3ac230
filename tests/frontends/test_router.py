"""Which request is a page view, and what is shown."""

import gc
from dataclasses import replace

import pytest

from dohproxy.config import PagesConfig
from dohproxy.config.schema.pages import PAGE_PATHS
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.doh.request import RefusedRequest, RequestRules, read_request
from dohproxy.frontends.router import KEEP_SECONDS, PATHS, Router, Showing, View, burst_of
from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.outcomes import Frontend
from dohproxy.pages.document import Blank, Document, Kind, Language
from dohproxy.pages.setup_paths import MEMBERS, PROOF_MARK, TOKEN_MARK, setup_target
from dohproxy.pages.style import CONTENT_SECURITY_POLICY, content_security_policy
from dohproxy.pages.systems import System
from dohproxy.policy.standing import STRANGERS_LEAVE

RULES = RequestRules("/dns-query", 1_024)
SETTINGS = PagesConfig(enabled=True, views_per_second=10)
NOW, WALL = 1_000.0, 1_800_000_000.0
EN, FR = Language.ENGLISH, Language.FRENCH


def documents(mark: str = "") -> list[Document]:
    languages = [Document(kind, one, f"{mark}{kind} {one}".encode()) for kind in list(Kind)[:3] for one in Language]
    return [*languages, Document(Kind.JSON, None, f"{mark}json".encode())]


def router_of(settings: PagesConfig = SETTINGS) -> Router:
    router = Router()
    router.adopt(settings, NOW)
    router.publish(documents(), WALL)
    return router


def view(router: Router, target: str, method: str = "GET", **fields: str) -> View | None:
    request = HttpRequest(method, target, **fields)  # type: ignore[arg-type]  # they are its texts
    found = read_request(request, RULES)
    assert isinstance(found, RefusedRequest)
    return router.find(request, found)


def show(router: Router, target: str, method: str = "GET", now: float = NOW, **fields: str) -> HttpResponse:
    found = view(router, target, method, **fields)
    assert found is not None
    return router.show(found, Frontend.HTTP1, now, is_member=False)


def field(response: HttpResponse, name: str) -> str | None:
    values = [value for found, value in response.fields if found == name]
    assert len(values) <= 1
    return values[0] if values else None


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/", b"status en"),
        ("/fr", b"status fr"),
        ("/fr/", b"status fr"),
        ("/en", b"status en"),
        ("/policy", b"policy en"),
        ("/fr/policy", b"policy fr"),
        ("/incidents.atom", b"feed en"),
        ("/fr/incidents.atom", b"feed fr"),
        ("/status.json", b"json"),
        ("/?utm_source=list", b"status en"),
        ("/%66r", b"status fr"),
        ("https://doh.example.net/fr", b"status fr"),
        ("https://doh.example.net", b"status en"),
    ],
)
def test_each_path_has_its_page(target: str, body: bytes) -> None:
    assert show(router_of(), target).body == body


@pytest.mark.parametrize(
    "target",
    [
        "/de", "//", "/fr//", "/../fr", "/./", "/FR", "/index.html", "/favicon.ico", "/policy/x", "/fr%2fpolicy",
        "/\x00", "/" + 4_000 * "a", "/?dns=AAAA", "/?name=example.com", "/?ct=", "*", "fr", "/fr?body=x",
    ],
)  # fmt: skip
def test_no_other_path_has_one_nor_has_a_query_at_a_wrong_path(target: str) -> None:
    assert view(router_of(), target) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE"])
def test_pages_are_only_read(method: str) -> None:
    assert view(router_of(), "/", method) is None


def test_without_the_switch_there_are_none() -> None:
    assert view(router_of(PagesConfig()), "/") is None
    assert view(Router(), "/") is None


def test_the_browsers_language_is_chosen_where_the_path_says_none() -> None:
    router = router_of()
    assert show(router, "/", accept_language="fr-CH, en;q=0.5").body == b"status fr"
    assert show(router, "/en", accept_language="fr").body == b"status en"
    assert show(router_of(replace(SETTINGS, language="fr")), "/", accept_language="de").body == b"status fr"


@pytest.mark.parametrize(
    ("target", "vary"),
    [("/", "accept-language"), ("/incidents.atom", "accept-language"), ("/fr", None), ("/status.json", None)],
)
def test_caches_are_told_what_it_depends_on(target: str, vary: str | None) -> None:
    response = show(router_of(), target)
    assert field(response, "vary") == vary
    assert field(response, "cache-control") == f"max-age={KEEP_SECONDS}"


def test_a_page_says_what_it_is_and_that_nothing_may_run_in_it() -> None:
    response = show(router_of(), "/fr")
    assert dict(response.fields) == {
        "content-type": "text/html; charset=utf-8",
        "etag": field(response, "etag"),
        "cache-control": "max-age=30",
        "content-language": "fr",
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    assert response.is_page


def test_the_json_may_be_read_by_anybodys_page_and_the_pages_may_not() -> None:
    assert field(show(router_of(), "/status.json"), "access-control-allow-origin") == "*"
    assert field(show(router_of(), "/"), "access-control-allow-origin") is None


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_who_has_it_already_is_sent_nothing(form: str) -> None:
    router = router_of()
    whole = show(router, "/")
    etag = field(whole, "etag")
    assert etag is not None
    response = show(router, "/", if_none_match=form.format(etag))
    assert (response.status, response.body, response.omitted_bytes) == (304, b"", 0)
    assert (field(response, "etag"), field(response, "vary")) == (etag, "accept-language")


@pytest.mark.parametrize("has", ['"other"', "", "status en", 10_000 * '"x", '])
def test_who_has_another_gets_it(has: str) -> None:
    assert show(router_of(), "/", if_none_match=has).body == b"status en"


def test_head_is_told_the_length_and_sent_nothing() -> None:
    router = router_of()
    whole, head = show(router, "/"), show(router, "/", "HEAD")
    assert (head.status, head.body, head.omitted_bytes) == (200, b"", len(whole.body))
    assert head.fields == whole.fields


def test_new_pages_are_shown_at_once_also_to_requests_that_were_read_before() -> None:
    router = router_of()
    found = view(router, "/")
    assert found is not None
    before = router.show(found, Frontend.HTTP1, NOW, is_member=False)
    router.publish(documents("new "), WALL + 30)
    after = router.show(found, Frontend.HTTP1, NOW, is_member=False)
    assert (before.body, after.body) == (b"status en", b"new status en")
    assert field(before, "etag") != field(after, "etag")


def test_a_frontend_has_responses_of_its_own_each_made_once() -> None:
    router = router_of()
    views = [view(router, "/fr") for _ in range(3)]
    shown = [
        router.show(one, frontend, NOW, is_member=False)
        for one, frontend in zip(views, (Frontend.HTTP1, Frontend.HTTP1, Frontend.HTTP2), strict=True)
        if one is not None
    ]
    assert shown[0] is shown[1]
    assert shown[0] is not shown[2]
    assert shown[0] == shown[2]


def test_a_view_that_is_remembered_keeps_no_page_that_is_gone() -> None:
    router, body = router_of(), b"a page of its own"
    found = view(router, "/fr")
    assert found is not None
    router.publish([Document(Kind.STATUS, Language.FRENCH, body)], WALL)
    assert router.show(found, Frontend.HTTP1, NOW, is_member=False).body is body
    router.publish(documents(), WALL + 30)
    gc.collect()
    held = [one for one in gc.get_objects() if isinstance(one, HttpResponse | Document) and one.body is body]
    assert held == []
    assert router.show(found, Frontend.HTTP1, NOW, is_member=False).body == b"status fr"


def test_no_request_can_add_to_what_is_remembered() -> None:
    router = router_of(replace(SETTINGS, views_per_second=10_000))
    for number in range(200):
        show(router, "/?" + str(number), if_none_match=f'"{number}"', accept_language=f"fr-{number}")
    assert len(router._shown) == 1


def test_before_the_first_page_it_is_to_come_again() -> None:
    router = Router()
    router.adopt(SETTINGS, NOW)
    response = show(router, "/")
    assert (response.status, response.body, field(response, "retry-after")) == (503, b"", "1")
    assert router.statistics().views["status", "not_ready"] == 1


def test_more_views_than_all_may_have_are_turned_away_and_members_go_first() -> None:
    router = router_of()
    found = view(router, "/")
    assert found is not None
    burst = burst_of(SETTINGS.views_per_second)
    statuses = [router.show(found, Frontend.HTTP2, NOW, is_member=False).status for _ in range(int(burst) + 5)]
    assert statuses.count(200) == int(burst * (1 - STRANGERS_LEAVE))
    turned_away = router.show(found, Frontend.HTTP2, NOW, is_member=False)
    assert (turned_away.status, turned_away.body, field(turned_away, "cache-control")) == (503, b"", "no-store")
    assert int(field(turned_away, "retry-after") or 0) >= 1
    assert router.show(found, Frontend.HTTP2, NOW, is_member=True).status == 200
    assert router.show(found, Frontend.HTTP2, NOW + 1, is_member=False).status == 200


def test_a_reload_changes_the_limit_and_keeps_what_is_used_up() -> None:
    router = router_of()
    found = view(router, "/")
    assert found is not None
    statuses = [router.show(found, Frontend.HTTP2, NOW, is_member=True).status for _ in range(50)]
    assert statuses.count(200) == 40
    router.adopt(replace(SETTINGS, views_per_second=20), NOW)
    statuses = [router.show(found, Frontend.HTTP2, NOW, is_member=True).status for _ in range(50)]
    assert statuses.count(200) == 40


def test_views_are_counted_by_page_and_by_what_became_of_them() -> None:
    router = router_of()
    etag = field(show(router, "/"), "etag")
    show(router, "/fr/policy")
    show(router, "/", if_none_match=etag or "")
    views = {key: count for key, count in router.statistics().views.items() if count}
    assert views == {("status", "whole"): 1, ("policy", "whole"): 1, ("status", "unchanged"): 1}
    assert len(router.statistics().views) == len(Kind) * len(Showing)
    assert router.statistics().published_at == WALL
    assert router.statistics().held_bytes == sum(len(one.body) for one in documents())


def test_the_configuration_knows_the_same_paths() -> None:
    below = {"/setup", *(f"/{language}/setup" for language in Language)}
    assert set(PATHS) | below == PAGE_PATHS
    assert all(setup_target(path) for path in below)


# --- The members' page ---

TOKEN = token_of(bytes(range(TOKEN_BYTES)))
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)"


def setup_router(*, has_members: bool = True) -> Router:
    made = []
    for who, mark in (("", ""), (MEMBERS, TOKEN_MARK))[: 1 + has_members]:
        for system in System:
            made += [
                Document(Kind.SETUP, one, f"{who}{system} {one} {mark}".encode(), f"{who}{system}") for one in Language
            ]
        made.append(Document(Kind.PROFILE, None, f"{who}{TOKEN_MARK}".encode(), f"{who}dns.mobileconfig"))
    router = router_of()
    router.publish([*documents(), *made], WALL)
    return router


@pytest.mark.parametrize(
    ("target", "fields", "body"),
    [
        ("/setup", {}, b"other en "),
        ("/setup", {"user_agent": IPHONE}, b"apple en "),
        ("/setup", {"user_agent": IPHONE, "accept_language": "fr"}, b"apple fr "),
        ("/fr/setup", {"user_agent": "curl"}, b"other fr "),
        ("/fr/setup/", {"accept_language": "en"}, b"other fr "),
        (f"/setup/{TOKEN}", {"user_agent": IPHONE}, f"member apple en {TOKEN}".encode()),
        (f"/fr/setup/{TOKEN}", {}, f"member other fr {TOKEN}".encode()),
        ("/setup/dns.mobileconfig", {}, TOKEN_MARK.encode()),
        (f"/setup/{TOKEN}/dns.mobileconfig", {}, f"member {TOKEN}".encode()),
    ],
)
def test_who_wants_to_use_the_service_is_shown_how(target: str, fields: dict[str, str], body: bytes) -> None:
    assert show(setup_router(), target, **fields).body == body  # type: ignore[arg-type]  # they are its texts


@pytest.mark.parametrize(
    "target",
    [
        "/setup/other.txt",
        f"/setup/{TOKEN}/other.txt",
        f"/setup/{TOKEN}x",
        f"/fr/setup/{TOKEN}/dns.mobileconfig",
        "/setup/setup",
    ],
)
def test_what_is_not_there_has_no_page(target: str) -> None:
    assert view(setup_router(), target) is None


def test_without_members_nobody_has_a_page_of_his_own() -> None:
    assert view(setup_router(has_members=False), f"/setup/{TOKEN}") is None
    assert view(setup_router(has_members=False), f"/setup/{TOKEN}/dns.mobileconfig") is None


def test_a_page_with_a_secret_is_kept_by_nobody_and_named_to_nobody() -> None:
    router = setup_router()
    for target in (f"/setup/{TOKEN}", f"/setup/{TOKEN}/dns.mobileconfig"):
        response = show(router, target, if_none_match="*")
        assert response.status == 200
        assert field(response, "cache-control") == "no-store"
        assert field(response, "etag") is field(response, "vary") is None
        assert field(response, "referrer-policy") == "no-referrer"


def test_one_members_page_is_not_anothers() -> None:
    router = setup_router()
    other = TOKEN[::-1]
    assert TOKEN.encode() in show(router, f"/setup/{TOKEN}").body
    shown = show(router, f"/setup/{other}").body
    assert other.encode() in shown
    assert TOKEN.encode() not in shown


def test_no_token_makes_the_router_remember_more() -> None:
    router = setup_router()
    for number in range(100):
        show(router, f"/setup/{number:022}")
    first = len(router._shown)
    for number in range(100, 200):
        show(router, f"/setup/{number:022}")
    assert len(router._shown) == first == 1


def test_caches_are_told_that_the_page_depends_on_the_browser() -> None:
    router = setup_router()
    assert field(show(router, "/setup"), "vary") == "accept-language, user-agent"
    assert field(show(router, "/fr/setup"), "vary") == "user-agent"
    assert field(show(router, "/setup/dns.mobileconfig"), "vary") is None


def test_a_file_is_saved_under_its_name() -> None:
    response = show(setup_router(), f"/setup/{TOKEN}/dns.mobileconfig")
    assert field(response, "content-type") == "application/x-apple-aspen-config"
    assert field(response, "content-disposition") == 'attachment; filename="dns.mobileconfig"'
    assert field(response, "x-content-type-options") == "nosniff"


def test_head_of_a_members_page_has_its_length_alone() -> None:
    whole, head = (show(setup_router(), f"/setup/{TOKEN}", method) for method in ("GET", "HEAD"))
    assert (head.body, head.omitted_bytes) == (b"", len(whole.body))
    assert head.fields == whole.fields


def test_before_anything_is_made_the_page_is_not_ready() -> None:
    router = Router()
    router.adopt(SETTINGS, NOW)
    assert show(router, "/setup").status == show(router, f"/setup/{TOKEN}").status == 503


def test_what_is_made_of_a_token_is_put_into_members_documents() -> None:
    blank = Blank(b"<mark>", lambda token: token[:6].encode())
    body = f"<mark> {TOKEN_MARK} <mark>".encode()
    router = router_of()
    router.publish([Document(Kind.SETUP, EN, body, f"{MEMBERS}other", blanks=(blank,))], WALL)
    for token in (TOKEN, TOKEN[::-1], TOKEN_MARK):
        begin = token[:6]
        assert show(router, f"/setup/{token}").body == f"{begin} {token} {begin}".encode()
        head = show(router, f"/setup/{token}", "HEAD")
        assert (head.body, head.omitted_bytes) == (b"", len(body))


# --- The picture that proves whom a browser asks ---

ORIGIN = f"https://proof-{PROOF_MARK}.check.example.net"
PLACE = "proof-0123456789abcdef.check.example.net"


def proving_router() -> Router:
    drawn = iter(range(1_000))
    router = Router(lambda count: next(drawn).to_bytes(count))
    router.adopt(replace(SETTINGS, proof_domain="check.example.net"), NOW)
    pages = [
        Document(Kind.SETUP, EN, f"{who}{ORIGIN}/ {mark}".encode(), f"{who}other", ORIGIN)
        for who, mark in (("", ""), (MEMBERS, TOKEN_MARK))
    ]
    pictures = [Document(Kind.PROOF, one, f"picture {one}".encode()) for one in Language]
    router.publish([*documents(), *pages, *pictures], WALL)
    return router


@pytest.mark.parametrize("target", ["/setup", f"/setup/{TOKEN}"])
def test_each_view_has_a_picture_at_a_name_of_its_own_and_may_have_no_other(target: str) -> None:
    router = proving_router()
    found = view(router, target)
    assert found is not None
    for number in range(3):
        response = router.show(found, Frontend.HTTP2, NOW, is_member=False)
        place = f"https://proof-{number:016x}.check.example.net"
        assert f"{place}/".encode() in response.body
        assert PROOF_MARK.encode() not in response.body
        assert field(response, "content-security-policy") == content_security_policy(place)
        assert f"img-src data: {place};" in content_security_policy(place)


def test_such_a_page_is_sent_whole_each_time_and_kept_by_nobody() -> None:
    router = proving_router()
    response = show(router, "/setup", if_none_match="*")
    assert response.status == 200
    assert field(response, "cache-control") == "no-store"
    assert field(response, "etag") is field(response, "vary") is None
    head = show(router, "/setup", "HEAD")
    assert (head.body, head.omitted_bytes) == (b"", len(response.body))
    # All other pages are kept as ever.
    assert field(show(router, "/"), "content-security-policy") == CONTENT_SECURITY_POLICY
    assert field(show(router, "/"), "cache-control") == f"max-age={KEEP_SECONDS}"


def test_a_token_that_looks_like_the_mark_stays_what_it_is() -> None:
    token = PROOF_MARK + "AAAAAA"
    assert token.encode() in show(proving_router(), f"/setup/{token}").body


@pytest.mark.parametrize("authority", [PLACE, f"{PLACE.upper()}:443", f"{PLACE}:8443"])
def test_the_picture_is_shown_at_its_name_and_kept_by_nobody(authority: str) -> None:
    response = show(proving_router(), "/fr/proof.svg", authority=authority, if_none_match="*")
    assert (response.status, response.body) == (200, b"picture fr")
    assert field(response, "content-type") == "image/svg+xml"
    assert field(response, "cache-control") == "no-store"
    assert field(response, "etag") is None


@pytest.mark.parametrize("fields", [{}, {"authority": "doh.example.net"}, {"authority": f"x.{PLACE}"}])
def test_where_it_would_prove_nothing_it_is_not_shown(fields: dict[str, str]) -> None:
    router = proving_router()
    response = show(router, "/en/proof.svg", **fields)  # type: ignore[arg-type]  # they are its texts
    assert (response.status, response.body, field(response, "cache-control")) == (404, b"", "no-store")
    assert router.statistics().views["proof", "misplaced"] == 1


def test_without_a_picture_its_path_is_like_any_other_that_is_not_there() -> None:
    assert view(router_of(), "/en/proof.svg", authority=PLACE) is None


def test_there_are_no_two_names_alike() -> None:
    router = Router()
    router.adopt(replace(SETTINGS, views_per_second=1_000), NOW)
    router.publish([Document(Kind.SETUP, EN, ORIGIN.encode(), "other", ORIGIN)], WALL)
    found = view(router, "/setup")
    assert found is not None
    bodies = {router.show(found, Frontend.HTTP1, NOW, is_member=False).body for _ in range(100)}
    assert len(bodies) == 100
    assert all(len(body) == len(ORIGIN) for body in bodies)

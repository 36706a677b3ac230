"""The public pages over real sockets: the same through every frontend, and no harm to queries."""

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from dohproxy.builders import clock
from dohproxy.config import DiscoveryConfig, PagesConfig
from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.pages.document import Document, Kind
from dohproxy.pages.edition import Edition
from dohproxy.pages.proof import proof_at
from dohproxy.pages.setup_edition import setup_documents
from dohproxy.pages.setup_paths import TOKEN_MARK
from dohproxy.pages.style import CONTENT_SECURITY_POLICY
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.profiles.offer import Offer
from tests.conformance.conftest import Connect, StartServer
from tests.conformance.exchange import ACCEPT, Client, Request, Response, get
from tests.conformance.http1 import Http1Client
from tests.conformance.http2 import Http2Client
from tests.conformance.queries import query
from tests.conformance.setups import BEHIND_A_PROXY, with_sections
from tests.fakes.conformance import RunningServer
from tests.fakes.limits import AMPLE
from tests.fakes.pages import AT, CONFIG, facts
from tests.pages.reading import read

ON = PagesConfig(enabled=True, views_per_second=10_000)
WITH_PAGES = with_sections(pages=ON)
WWW = query("www.example.com")
CHROME = (
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    ),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7"),
    ("Upgrade-Insecure-Requests", "1"),
)


def page(target: str, *fields: tuple[str, str], method: str = "GET") -> Request:
    return Request(method, target, fields)


def published(server: RunningServer) -> list[Document]:
    """Publish the pages of an ordinary day."""
    documents = list(Edition(CONFIG).on_host(facts()))
    server.call(lambda: server.core.service.pages.publish(documents, AT))
    return documents


def html(response: Response) -> str:
    assert (response.status, response.field("content-type")) == (200, "text/html; charset=utf-8")
    assert response.field("content-length") == str(len(response.body))
    return read(response.body).text


def test_a_browser_is_shown_the_page_in_its_language(start: StartServer, connect: Connect) -> None:
    with start(WITH_PAGES) as server:
        published(server)
        client = connect(server, over_tls=True)
        # The second and third come from what was read before.
        responses = [client.exchange(page("/", *CHROME)) for _ in range(3)]
        assert ["Le service fonctionne bien" in html(one) for one in responses] == [True] * 3
        response = responses[-1]
        assert response.field("content-language") == "fr"
        assert response.field("vary") == "accept-language"
        assert response.field("content-security-policy") == CONTENT_SECURITY_POLICY
        english = client.exchange(page("/", ("Accept-Language", "en")))
        assert "The service is well" in html(english)
        assert "IP addresses" in html(client.exchange(page("/en/policy")))
        assert json.loads(client.exchange(page("/status.json")).body)["level"] == "well"
        assert client.exchange(page("/fr/incidents.atom")).body.startswith(b"<?xml")
        # And the very same connection asks as before.
        assert client.exchange(get(WWW, ACCEPT)).message().answer


def test_a_visitor_is_shown_how_his_own_device_is_told(start: StartServer, connect: Connect) -> None:
    token = token_of(bytes(range(TOKEN_BYTES)))
    with start(WITH_PAGES) as server:
        url = "https://doh.example.net/dns-query"
        offers = Offer("x", "doh.example.net", url), Offer("x", "doh.example.net", f"{url}/{TOKEN_MARK}")
        documents = [*Edition(CONFIG).on_host(facts()), *setup_documents(*offers)]
        server.call(lambda: server.core.service.pages.publish(documents, AT))
        client = connect(server, over_tls=True)
        for agent, heading in (("Mozilla/5.0 (iPhone)", "iPhone"), ("Mozilla/5.0 (Windows NT 10.0)", "Windows")):
            for _ in range(2):
                response = client.exchange(page("/setup", ("User-Agent", agent)))
                assert html(response)
                assert read(response.body).headings[1].startswith(heading)
        own = client.exchange(page(f"/setup/{token}", *CHROME))
        assert f"{url}/{token}" in html(own)
        assert own.field("cache-control") == "no-store"
        assert client.exchange(page(f"/setup/{token}/curlrc")).body.endswith(f'doh-url = "{url}/{token}"\n'.encode())
        assert client.exchange(page("/setup/nothing.txt")).status == 404
        assert server.figure("dohproxy_page_views_total", page="setup", showing="whole") == 5


def test_a_picture_proves_that_its_name_was_asked_for_here(start: StartServer, connect: Connect) -> None:
    domain, address = "check.example.com", ip_address("192.0.2.1")
    setup = with_sections(pages=replace(ON, proof_domain=domain), discovery=DiscoveryConfig(addresses=(address,)))
    offer = Offer("x", "doh.example.net", "https://doh.example.net/dns-query")
    with start(setup) as server:
        documents = [*Edition(CONFIG).on_host(facts()), *setup_documents(offer, None, proof_at(domain, 443))]
        server.call(lambda: server.core.service.pages.publish(documents, AT))
        server.call(lambda: server.core.use_certificate(lambda _: True))
        client, misses, hosts = connect(server, over_tls=True), server.upstream.asked, set()
        # Wherever it would prove nothing it is not there, and is there all the same a moment later.
        assert client.exchange(page("/en/proof.svg")).status == 404
        for _ in range(3):
            shown = client.exchange(page("/en/setup"))
            assert html(shown)
            (source,) = [
                str(one["src"]) for tag, one in read(shown.body).elements if tag == "img" and "class" not in one
            ]
            origin, host = source.removesuffix("/en/proof.svg"), source.split("/")[2]
            hosts.add(host)
            assert f"img-src data: {origin};" in (shown.field("content-security-policy") or "")
            for _ in range(2):
                (answer,) = client.exchange(get(query(host), ACCEPT)).message().answer
                assert [record.to_text() for record in answer] == [str(address)]
                picture = client.exchange(page("/en/proof.svg", ("Host", host)))
                assert (picture.status, picture.field("content-type")) == (200, "image/svg+xml")
                assert picture.field("cache-control") == "no-store"
                assert client.exchange(page("/en/proof.svg", ("Host", "doh.example.net"))).status == 404
        assert len(hosts) == 3
        assert server.upstream.asked == misses
        assert server.figure("dohproxy_page_views_total", page="proof", showing="whole") == 6


def test_what_a_client_has_is_not_sent_again_and_head_sends_nothing(start: StartServer, connect: Connect) -> None:
    with start(WITH_PAGES) as server:
        published(server)
        client = connect(server)
        whole = client.exchange(page("/en"))
        etag = whole.field("etag")
        assert etag is not None
        for _ in range(2):
            known = client.exchange(page("/en", ("If-None-Match", etag)))
            assert (known.status, known.body, known.field("etag")) == (304, b"", etag)
            assert client.exchange(page("/en")).body == whole.body
        assert server.figure("dohproxy_page_views_total", page="status", showing="unchanged") == 2


@pytest.mark.parametrize("target", ["/", "/en/policy", "/status.json"])
def test_head_has_the_fields_of_the_page_and_no_body(start: StartServer, connect: Connect, target: str) -> None:
    with start(WITH_PAGES) as server:
        published(server)
        client = connect(server)
        for _ in range(2):
            whole, head = client.exchange(page(target)), client.exchange(page(target, method="HEAD"))
            assert (head.status, head.body) == (200, b"")
            assert _without_date(head) == _without_date(whole)
            assert head.field("content-length") == str(len(whole.body))


def _without_date(response: Response) -> list[tuple[str, str]]:
    return [field for field in response.fields if field[0] != "date"]


def test_a_page_that_fills_more_than_one_frame_arrives_whole(start: StartServer, connect: Connect) -> None:
    body = bytes(range(256)) * 128
    with start(WITH_PAGES) as server:
        server.call(lambda: server.core.service.pages.publish([Document(Kind.JSON, None, body)], AT))
        client = connect(server, over_tls=True)
        for _ in range(4):
            assert client.exchange(page("/status.json")).body == body


def test_pages_are_as_new_as_they_are_published(start: StartServer, connect: Connect) -> None:
    with start(WITH_PAGES) as server:
        client = connect(server)
        early = client.exchange(page("/"))
        assert (early.status, early.body, early.field("retry-after")) == (503, b"", "1")
        published(server)
        assert "The service is well" in html(client.exchange(page("/")))
        server.call(lambda: server.core.service.pages.publish([], AT))
        assert client.exchange(page("/")).status == 503


HOSTILE = [
    pytest.param(page("/", ("Accept-Language", 3_000 * "x")), 200, id="a language of 3,000 letters"),
    pytest.param(page("/", ("Accept-Language", "fr;q=0." + 500 * "9")), 200, id="a weight of 500 digits"),
    pytest.param(page("/", ("Accept-Language", 900 * "a-,")), 200, id="900 languages"),
    pytest.param(page("/", ("If-None-Match", 300 * '"x", ' + '"x"')), 200, id="300 tags"),
    pytest.param(page("/", ("Accept", "image/png")), 200, id="a page for a picture"),
    pytest.param(page("/?" + 3_000 * "a"), 200, id="a long query"),
    pytest.param(page("/" + 3_000 * "a"), 404, id="a long path"),
    pytest.param(page("/" + 5_000 * "a"), 414, id="a longer one"),
    pytest.param(page("/../../etc/passwd"), 404, id="a way up"),
    pytest.param(page("/%2e%2e/fr"), 404, id="a way up in escapes"),
    pytest.param(page("/fr/%00"), 404, id="a NUL"),
    pytest.param(page("/favicon.ico"), 404, id="an icon"),
    pytest.param(page("/?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"), 404, id="a query where a page is"),
    pytest.param(Request("POST", "/", (("Content-Type", "application/dns-message"),), WWW), 404, id="a query by POST"),
    pytest.param(Request("POST", "/", (), b"a=b"), 404, id="a form"),
    pytest.param(page("/", method="PUT"), 404, id="a PUT"),
    pytest.param(page("/", method="BREW"), 501, id="a method that there is none of"),
]


@pytest.mark.parametrize(("request_", "status"), HOSTILE)
def test_what_is_asked_strangely_is_answered_plainly(
    pages_server: RunningServer, connect: Connect, request_: Request, status: int
) -> None:
    client = connect(pages_server)
    response, again = client.exchange(request_), client.exchange(request_)
    assert (response.status, again.status) == (status, status)
    if status == 200:
        assert "The service is well" in html(response)
    else:
        assert response.body == b""
    assert client.exchange(get(WWW, ACCEPT)).status == 200


@pytest.fixture
def pages_server(start: StartServer) -> Iterator[RunningServer]:
    """A service with pages."""
    with start(WITH_PAGES) as server:
        published(server)
        yield server


def test_without_the_switch_there_is_no_page(client: Client) -> None:
    for target in ("/", "/fr", "/policy", "/status.json"):
        assert client.exchange(page(target)).status == 404


# --- Limits ---


def test_a_view_is_a_request_within_its_clients_limit(start: StartServer, connect: Connect) -> None:
    setup = with_sections(pages=ON, limits=replace(AMPLE, requests_per_second=0.1, requests_burst=3))
    with start(setup) as server:
        published(server)
        client = connect(server)
        statuses = [client.exchange(page("/")).status for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert client.exchange(get(WWW, ACCEPT)).status == 429
        assert server.figure("dohproxy_requests_total", outcome="client_limit") == 3


def test_a_banned_client_is_shown_nothing(start: StartServer, connect: Connect) -> None:
    with start(replace(BEHIND_A_PROXY, config=replace(BEHIND_A_PROXY.config, pages=ON))) as server:
        published(server)
        client = connect(server)
        whom = ("X-Forwarded-For", "192.0.2.7")
        assert client.exchange(page("/", whom)).status == 200
        prefix = parse_prefix("192.0.2.0/24")
        server.call(lambda: server.core.bans.ban(prefix, 600.0, "", clock(), spares=True))
        for _ in range(2):
            assert client.exchange(page("/", whom)).status == 429
        assert client.exchange(page("/", ("X-Forwarded-For", "198.51.100.7"))).status == 200


def test_when_only_members_are_served_the_page_says_so_to_everybody(start: StartServer, connect: Connect) -> None:
    with start(WITH_PAGES) as server:
        published(server)
        server.core.pipeline.restrict(members_only=True, stubs_away=True, spare_strangers=True)
        client = connect(server)
        assert client.exchange(get(WWW, ACCEPT)).status == 403
        assert client.exchange(page("/")).status == 200


def test_the_page_is_there_when_the_service_is_over_its_limit(start: StartServer, connect: Connect) -> None:
    setup = with_sections(pages=ON, limits=replace(AMPLE, total_requests_per_second=1, total_requests_burst=1))
    with start(setup) as server:
        published(server)
        client = connect(server)
        statuses = [client.exchange(get(query(f"m{number}.all.example"), ACCEPT)).status for number in range(8)]
        assert 503 in statuses
        assert client.exchange(page("/")).status == 200


def test_a_flood_of_views_harms_no_query(start: StartServer, connect: Connect) -> None:
    setup = with_sections(pages=replace(ON, views_per_second=5))
    with start(setup) as server:
        published(server)
        client, bystander = connect(server), connect(server)
        bystander.exchange(get(WWW, ACCEPT))
        misses = server.upstream.asked
        statuses = []
        for number in range(200):
            statuses.append(client.exchange(page(f"/?{number}")).status)
            if number % 20 == 0:
                assert bystander.exchange(get(WWW, ACCEPT)).status == 200
        assert set(statuses) == {200, 503}
        assert statuses.count(200) < 40
        assert bystander.exchange(get(query("new.flood.example"), ACCEPT)).status == 200
        assert server.upstream.asked == misses + 1
        # What is turned away is counted, under labels of which there are as many as before.
        assert server.figure("dohproxy_page_views_total", showing="turned_away") == statuses.count(503)
        assert server.figure("dohproxy_page_views_total") == len(statuses)
        assert server.figure("dohproxy_requests_total", outcome="wrong_path") == 0


def test_who_reads_a_page_has_not_asked_a_question(start: StartServer) -> None:
    # A connection that has asked for a name outlasts others when room is made: a page buys nothing.
    with start(WITH_PAGES) as server:
        published(server)
        for kind in (Http1Client, Http2Client):
            with kind(server.port) as client:
                for _ in range(2):
                    client.exchange(page("/"))
                assert server.call(lambda: _has_asked(server)) == [False]
                client.exchange(get(WWW, ACCEPT))
                assert server.call(lambda: _has_asked(server)) == [True]
            assert server.wait_until(lambda: not _has_asked(server))


def _has_asked(server: RunningServer) -> list[bool]:
    return [one.waiting(clock()).has_asked for one in server.register.everybody()]

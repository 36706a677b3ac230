"""Scripts of web pages as clients (the CORS protocol of the Fetch standard), off and on.

Whatever a script may have asked, it has to be able to read the answer: fresh, from the cache, from what was read
before, or a refusal. And none of it is there where the operator does not want it.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dohproxy.config import PagesConfig
from dohproxy.pages.edition import Edition
from tests.conformance.conftest import Connect, StartServer
from tests.conformance.exchange import ACCEPT, CONTENT_TYPE, Client, Request, Response, get, post
from tests.conformance.queries import query
from tests.conformance.setups import ANY_ORIGIN, with_sections
from tests.fakes.conformance import RunningServer
from tests.fakes.limits import AMPLE
from tests.fakes.pages import AT, CONFIG, facts

ORIGIN = ("Origin", "https://app.example")
WWW = query("www.example.com")
PREFLIGHT = Request(
    "OPTIONS",
    "/dns-query",
    (
        ORIGIN,
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("Accept", "*/*"),
    ),
)


def may_be_read(response: Response) -> bool:
    """Tell whether a browser shows a script this response."""
    return response.field("access-control-allow-origin") == "*"


def says_anything_of_origins(response: Response) -> bool:
    return any(name.startswith("access-control") for name, _ in response.fields)


@pytest.fixture(scope="module")
def open_server(start: StartServer) -> Iterator[RunningServer]:
    """A service that scripts may ask."""
    with start(ANY_ORIGIN) as server:
        yield server


@pytest.fixture
def script(open_server: RunningServer, connect: Connect) -> Client:
    """A connection to it."""
    return connect(open_server)


def test_no_origin_is_let_in_by_default(client: Client) -> None:
    for request in (get(WWW, ORIGIN), post(WWW, CONTENT_TYPE, ORIGIN), get(b"", ORIGIN)):
        for _ in range(2):
            assert not says_anything_of_origins(client.exchange(request))
    refused = client.exchange(PREFLIGHT)
    assert refused.status == 405
    assert not says_anything_of_origins(refused)


def test_a_script_may_read_every_answer(script: Client) -> None:
    for request in (get(WWW, ORIGIN, ACCEPT), post(WWW, CONTENT_TYPE, ORIGIN), get(query("new.cors.example"), ORIGIN)):
        # A miss, what the cache has, and what was said before.
        for _ in range(3):
            response = script.exchange(request)
            assert response.message().answer
            assert may_be_read(response)
        assert may_be_read(script.exchange(replace(request, method="HEAD")))


def test_nobodys_credentials_are_wanted(script: Client) -> None:
    for request in (get(WWW, ORIGIN, ("Cookie", "a=b")), PREFLIGHT):
        assert script.exchange(request).field("access-control-allow-credentials") is None


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(get(b"", ORIGIN), 400, id="no query"),
        pytest.param(Request("GET", "/dns-query?name=a", (ORIGIN,)), 400, id="a question for JSON"),
        pytest.param(get(WWW, ORIGIN, ("Accept", "application/dns-json")), 406, id="a wish for JSON"),
        pytest.param(post(WWW, ORIGIN), 415, id="no type"),
        pytest.param(post(bytes(1_025), ORIGIN, CONTENT_TYPE), 413, id="too much"),
        pytest.param(Request("PUT", "/dns-query", (ORIGIN,)), 405, id="a method that is not served"),
        pytest.param(get(WWW, ORIGIN, query="dns={dns}&x=" + 5_000 * "x"), 414, id="a long target"),
        pytest.param(get(bytes(16), ORIGIN), 400, id="no DNS"),
    ],
)
def test_a_script_may_read_why_it_is_refused(
    open_server: RunningServer, connect: Connect, request_: Request, status: int
) -> None:
    for _ in range(2):
        response = connect(open_server).exchange(request_)
        assert response.status == status
        assert may_be_read(response)


def test_a_script_that_asks_too_much_may_read_when_to_come_again(start: StartServer, connect: Connect) -> None:
    setup = with_sections(ANY_ORIGIN, limits=replace(AMPLE, requests_per_second=0.1, requests_burst=2))
    with start(setup) as server:
        client = connect(server)
        # What is known by now is refused by the walk, what is new before it is read.
        requests = [*3 * [get(WWW, ORIGIN)], get(query("unread.example"), ORIGIN)]
        responses = [client.exchange(request) for request in requests]
        assert [one.status for one in responses] == [200, 200, 429, 429]
        assert all(map(may_be_read, responses))
        for refused in responses[2:]:
            assert refused.field("retry-after") is not None
            assert refused.field("access-control-expose-headers") == "retry-after"


def test_a_preflight_is_told_the_same_each_time_and_asks_nobody(open_server: RunningServer, script: Client) -> None:
    asked = open_server.upstream.asked
    counted = open_server.figure("dohproxy_requests_total", outcome="preflight")
    responses = [
        script.exchange(PREFLIGHT),
        script.exchange(PREFLIGHT),
        script.exchange(Request("OPTIONS", "/dns-query?dns=AAAA", PREFLIGHT.fields)),
        script.exchange(Request("OPTIONS", "/dns-query", (ORIGIN, ("Access-Control-Request-Method", "BREW")))),
    ]
    for response in responses:
        assert (response.status, response.body) == (204, b"")
        fields = {name: value for name, value in response.fields if name != "date"}
        assert fields == {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": "accept, content-type",
            "access-control-max-age": "86400",
            "allow": "GET, HEAD, POST, OPTIONS",
            "cache-control": "no-store",
        }
    # And the connection goes on.
    assert script.exchange(post(WWW, CONTENT_TYPE, ORIGIN)).message().answer
    assert open_server.upstream.asked <= asked + 1
    assert open_server.figure("dohproxy_requests_total", outcome="preflight") == counted + len(responses)


def test_a_preflight_is_a_request_within_its_clients_limit(start: StartServer, connect: Connect) -> None:
    setup = with_sections(ANY_ORIGIN, limits=replace(AMPLE, requests_per_second=0.1, requests_burst=3))
    with start(setup) as server:
        client = connect(server)
        assert [client.exchange(PREFLIGHT).status for _ in range(3)] == [204] * 3
        assert client.exchange(get(WWW, ORIGIN)).status == 429


def test_nothing_beside_the_path_of_queries_is_for_scripts(start: StartServer, connect: Connect) -> None:
    with start(with_sections(ANY_ORIGIN, pages=PagesConfig(enabled=True))) as server:
        server.call(lambda: server.core.service.pages.publish(list(Edition(CONFIG).on_host(facts())), AT))
        client = connect(server)
        for target in ("/other", "/policy", "/"):
            for _ in range(2):
                assert not says_anything_of_origins(client.exchange(Request("GET", target, (ORIGIN,))))
                preflight = client.exchange(replace(PREFLIGHT, target=target))
                assert preflight.status == 404
                assert not says_anything_of_origins(preflight)
        # It is the same for everybody, and was for scripts before.
        assert may_be_read(client.exchange(Request("GET", "/status.json", (ORIGIN,))))


def test_a_reload_opens_and_closes_it_for_the_next_request_on_open_connections(
    start: StartServer, connect: Connect
) -> None:
    with start(with_sections()) as server:
        client = connect(server)

        def reload(*, cors: bool) -> None:
            config = server.core.config
            changed = replace(config, server=replace(config.server, cors=cors))
            server.call(lambda: server.core.adopt(changed))

        requests = [get(WWW, ORIGIN), post(WWW, CONTENT_TYPE, ORIGIN), get(b"", ORIGIN), PREFLIGHT]
        for cors in (False, True, False):
            reload(cors=cors)
            for _ in range(20):
                responses = [client.exchange(request) for request in requests]
                assert [may_be_read(one) for one in responses] == [cors] * len(requests)
                assert responses[-1].status == (204 if cors else 405)

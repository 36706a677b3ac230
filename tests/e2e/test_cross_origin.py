"""Scripts of web pages as DoH clients: Chromium asks a running service from a page of another origin, and curl looks at
what it is told."""

import base64
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import dns.message
import pytest

from tests.conftest import FindProgram
from tests.e2e.answers import A
from tests.e2e.browsers import PAGE_ADDRESS, key_hash, page
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.devtools import browsing
from tests.e2e.processes import LOOPBACK, wait_until
from tests.e2e.proxy import PROJECT, Proxy, ProxySettings, environment, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

ASKED: Final = dns.message.make_query("www.example.com", A, id=0).to_wire()
DNS: Final = base64.urlsafe_b64encode(ASKED).rstrip(b"=").decode("ascii")
SECONDS: Final = 20
NOT_SHOWN: Final = "TypeError: Failed to fetch"
"""All that a script is told which may not read the response."""
SCRIPT: Final = """(async () => {
    const ask = async (query, options) => {
        try {
            const response = await fetch(URL + query, options);
            return [response.status, Array.from(new Uint8Array(await response.arrayBuffer()))];
        } catch (error) {
            return String(error);
        }
    };
    const message = "application/dns-message", body = new Uint8Array(WIRE);
    return {
        get: await ask("?dns=DNS", {headers: {accept: message}}),
        post: await ask("", {method: "POST", headers: {accept: message, "content-type": message}, body}),
        again: await ask("", {method: "POST", headers: {"content-type": message}, body}),
        head: await ask("?dns=DNS", {method: "HEAD"}),
        json: await ask("?name=www.example.com", {headers: {accept: "application/dns-json"}}),
        put: await ask("", {method: "PUT"}),
        password: await ask("?dns=DNS", {headers: {authorization: "Basic YTpi"}}),
    };
})()"""


def let_scripts_in(proxy: Proxy) -> None:
    """Change the file and have it read again."""
    text = proxy.file.read_text(encoding="utf-8")
    proxy.file.write_text(text.replace("[server]\n", "[server]\ncors = true\n"), encoding="utf-8")
    proxy.child.signal(signal.SIGHUP)
    wait_until(lambda: proxy.metric("dohproxy_reloads_total", {"result": "taken"}) == 1, 5, "the reload")


def documented() -> str:
    """The function that the documentation has for scripts."""
    text = (PROJECT / "docs" / "web-pages.md").read_text(encoding="utf-8")
    return text.partition("```js\n")[2].partition("```")[0]


async def test_a_script_of_another_page_reads_answers_when_it_may_and_nothing_before(
    authority: CertificateAuthority, tmp_path: Path, find_program: FindProgram
) -> None:
    chromium = find_program("chromium", "chromium")
    shown = authority.issue([LOOPBACK])
    with ExitStack() as stack:
        upstream = stack.enter_context(answering(make_reply))
        port, _ = stack.enter_context(page())
        origin = f"http://{PAGE_ADDRESS}:{port}/"
        proxies = {}
        for frontend, tls in (("http2", shown), ("http1", None)):
            (tmp_path / frontend).mkdir()
            settings = ProxySettings((f"udp://{LOOPBACK}:{upstream}",), authority, tls=tls)
            proxies[frontend] = stack.enter_context(running_proxy(tmp_path / frontend, settings))
        trusted = (f"--ignore-certificate-errors-spki-list={key_hash(shown)}",)
        async with browsing(chromium, tmp_path, trusted) as browser, browser.tab() as tab:
            await tab.open(origin)
            for frontend, proxy in proxies.items():
                script = SCRIPT.replace("URL", json.dumps(proxy.url)).replace("WIRE", json.dumps(list(ASKED)))
                script = script.replace("DNS", DNS)
                before = await tab.run(script)
                assert before == dict.fromkeys(before, NOT_SHOWN)
                let_scripts_in(proxy)
                _check(await tab.run(script))
                # By POST, by PUT and with a password. What a form could send, and what a preflight has just allowed,
                # is asked without.
                labels = {"outcome": "preflight", "frontend": frontend}
                assert proxy.metric("dohproxy_requests_total", labels) == 3
                call = f"resolve({json.dumps(proxy.url)}, {json.dumps(list(ASKED))}).then(found => [...found])"
                found = await tab.run(f"{documented()}; {call}")
                assert dns.message.from_wire(bytes(found)).answer
                assert proxy.metric("dohproxy_requests_total", labels) == 3


def _check(found: dict[str, Any]) -> None:
    for name in ("get", "post", "again"):
        status, body = found.pop(name)
        assert status == 200
        assert dns.message.from_wire(bytes(body)).answer
    assert found.pop("head") == [200, []]
    status, body = found.pop("json")
    assert status == 406
    assert b"no JSON API" in bytes(body)
    assert found == {"put": NOT_SHOWN, "password": NOT_SHOWN}


@pytest.fixture(scope="module")
def proxy(authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A service that scripts may ask."""
    shown = authority.issue(["localhost", LOOPBACK])
    with answering(make_reply) as upstream:
        sections = {"server": {"cors": True}}
        settings = ProxySettings((f"udp://{LOOPBACK}:{upstream}",), authority, tls=shown, sections=sections)
        with running_proxy(tmp_path_factory.mktemp("cors"), settings) as running:
            yield running


def told(find_program: FindProgram, proxy: Proxy, authority: CertificateAuthority, *options: str) -> list[str]:
    """Return the lines of a response's header, in lower case, as curl shows them."""
    argv = [find_program("curl", "curl"), "--silent", "--show-error", "--max-time", str(SECONDS), "--dump-header", "-"]
    argv += ["--cacert", str(authority.file), "--output", "/dev/null", *options]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS + 5, check=True, env=environment())
    return [line.lower() for line in run.stdout.splitlines()]


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_sees_what_a_browser_is_told(
    find_program: FindProgram, proxy: Proxy, authority: CertificateAuthority, version: str
) -> None:
    asks = ("--header", "Origin: https://app.example", "--header", "Access-Control-Request-Method: POST")
    preflight = told(find_program, proxy, authority, version, "--request", "OPTIONS", *asks, proxy.url)
    assert preflight[0].split()[1] == "204"
    assert "access-control-allow-origin: *" in preflight
    assert "access-control-allow-methods: get, post" in preflight
    assert "access-control-allow-headers: accept, content-type" in preflight
    url = f"{proxy.url}?dns={DNS}"
    head = told(find_program, proxy, authority, version, "--head", url)
    got = told(find_program, proxy, authority, version, url)
    assert head[0].split()[1] == got[0].split()[1] == "200"
    assert "content-type: application/dns-message" in head
    for line in ("access-control-allow-origin: *", *(one for one in got if one.startswith("content-length"))):
        assert line in head

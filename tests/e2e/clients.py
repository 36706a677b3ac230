"""Every DoH client that Debian has, and libraries of several languages, each by every frontend and method it knows, as
ways to ask one question."""

import re
from collections.abc import Iterator, Sequence

import dns.message

from tests.e2e.answers import AAAA, A, says
from tests.e2e.browsers import CHROMIUM, FIREFOX, chromium, firefox
from tests.e2e.ground import QNAME, Act, Ground, Program, Way, check_reply, query_file, target
from tests.e2e.http1 import MEDIA_TYPE
from tests.e2e.libraries import (
    AIOHTTP,
    DNSPYTHON,
    GO,
    HTTPX,
    NIQUESTS,
    NODE,
    ask_by_aiohttp,
    ask_by_dnspython,
    ask_by_go,
    ask_by_httpx,
    ask_by_niquests,
    ask_by_node,
)
from tests.e2e.processes import Child, accepts_connections, free_port
from tests.e2e.proxy import Proxy
from tests.e2e.ways import addresses_said, resolve_by_curl

LOAD_REQUESTS = 40

CURL = Program("curl", "curl")
DIG = Program("dig", "bind9-dnsutils", ("-v",))
KDIG = Program("kdig", "knot-dnsutils")
DNSPERF = Program("dnsperf", "dnsperf", ("-h",))
H2LOAD = Program("h2load", "nghttp2-client")
DNSDIST = Program("dnsdist", "dnsdist")


# --- What each client does ---


def _curl_resolves(ground: Ground, proxy: Proxy, way: Way) -> str:
    found = resolve_by_curl(ground.find_program("curl", "curl"), proxy, ground.authority, [QNAME], ground.directory)
    assert found == {QNAME: addresses_said(says(ground.unbound.ask(QNAME, qtype)) for qtype in (A, AAAA))}
    return "resolves"


def _curl_by_hand(ground: Ground, proxy: Proxy, way: Way) -> str:
    query = dns.message.make_query(QNAME, A, id=0x4242)
    reply_file = ground.directory / "reply"
    argv = [ground.find_program("curl", "curl"), "-q", "--silent", "--show-error", "--fail", "--noproxy", "*"]
    argv += ["--max-time", "10", "--cacert", str(ground.authority.file), "--output", str(reply_file), *way.arguments]
    argv += ["--write-out", "%{http_version} %{content_type}"]
    if way.method == "POST":
        body = query_file(ground, query.to_wire())
        argv += ["--header", f"Content-Type: {MEDIA_TYPE}", "--data-binary", f"@{body}", proxy.url]
    else:
        argv += [proxy.url + target(query.to_wire())]
    run = ground.run(*argv)
    assert run.stdout == f"{'2' if way.frontend == 'http2' else '1.1'} {MEDIA_TYPE}", run
    check_reply(ground, query, reply_file.read_bytes())
    return "answered"


def _dig(ground: Ground, proxy: Proxy, way: Way) -> str:
    program = ground.find_program(way.program.command, way.program.package)
    trust = [f"+tls-ca={ground.authority.file}", "+tls-hostname=localhost"] if way.tls else []
    run = ground.run(program, "@127.0.0.1", "-p", str(proxy.port), *way.arguments, *trust, "+short", QNAME, "A")
    assert set(run.stdout.split()) == ground.expected(), run
    return "resolves"


def _dnsperf(ground: Ground, proxy: Proxy, way: Way) -> str:
    questions = ground.directory / "questions"
    questions.write_text(f"{QNAME} A\n", encoding="ascii")
    argv = [ground.find_program("dnsperf", "dnsperf"), "-m", "doh", "-s", "127.0.0.1", "-p", str(proxy.port)]
    argv += ["-O", f"doh-uri=https://localhost:{proxy.port}/dns-query", "-O", f"doh-method={way.method}"]
    # One at a time: it loses answers of which several come in one read (DNS-OARC/dnsperf issue 240).
    run = ground.run(*argv, "-d", str(questions), "-n", str(LOAD_REQUESTS), "-c", "1", "-q", "1")
    assert re.search(rf"Queries completed: +{LOAD_REQUESTS} \(100.00%\)", run.stdout), run.stdout
    assert re.search(rf"Response codes: +NOERROR {LOAD_REQUESTS} \(100.00%\)", run.stdout), run.stdout
    return f"{LOAD_REQUESTS} of {LOAD_REQUESTS}"


def _h2load(ground: Ground, proxy: Proxy, way: Way) -> str:
    wire = dns.message.make_query(QNAME, A, id=0).to_wire()
    argv = [ground.find_program("h2load", "nghttp2-client"), "-n", str(LOAD_REQUESTS), "-c", "2", *way.arguments]
    if way.method == "POST":
        argv += ["-d", str(query_file(ground, wire)), "-H", f"content-type: {MEDIA_TYPE}", proxy.url]
    else:
        argv += [proxy.url + target(wire)]
    run = ground.run(*argv)
    assert f"{LOAD_REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in run.stdout, run.stdout
    assert f"status codes: {LOAD_REQUESTS} 2xx" in run.stdout, run.stdout
    return f"{LOAD_REQUESTS} of {LOAD_REQUESTS}"


def _dnsdist(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Have dnsdist ask for us: it speaks DoH to those behind it too, and always by POST."""
    port = free_port()
    configuration = ground.directory / "dnsdist.conf"
    configuration.write_text(
        f"setLocal('127.0.0.1:{port}')\nsetACL({{'127.0.0.0/8'}})\n"
        f"newServer({{address='127.0.0.1:{proxy.port}', tls='openssl', subjectName='localhost',"
        f" validateCertificates=true, caStore='{ground.authority.file}', dohPath='/dns-query',"
        " healthCheckMode='up'})\n",
        encoding="ascii",
    )
    argv = [ground.find_program("dnsdist", "dnsdist"), "--supervised", "--disable-syslog", "-C", str(configuration)]
    child = Child(argv, ground.directory / "dnsdist.log")
    try:
        child.wait_until_ready(lambda: accepts_connections(port))
        run = ground.run(ground.find_program("dig", "bind9-dnsutils"), "@127.0.0.1", "-p", str(port), "+short", QNAME)
    finally:
        child.kill()
    assert set(run.stdout.split()) == ground.expected(), run
    return "resolves"


# --- All of them ---


def _by_hand(option: str, frontend: str, *, tls: bool) -> Iterator[Way]:
    for method in ("GET", "POST"):
        yield Way(CURL, option, frontend, method, _curl_by_hand, tls, (option,))


def _both_methods(program: Program, act: Act, frontend: str, options: str = "", *, requests: int = 1) -> Iterator[Way]:
    for method in ("GET", "POST"):
        yield Way(program, options, frontend, method, act, requests=requests)


def _load(frontend: str, *arguments: str, tls: bool = True) -> Iterator[Way]:
    for method in ("GET", "POST"):
        yield Way(H2LOAD, " ".join(arguments), frontend, method, _h2load, tls, arguments, LOAD_REQUESTS)


def _dig_ways(program: Program, options: Sequence[tuple[str, str, bool]]) -> Iterator[Way]:
    for option, method, tls in options:
        arguments = ("+https", option) if program is KDIG and method == "GET" else (option,)
        yield Way(program, option, "http2", method, _dig, tls, arguments)


WAYS: tuple[Way, ...] = (
    Way(CURL, "--doh-url", "http2", "POST", _curl_resolves, requests=2),
    *_by_hand("--http1.1", "http1", tls=True),
    *_by_hand("--http2", "http2", tls=True),
    *_by_hand("--http1.1", "http1", tls=False),
    *_by_hand("--http2-prior-knowledge", "http2", tls=False),
    *_dig_ways(
        DIG,
        [
            ("+https", "POST", True),
            ("+https-get", "GET", True),
            ("+http-plain", "POST", False),
            ("+http-plain-get", "GET", False),
        ],
    ),
    *_dig_ways(KDIG, [("+https", "POST", True), ("+https-get", "GET", True)]),
    *_both_methods(DNSPERF, _dnsperf, "http2", "-m doh", requests=LOAD_REQUESTS),
    *_load("http2", "-m", "10"),
    *_load("http2", "-m", "10", tls=False),
    *_load("http1", "--h1"),
    *_both_methods(DNSPYTHON, ask_by_dnspython, "http1"),
    *_both_methods(DNSPYTHON, ask_by_dnspython, "http2"),
    *_both_methods(HTTPX, ask_by_httpx, "http1"),
    *_both_methods(HTTPX, ask_by_httpx, "http2"),
    *_both_methods(AIOHTTP, ask_by_aiohttp, "http1"),
    *_both_methods(NIQUESTS, ask_by_niquests, "http2"),
    *_both_methods(NODE, ask_by_node, "http1", "fetch (undici)"),
    *_both_methods(GO, ask_by_go, "http1", "net/http, HTTP/2 off"),
    *_both_methods(GO, ask_by_go, "http2", "net/http"),
    Way(DNSDIST, "newServer dohPath", "http2", "POST", _dnsdist),
    *_both_methods(CHROMIUM, chromium, "http2", "--headless"),
    *_both_methods(FIREFOX, firefox, "http2", "--headless"),
)

"""Every DoH client that Debian has, each by every door and method it knows, as ways to ask one question."""

import base64
import hashlib
import http.server
import json
import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query
import dns.version
import httpx2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.conftest import FindProgram
from tests.e2e import zones
from tests.e2e.answers import AAAA, A, says
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.http1 import MEDIA_TYPE
from tests.e2e.proxy import Proxy, environment
from tests.e2e.unbound import Unbound
from tests.e2e.ways import addresses_said, resolve_by_curl

QNAME = f"www.{zones.ORIGIN}"
PAGE_NAME = f"mixed.{zones.ORIGIN}"
PAGE_ADDRESS = "127.0.1.3"
LOAD_REQUESTS = 40
RUN_SECONDS = 60
VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+[0-9A-Za-z.~-]*")
DOORS = {"http1": "HTTP/1.1", "http2": "HTTP/2"}


@dataclass(frozen=True, slots=True)
class Ground:
    """What a client is tried on."""

    encrypted: Proxy
    plain: Proxy
    unbound: Unbound
    authority: CertificateAuthority
    certificate: CertificateFiles
    """What `encrypted` shows."""
    directory: Path
    """For the client's own files."""
    find_program: FindProgram

    def expected(self) -> set[str]:
        """The addresses that QNAME has."""
        return addresses_said([says(self.unbound.ask(QNAME, A))])

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a client to its end."""
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=RUN_SECONDS, check=False, env=self.environment()
        )

    def environment(self) -> dict[str, str]:
        """That of the tests, with a home of its own."""
        return {**environment(), "HOME": str(self.directory)}


@dataclass(frozen=True, slots=True)
class Program:
    """A client, and where to have it."""

    command: str
    package: str
    version: tuple[str, ...] = ("--version",)

    def version_on(self, ground: Ground) -> str:
        """Which version is here; skips the test if none is."""
        if self is DNSPYTHON:
            return dns.version.version
        run = ground.run(ground.find_program(self.command, self.package), *self.version)
        found = VERSION.search(run.stdout + run.stderr)
        assert found is not None, run
        return found[0]


CURL = Program("curl", "curl")
DIG = Program("dig", "bind9-dnsutils", ("-v",))
KDIG = Program("kdig", "knot-dnsutils")
DNSPERF = Program("dnsperf", "dnsperf", ("-h",))
H2LOAD = Program("h2load", "nghttp2-client")
CHROMIUM = Program("chromium", "chromium")
DNSPYTHON = Program("dnspython", "python3-dnspython")

Act = Callable[[Ground, Proxy, "Way"], str]


@dataclass(frozen=True, slots=True)
class Way:
    """One client by one door and method."""

    program: Program
    options: str
    door: str
    method: str
    act: Act
    """Asks, sees that the answer is right, and says what came of it."""
    tls: bool = True
    arguments: tuple[str, ...] = ()
    requests: int = 1
    """That come of it at least."""

    @property
    def row(self) -> tuple[str, str, str]:
        """Client, door and method as the table has them."""
        where = "over TLS" if self.tls else "in the clear"
        return f"{self.program.command} {self.options}".strip(), f"{DOORS[self.door]} {where}", self.method

    @property
    def dialect(self) -> str:
        """The name under which its requests are counted."""
        return f"rfc-{self.method.lower()}"

    def proxy(self, ground: Ground) -> Proxy:
        """Which proxy it asks."""
        return ground.encrypted if self.tls else ground.plain


# --- What each client does ---


def _target(wire: bytes) -> str:
    return "?dns=" + base64.urlsafe_b64encode(wire).rstrip(b"=").decode("ascii")


def _query_file(ground: Ground, wire: bytes) -> Path:
    file = ground.directory / "query"
    file.write_bytes(wire)
    return file


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
        body = _query_file(ground, query.to_wire())
        argv += ["--header", f"Content-Type: {MEDIA_TYPE}", "--data-binary", f"@{body}", proxy.url]
    else:
        argv += [proxy.url + _target(query.to_wire())]
    run = ground.run(*argv)
    assert run.stdout == f"{'2' if way.door == 'http2' else '1.1'} {MEDIA_TYPE}", run
    reply = dns.message.from_wire(reply_file.read_bytes())
    assert query.is_response(reply)
    assert addresses_said([says(reply)]) == ground.expected()
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
        argv += ["-d", str(_query_file(ground, wire)), "-H", f"content-type: {MEDIA_TYPE}", proxy.url]
    else:
        argv += [proxy.url + _target(wire)]
    run = ground.run(*argv)
    assert f"{LOAD_REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in run.stdout, run.stdout
    assert f"status codes: {LOAD_REQUESTS} 2xx" in run.stdout, run.stdout
    return f"{LOAD_REQUESTS} of {LOAD_REQUESTS}"


def _dnspython(ground: Ground, proxy: Proxy, way: Way) -> str:
    query = dns.message.make_query(QNAME, A, id=0)
    trust = ssl.create_default_context(cafile=str(ground.authority.file))
    is_2 = way.door == "http2"
    with httpx2.Client(http1=not is_2, http2=is_2, verify=trust, trust_env=False) as session:
        answer = dns.query.https(query, proxy.url, timeout=20, session=session, post=way.method == "POST")
    assert addresses_said([says(answer)]) == ground.expected()
    return "resolves"


def _chromium(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Fetch a page by a name that only the proxy can tell, as every other resolver is ruled out."""
    template = proxy.url + ("{?dns}" if way.method == "GET" else "")
    profile = ground.directory / f"profile-{way.method}"
    profile.mkdir()
    secure = {"dns_over_https": {"mode": "secure", "templates": template}}
    (profile / "Local State").write_text(json.dumps(secure), encoding="ascii")
    argv = [ground.find_program("chromium", "chromium"), "--headless", "--no-sandbox", "--disable-gpu"]
    argv += ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    argv += ["--disable-sync", "--no-proxy-server", "--disable-features=HttpsUpgrades", f"--user-data-dir={profile}"]
    argv += [f"--ignore-certificate-errors-spki-list={_key_hash(ground.certificate)}"]
    argv += ["--dns-over-https-mode=secure", f"--dns-over-https-templates={template}"]
    with _page() as (port, told):
        run = ground.run(*argv, "--virtual-time-budget=5000", "--dump-dom", f"http://{PAGE_NAME}:{port}/")
    assert "seen by its name" in run.stdout, run
    assert f"{PAGE_NAME}:{port}" in told
    return "resolves"


def _key_hash(files: CertificateFiles) -> str:
    key = x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode("ascii")


@contextmanager
def _page() -> Iterator[tuple[int, list[str]]]:
    """A web page; the port where it is, and the names by which it has been fetched."""
    told: list[str] = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers["Host"])
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<p>seen by its name</p>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
            """Keep quiet."""

    with http.server.ThreadingHTTPServer((PAGE_ADDRESS, 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], told
        finally:
            server.shutdown()
            thread.join(timeout=5)


# --- All of them ---


def _by_hand(option: str, door: str, *, tls: bool) -> Iterator[Way]:
    for method in ("GET", "POST"):
        yield Way(CURL, option, door, method, _curl_by_hand, tls, (option,))


def _both_methods(program: Program, act: Act, door: str, options: str = "", *, requests: int = 1) -> Iterator[Way]:
    for method in ("GET", "POST"):
        yield Way(program, options, door, method, act, requests=requests)


def _load(door: str, *arguments: str, tls: bool = True) -> Iterator[Way]:
    for method in ("GET", "POST"):
        yield Way(H2LOAD, " ".join(arguments), door, method, _h2load, tls, arguments, LOAD_REQUESTS)


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
    *_both_methods(DNSPYTHON, _dnspython, "http1"),
    *_both_methods(DNSPYTHON, _dnspython, "http2"),
    *_both_methods(CHROMIUM, _chromium, "http2", "--headless"),
)

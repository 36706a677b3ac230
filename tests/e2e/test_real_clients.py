"""Real clients, and requests spelled as real clients spell them, against the running proxy."""

import base64
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.edns
import dns.message
import pytest

from tests.conftest import FindProgram
from tests.e2e import zones
from tests.e2e.answers import A, says
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.http1 import MEDIA_TYPE
from tests.e2e.proxy import Proxy, ProxySettings, environment, running_proxy
from tests.e2e.unbound import Unbound
from tests.e2e.ways import addresses_said, ask_by_dnspython, resolve_by_curl

QNAME = f"chain0.{zones.ORIGIN}"
BODY_HASH = "dce644338d9d8cf663368c4c27af4374a3f96a34077b8864385f83f22cef3902"
PADDING_BLOCK = 468


@pytest.fixture(scope="module")
def proxy(
    unbound: Unbound, authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A proxy that speaks TLS, with every dialect at its default."""
    settings = ProxySettings(
        (f"udp://127.0.0.1:{unbound.port}",), authority, tls=authority.issue(["localhost", "127.0.0.1"])
    )
    with running_proxy(tmp_path_factory.mktemp("proxy"), settings) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one client spells its request. Read in its source; see its row among the known clients."""

    method: str
    fields: str
    dialect: str
    """The name under which it is counted."""
    before: str = ""
    """What its target holds before "dns=", or all its parameters for a POST."""
    after: str = ""
    """What its target holds after the query."""
    ecs: bool = False
    pad: int = 0
    """Block length its query is padded to; 0: no padding."""
    payload: int = 0
    """UDP size in its OPT record; 0: none."""

    def query(self) -> dns.message.Message:
        """The DNS message it would send."""
        options: list[dns.edns.Option] = [dns.edns.ECSOption("0.0.0.0", 0)] if self.ecs else []  # noqa: S104
        query = dns.message.make_query(QNAME, A, id=0)
        if self.payload:
            query.use_edns(0, payload=self.payload, options=options, pad=self.pad)
        return query

    def target(self, wire: bytes) -> str:
        """Its request target for this query."""
        if self.method == "POST":
            return f"/dns-query{self.before}"
        encoded = base64.urlsafe_b64encode(wire).rstrip(b"=").decode("ascii")
        return f"/dns-query?{self.before}dns={encoded}{self.after}"


BOTH = f"Accept: {MEDIA_TYPE}\r\nContent-Type: {MEDIA_TYPE}\r\n"
ACCEPT = f"Accept: {MEDIA_TYPE}\r\n"
TYPE = f"Content-Type: {MEDIA_TYPE}\r\n"
DNSCRYPT = "User-Agent: dnscrypt-proxy\r\n"
GO_DOH = "User-Agent: DNS-over-HTTPS/2.3.10 (+https://github.com/m13253/dns-over-https)\r\n"

SPELLINGS = {
    "Firefox": Spelling(
        "POST",
        BOTH + "Accept-Encoding: \r\nCache-Control: no-store\r\nPragma: no-cache\r\n",
        "rfc-post",
        ecs=True,
        pad=128,
        payload=4096,
    ),
    "Chrome": Spelling(
        "GET",
        ACCEPT + "Accept-Language: *\r\nUser-Agent: Chrome\r\nAccept-Encoding: identity\r\n",
        "rfc-get",
        pad=128,
        payload=4096,
    ),
    "iOS, with a content type on a GET": Spelling("GET", BOTH, "rfc-get", pad=128, payload=4096),
    "dnscrypt-proxy of today": Spelling(
        "POST",
        DNSCRYPT + BOTH + "Cache-Control: max-stale\r\n",
        "post-body-hash",
        before=f"?body_hash={BODY_HASH}",
        pad=64,
        payload=4096,
    ),
    "dnscrypt-proxy of 2019": Spelling(
        "POST",
        DNSCRYPT + BOTH + f"X-Pad: {'X' * 31}\r\n",
        "post-x-pad",
        before=f"?body_hash={BODY_HASH}",
        payload=4096,
    ),
    "dnscrypt-proxy of 2019 after a failed POST": Spelling("GET", DNSCRYPT + ACCEPT, "get-ct-empty", before="ct=&"),
    "dnscrypt-proxy 2.0.18": Spelling(
        "GET", DNSCRYPT + ACCEPT, "get-random-padding", before="ct=&", after=f"&random_padding={'X' * 31}"
    ),
    "m13253's client": Spelling(
        "GET",
        GO_DOH + "Accept: application/dns-message, application/dns-udpwireformat, application/json\r\n",
        "get-ct-message",
        before="ct=application/dns-message&",
    ),
    "NextDNS, without an Accept": Spelling("POST", TYPE + "User-Agent: nextdns-cli/1.44\r\n", "rfc-post"),
    "OkHttp, without EDNS": Spelling("GET", ACCEPT + "User-Agent: okhttp/5.0.0\r\n", "rfc-get"),
    "Xray, with a kilobyte of padding": Spelling(
        "POST", BOTH + f"X-Padding: {'X' * 1000}\r\n", "rfc-post", payload=4096
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_it_is_answered_and_counted_under_its_dialect(proxy: Proxy, unbound: Unbound, spelling: Spelling) -> None:
    query = spelling.query()
    wire = query.to_wire()
    before = requests_in(proxy, spelling.dialect)
    with proxy.client() as client:
        body = wire if spelling.method == "POST" else b""
        answer = client.request(spelling.method, spelling.target(wire), spelling.fields, body)
    message = answer.message()
    assert query.is_response(message)
    assert says(message) == says(unbound.ask(QNAME, A))
    assert (len(answer.body) % PADDING_BLOCK == 0) == bool(spelling.pad)
    assert requests_in(proxy, spelling.dialect) == before + 1


def requests_in(proxy: Proxy, dialect: str) -> float:
    """How many requests have been counted under this dialect."""
    return proxy.metric("dohproxy_dialect_requests_total", {"dialect": dialect})


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_curl_by_hand(
    proxy: Proxy,
    unbound: Unbound,
    authority: CertificateAuthority,
    find_program: FindProgram,
    tmp_path: Path,
    method: str,
) -> None:
    query = dns.message.make_query(QNAME, A, id=0x4242)
    (tmp_path / "query").write_bytes(query.to_wire())
    arguments = ["-q", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "10"]
    arguments += ["--cacert", str(authority.file), "--dump-header", str(tmp_path / "head")]
    if method == "POST":
        arguments += ["--header", f"Content-Type: {MEDIA_TYPE}", "--data-binary", f"@{tmp_path / 'query'}", proxy.url]
    else:
        arguments += [f"{proxy.url}?dns={base64.urlsafe_b64encode(query.to_wire()).rstrip(b'=').decode()}"]
    run = subprocess.run(
        [find_program("curl", "curl"), *arguments], capture_output=True, timeout=20, check=True, env=environment()
    )
    reply = dns.message.from_wire(run.stdout)
    assert query.is_response(reply)
    assert says(reply) == says(unbound.ask(QNAME, A))
    head = (tmp_path / "head").read_text(encoding="latin-1").lower()
    assert f"content-type: {MEDIA_TYPE}" in head
    assert "cache-control: max-age=" in head


def test_curl_resolves_an_alias_through_it(
    proxy: Proxy, unbound: Unbound, authority: CertificateAuthority, find_program: FindProgram, tmp_path: Path
) -> None:
    found = resolve_by_curl(find_program("curl", "curl"), proxy, authority, [QNAME], tmp_path)
    assert found == {QNAME: addresses_said([says(unbound.ask(QNAME, A))])}


def test_dnspython_asks_by_both_methods(proxy: Proxy, unbound: Unbound, authority: CertificateAuthority) -> None:
    said = ask_by_dnspython(proxy, authority, [(QNAME, A), (QNAME, A)])
    assert said == [says(unbound.ask(QNAME, A))] * 2


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        pytest.param("/resolve?name=www.example.com&type=A", "", 404, id="the JSON of Google"),
        pytest.param(
            "/dns-query?name=www.example.com&type=AAAA",
            "Accept: application/dns-json\r\n",
            406,
            id="the JSON of Cloudflare",
        ),
        pytest.param("/.well-known/dns-query?ct&body=AAAB", "", 404, id="the path of the second draft"),
        pytest.param(
            "/dns-query?ct=application/dns-udpwireformat&dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB",
            "",
            415,
            id="the media type of the third draft",
        ),
        pytest.param("/dns-query", "", 400, id="a browser that looks what is there"),
    ],
)
def test_an_obsolete_dialect_is_refused_without_the_upstream_and_told_only_of_json(
    proxy: Proxy, unbound: Unbound, target: str, fields: str, status: int
) -> None:
    before = unbound.queries_received()
    with proxy.client() as client:
        answer = client.request("GET", target, fields)
    assert answer.status == status
    assert (b"JSON" in answer.body) is (status == 406)
    assert bool(answer.body) is (status == 406)
    assert unbound.queries_received() == before

"""dohproxy behind nginx, HAProxy and Caddy: its limits see the true client, whatever the client writes."""

import base64
import itertools
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import dns.message
import pytest
from _pytest.mark import ParameterSet

from tests.conftest import FindProgram
from tests.e2e import zones
from tests.e2e.answers import A, says
from tests.e2e.browsers import key_hash
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.devtools import browsing
from tests.e2e.front_proxies import (
    FRONT_PROXIES,
    HOST,
    Curl,
    Fetched,
    FrontProxy,
    ProxyOnSocket,
    Site,
    running_front,
)
from tests.e2e.http1 import MEDIA_TYPE
from tests.e2e.processes import LOOPBACK, Child, free_port, wait_until
from tests.e2e.proxy import SERVING, ProxySettings, Sections, Value
from tests.e2e.unbound import Unbound

pytestmark = pytest.mark.long

BURST = 30
"""What one client may ask at once; so slow is the rate that nothing is added while a test runs."""

QUERY = dns.message.make_query(f"www.{zones.ORIGIN}", A, id=0)
DNS = base64.urlsafe_b64encode(QUERY.to_wire()).rstrip(b"=").decode("ascii")
TARGET = f"/dns-query?dns={DNS}"
POST = f"Content-Type: {MEDIA_TYPE}"

# As in the examples, and 127.0.0.1 alone: the other addresses of 127.0.0.0/8 are clients.
TRUSTED = ["127.0.0.1/32", "unix"]

# A network of its own for each client, as networks have limits too.
_client_numbers = itertools.count(1)


def new_client() -> str:
    """An address from which nobody has asked yet."""
    number = next(_client_numbers)
    return f"127.{64 + number // 256}.{number % 256}.7"


@dataclass(frozen=True, slots=True)
class Stand:
    """A dohproxy, a front proxy before it, and curl."""

    front: FrontProxy
    site: Site
    process: Child
    proxy: ProxyOnSocket
    curl: Curl

    def ask(self, client: str, count: int = 1, *headers: str) -> list[Fetched]:
        """Ask the same question over one connection.

        Raise AssertionError, with all that is known of the stand, if it is neither answered nor too much.
        """
        answers = self.curl.fetch(client, [TARGET] * count, headers=headers)
        assert set(statuses_of(answers)) <= {200, 429}, self.account(answers)
        return answers

    def account(self, answers: Sequence[Fetched]) -> str:
        """What curl got, whether both processes run, what they wrote, and how dohproxy's connections ended."""
        got = ", ".join(f"{answer.status} {answer.error}".strip() for answer in answers)
        dohproxy = self.proxy.child
        lines = [f"curl got {got}", f"{self.front.name} {self.process.state}", f"dohproxy {dohproxy.state}"]
        for log in sorted(self.site.directory.glob("*.log")):
            lines += [f"--- {log.name}", log.read_text(encoding="utf-8", errors="replace")]
        with suppress(OSError):  # It may be gone, or hang.
            lines += ["--- metrics", *re.findall("^dohproxy_connections.*", self.proxy.metrics_text(), re.MULTILINE)]
        return "\n".join(lines)

    def statuses(self) -> dict[str, float]:
        """By what the clients' addresses were found, so far."""
        names = ("connection", "header", "hidden", "ignored-untrusted", "missing", "malformed")
        return self.proxy.metrics("dohproxy_client_address_total", "status", names)


@dataclass(frozen=True, slots=True)
class Workbench:
    """What every stand is built with."""

    unbound: Unbound
    authority: CertificateAuthority
    find_program: FindProgram

    def settings(self, front: FrontProxy, clients: dict[str, Value], server: dict[str, Value]) -> ProxySettings:
        """A dohproxy with a small limit for everybody."""
        sections: Sections = {
            "server": {"host": HOST, **server},
            "clients": clients,
            "limits": {"exempt_networks": [], "requests_per_second": 0.1, "requests_burst": BURST},
        }
        tls = None if front.has_tls else self.authority.issue([HOST])
        return ProxySettings((f"udp://127.0.0.1:{self.unbound.port}",), self.authority, tls, sections)

    def stand(
        self,
        front: FrontProxy,
        transport: str,
        stack: ExitStack,
        *,
        clients: dict[str, Value] | None = None,
        server: dict[str, Value] | None = None,
        changes: dict[str, str] | None = None,
    ) -> Stand:
        """Start both, to be ended by `stack`."""
        program, curl = front.find(self.find_program), self.find_program("curl", "curl")
        # Short, as the path of a Unix socket must be.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="front-")))
        source = "x-forwarded-for" if front.has_tls else "proxy-protocol"
        clients = clients or {"address_from": source, "trusted_proxies": TRUSTED}
        settings = self.settings(front, clients, server or {})
        proxy = ProxyOnSocket(directory, settings)
        stack.callback(proxy.stop)
        proxy.start()
        backend = f"{LOOPBACK}:{proxy.port}" if transport == "tcp" else str(proxy.socket)
        site = Site(program, directory, backend, self.authority.issue([HOST]), changes=changes or {})
        site, process = stack.enter_context(running_front(front, site))
        return Stand(front, site, process, proxy, Curl(curl, self.authority, site.port, directory))


@pytest.fixture(scope="module")
def workbench(unbound: Unbound, authority: CertificateAuthority, find_program: FindProgram) -> Workbench:
    """What every stand is built with."""
    return Workbench(unbound, authority, find_program)


def _stands(fronts: Iterable[FrontProxy]) -> list[ParameterSet]:
    return [
        pytest.param((front, transport), id=f"{front.name} over {transport}")
        for front in fronts
        for transport in ("tcp", "unix")
    ]


@pytest.fixture(scope="module", params=_stands(FRONT_PROXIES))
def stand(request: pytest.FixtureRequest, workbench: Workbench) -> Iterator[Stand]:
    """Each example, with dohproxy behind a TCP port and behind a Unix socket."""
    front, transport = request.param
    with ExitStack() as stack:
        health = workbench.stand(front, transport, stack)
        # Here, so that a stand that does not work is told once and not by each of its tests.
        assert statuses_of(health.ask(new_client())) == [200]
        yield health


HTTP_FRONTS = [front for front in FRONT_PROXIES if front.has_tls]
# The others pass connections on unopened: what HTTP there is, is between client and dohproxy.
behind_http = pytest.mark.parametrize("stand", _stands(HTTP_FRONTS), indirect=True, scope="module")


def statuses_of(answers: list[Fetched]) -> list[int]:
    return [answer.status for answer in answers]


# ---------------------------------------------------------------- it works, or says why not


@pytest.mark.parametrize("front", FRONT_PROXIES, ids=lambda front: front.name)
def test_a_stand_that_does_not_work_says_why(front: FrontProxy, workbench: Workbench) -> None:
    with ExitStack() as stack:
        stand = workbench.stand(front, "unix", stack)
        stand.proxy.child.kill()
        with pytest.raises(AssertionError) as failure:
            stand.ask(new_client())
    told = str(failure.value)
    assert f"{front.name} runs" in told
    assert "dohproxy has ended with -9" in told
    assert f"{SERVING} {LOOPBACK}" in told, "what it wrote"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_query_is_answered(stand: Stand, method: str) -> None:
    client = new_client()
    if method == "GET":
        [answer] = stand.ask(client)
    else:
        [answer] = stand.curl.fetch(client, ["/dns-query"], headers=[POST], body=QUERY.to_wire())
    assert answer.status == 200
    said = says(dns.message.from_wire(answer.body))
    assert said.answer == (f"www.{zones.ORIGIN}. A 127.0.1.1", f"www.{zones.ORIGIN}. A 127.0.1.2")


@behind_http
def test_the_client_speaks_http_2(stand: Stand) -> None:
    assert [answer.version for answer in stand.ask(new_client())] == ["2"]


@behind_http
def test_every_address_comes_from_the_header(stand: Stand) -> None:
    before = stand.statuses()
    stand.ask(new_client(), 3)
    after = stand.statuses()
    assert after == {**before, "header": before["header"] + 3}


@behind_http
def test_connections_to_dohproxy_are_kept(stand: Stand) -> None:
    before = stand.proxy.metric("dohproxy_connections_accepted_total")
    stand.ask(new_client(), 25)
    for _ in range(25):
        stand.ask(new_client())
    assert stand.proxy.metric("dohproxy_connections_accepted_total") - before <= 3


@behind_http
def test_another_path_is_not_dohproxy_s(stand: Stand) -> None:
    before = stand.statuses()
    [answer] = stand.curl.fetch(new_client(), ["/dns-query/other"])
    assert answer.status == 404
    assert stand.statuses() == before


@pytest.mark.parametrize(
    ("first", "status"),
    [("Accept: application/dns-message;q=0", 406), ("Content-Encoding: gzip", 415), (None, 429)],
    ids=["what another client would not take", "what another client has encoded", "another client's limit"],
)
def test_a_cache_before_us_gives_nobody_the_refusal_of_another(
    workbench: Workbench, tmp_path: Path, first: str | None, status: int
) -> None:
    # One that keeps what it may, for as long as it is told, and otherwise everything for ten minutes.
    changes = {
        "upstream dohproxy {": f"proxy_cache_path {tmp_path}/cache keys_zone=kept:1m;\n    upstream dohproxy {{",
        "proxy_pass http://dohproxy;": ("proxy_pass http://dohproxy; proxy_cache kept; proxy_cache_valid any 10m;"),
    }
    nginx = next(front for front in FRONT_PROXIES if front.name == "nginx")
    with ExitStack() as stack:
        stand = workbench.stand(nginx, "tcp", stack, changes=changes)
        greedy, honest = new_client(), new_client()
        if first is None:
            stand.curl.fetch(greedy, [f"/dns-query?dns={DNS}&{number}=" for number in range(2 * BURST)])
        headers = (first,) if first is not None else ()
        [refused] = stand.curl.fetch(greedy, [TARGET], headers=headers)
        assert refused.status == status, stand.account([refused])
        [answer] = stand.curl.fetch(honest, [TARGET])
        assert answer.status == 200, stand.account([answer])
        # That it is a cache indeed: the answer itself is kept, and given to the next.
        asked = stand.statuses()
        [again] = stand.curl.fetch(new_client(), [TARGET])
        assert again.status == 200
        assert stand.statuses() == asked


@pytest.mark.parametrize("transport", ["tcp", "unix"])
@pytest.mark.parametrize(
    ("name", "changes"),
    [("haproxy", {" maxconn 256": " maxconn 256 proto h2"}), ("caddy", {"# HTTP/2 on this side too: ": ""})],
    ids=["haproxy", "caddy"],
)
def test_http_2_reaches_dohproxy_where_the_example_says_how(
    workbench: Workbench, name: str, changes: dict[str, str], transport: str
) -> None:
    [front] = [front for front in FRONT_PROXIES if front.name == name]
    with ExitStack() as stack:
        stand = workbench.stand(front, transport, stack, changes=changes)
        client = new_client()
        assert statuses_of(stand.ask(client, BURST)) == [200] * BURST
        assert statuses_of(stand.ask(new_client())) == [200]
        assert stand.proxy.metric("dohproxy_requests_total", {"frontend": "http2"}) == BURST + 1
        assert stand.statuses()["header"] == BURST + 1
        assert stand.proxy.metric("dohproxy_connections_accepted_total") <= 3


ASK_BOTH_WAYS = """Promise.all([
    fetch("%(url)s?dns=%(dns)s"),
    fetch("%(url)s", {method: "POST", headers: {"content-type": "%(type)s"}, body: new Uint8Array(%(wire)s)}),
]).then(all => Promise.all(all.map(async one => [one.status, [...new Uint8Array(await one.arrayBuffer())]])))"""


async def test_caddy_speaks_http_3_for_dohproxy(workbench: Workbench, tmp_path: Path) -> None:
    chromium = workbench.find_program("chromium", "chromium")
    [caddy] = [front for front in FRONT_PROXIES if front.name == "caddy"]
    with ExitStack() as stack:
        # The page that asks is nobody's.
        stand = workbench.stand(caddy, "tcp", stack, server={"cors": True})
        [answer] = stand.ask(new_client())
        assert f'h3=":{stand.site.port}"' in answer.alt_svc
        flags = [f"--ignore-certificate-errors-spki-list={key_hash(stand.site.certificate)}"]
        flags += [f"--host-resolver-rules=MAP {HOST} {LOOPBACK}", f"--origin-to-force-quic-on={HOST}:{stand.site.port}"]
        before = stand.statuses()
        async with browsing(chromium, tmp_path, flags) as browser, browser.tab() as tab:
            url = f"https://{HOST}:{stand.site.port}/dns-query"
            wire = list(QUERY.to_wire())
            found = await tab.run(ASK_BOTH_WAYS % {"url": url, "dns": DNS, "type": MEDIA_TYPE, "wire": wire})
            asked = {(one, protocol) for one, protocol in tab.answered if one.startswith(url)}
        assert asked == {(f"{url}?dns={DNS}", "h3"), (url, "h3")}
        for status, body in found:
            assert status == 200
            assert says(dns.message.from_wire(bytes(body))).answer
        # Two queries and a preflight, each of a client that is known.
        assert stand.statuses() == {**before, "header": before["header"] + 3}


# ---------------------------------------------------------------- the true client

FORGED = {
    "nothing forged": (),
    "X-Forwarded-For": ("X-Forwarded-For: 198.51.100.9",),
    "X-Forwarded-For twice": ("X-Forwarded-For: 198.51.100.9", "X-Forwarded-For: 127.0.0.1"),
    "a list": ("X-Forwarded-For: 198.51.100.9, 127.0.0.1, 127.0.0.1",),
    "what nobody can read": ('X-Forwarded-For: \\"198.51.100.9',),
    "other spelling": ("x-FORWARDED-for: 198.51.100.9", "X_Forwarded_For: 198.51.100.9"),
    "Forwarded": ("Forwarded: for=198.51.100.9;by=127.0.0.1",),
    "other headers": ("X-Real-IP: 198.51.100.9", "True-Client-IP: 198.51.100.9", "Via: 1.1 127.0.0.1"),
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_a_client_over_its_limit_stays_so_whatever_it_writes(stand: Stand, headers: tuple[str, ...]) -> None:
    client, other = new_client(), new_client()
    before = stand.statuses()
    asked = stand.ask(client, BURST + 5, *headers)
    assert statuses_of(asked[:BURST]) == [200] * BURST
    assert asked[-1].status == 429
    assert int(asked[-1].retry_after) >= 1
    assert statuses_of(stand.ask(client)) == [429]
    assert statuses_of(stand.ask(other, 1, *headers)) == [200]
    after = stand.statuses()
    assert {name for name, count in after.items() if count != before[name]} <= {"header"}


def test_a_client_cannot_spend_another_s_limit(stand: Stand) -> None:
    attacker, victim = new_client(), new_client()
    stand.ask(attacker, BURST + 5, f"X-Forwarded-For: {victim}", f"Forwarded: for={victim}")
    assert statuses_of(stand.ask(victim, BURST)) == [200] * BURST


# ---------------------------------------------------------------- sizes


def padded(target: str, length: int) -> str:
    """A target of this length, with a parameter that nobody knows."""
    return f"{target}&x=".ljust(length, "x")


# A front proxy that refuses a body ends the stream without reading it. curl, still sending, may then report a broken
# stream (0); Caddy may meet its own limit in the middle of passing the body on (502).
BODY_REFUSED = {0, 413, 502}


@behind_http
@pytest.mark.parametrize(
    ("target", "header", "body_bytes", "statuses"),
    [
        (padded(TARGET, 4096), None, 0, {200}),
        (padded(TARGET, 4097), None, 0, {414}),
        (padded(TARGET, 7000), None, 0, {414}),
        (padded(TARGET, 60_000), None, 0, {0, 400, 414, 431}),
        (TARGET, "X-Padding: " + "x" * 3000, 0, {200}),
        (TARGET, "X-Padding: " + "x" * 5000, 0, {431}),
        (TARGET, "X-Padding: " + "x" * 60_000, 0, {0, 400, 431}),
        ("/dns-query", POST, 1025, BODY_REFUSED),
        ("/dns-query", POST, 60_000, BODY_REFUSED),
    ],
    ids=[
        "a target as long as is allowed",
        "a target one byte longer",
        "a long target",
        "an endless target",
        "a long field",
        "a field that is too long",
        "an endless field",
        "a body one byte too long",
        "an endless body",
    ],
)
def test_what_is_too_large_is_refused_as_such(
    stand: Stand, target: str, header: str | None, body_bytes: int, statuses: set[int]
) -> None:
    headers = [] if header is None else [header]
    body = bytes(body_bytes) if body_bytes else None
    client = new_client()
    [answer] = stand.curl.fetch(client, [target], headers=headers, body=body)
    assert answer.status in statuses
    assert statuses_of(stand.ask(client)) == [200]


# ---------------------------------------------------------------- privacy


@pytest.mark.parametrize("front", HTTP_FRONTS, ids=lambda front: front.name)
def test_it_writes_neither_names_nor_addresses_even_when_dohproxy_is_gone(
    front: FrontProxy, workbench: Workbench, tmp_path: Path
) -> None:
    program = front.find(workbench.find_program)
    curl = workbench.find_program("curl", "curl")
    client = new_client()
    site = Site(program, tmp_path, f"{LOOPBACK}:{free_port()}", workbench.authority.issue([HOST]))
    with running_front(front, site) as (running, process):
        [answer] = Curl(curl, workbench.authority, running.port, tmp_path).fetch(client, [TARGET])
    assert answer.status in {502, 503, 504}
    error_log = tmp_path / "error.log"
    written = process.log_text() + (error_log.read_text(encoding="utf-8") if error_log.exists() else "")
    assert DNS not in written
    assert client not in written


# ---------------------------------------------------------------- mistakes

MANY = 130
NGINX = FRONT_PROXIES[0]
LINE = "proxy_set_header X-Forwarded-For $remote_addr;"


@pytest.mark.parametrize(
    ("clients", "changes", "finding", "event"),
    [
        ({"address_from": "connection"}, {}, "shared-address", "all clients share one address"),
        (
            {"address_from": "x-forwarded-for", "trusted_proxies": ["192.0.2.1/32"]},
            {},
            "untrusted-header",
            "header from an untrusted peer",
        ),
        (
            {"address_from": "x-forwarded-for", "trusted_proxies": TRUSTED},
            {LINE: ""},
            "missing-header",
            "header missing from a trusted peer",
        ),
    ],
    ids=[
        "a header that dohproxy was not told of",
        "a proxy that dohproxy was not told of",
        "a proxy that says nothing",
    ],
)
def test_a_mistake_is_told_in_the_log_and_in_the_metrics(
    workbench: Workbench, clients: dict[str, Value], changes: dict[str, str], finding: str, event: str
) -> None:
    with ExitStack() as stack:
        stand = workbench.stand(NGINX, "tcp", stack, clients=clients, changes=changes)
        assert stand.proxy.metric("dohproxy_front_proxy_finding") == 0
        users = [new_client() for _ in range(2)]
        answers = [answer for user in users for answer in stand.ask(user, MANY // 2)]
        assert 429 in statuses_of(answers), "they do share one limit"
        wait_until(lambda: event in stand.proxy.child.log_text(), 10, event)
        assert stand.proxy.metric("dohproxy_front_proxy_finding", {"finding": finding}) == 1
        stand.ask(users[0], MANY // 2)
        log = stand.proxy.child.log_text()
    assert log.count(event) == 1
    assert not [
        user for user in (*users, "127.0.0.1") if any(user in line for line in log.splitlines() if event in line)
    ]


def test_an_example_as_it_is_shipped_gives_no_finding(stand: Stand) -> None:
    for _ in range(3):
        stand.ask(new_client(), MANY // 3 + 1)
    assert stand.proxy.metric("dohproxy_front_proxy_finding") == 0

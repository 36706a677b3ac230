"""Two thousand names and every kind of answer, through the proxy and directly: they must say the same."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rdatatype
import pytest

from tests.conftest import FindProgram
from tests.e2e import zones
from tests.e2e.answers import AAAA, HTTPS, TXT, A, Said, ede_codes, says
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.e2e.unbound import DOT_NAME, Unbound
from tests.e2e.ways import (
    Question,
    addresses_said,
    ask_by_dnspython,
    ask_by_raw_socket,
    resolve_by_curl,
)

pytestmark = pytest.mark.long

# Short, so that waiting for a question nobody answers does not take long: an attempt ends after half a second.
DEADLINES = {"resolver": {"deadline_seconds": 2.5, "attempt_seconds": 0.6}}


@pytest.fixture(scope="module", params=["udp", "tcp", "tls"], ids=["over UDP", "over TCP", "over DoT"])
def transport(request: pytest.FixtureRequest) -> str:
    """How the proxy asks Unbound."""
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture(scope="module")
def proxy(
    transport: str, unbound: Unbound, authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A proxy that speaks TLS and asks Unbound over one transport."""
    settings = ProxySettings(
        (upstream_url(transport, unbound),),
        authority,
        tls=authority.issue(["localhost", "127.0.0.1"]),
        sections=DEADLINES,
    )
    with running_proxy(tmp_path_factory.mktemp("proxy"), settings) as running:
        yield running


def upstream_url(transport: str, unbound: Unbound) -> str:
    """Where the configuration finds Unbound."""
    if transport == "tls":
        return f"tls://127.0.0.1:{unbound.tls_port}#{DOT_NAME}"
    return f"{transport}://127.0.0.1:{unbound.port}"


Told = tuple[list[Said], list[Said], list[Said], dict[str, set[str]]]
"""To each of the four ways of asking."""


MOST_KNOWN = 10
"""Questions that other tests of this module may have had asked before, or have brought to be asked again meanwhile."""
MOST_REPEATED = 0.01
"""Questions that may be asked once more: on a busy machine an answer can take longer than an attempt."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What has been asked of Unbound so far."""

    received: int
    """Queries that it has received, by its own counter."""
    sent: int
    """Queries that the proxy has sent, by its metrics."""
    answered: int
    """Questions of clients that were answered by one of them."""
    repeated: int
    """Those that went out although one before them was answered in the end."""

    @classmethod
    def so_far(cls, proxy: Proxy, unbound: Unbound) -> "Asked":
        """Read both, once no probe is under way: it is counted when it goes out, and as sent when it has ended."""
        for _ in range(100):
            probes = proxy.metric("dohproxy_upstream_probes_total")
            if proxy.metric("dohproxy_upstream_sends_total", {"result": "answered"}) >= probes:
                break
            time.sleep(0.05)
        sent = proxy.metric("dohproxy_upstream_sends_total")
        answered = proxy.metric("dohproxy_upstream_sends_total", {"result": "answered"})
        probes = proxy.metric("dohproxy_upstream_probes_total")
        received = unbound.queries_received()
        return cls(received, int(sent), int(answered - probes), int(sent - answered))


class Questions:
    """All names, a quarter of them for each of four ways of asking."""

    def __init__(self, names: Sequence[str]) -> None:
        self.by_get: list[Question] = [(name, A) for name in names[0::4]]
        # half of these have no such record: as many negative answers as positive ones
        self.by_post: list[Question] = [(name, AAAA) for name in names[1::4]]
        self.by_dnspython: list[Question] = [(name, A) for name in names[2::4]]
        self.by_curl = list(names[3::4])

    def __len__(self) -> int:
        return len(self.by_get) + len(self.by_post) + len(self.by_dnspython) + 2 * len(self.by_curl)

    def ask_all(self, proxy: Proxy, authority: CertificateAuthority, curl: str, directory: Path) -> Told:
        """What the proxy says, by GET, by POST, to dnspython and to curl."""
        return (
            ask_by_raw_socket(proxy, "GET", self.by_get),
            ask_by_raw_socket(proxy, "POST", self.by_post),
            ask_by_dnspython(proxy, authority, self.by_dnspython),
            resolve_by_curl(curl, proxy, authority, self.by_curl, directory),
        )

    def expected(self, unbound: Unbound) -> Told:
        """The same, as Unbound itself says it."""
        by_get, by_post, by_dnspython = (
            [says(unbound.ask(*question)) for question in questions]
            for questions in (self.by_get, self.by_post, self.by_dnspython)
        )
        by_curl = {
            qname: addresses_said(says(unbound.ask(qname, qtype)) for qtype in (A, AAAA)) for qname in self.by_curl
        }
        return by_get, by_post, by_dnspython, by_curl


@pytest.fixture(
    scope="module",
    params=["names", pytest.param("foreign_names", marks=pytest.mark.foreign)],
    ids=["our own", "foreign"],
)
def questions(request: pytest.FixtureRequest) -> Questions:
    """What is asked over each transport."""
    return Questions(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def expected(questions: Questions, unbound: Unbound) -> Told:
    """What Unbound says, which does not depend on how the proxy asks it."""
    return questions.expected(unbound)


def test_two_thousand_names_say_the_same_twice_and_the_second_pass_asks_nothing(
    proxy: Proxy,
    unbound: Unbound,
    questions: Questions,
    expected: Told,
    authority: CertificateAuthority,
    find_program: FindProgram,
    tmp_path: Path,
) -> None:
    curl = find_program("curl", "curl")
    before = Asked.so_far(proxy, unbound)
    first = questions.ask_all(proxy, authority, curl, tmp_path)
    between = Asked.so_far(proxy, unbound)
    second = questions.ask_all(proxy, authority, curl, tmp_path)
    after = Asked.so_far(proxy, unbound)
    for said, wanted in zip(first, expected, strict=True):
        assert said == wanted
    assert second == first
    assert abs(between.answered - before.answered - len(questions)) <= MOST_KNOWN
    assert after.answered == between.answered
    assert after.repeated <= MOST_REPEATED * len(questions)
    assert after.received - before.received == after.sent - before.sent


@pytest.mark.parametrize(
    ("qname", "qtype"),
    [
        pytest.param("www", A, id="two addresses"),
        pytest.param("www", AAAA, id="an IPv6 address"),
        pytest.param("www", HTTPS, id="a service binding with parameters"),
        pytest.param("alias", HTTPS, id="a service binding in alias form"),
        pytest.param("mIxEd", A, id="a name in mixed case"),
        pytest.param("x.y.wild", A, id="a wildcard"),
        pytest.param("chain0", A, id="a chain of aliases"),
        pytest.param("outside", A, id="an alias of a name that does not exist"),
        pytest.param("nothing-here", A, id="a name that does not exist"),
        pytest.param("www", TXT, id="a type that does not exist"),
        pytest.param("big", TXT, id="a text too big for UDP"),
        pytest.param("soon.after-200.slow", A, id="a slow answer within one attempt"),
        pytest.param("later.after-1000.slow", A, id="a slow answer within the deadline"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_kind_of_answer_comes_through_unchanged(
    proxy: Proxy, unbound: Unbound, method: str, qname: str, qtype: dns.rdatatype.RdataType
) -> None:
    # its own name for each method where the answer must be slow again
    name = f"{method}.{qname}.{zones.ORIGIN}" if qname.endswith("slow") else f"{qname}.{zones.ORIGIN}"
    query = dns.message.make_query(name, qtype, use_edns=0, payload=1232)
    with proxy.client() as client:
        wire = query.to_wire()
        reply = (client.get(wire) if method == "GET" else client.post(wire)).message()
    assert query.is_response(reply)
    assert reply.question[0].to_text() == query.question[0].to_text()
    assert reply.flags & dns.flags.RA
    assert not reply.flags & (dns.flags.TC | dns.flags.AA)
    assert says(reply) == says(unbound.ask(name, qtype))


def test_the_servers_failure_is_passed_on(proxy: Proxy, transport: str) -> None:
    query = dns.message.make_query(zones.broken_name(transport), A, use_edns=0)
    with proxy.client() as client:
        assert says(client.post(query.to_wire()).message()) == Said("SERVFAIL")


@pytest.mark.parametrize("dnssec_ok", [False, True], ids=["plain", "with DO"])
def test_a_top_level_domain_that_does_not_exist_answers_for_all_below_it(
    proxy: Proxy, unbound: Unbound, transport: str, *, dnssec_ok: bool
) -> None:
    # A name of its own for each run: what one has learnt must not answer for another.
    gone = f"gone-{transport}-{dnssec_ok}"
    below = [(f"a.b.{gone}", A), (gone, HTTPS), (f"random.{gone}", TXT)]
    expected = [says(unbound.ask(*question)) for question in below]
    with proxy.client() as client:
        before = unbound.queries_received()
        for question, said in zip([(gone, A), *below], [expected[0], *expected], strict=True):
            query = dns.message.make_query(*question, use_edns=0, want_dnssec=dnssec_ok)
            assert says(client.get(query.to_wire()).message()) == said
        assert unbound.queries_received() == before + 1


def test_an_answer_after_the_deadline_is_a_failure_that_says_why(proxy: Proxy, transport: str) -> None:
    query = dns.message.make_query(zones.slow_name(6000, transport), A, use_edns=0)
    with proxy.client() as client:
        reply = client.get(query.to_wire()).message()
    assert says(reply) == Said("SERVFAIL")
    assert ede_codes(reply) == [int(dns.edns.EDECode.NO_REACHABLE_AUTHORITY)]


def test_clients_that_show_no_extension_get_none(proxy: Proxy) -> None:
    query = dns.message.make_query(f"www.{zones.ORIGIN}", A)
    with proxy.client() as client:
        reply = client.get(query.to_wire()).message()
    assert reply.edns == -1


@pytest.mark.parametrize("name", ["other.example", "127.0.0.1"], ids=["another name", "only the address"])
def test_an_upstream_with_the_wrong_certificate_is_never_asked(
    unbound: Unbound, authority: CertificateAuthority, tmp_path: Path, name: str
) -> None:
    fragment = "" if name == "127.0.0.1" else f"#{name}"
    settings = ProxySettings((f"tls://127.0.0.1:{unbound.tls_port}{fragment}",), authority)
    query = dns.message.make_query(f"www.{zones.ORIGIN}", A, use_edns=0)
    before = unbound.queries_received()
    with running_proxy(tmp_path, settings) as proxy, proxy.client() as client:
        reply = client.get(query.to_wire()).message()
    assert says(reply) == Said("SERVFAIL")
    assert set(ede_codes(reply)) & {22, 23}
    assert unbound.queries_received() == before

"""Unbound dies and comes back: stale answers, then honest failures, then answers again."""

from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import pytest

from tests.e2e import zones
from tests.e2e.answers import A, Said, ede_codes, says, smallest_ttl
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.http1 import Http1Client
from tests.e2e.processes import wait_until
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.e2e.unbound import DOT_NAME, Unbound

STALE_TTL_SECONDS = 30
STALE_ANSWER = int(dns.edns.EDECode.STALE_ANSWER)
FAILURES = {int(dns.edns.EDECode.NO_REACHABLE_AUTHORITY), int(dns.edns.EDECode.NETWORK_ERROR)}

# Answers expire after a second, and everything that waits or remembers does so as briefly as the file may say.
IMPATIENT = {
    "cache": {
        "minimum_ttl_seconds": 0,
        "minimum_ttl_under_pressure_seconds": 0,
        "stale_answer_ttl_seconds": STALE_TTL_SECONDS,
        "stale_wait_seconds": 0.3,
        "stale_recheck_seconds": 1,
        "failure_ttl_seconds": 1,
        "failure_ttl_max_seconds": 1,
    },
    "resolver": {"deadline_seconds": 1.5, "attempt_seconds": 0.4},
}

EXPIRY_SECONDS = 10.0
RECOVERY_SECONDS = 10.0


@pytest.fixture(params=["udp", "tcp", "tls"], ids=["over UDP", "over TCP", "over DoT"])
def proxy(
    request: pytest.FixtureRequest, unbound: Unbound, authority: CertificateAuthority, tmp_path: Path
) -> Iterator[Proxy]:
    """A proxy in the clear that forgets quickly; Unbound runs again when the test ends."""
    url = {
        "udp": f"udp://127.0.0.1:{unbound.port}",
        "tcp": f"tcp://127.0.0.1:{unbound.port}",
        "tls": f"tls://127.0.0.1:{unbound.tls_port}#{DOT_NAME}",
    }[request.param]
    with running_proxy(tmp_path, ProxySettings((url,), authority, sections=IMPATIENT)) as running:
        try:
            yield running
        finally:
            unbound.kill()
            unbound.start_again()


def ask(client: Http1Client, label: str, *, edns: bool = True) -> dns.message.Message:
    """Ask for the address of a name of the test zone."""
    query = dns.message.make_query(f"{label}.{zones.ORIGIN}", A, use_edns=0 if edns else False)
    return client.get(query.to_wire()).message()


def ask_for_one_to_keep(client: Http1Client, label: str) -> dns.message.Message:
    """Ask until the answer may be kept: Unbound counts a TTL of 1 s down, and TTL 0 is for nobody else."""
    answers = [ask(client, label)]
    while not smallest_ttl(answers[-1]) and len(answers) < 1_000:
        answers.append(ask(client, label))
    return answers[-1]


def test_an_outage_of_the_only_upstream(proxy: Proxy, unbound: Unbound) -> None:
    truth = says(unbound.ask(f"brief1.{zones.ORIGIN}", A))
    with proxy.client() as client:
        known = ask_for_one_to_keep(client, "brief1")
        assert (says(known), ede_codes(known)) == (truth, [])

        unbound.kill()
        wait_until(lambda: STALE_ANSWER in ede_codes(ask(client, "brief1")), EXPIRY_SECONDS, "a stale answer")
        stale = ask(client, "brief1")
        assert says(stale) == truth
        assert smallest_ttl(stale) == STALE_TTL_SECONDS
        without_edns = ask(client, "brief1", edns=False)
        assert (says(without_edns), without_edns.edns) == (truth, -1)

        unknown = ask(client, "fresh1")
        assert says(unknown) == Said("SERVFAIL")
        assert set(ede_codes(unknown)) & FAILURES
        remembered = ask(client, "fresh1", edns=False)
        assert (says(remembered), remembered.edns) == (Said("SERVFAIL"), -1)

        unbound.start_again()
        wait_until(lambda: ask(client, "fresh2").answer != [], RECOVERY_SECONDS, "an answer for a new name")
        wait_until(lambda: ask(client, "fresh1").answer != [], RECOVERY_SECONDS, "the failure's end")
        wait_until(lambda: not ede_codes(ask(client, "brief1")), RECOVERY_SECONDS, "the stale answer's end")
        assert says(ask(client, "brief1")) == truth


def test_a_second_upstream_answers_while_the_first_is_dead(
    unbound: Unbound, authority: CertificateAuthority, tmp_path: Path
) -> None:
    urls = ("tcp://127.0.0.1:1", f"udp://127.0.0.1:{unbound.port}")
    truth = says(unbound.ask(f"fresh3.{zones.ORIGIN}", A))
    with running_proxy(tmp_path, ProxySettings(urls, authority)) as proxy, proxy.client() as client:
        assert says(ask(client, "fresh3")) == truth

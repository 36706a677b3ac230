"""Whose certificate is believed, and what is told of one that is not, by the whole program."""

from pathlib import Path

import dns.message
import pytest

from tests.e2e.answers import A, says
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, wait_until
from tests.e2e.proxy import Proxy, ProxySettings, Value, running_proxy
from tests.e2e.test_upstream_test import facts_in, run_upstream_test
from tests.e2e.unbound import DOT_NAME, Unbound


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """An authority that has nothing to do with the upstream, and is the only one the system knows."""
    return CertificateAuthority(tmp_path_factory.mktemp("strange"))


def _pin(unbound: Unbound, authority: CertificateAuthority, directory: Path) -> str:
    run = run_upstream_test(directory, authority, {"ns0": f"tls://{LOOPBACK}:{unbound.tls_port}#{DOT_NAME}"})
    return facts_in(run.stdout)["ns0"]["key"].split()[0]


def _rcode(proxy: Proxy, qname: str) -> str:
    with proxy.client() as client:
        return says(client.get(dns.message.make_query(qname, A).to_wire()).message()).rcode


@pytest.mark.parametrize("name", ["", f"#{DOT_NAME}"], ids=["the key alone", "name and key"])
@pytest.mark.parametrize("has_file", [False, True], ids=["", "by its own authority"])
def test_an_upstream_that_the_system_does_not_know_is_believed_by(
    unbound: Unbound,
    authority: CertificateAuthority,
    strange: CertificateAuthority,
    names: tuple[str, ...],
    tmp_path: Path,
    name: str,
    *,
    has_file: bool,
) -> None:
    keys: dict[str, Value] = {"pins": [_pin(unbound, authority, tmp_path)]}
    if has_file:
        keys["ca_file"] = str(authority.file)
    settings = ProxySettings(
        (f"tls://{LOOPBACK}:{unbound.tls_port}{name}",), strange, upstream={"preset": "own", **keys}
    )
    # Nobody vouches for the address; and for the name nobody whom the system knows.
    is_believed = has_file == bool(name)
    with running_proxy(tmp_path, settings) as proxy:
        assert _rcode(proxy, names[0]) == ("NOERROR" if is_believed else "SERVFAIL")


def test_a_refused_certificate_is_told_with_its_reason(
    unbound: Unbound, authority: CertificateAuthority, names: tuple[str, ...], tmp_path: Path
) -> None:
    settings = ProxySettings((f"tls://{LOOPBACK}:{unbound.tls_port}#other.example",), authority)
    with running_proxy(tmp_path, settings) as proxy:
        assert _rcode(proxy, names[0]) == "SERVFAIL"
        told = "certificate is not valid for 'other.example'"
        wait_until(lambda: told in proxy.child.log_text(), 5, "the reason in the log")
        assert proxy.metric("dohproxy_upstream_alert", {"signal": "certificate"}) == 1
        assert told in proxy.metrics_text()
        assert proxy.metric("dohproxy_upstream_sends_total", {"result": "untrusted"}) > 0

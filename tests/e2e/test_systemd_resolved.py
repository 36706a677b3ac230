"""systemd-resolved over DNS over TLS by its profile: how it keeps connections, and what it does when one ends."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import dns.message
import pytest

from tests.conftest import FindProgram
from tests.e2e.answers import A
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.ground import Ground
from tests.e2e.processes import LOOPBACK, wait_until
from tests.e2e.profile_ways import made, offer_of
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.e2e.resolved import running_resolved
from tests.e2e.unbound import Unbound

pytestmark = pytest.mark.long

IDLE_SECONDS = 1
"""The shortest that may be configured: it is to end before the client's own ten seconds."""
OWN_IDLE_SECONDS = 10
ANSWER_SECONDS = 3.0
"""An answer that had to wait for an attempt that failed takes five."""


@pytest.fixture
def idle_seconds(request: pytest.FixtureRequest) -> int:
    """After how long the service closes a connection; as the default is, if a test does not say."""
    return int(getattr(request, "param", 20))


@pytest.fixture
def ground(
    unbound: Unbound,
    authority: CertificateAuthority,
    find_program: FindProgram,
    idle_seconds: int,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Ground]:
    """A service for one test, and all that its client needs."""
    tls = authority.issue(["localhost", LOOPBACK])
    settings = ProxySettings(
        *((f"udp://{LOOPBACK}:{unbound.port}",), authority, tls, {"connections": {"idle_seconds": idle_seconds}}),
        dot=True,
    )
    with running_proxy(tmp_path_factory.mktemp("proxy"), settings) as proxy:
        yield Ground(proxy, proxy, unbound, authority, tls, tmp_path, find_program)


def ask(port: int, names: Sequence[str]) -> list[dns.message.Message]:
    """Ask for all of them at once, in plain DNS; return what comes back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((LOOPBACK, port))
        client.settimeout(ANSWER_SECONDS)
        for name in names:
            client.send(dns.message.make_query(name, A).to_wire())
        return [dns.message.from_wire(client.recv(65_535)) for _ in names]


def opened(proxy: Proxy) -> float:
    """How many connections there were."""
    return proxy.metric("dohproxy_connections_accepted_total")


def closed_for_idling(proxy: Proxy) -> float:
    """How many of them the service has closed as they were idle."""
    return proxy.metric("dohproxy_connections_closed_total", {"reason": "idle"})


@pytest.mark.parametrize("idle_seconds", [IDLE_SECONDS, 20], ids=["the service ends it", "it ends it"], indirect=True)
def test_it_keeps_one_connection_and_opens_another_when_that_has_ended(
    ground: Ground, names: Sequence[str], idle_seconds: int
) -> None:
    proxy = ground.encrypted
    with running_resolved(ground, made("systemd-resolved", offer_of(ground))) as port:
        first = ask(port, names[:20])
        assert all(reply.answer for reply in first)
        assert opened(proxy) == 1
        wait_until(lambda: proxy.metric("dohproxy_connections") == 0, OWN_IDLE_SECONDS + 5, "the end of the connection")
        assert closed_for_idling(proxy) == (1 if idle_seconds < OWN_IDLE_SECONDS else 0)
        # It has not taken the end for a failure: it asks over TLS as before, without a pause.
        assert all(reply.answer for reply in ask(port, names[20:40]))
        assert opened(proxy) == 2
    assert "degraded" not in (ground.directory / "resolved.log").read_text(encoding="utf-8")


def test_it_asks_nobody_whose_name_is_another(ground: Ground, names: Sequence[str]) -> None:
    offer = offer_of(ground)
    other = replace(offer, dot=replace(offer.over_tls(), name="other.example.net"))
    with (
        running_resolved(ground, made("systemd-resolved", other)) as port,
        pytest.raises(TimeoutError),
    ):
        ask(port, names[:1])
    assert ground.encrypted.metric("dohproxy_requests_total", {"frontend": "dot"}) == 0

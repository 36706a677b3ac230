"""The proxy ends, however it ends, and the next one knows what it knew: the upstream need not even be there."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import pytest

from dohproxy.cache.snapshot import read_snapshot
from tests.e2e import zones
from tests.e2e.answers import A, Said, ede_codes, says, smallest_ttl
from tests.e2e.authoritative import ADDRESS, MisbehavingServer
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.http1 import Http1Client
from tests.e2e.processes import wait_until
from tests.e2e.proxy import Proxy, ProxySettings, Sections, running_proxy

NAMES = [f"restart{number}.{zones.ORIGIN}" for number in range(20)]
OFTEN_SECONDS = 1


@contextmanager
def an_upstream() -> Iterator[MisbehavingServer]:
    """Serve until the block ends, and refuse every packet afterwards."""
    upstream = MisbehavingServer()
    upstream.start()
    try:
        yield upstream
    finally:
        upstream.stop()


def settings(upstream: MisbehavingServer, authority: CertificateAuthority, path: Path, every: float) -> ProxySettings:
    sections: Sections = {
        "cache": {"snapshot_file": str(path), "snapshot_seconds": every},
        "resolver": {"deadline_seconds": 2, "attempt_seconds": 0.5},
    }
    return ProxySettings((f"udp://127.0.0.1:{upstream.port}",), authority, sections=sections)


def ask(client: Http1Client, name: str) -> dns.message.Message:
    return client.get(dns.message.make_query(name, A, use_edns=0).to_wire()).message()


def assert_knows(proxy: Proxy, names: list[str]) -> None:
    """Every name is answered as fresh, as long after its first answer as it is."""
    with proxy.client() as client:
        for name in names:
            answer = ask(client, name)
            assert says(answer) == Said("NOERROR", (f"{name}. A {ADDRESS}",))
            assert ede_codes(answer) == []
            assert 0 < smallest_ttl(answer) < zones.TTL_SECONDS
    assert proxy.metric("dohproxy_requests_total", {"outcome": "cached"}) == len(names)


def learn(proxy: Proxy, names: list[str]) -> None:
    with proxy.client() as client:
        assert [len(ask(client, name).answer) for name in names] == [1] * len(names)


def test_after_sigterm_the_next_proxy_answers_without_an_upstream(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    path = tmp_path / "cache.snapshot"
    with an_upstream() as upstream:
        wanted = settings(upstream, authority, path, 300)
        with running_proxy(tmp_path, wanted) as proxy:
            learn(proxy, NAMES)
            assert not path.exists()
            assert proxy.child.terminate() == 0, proxy.child.log_text()
    assert path.stat().st_mode & 0o777 == 0o600
    with running_proxy(tmp_path, wanted) as proxy:
        assert_knows(proxy, NAMES)
        assert proxy.metric("dohproxy_cache_snapshot_restored") == len(NAMES)
        with proxy.client() as client:
            assert says(ask(client, f"unknown.{zones.ORIGIN}")) == Said("SERVFAIL")
        assert proxy.child.terminate() == 0
        assert zones.ORIGIN not in proxy.child.log_text()
    with running_proxy(tmp_path, wanted) as proxy:
        assert_knows(proxy, NAMES)


def test_after_kill_the_last_snapshot_counts(authority: CertificateAuthority, tmp_path: Path) -> None:
    path = tmp_path / "cache.snapshot"
    with an_upstream() as upstream:
        wanted = settings(upstream, authority, path, OFTEN_SECONDS)
        with running_proxy(tmp_path, wanted) as proxy:
            learn(proxy, NAMES)
            wait_until(
                lambda: proxy.metric("dohproxy_cache_snapshot_entries") == len(NAMES), 10, "a snapshot of all names"
            )
            learn(proxy, [f"later.{zones.ORIGIN}"])
            proxy.child.signal(signal.SIGKILL)
            proxy.child.wait(5)
    assert len(list(read_snapshot(path.read_bytes()))) >= len(NAMES)
    with running_proxy(tmp_path, wanted) as proxy:
        assert_knows(proxy, NAMES)


def test_a_damaged_snapshot_is_put_aside_and_the_service_serves(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    path = tmp_path / "cache.snapshot"
    with an_upstream() as upstream:
        wanted = settings(upstream, authority, path, 300)
        with running_proxy(tmp_path, wanted) as proxy:
            learn(proxy, NAMES)
            proxy.child.terminate()
        damaged = path.read_bytes()[:-100]
        path.write_bytes(damaged)
        with running_proxy(tmp_path, wanted) as proxy:
            learn(proxy, NAMES)
            proxy.child.terminate()
            log = proxy.child.log_text()
    assert "the cache snapshot is left unread, the cache begins empty" in log
    assert "is damaged or cut short" in log
    assert "Traceback" not in log
    assert path.with_name("cache.snapshot.unread").read_bytes() == damaged
    with running_proxy(tmp_path, wanted) as proxy:
        assert_knows(proxy, NAMES)


BURST = 40


def stateful(upstream: MisbehavingServer, authority: CertificateAuthority, directory: Path) -> ProxySettings:
    sections: Sections = {
        "server": {"state_directory": str(directory)},
        "resolver": {"deadline_seconds": 2, "attempt_seconds": 0.5},
    }
    budget = {"queries_per_second": 0.5, "burst": BURST, "in_flight": 50}
    return ProxySettings((f"udp://127.0.0.1:{upstream.port}",), authority, sections=sections, upstream=budget)


def left(proxy: Proxy) -> float:
    return proxy.metric("dohproxy_upstream_budget_left")


def spend(proxy: Proxy) -> float:
    """Ask for new names until there is no budget for one; return what is left then, which nobody may have."""
    with proxy.client() as client:
        for number in range(2 * BURST):
            if says(ask(client, f"spent{number}.{zones.ORIGIN}")) == Said("SERVFAIL"):
                break
    # The page is made once a second.
    time.sleep(1.1)
    return left(proxy)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_no_end_gives_an_upstream_a_burst_anew(
    authority: CertificateAuthority, tmp_path: Path, end: signal.Signals
) -> None:
    directory = tmp_path / "kept"
    directory.mkdir()
    with an_upstream() as upstream:
        wanted = stateful(upstream, authority, directory)
        with running_proxy(tmp_path, wanted) as proxy:
            assert proxy.metric("dohproxy_state_restored") == 0
            left_at_end, ended_at = spend(proxy), time.monotonic()
            proxy.child.signal(end)
            proxy.child.wait(10)
        modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
        # Sums of hours are written every few minutes and at the end, to which a killed process does not come.
        assert modes | {"hours.sqlite": 0o600} == {"key": 0o600, "state": 0o600, "hours.sqlite": 0o600}
        content = (directory / "state").read_bytes()
        assert not any(word in content for word in (b"127.0.0.1", zones.ORIGIN.encode(), b"udp:"))
        with running_proxy(tmp_path, wanted) as proxy:
            # A quarter of a burst is what a budget begins with that nothing is known of.
            assert left(proxy) <= left_at_end + 0.5 * (time.monotonic() - ended_at) + 0.5 < BURST / 4
            # Its budget, and what else is known of it.
            assert proxy.metric("dohproxy_state_restored") == 2
            if end is signal.SIGTERM:
                assert proxy.metric("dohproxy_state_restored_slots") == 1
            wait_until(lambda: proxy.metric("dohproxy_state_saved_at_seconds") > 0, 5, "the first save")
            assert proxy.metric("dohproxy_state_failures_total") == 0
            assert proxy.child.terminate() == 0
            assert "Traceback" not in proxy.child.log_text()

"""SIGHUP while members and strangers ask: another configuration holds within a second, and nothing is lost."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests.e2e import zones
from tests.e2e.answers import A
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import wait_until
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.e2e.unbound import Unbound

MEMBERS = 6
PER_MEMBER_SECONDS = 0.2
"""Thirty requests a second together."""
PER_STRANGER_SECONDS = 0.1
RELOADS = 6
PAUSE_SECONDS = 0.5


@pytest.fixture
def proxy(unbound: Unbound, authority: CertificateAuthority, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy with TLS in front of Unbound."""
    tls = authority.issue(["localhost", "127.0.0.1"])
    settings = ProxySettings((f"udp://127.0.0.1:{unbound.port}",), authority, tls=tls)
    with running_proxy(tmp_path, settings) as running:
        yield running


class Crowd:
    """Members on connections that stay, and strangers with a new one each time."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._query = dns.message.make_query(f"www.{zones.ORIGIN}", A).to_wire()
        self._is_over = threading.Event()
        self.statuses: list[int] = []
        self.faults: list[Exception] = []
        self._threads = [threading.Thread(target=self._ask_on_one) for _ in range(MEMBERS)]
        self._threads.append(threading.Thread(target=self._ask_on_many))

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _ask_on_one(self) -> None:
        try:
            with self._proxy.client() as client:
                while not self._is_over.wait(PER_MEMBER_SECONDS):
                    self.statuses.append(client.get(self._query).status)
        except Exception as error:
            self.faults.append(error)

    def _ask_on_many(self) -> None:
        while not self._is_over.wait(PER_STRANGER_SECONDS):
            try:
                with self._proxy.client() as client:
                    self.statuses.append(client.get(self._query).status)
            except Exception as error:
                self.faults.append(error)


def _reloaded(proxy: Proxy, text: str, *, taken: int) -> None:
    proxy.file.write_text(text, encoding="utf-8")
    proxy.child.signal(signal.SIGHUP)
    wait_until(lambda: proxy.metric("dohproxy_reloads_total", {"result": "taken"}) == taken, 5, "the reload")


def test_no_request_is_lost_while_the_configuration_is_read_again(proxy: Proxy) -> None:
    before = proxy.file.read_text(encoding="utf-8")
    with Crowd(proxy) as crowd:
        for turn in range(1, RELOADS + 1):
            time.sleep(PAUSE_SECONDS)
            keys = f"waiting_misses = {100 + turn}\nmisses_burst = {50 + turn}\n"
            _reloaded(proxy, before.replace("[limits]\n", f"[limits]\n{keys}"), taken=turn)
        time.sleep(PAUSE_SECONDS)
    assert crowd.faults == []
    assert set(crowd.statuses) == {200}
    assert len(crowd.statuses) > MEMBERS * RELOADS
    assert proxy.metric("dohproxy_miss_slots") == 100 + RELOADS


def test_a_bad_file_is_told_and_changes_nothing(proxy: Proxy) -> None:
    proxy.file.write_text(proxy.file.read_text(encoding="utf-8") + "\n[limits2]\na = 1\n", encoding="utf-8")
    proxy.child.signal(signal.SIGHUP)
    wait_until(lambda: proxy.metric("dohproxy_last_reload_success") == 0, 5, "the refusal")
    assert "the configuration is refused and nothing has changed" in proxy.child.log_text()
    assert "limits2" in proxy.child.log_text()
    with proxy.client() as client:
        assert client.get(dns.message.make_query(f"www.{zones.ORIGIN}", A).to_wire()).status == 200


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=["SIGUSR1", "SIGUSR2"])
def test_signals_without_a_meaning_are_ignored_and_told(proxy: Proxy, number: signal.Signals) -> None:
    proxy.child.signal(number)
    wait_until(lambda: number.name in proxy.child.log_text(), 5, "the line in the log")
    with proxy.client() as client:
        assert client.get(dns.message.make_query(f"www.{zones.ORIGIN}", A).to_wire()).status == 200

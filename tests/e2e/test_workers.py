"""Two workers of one service as clients, upstreams, the person on duty and scrapers meet them."""

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dns.message
import pytest

from dohproxy.control.client import send
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, START_SECONDS, wait_until
from tests.e2e.proxy import Proxy, ProxySettings, run_dohproxy, running_proxy
from tests.fakes.upstream import make_reply

pytestmark = pytest.mark.long

EVIL, OTHER, GOOD = "127.9.9.9", "127.9.9.8", "127.8.8.8"
RATE, BURST = 40, 20
SLOW_SECONDS = 1.0
# A worker is there again after the second that Python takes to start, or several on a busy machine.
REPLACED_SECONDS = 30.0


class CountingUpstream:
    """Answers over UDP, names that begin with "slow" a second later, and notes when each query came."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._socket.sendto(b"", (LOOPBACK, self.port))
        self._thread.join(5)
        self._socket.close()

    def most_beyond(self, rate: float) -> float:
        """The most queries beyond what the rate allows, over all stretches of time: the burst that was used."""
        most, lowest = 0.0, float("inf")
        for number, moment in enumerate(self.arrivals):
            lowest = min(lowest, number - rate * moment)
            most = max(most, number + 1 - rate * moment - lowest)
        return most

    def _serve(self) -> None:
        while True:
            query, address = self._socket.recvfrom(4096)
            if not query:
                return
            self.arrivals.append(time.monotonic())
            reply = make_reply(query)
            if b"\x04slow" in query.lower():
                threading.Timer(SLOW_SECONDS, self._socket.sendto, (reply, address)).start()
            else:
                self._socket.sendto(reply, address)


@pytest.fixture(scope="module")
def upstream() -> Iterator[CountingUpstream]:
    """The upstream of all tests."""
    with closing(CountingUpstream()) as serving:
        yield serving


@pytest.fixture(scope="module")
def proxy(
    upstream: CountingUpstream, authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """The service of all tests but the one that ends it."""
    with _service(upstream, authority, tmp_path_factory.mktemp("workers")) as running:
        yield running


@contextmanager
def _service(upstream: CountingUpstream, authority: CertificateAuthority, directory: Path) -> Iterator[Proxy]:
    settings = ProxySettings(
        (f"udp://{LOOPBACK}:{upstream.port}",),
        authority,
        sections={
            "server": {"workers": 2},
            "admin": {"socket": str(directory / "admin.sock")},
            "limits": {"exempt_networks": [f"{LOOPBACK}/32"], "misses_per_second": 10_000, "misses_burst": 10_000},
            "bans": {"points": 20},
            # Who is turned away here is banned, and has not knocked too often.
            "connections": {
                "new_per_second_per_client": 10_000,
                "new_burst_per_client": 100_000,
                "new_per_second": 10_000,
                "new_burst": 100_000,
            },
            "resolver": {"deadline_seconds": 5},
        },
        start_seconds=4 * START_SECONDS,  # Three processes begin.
        upstream={"preset": "own", "queries_per_second": RATE, "burst": BURST, "in_flight": 1000},
    )
    with running_proxy(directory, settings) as proxy:
        yield proxy


def _connect(proxy: Proxy, source: str = LOOPBACK) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(LOOPBACK, proxy.port, timeout=30, source_address=(source, 0))


def _ask(connection: http.client.HTTPConnection, name: str) -> int:
    wire = dns.message.make_query(name, "A").to_wire()
    connection.request("POST", "/dns-query", wire, {"Content-Type": "application/dns-message"})
    response = connection.getresponse()
    response.read()
    return response.status


def _ask_anew(proxy: Proxy, name: str, source: str = LOOPBACK) -> int:
    """Ask over a connection of its own; 0 if it is closed unanswered."""
    with closing(_connect(proxy, source)) as connection:
        try:
            return _ask(connection, name)
        except (OSError, http.client.HTTPException):
            return 0


def _requests(proxy: Proxy) -> dict[str, float]:
    return proxy.metrics("dohproxy_worker_requests", "worker", ["0", "1"])


def _kill_one(proxy: Proxy, number: int) -> None:
    """Kill a worker and wait until another one is in its place."""
    before = proxy.metric("dohproxy_worker_restarts_total")
    signal_to(_worker_pid(proxy, number), signal.SIGKILL)
    wait_until(lambda: proxy.metric("dohproxy_worker_restarts_total") > before, REPLACED_SECONDS, "its death")
    wait_until(lambda: _up(proxy) == 2, REPLACED_SECONDS, "the next worker")


def _up(proxy: Proxy) -> float:
    return proxy.metric("dohproxy_worker_up")


def _worker_pid(proxy: Proxy, number: int) -> int:
    return int(_command(proxy, "status")["workers"][number]["pid"])


def signal_to(pid: int, number: signal.Signals) -> None:
    """Send a signal to one process."""
    os.kill(pid, number)


def _command(proxy: Proxy, name: str, **arguments: object) -> Mapping[str, Any]:
    """Give a command as the command line does, in less time than Python takes to start."""
    return send(proxy.file.parent / "admin.sock", f"/v1/{name}", arguments, 60.0).body


def test_connections_are_spread_over_both(proxy: Proxy) -> None:
    before = _requests(proxy)
    assert [_ask_anew(proxy, "localhost") for _ in range(40)] == [200] * 40
    grown = {number: count - before[number] for number, count in _requests(proxy).items()}
    # Of 40 coins at least five fall on each side, but once in ten million times.
    assert sum(grown.values()) == 40
    assert min(grown.values()) >= 5


def test_a_ban_by_command_holds_at_both(proxy: Proxy) -> None:
    run = run_dohproxy("ban", GOOD, "--for", "1h", "--config", str(proxy.file))
    assert "is banned" in run.stdout, run
    wait_until(lambda: {_ask_anew(proxy, "localhost", GOOD) for _ in range(20)} == {0}, 10, "the ban at both")
    assert any(GOOD in line for line in _command(proxy, "bans")["lines"])
    _command(proxy, "unban", network=GOOD, **{"for": "1h"})
    wait_until(lambda: {_ask_anew(proxy, "localhost", GOOD) for _ in range(20)} == {200}, 10, "its end at both")


def _misbehave(proxy: Proxy, source: str) -> None:
    """Do what gets a client banned, on one connection and so at one worker."""
    with closing(_connect(proxy, source)) as connection:
        for _ in range(60):
            try:
                connection.request("GET", "/dns-query?dns=!")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                return


def test_whom_one_worker_bans_the_other_does_not_let_in_either(proxy: Proxy) -> None:
    _misbehave(proxy, EVIL)
    wait_until(
        lambda: {_ask_anew(proxy, "localhost", EVIL) for _ in range(12)} == {0}, REPLACED_SECONDS, "the ban at both"
    )


def test_a_worker_that_is_killed_is_replaced_and_loses_its_own_connections_alone(proxy: Proxy) -> None:
    _misbehave(proxy, OTHER)
    time.sleep(1.0)  # Bans are exchanged twice a second, and what nobody has fetched is lost with who made it.
    counted = proxy.metric("dohproxy_requests_total")
    connections = [_connect(proxy) for _ in range(16)]
    try:
        before = _requests(proxy)
        assert {_ask(connection, "localhost") for connection in connections} == {200}
        at_second = _requests(proxy)["1"] - before["1"]
        _kill_one(proxy, 0)
        kept = 0
        for connection in connections:
            try:
                connection.auto_open = 0
                kept += _ask(connection, "localhost") == 200
            except (OSError, http.client.HTTPException):
                pass
        assert kept == at_second
    finally:
        for connection in connections:
            connection.close()
    assert proxy.metric("dohproxy_requests_total") >= counted + 16
    assert {_ask_anew(proxy, "localhost", OTHER) for _ in range(12)} == {0}
    assert "started again once" in _command(proxy, "status")["workers"][0]["words"]


def test_both_together_keep_the_budget_while_one_is_killed(proxy: Proxy, upstream: CountingUpstream) -> None:
    upstream.arrivals.clear()
    ends = time.monotonic() + REPLACED_SECONDS

    def ask_forever(client: int) -> None:
        asked = 0
        # A worker that has just begun has little of the budget, until the others have made room for it.
        while len(upstream.arrivals) < 3 * RATE and time.monotonic() < ends:
            _ask_anew(proxy, f"n{asked}.c{client}.example.net")
            asked += 1

    with ThreadPoolExecutor(16) as clients:
        running = [clients.submit(ask_forever, number) for number in range(16)]
        time.sleep(0.5)
        signal_to(_worker_pid(proxy, 1), signal.SIGKILL)
        for one in running:
            one.result()
    wait_until(lambda: _up(proxy) == 2, REPLACED_SECONDS, "the next worker")
    assert len(upstream.arrivals) >= 3 * RATE
    # What arrives is what was sent a moment ago: one more for the pace of this machine.
    assert upstream.most_beyond(RATE) <= BURST + 1


def test_a_reload_under_load_loses_nothing(proxy: Proxy) -> None:
    statuses: list[int] = []
    ends = threading.Event()

    def ask_forever() -> None:
        with closing(_connect(proxy)) as connection:
            while not ends.is_set():
                statuses.append(_ask(connection, "localhost"))
                statuses.append(_ask_anew(proxy, "localhost"))

    with ThreadPoolExecutor(4) as clients:
        running = [clients.submit(ask_forever) for _ in range(4)]
        text = proxy.file.read_text(encoding="utf-8")
        proxy.file.write_text(text.replace("[bans]", "[bans]\nfirst_seconds = 61"), encoding="utf-8")
        said = _command(proxy, "reload")
        proxy.file.write_text(text, encoding="utf-8")
        ends.set()
        for one in running:
            one.result()
    assert said["changed"] == ["bans.first_seconds"]
    assert "by 2 workers, one after the other" in said["lines"]
    assert set(statuses) == {200}


def test_a_bad_configuration_is_refused_before_anybody_changes(proxy: Proxy) -> None:
    text = proxy.file.read_text(encoding="utf-8")
    proxy.file.write_text(text.replace("[bans]", "[bans]\nfirst_seconds = 0"), encoding="utf-8")
    try:
        said = _command(proxy, "reload")
    finally:
        proxy.file.write_text(text, encoding="utf-8")
    assert "nothing has changed" in said["sentence"]
    assert any("bans.first_seconds" in line for line in said["lines"])


def test_sigterm_has_both_finish_what_is_under_way(
    upstream: CountingUpstream, authority: CertificateAuthority, tmp_path: Path
) -> None:
    with _service(upstream, authority, tmp_path) as proxy:
        _end_while_asked(proxy, upstream)


def _end_while_asked(proxy: Proxy, upstream: CountingUpstream) -> None:
    # Workers that have just begun have nothing of the budget at first.
    wait_until(lambda: proxy.metric("dohproxy_upstream_budget_left") >= 4, REPLACED_SECONDS, "some of the budget")
    connections = [_connect(proxy) for _ in range(4)]
    waited_for = len(upstream.arrivals) + 4
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(_ask, one, f"slow.n{number}.example.net") for number, one in enumerate(connections)]
        wait_until(lambda: len(upstream.arrivals) >= waited_for, REPLACED_SECONDS, "the queries at the upstream")
        proxy.child.signal(signal.SIGTERM)
        assert [one.result() for one in asked] == [200] * 4
    for connection in connections:
        connection.close()
    assert proxy.child.wait(30) == 0, proxy.child.log_text()

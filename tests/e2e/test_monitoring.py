"""A real Prometheus reads a service on which a flood comes, and one that much is wrong with: what it shows, what it
calls wrong, and whom it tells."""

import asyncio
import base64
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.callers import Asked, Caller
from bench.drill.attacker import Target, attacker
from bench.drill.plans import Requests
from bench.questions import AAAA, A, get, post, query
from bench.swarm import Swarm
from dohproxy.control.client import send
from dohproxy.observability.detectors.reading import LOOK_SECONDS
from tests.conftest import FindProgram
from tests.e2e.ailing import FIRING, ailing_service
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.devtools import browsing
from tests.e2e.monitoring import QUICK_SECONDS, Monitoring, Webhook, monitoring, shipped_seconds
from tests.e2e.processes import LOOPBACK, free_port, wait_until
from tests.e2e.proxy import Proxy, ProxySettings, Sections, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply
from tests.packaging.test_dashboards import expressions

pytestmark = pytest.mark.long

MEMBERS, STRANGERS = "127.2.0.", "127.3.0."
ORDINARY_SECONDS = 5.0
FLOOD = Requests("malformed", 200.0, 50, ("127.64.0.0/10",), 25.0, keeps=True)
PROMISED_SECONDS = 60.0
"""From the first packet of a flood to an active alert."""
WAITS = {f"for: {wait}": "for: 2s" for wait in ("30s", "1m", "2m", "5m", "10m")}


class Watched:
    """A service, another that much is wrong with, and what watches both."""

    def __init__(self, proxy: Proxy, socket: Path, ailing: Proxy, watching: Monitoring) -> None:
        self.proxy = proxy
        self.socket = socket
        self.ailing = ailing
        self.prometheus = watching.prometheus
        self.webhook = watching.webhook
        self.probe = watching.probe

    @property
    def instances(self) -> tuple[str, str]:
        """What Prometheus calls the service where it reads it, and where it has it probed."""
        return instance_of(self.proxy), self.proxy.url

    def live(self, seconds: float) -> None:
        """Let members and strangers ask what they ask on any day, some of it for the first time."""
        swarm = Swarm(self.proxy.port)
        callers = [Caller(f"{net}{host}", 2, keeps=True) for net in (MEMBERS, STRANGERS) for host in range(1, 11)]
        count = int(seconds * 20)
        swarm.run(
            Asked(
                number / 20,
                callers[number % len(callers)],
                (get if number % 3 else post)(query(f"www{number % 40}.example.net", AAAA if number % 2 else A)),
                "ordinary",
            )
            for number in range(count)
        )
        swarm.close()
        assert swarm.tallies["ordinary"].results == {"answered": count}


def instance_of(proxy: Proxy) -> str:
    """Return what Prometheus calls a service that it reads."""
    return f"{LOOPBACK}:{proxy.metrics_port}"


RCODES = {"servfail": 2, "nxdomain": 3}


def reply_of_the_day(asked: bytes) -> bytes:
    """Answer with an address, but for names that begin with the name of a fault."""
    first = asked[13 : 13 + asked[12]].decode("ascii", errors="replace").lower()
    return make_reply(asked, rcode=RCODES.get(first, 0))


@pytest.fixture(scope="module")
def watched(
    authority: CertificateAuthority, find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """A service with the default limits, on an ordinary day; beside it the other one is unwell all the while."""
    directory = tmp_path_factory.mktemp("monitoring")
    socket = directory / "admin.sock"
    sections: Sections = {
        "clients": {"member_networks": [f"{MEMBERS}0/24"]},
        "admin": {"socket": str(socket), "listen": f"{LOOPBACK}:{free_port()}"},
    }
    with ExitStack() as running:
        port = running.enter_context(answering(reply_of_the_day))
        settings = ProxySettings((f"udp://127.0.0.1:{port}",), authority, sections=sections, limited=True)
        proxy = running.enter_context(running_proxy(directory, settings))
        ailing = running.enter_context(ailing_service(directory / "ailing", authority))
        ports = [proxy.metrics_port, ailing.metrics_port]
        watching = running.enter_context(
            monitoring(directory, find_program, metrics_ports=ports, probed=proxy.url, waits=WAITS)
        )
        found = Watched(proxy, socket, ailing, watching)
        # Prometheus takes its time before it first looks at anybody.
        up = dict.fromkeys((*found.instances, instance_of(ailing)), "up")
        wait_until(lambda: found.prometheus.targets() == up, 20, "all targets, and up")
        found.live(ORDINARY_SECONDS)
        yield found


def test_an_ordinary_day_is_read_and_judged_and_nothing_is_wrong(watched: Watched) -> None:
    prometheus = watched.prometheus
    wait_until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), 10, "every rule evaluated")
    assert len(prometheus.rules()) > 25
    assert [rule for rule in prometheus.rules() if rule.get("lastError")] == []
    assert [prometheus.states(instance) for instance in watched.instances] == [{}, {}]
    [probe] = prometheus.query("probe_success")
    assert (probe["metric"]["instance"], probe["value"][1]) == (watched.proxy.url, "1")


@pytest.mark.parametrize(("name", "is_well"), [("www", True), ("servfail", False), ("nxdomain", False)])
def test_the_probe_wants_an_answer_with_a_record(watched: Watched, name: str, is_well: bool) -> None:
    asked = base64.urlsafe_b64encode(query(f"{name}.example.com", A)).rstrip(b"=").decode()
    found = watched.probe(f"{watched.proxy.url}?dns={asked}")
    # By HTTP all is well.
    assert found["probe_http_status_code"] == 200
    assert (found["probe_success"], found["probe_failed_due_to_regex"]) == (is_well, not is_well)


def test_every_expression_of_the_dashboard_gives_data(watched: Watched) -> None:
    places = {"$__rate_interval": "1m", "$instance": instance_of(watched.proxy)}
    empty = []
    for expression in expressions():
        asked = expression
        for place, value in places.items():
            asked = asked.replace(place, value)
        if not any(math.isfinite(float(sample["value"][1])) for sample in watched.prometheus.query(asked)):
            empty.append(expression)
    assert empty == []


@dataclass(slots=True)
class Noticed:
    """Seconds from the first packet of a flood until it was told."""

    in_the_log: float = math.inf
    on_the_page: float = math.inf
    in_prometheus: float = math.inf


async def test_a_flood_is_told_in_the_log_on_the_operator_s_page_and_by_prometheus_within_a_minute(
    watched: Watched, find_program: FindProgram, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    prometheus, webhook, instance = watched.prometheus, watched.webhook, instance_of(watched.proxy)
    chromium = find_program("chromium", "chromium")
    noticed = Noticed()
    async with browsing(chromium, tmp_path) as browser, browser.tab() as tab:
        await tab.open((await asyncio.to_thread(send, watched.socket, "/v1/console", {}, 30.0)).body["url"])
        await tab.until("document.getElementById('alerts').innerText.includes('Nothing is wrong')", "the quiet page")

        async def page(begun: float) -> None:
            told = "document.getElementById('alerts').innerText.includes('are malformed')"
            await tab.until(told, "the alert", seconds=PROMISED_SECONDS)
            noticed.on_the_page = time.monotonic() - begun

        def log(begun: float) -> None:
            wait_until(lambda: "alert=malformed_flood" in watched.proxy.child.log_text(), PROMISED_SECONDS, "the line")
            noticed.in_the_log = time.monotonic() - begun

        def alert(begun: float) -> None:
            def fires() -> bool:
                return prometheus.states(instance).get("DohproxyMalformedFlood") == "firing"

            wait_until(fires, PROMISED_SECONDS, "the alert")
            noticed.in_prometheus = time.monotonic() - begun

        with attacker(FLOOD, Target(watched.proxy.port)) as attacking:
            begun = time.monotonic()
            attacking.begin()
            await asyncio.gather(page(begun), asyncio.to_thread(log, begun), asyncio.to_thread(alert, begun))
            told = await asyncio.to_thread(_told, webhook, "DohproxyMalformedFlood", instance)
    # What is shipped looks less often, and the flood may come when the service has just looked.
    slower = sum(shipped_seconds(key) - QUICK_SECONDS for key in ("scrape_interval", "evaluation_interval"))
    at_most = noticed.in_prometheus + LOOK_SECONDS + slower
    record_property(
        "from the first packet of a flood to its alert",
        f"{noticed.in_the_log:.1f} s in the log, {noticed.on_the_page:.1f} s on the operator's page,"
        f" {noticed.in_prometheus:.1f} s in Prometheus, looking every {QUICK_SECONDS} s; {at_most:.1f} s at most there,"
        " as shipped",
    )
    assert max(noticed.in_the_log, noticed.on_the_page, at_most) < PROMISED_SECONDS
    assert told["status"] == "firing"
    assert told["annotations"]["summary"].startswith(f"Many requests to {instance} are no")
    assert told["annotations"]["runbook_url"] == "docs/runbook.md#dohproxymalformedflood"
    assert prometheus.query(f"up{{job='dohproxy',instance='{instance}'}} == 1")


def _told(webhook: Webhook, name: str, instance: str) -> dict[str, Any]:
    """Wait until somebody is told of an alert about an instance; return what."""
    wait_until(lambda: bool(webhook.told(name, instance)), PROMISED_SECONDS, f"the message of {name}")
    return webhook.told(name, instance)[0]


@pytest.mark.parametrize("name", FIRING)
def test_each_rule_fires_for_what_is_really_wrong(watched: Watched, name: str) -> None:
    told = _told(watched.webhook, name, instance_of(watched.ailing))
    assert told["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    assert re.search(r"[{}]|<no value>|NaN", told["annotations"]["summary"]) is None


def test_a_service_that_is_gone_is_told_and_so_is_the_probe(watched: Watched) -> None:
    read, probed = watched.instances
    assert watched.webhook.told("DohproxyDown", read) == watched.webhook.told("DohproxyProbeFailing", probed) == []
    watched.proxy.stop()
    assert read in _told(watched.webhook, "DohproxyDown", read)["annotations"]["summary"]
    assert probed in _told(watched.webhook, "DohproxyProbeFailing", probed)["annotations"]["summary"]

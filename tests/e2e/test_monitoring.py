"""A real Prometheus reads a service on which a flood comes: what it shows, what it calls wrong, and whom it tells."""

import base64
import math
import time
from collections.abc import Callable, Iterator

import pytest

from bench.callers import Asked, Caller
from bench.drill.attacker import Target, attacker
from bench.drill.plans import Requests
from bench.questions import AAAA, A, get, post, query
from bench.swarm import Swarm
from dohproxy.observability.detectors.reading import LOOK_SECONDS
from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.monitoring import QUICK_SECONDS, Monitoring, monitoring, shipped_seconds
from tests.e2e.processes import wait_until
from tests.e2e.proxy import Proxy, ProxySettings, Sections, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply
from tests.packaging.test_dashboards import expressions

pytestmark = pytest.mark.long

MEMBERS, STRANGERS = "127.2.0.", "127.3.0."
UP = {"dohproxy": "up", "dohproxy-probe": "up"}
ORDINARY_SECONDS = 5.0
FLOOD = Requests("malformed", 200.0, 50, ("127.64.0.0/10",), 25.0, keeps=True)
PROMISED_SECONDS = 60.0
"""From the first packet of a flood to an active alert."""
WAITS = {"for: 30s": "for: 2s"}


class Watched:
    """A service, and what watches it."""

    def __init__(self, proxy: Proxy, watching: Monitoring) -> None:
        self.proxy = proxy
        self.prometheus = watching.prometheus
        self.webhook = watching.webhook
        self.probe = watching.probe

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


RCODES = {"servfail": 2, "nxdomain": 3}


def reply_of_the_day(asked: bytes) -> bytes:
    """Answer with an address, but for names that begin with the name of a fault."""
    first = asked[13 : 13 + asked[12]].decode("ascii", errors="replace").lower()
    return make_reply(asked, rcode=RCODES.get(first, 0))


@pytest.fixture(scope="module")
def watched(
    authority: CertificateAuthority, find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """A service with the default limits, on an ordinary day."""
    directory = tmp_path_factory.mktemp("monitoring")
    sections: Sections = {"clients": {"member_networks": [f"{MEMBERS}0/24"]}}
    with answering(reply_of_the_day) as port:
        settings = ProxySettings((f"udp://127.0.0.1:{port}",), authority, sections=sections, limited=True)
        with (
            running_proxy(directory, settings) as proxy,
            monitoring(
                directory, find_program, metrics_port=proxy.metrics_port, probed=proxy.url, waits=WAITS
            ) as watching,
        ):
            found = Watched(proxy, watching)
            # Prometheus takes its time before it first looks at anybody.
            wait_until(lambda: found.prometheus.targets() == UP, 20, "both targets, and up")
            found.live(ORDINARY_SECONDS)
            yield found


def test_an_ordinary_day_is_read_and_judged_and_nothing_is_wrong(watched: Watched) -> None:
    prometheus = watched.prometheus
    wait_until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), 10, "every rule evaluated")
    assert len(prometheus.rules()) > 25
    assert [rule for rule in prometheus.rules() if rule.get("lastError")] == []
    assert prometheus.states() == {}
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
    empty = []
    for expression in expressions():
        found = watched.prometheus.query(expression.replace("$__rate_interval", "1m").replace("$instance", ".*"))
        if not any(math.isfinite(float(sample["value"][1])) for sample in found):
            empty.append(expression)
    assert empty == []


def test_a_flood_is_an_active_alert_within_a_minute_and_told(
    watched: Watched, record_property: Callable[[str, object], None]
) -> None:
    prometheus, webhook = watched.prometheus, watched.webhook
    with attacker(FLOOD, Target(watched.proxy.port)) as attacking:
        begun = time.monotonic()
        attacking.begin()
        wait_until(lambda: prometheus.states().get("DohproxyMalformedFlood") == "firing", PROMISED_SECONDS, "the alert")
        seconds = time.monotonic() - begun
        wait_until(lambda: bool(webhook.told("DohproxyMalformedFlood")), PROMISED_SECONDS, "the message")
    # What is shipped looks less often, and the flood may come when the service has just looked.
    slower = LOOK_SECONDS
    slower += sum(shipped_seconds(key) - QUICK_SECONDS for key in ("scrape_interval", "evaluation_interval"))
    record_property(
        "from the first packet of a flood to the alert in Prometheus",
        f"{seconds:.1f} s, looking every {QUICK_SECONDS} s; {seconds + slower:.1f} s at most, as shipped",
    )
    assert seconds + slower < PROMISED_SECONDS
    [alert, *_] = webhook.told("DohproxyMalformedFlood")
    assert alert["status"] == "firing"
    assert alert["annotations"]["summary"].startswith(f"Many requests to 127.0.0.1:{watched.proxy.metrics_port} are no")
    assert alert["annotations"]["runbook_url"] == "docs/runbook.md#dohproxymalformedflood"
    assert prometheus.query("up{job='dohproxy'} == 1")


def test_a_service_that_is_gone_is_told_and_so_is_the_probe(watched: Watched) -> None:
    names = ("DohproxyDown", "DohproxyProbeFailing")
    before = {name: len(watched.webhook.told(name)) for name in names}
    watched.proxy.stop()
    wait_until(lambda: all(len(watched.webhook.told(name)) > before[name] for name in names), 30, "both messages")
    alert = watched.webhook.told("DohproxyDown")[-1]
    assert f"127.0.0.1:{watched.proxy.metrics_port}" in alert["annotations"]["summary"]

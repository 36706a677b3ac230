"""Prometheus, its Alertmanager and its probe from outside, as Debian has them, with the shipped configurations.

What is changed of a shipped file are addresses, and how long is waited: a test has less time than a night.
"""

import http.server
import json
import re
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import FindProgram
from tests.e2e.processes import LOOPBACK, Child, free_port, start_on_free_ports
from tests.e2e.proxy import PROJECT

SHIPPED = PROJECT / "conf" / "prometheus"
START_SECONDS = 30.0
QUICK_SECONDS = 1
"""Between two looks of the test's Prometheus, in place of the shipped interval."""


@dataclass(slots=True)
class Webhook:
    """Whom the Alertmanager tells."""

    port: int = 0
    alerts: list[dict[str, Any]] = field(default_factory=list)
    """All that were told, in their order."""

    def told(self, name: str, instance: str) -> list[dict[str, Any]]:
        """Return what was told of one alert about one instance."""
        wanted = {"alertname": name, "instance": instance}.items()
        return [alert for alert in tuple(self.alerts) if wanted <= alert["labels"].items()]


@contextmanager
def running_webhook() -> Iterator[Webhook]:
    """Take what is posted on a loopback port."""
    found = Webhook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.alerts.extend(json.loads(body)["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.port = port

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return what an expression gives now: samples with `metric` and `value`."""
        found = self._get("query", {"query": expression})["result"]
        assert isinstance(found, list)
        return found

    def range(self, expression: str, began: float, ended: float, step: int) -> list[dict[str, Any]]:
        """Return what an expression gave between two instants in Unix seconds, every `step` seconds: series with
        `metric` and `values`."""
        span = {"start": f"{began:.3f}", "end": f"{ended:.3f}", "step": str(step)}
        found = self._get("query_range", {"query": expression, **span})["result"]
        assert isinstance(found, list)
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule, with its state."""
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def states(self, instance: str) -> dict[str, str]:
        """Return which alerts are pending or firing about one instance."""
        alerts = [one for one in self._get("alerts", {})["alerts"] if one["labels"].get("instance") == instance]
        # Of several of one name, what fires.
        return {one["labels"]["alertname"]: one["state"] for one in sorted(alerts, key=lambda one: -len(one["state"]))}

    def targets(self) -> dict[str, str]:
        """Return how each instance is."""
        return {one["labels"]["instance"]: one["health"] for one in self._get("targets", {})["activeTargets"]}

    def _get(self, what: str, parameters: Mapping[str, str]) -> Any:
        url = f"http://{LOOPBACK}:{self.port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """All that watches one service."""

    prometheus: Prometheus
    webhook: Webhook
    prober: int
    """Its port."""

    def probe(self, target: str) -> dict[str, float]:
        """Have the shipped probe ask once; return what it says of it, but for what has labels."""
        url = f"http://{LOOPBACK}:{self.prober}/probe?{urllib.parse.urlencode({'module': 'doh', 'target': target})}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.split() for line in lines if not line.startswith("#") and "{" not in line)
        return {name: float(value) for name, value in samples}


@contextmanager
def monitoring(
    directory: Path, find_program: FindProgram, *, metrics_ports: Sequence[int], probed: str, waits: Mapping[str, str]
) -> Iterator[Monitoring]:
    """Watch the services that have their figures on these ports, and one that answers at the address `probed`.

    `waits`: how long the rules wait that wait so long, in place of what is shipped.
    """
    programs = [
        find_program(f"prometheus{part}", f"prometheus{part}") for part in ("", "-alertmanager", "-blackbox-exporter")
    ]
    with ExitStack() as running:
        webhook = running.enter_context(running_webhook())
        prometheus, alertmanager, blackbox = programs
        prober = _started(running, directory, [blackbox, f"--config.file={SHIPPED / 'blackbox.yml'}"], "healthy")
        settings = _changed(
            "alertmanager.yml",
            directory,
            {
                "http://127.0.0.1:9095/": f"http://{LOOPBACK}:{webhook.port}/",
                "group_wait: 10s": "group_wait: 0s",
                "group_interval: 1m": "group_interval: 1s",
            },
        )
        flags = [f"--config.file={settings}", f"--storage.path={directory / 'told'}", "--cluster.listen-address="]
        teller = _started(running, directory, [alertmanager, *flags])
        _changed("alerts.yml", directory, waits, name="dohproxy-alerts.yml")
        settings = _changed(
            "prometheus.yml",
            directory,
            {
                "_interval: 15s": f"_interval: {QUICK_SECONDS}s",
                "127.0.0.1:9093": f"{LOOPBACK}:{teller}",
                "127.0.0.1:9153": '", "'.join(f"{LOOPBACK}:{port}" for port in metrics_ports),
                "127.0.0.1:9115": f"{LOOPBACK}:{prober}",
                "https://doh.example.net/dns-query": probed,
            },
        )
        flags = [f"--config.file={settings}", f"--storage.tsdb.path={directory / 'series'}", "--log.level=warn"]
        yield Monitoring(Prometheus(_started(running, directory, [prometheus, *flags])), webhook, prober)


def shipped_seconds(key: str) -> float:
    """Return an interval of the shipped configuration of Prometheus, in seconds."""
    [found] = re.findall(rf"^  {key}: (\d+)s$", (SHIPPED / "prometheus.yml").read_text("utf-8"), re.MULTILINE)
    return float(found)


def _changed(shipped: str, directory: Path, changes: Mapping[str, str], name: str = "") -> Path:
    """Write a shipped file anew, with all of these changed, of which each must be there."""
    text = (SHIPPED / shipped).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"{shipped} has no {old}"
        text = text.replace(old, new)
    file = directory / (name or shipped)
    file.write_text(text, encoding="utf-8")
    return file


def _started(running: ExitStack, directory: Path, argv: Sequence[str], when: str = "ready") -> int:
    """Start a server that is ended by its id when all is over; return the port it has once it calls itself so."""

    def start() -> int:
        port = free_port()
        child = Child(
            [*argv, f"--web.listen-address={LOOPBACK}:{port}"],
            directory / f"{Path(argv[0]).name}.log",
            directory=directory,
        )
        running.callback(child.kill)
        child.wait_until_ready(lambda: _answers(port, when), START_SECONDS)
        return port

    return start_on_free_ports(start, only_if="in use")


def _answers(port: int, when: str) -> bool:
    """Tell whether the server on this port says that it is ready, or healthy."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/-/{when}", timeout=5):
            return True
    except OSError:
        return False

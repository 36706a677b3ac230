"""dohproxy as an operator runs it: a process of its own, started from a configuration file."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

import dohproxy
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.http1 import Http1Client
from tests.e2e.processes import LOOPBACK, START_SECONDS, Child, free_port, start_on_free_ports

PROJECT = Path(__file__).parents[2]
SOURCES = str(Path(dohproxy.__file__).parents[1])

SERVING = "serves on"
"""What it says when nothing is left that could end its start; its ports accept connections before that."""

Value = str | int | float | Sequence[str]
Sections = Mapping[str, Mapping[str, Value]]

# The tests ask from one address and much faster than any person: what limits one client must not limit them.
UNLIMITED: Sections = {
    "limits": {
        "exempt_networks": ["127.0.0.0/8"],
        "total_requests_per_second": 1_000_000,
        "total_requests_burst": 1_000_000,
    },
    # Unbound serves a top-level domain that does not exist.
    "names": {
        "answer_undelegated": False,
        "domain_misses_per_second": 100_000,
        "domain_misses_burst": 1_000_000,
        "domain_failures_per_second": 100_000,
        "domain_failures_burst": 1_000_000,
    },
}


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What one test wants of its proxy."""

    upstream_urls: tuple[str, ...]
    """In the order of the file."""
    authority: CertificateAuthority
    """Whom the proxy trusts for its upstreams, in place of the system's authorities."""
    tls: CertificateFiles | None = None
    """What it shows its clients; None: it speaks in the clear."""
    sections: Sections | None = None
    """Sections of the file that differ from the default, by name and key."""
    upstream: Mapping[str, Value] = field(default_factory=lambda: {"preset": "own"})
    """Keys of every upstream besides its name and URL."""
    dot: bool = False
    """It speaks DoT too, at a port of its own."""
    limited: bool = False
    """The default limits hold for the test's own address too."""
    open_files: int | None = None
    """How many files the process may open, hard limit too; None: as many as the tests."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of its environment, beside those of the tests."""
    working_directory: Path = PROJECT
    """Where it is started."""
    start_seconds: float = START_SECONDS
    """For it to serve, on a busy machine."""


class Proxy:
    """One running dohproxy. Made by `running_proxy`."""

    def __init__(self, directory: Path, settings: ProxySettings, appended: str = "") -> None:
        self._directory = directory
        self._settings = settings
        self._appended = appended
        self._child: Child | None = None
        self.port = 0
        self.metrics_port = 0
        self.dot_port = 0
        """Where it speaks DoT, if its settings say so."""

    @property
    def file(self) -> Path:
        """Its configuration."""
        return self._directory / "dohproxy.toml"

    @property
    def child(self) -> Child:
        """The process; raise AssertionError before `start`."""
        assert self._child is not None, "not started"
        return self._child

    @property
    def url(self) -> str:
        """The address of the DoH resource."""
        scheme = "http" if self._settings.tls is None else "https"
        return f"{scheme}://{LOOPBACK}:{self.port}/dns-query"

    def start(self) -> None:
        """Start on free ports, kept in `port` and `metrics_port`; return when it serves."""
        start_on_free_ports(self._start_anywhere, only_if="in use")

    def start_again(self) -> None:
        """Start on the ports it had, after its end."""
        self._start_once()

    def stop(self) -> None:
        """End the process if it still runs."""
        if self._child is not None:
            self._child.kill()

    def client(self) -> Http1Client:
        """A new connection to it."""
        context = None if self._settings.tls is None else self._settings.authority.client_context()
        return Http1Client(self.port, context=context)

    def metric(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """The sum of all samples of this name that bear these labels, from /metrics; 0 when there are none yet."""
        wanted = (labels or {}).items()
        return sum(sample.value for sample in self._samples(name) if wanted <= sample.labels.items())

    def metrics(self, name: str, label: str, values: Iterable[str]) -> dict[str, float]:
        """The same for each of several values of one label, all from one parsed request of /metrics."""
        samples = self._samples(name)
        return {value: sum(sample.value for sample in samples if sample.labels.get(label) == value) for value in values}

    def _samples(self, name: str) -> list[Sample]:
        # Parsing the whole page takes longer than anything else that a test does for one figure.
        lines = [line for line in self.metrics_text().splitlines() if name.removesuffix("_total") in line]
        families = list(text_string_to_metric_families("\n".join(lines) + "\n"))
        assert any(name.removesuffix("_total") == family.name for family in families), f"no metric {name}"
        return [sample for family in families for sample in family.samples if sample.name == name]

    def metrics_text(self) -> str:
        """What a Prometheus server would read."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.metrics_port}/metrics", timeout=5) as page:
            text = page.read().decode("utf-8")
        assert isinstance(text, str)
        return text

    def _start_anywhere(self) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.dot_port = free_port() if self._settings.dot else 0
        self._start_once()

    def _start_once(self) -> None:
        text = configuration(self._settings, self.port, self.metrics_port, self.dot_port) + self._appended
        self.file.write_text(text, encoding="utf-8")
        argv = [sys.executable, "-P", "-m", "dohproxy", "serve", "--config", str(self.file)]
        if self._settings.open_files is not None:
            argv = ["sh", "-c", f'ulimit -n {self._settings.open_files}; exec "$0" "$@"', *argv]
        self._child = Child(
            argv,
            self._directory / "dohproxy.log",
            environment={
                **environment(),
                "SSL_CERT_FILE": str(self._settings.authority.file),
                **self._settings.variables,
            },
            directory=self._settings.working_directory,
        )
        child = self._child
        child.wait_until_ready(lambda: SERVING in child.log_text(), self._settings.start_seconds)


@contextmanager
def running_proxy(directory: Path, settings: ProxySettings, appended: str = "") -> Iterator[Proxy]:
    """Start a proxy from a file in `directory` and end it, however the test ends, before its directory goes. The file
    ends with `appended`."""
    proxy = Proxy(directory, settings, appended)
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.stop()


def run_dohproxy(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the program to its end."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "dohproxy", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=PROJECT,
        env=environment(),
        check=False,
    )


def environment() -> dict[str, str]:
    """The environment of the tests, without what would send their traffic elsewhere, and with the package that the
    tests themselves import: the source, or what was compiled of it."""
    variables = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**variables, "PYTHONPATH": os.pathsep.join((SOURCES, str(PROJECT)))}


def configuration(settings: ProxySettings, port: int, metrics_port: int, dot_port: int = 0) -> str:
    """The file: the ports, no limits unless the test wants them, then what else it wants."""
    sections: dict[str, dict[str, Value]] = {
        "server": {"listen": [f"{LOOPBACK}:{port}"]},
        # What has just been counted is looked at the next moment.
        "metrics": {"listen": f"{LOOPBACK}:{metrics_port}", "pages_per_second": 1_000},
    }
    if dot_port:
        sections["dot"] = {"listen": [f"{LOOPBACK}:{dot_port}"]}
    if settings.tls is not None:
        sections["tls"] = {"certificate": str(settings.tls.certificate), "key": str(settings.tls.key)}
    for part in ({} if settings.limited else UNLIMITED, settings.sections or {}):
        for name, keys in part.items():
            sections.setdefault(name, {}).update(keys)
    upstreams = [
        {"name": f"ns{number}", "url": url, **settings.upstream} for number, url in enumerate(settings.upstream_urls)
    ]
    return "\n".join(
        [_section(f"[{name}]", keys) for name, keys in sections.items()]
        + [_section("[[upstream]]", keys) for keys in upstreams]
    )


def _section(heading: str, keys: Mapping[str, Value]) -> str:
    # JSON writes text, numbers and lists of text as TOML does
    return "\n".join([heading, *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]) + "\n"

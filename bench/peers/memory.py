"""What a server holds at rest, for each idle connection and each answer; how soon it answers; a new certificate."""

import shutil
import ssl
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers.asking import new_name
from bench.peers.clients import FOREVER, LoadFailed, ready_client
from bench.peers.idle import idle_connections
from bench.peers.servers import PLAIN, Frontend, Peer, Running, running, start
from bench.peers.workloads import crowd
from bench.processes import cpu_seconds, resident_bytes
from bench.questions import A, query
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK

IDLE_CONNECTIONS: Final = (1_000, 10_000)
ANSWERS_BEFORE: Final = 50_000
ANSWERS: Final = 100_000
ANSWER_BYTES: Final = len(query(new_name("fill", 0, 123_456), A)) - 11 + 16
"""The length of one as a DNS message: a query without its OPT, and one address under a compressed name."""
STARTS: Final = 5
RELOAD_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the second table."""

    name: str
    measure: Callable[["Place", Peer], float]
    unit: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where all of it happens."""

    directory: Path
    upstream: int
    core: int
    """The server's."""
    client_core: int
    authority: CertificateAuthority


def at_rest(place: Place, peer: Peer) -> float:
    """MiB of a server that has answered once."""
    with running(peer, PLAIN, place.directory, place.upstream, place.core) as server:
        return resident_bytes(server.pid) / 1_048_576


def per_connection(count: int, frontend: Frontend = "http2") -> Callable[[Place, Peer], float]:
    """KiB for each connection that has asked once and then says nothing."""

    def measure(place: Place, peer: Peer) -> float:
        with running(peer, PLAIN, place.directory, place.upstream, place.core) as server:
            before = resident_bytes(server.pid)
            with idle_connections(server.port_of(frontend), count, place.client_core, frontend) as idle:
                after = resident_bytes(server.pid)
                idle.check_open()
        return (after - before) / count / 1_024

    return measure


def per_answer(place: Place, peer: Peer) -> float:
    """Bytes by which a server grows for each further answer in its cache.

    Measured between ANSWERS_BEFORE and ANSWERS more, all asked for over HTTP/2 as clients do: by then whatever a server
    keeps beside its cache and bounds, such as parsed requests of requests, connections' tables or free memory, is as
    large as it gets. The answers' own bytes are in it; the row's name says how many those are.
    """
    ten_streams = crowd("http2", "GET", connections=1, streams=10, kind="fill")
    with (
        running(peer, PLAIN, place.directory, place.upstream, place.core) as server,
        ready_client(ten_streams.arguments(server.port), place.client_core, place.directory) as client,
    ):
        client.take_turn(FOREVER, ANSWERS_BEFORE)
        before = resident_bytes(server.pid)
        client.take_turn(FOREVER, ANSWERS)
        return (resident_bytes(server.pid) - before) / ANSWERS


def start_up(place: Place, peer: Peer) -> float:
    """Milliseconds from the start of the process to its first answer, the median of some."""
    lasted = []
    for _ in range(STARTS):
        began = time.monotonic()
        server = start(peer, PLAIN, place.directory, place.upstream, place.core)
        lasted.append(time.monotonic() - began)
        server.child.kill()
    return statistics.median(lasted) * 1e3


def reload_seconds(place: Place, peer: Peer) -> float:
    """Seconds from a new certificate on the disk to the first handshake that shows it."""
    return _reload(place, peer)[0]


def reload_cost(place: Place, peer: Peer) -> float:
    """CPU milliseconds of that, the handshakes that look for it included."""
    return _reload(place, peer)[1] * 1e3


def _reload(place: Place, peer: Peer) -> tuple[float, float]:
    with running(peer, PLAIN, place.directory, place.upstream, place.core) as server:
        old = _certificate_of(server)
        before = cpu_seconds(server.pid)
        began = time.monotonic()
        new_certificate(place)
        server.reload()
        while _certificate_of(server) == old:
            if time.monotonic() > began + RELOAD_SECONDS:
                raise LoadFailed(f"{peer.name} still shows the old certificate")
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began, cpu_seconds(server.pid) - before


def _certificate_of(server: Running) -> str | None:
    """Return what the server shows, None while it shows nothing."""
    try:
        return ssl.get_server_certificate((LOOPBACK, server.port), timeout=1)
    except OSError:
        return None


def new_certificate(place: Place) -> None:
    """Put a new certificate and key where every server looks for them."""
    files = place.authority.issue([LOOPBACK])
    shutil.copyfile(files.key, place.directory / "key.pem")
    shutil.copyfile(files.certificate, place.directory / "certificate.pem")


ROWS: Final = (
    Row("memory after the first answer", at_rest, "MiB"),
    *(
        Row(f"memory per idle connection, {count:,} of them", per_connection(count), "KiB")
        for count in IDLE_CONNECTIONS
    ),
    Row(f"memory per idle DoT connection, {IDLE_CONNECTIONS[0]:,} of them", per_connection(1_000, "dot"), "KiB"),
    Row(f"memory per cached answer, {ANSWERS:,} of {ANSWER_BYTES} bytes", per_answer, "bytes"),
    Row("from start to first answer", start_up, "ms"),
    Row("from new certificate to first use", reload_seconds, "s"),
    Row("CPU of that", reload_cost, "ms"),
)

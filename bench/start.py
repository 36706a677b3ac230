"""From the command line to the first answer over HTTPS: what a restart costs those who wait. Takes half a minute.

Each round starts `.venv/bin/dohproxy serve` as an operator does (compiled, if `make native` has been run), with a
certificate, a cache and an upstream on loopback that answers at once. It asks over TLS for a name that nobody has asked
for, and tries to connect every millisecond. Told is the time from the start of the program to the answer, by the wall
clock and in CPU time of the process, all its threads and the launcher before it; and the CPU time by which the first
listener let somebody connect. On a busy machine trust the CPU time, and of the wall clock the lowest.
"""

import argparse
import contextlib
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.guard.stub import answer_to
from bench.questions import HOST, A, query
from bench.targets import Target, print_table, print_targets
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.processes import free_port

PROJECT: Final = Path(__file__).parents[1]
LAUNCHER: Final = PROJECT / ".venv" / "bin" / "dohproxy"
ROUNDS: Final = 20
MOST_CPU_SECONDS: Final = 0.4
"""What was promised of the compiled form; a client's stub waits five seconds for its first answer."""
START_SECONDS: Final = 30.0
END_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.001
PROCESS_CLOCK: Final = 2
"""CPUCLOCK_SCHED: with the process it makes the number of a clock (clock_getcpuclockid(3))."""

ALONE: Final = """\
[server]
listen = ["{host}:{port}"]
host = "localhost"

[tls]
certificate = "{certificate}"
key = "{key}"

[[upstream]]
name = "ns0"
url = "udp://{host}:{upstream}"
preset = "associative"
"""
METRICS: Final = """
[metrics]
listen = "{host}:{metrics}"
"""
ADMIN: Final = """
[admin]
socket = "{admin}"
"""
WAYS: Final = {
    "alone": ALONE,
    "with metrics, as in README.md": ALONE + METRICS,
    "and commands": ALONE + METRICS + ADMIN,
}


@dataclass(frozen=True, slots=True)
class Start:
    """One start, in seconds since the program was started."""

    connected: float
    """By the wall clock, when a connection was taken: from here on nobody is refused."""
    answered: float
    connected_cpu: float
    answered_cpu: float


def main() -> None:
    """Measure and print the table; the exit code is 1 if the promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench start")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    starts: dict[str, list[Start]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory(prefix="dohproxy-bench-") as name, upstream() as port:
        directory = Path(name)
        authority = CertificateAuthority(directory)
        files = authority.issue(["localhost", HOST])
        context = authority.client_context()
        for number in range(rounds + 1):
            for way, text in WAYS.items():
                start = start_once(write(directory, text, files, port), context, f"{way}{number}".encode().hex())
                # The first one of each reads the disk.
                if number:
                    starts[way].append(start)
    print(f"{launched_version()}, milliseconds from the start to the first answer; median of {rounds}, and the lowest")
    print_table(
        ("", "wall", "lowest", "CPU", "lowest", "CPU to the listener"),
        [(way, *(f"{1e3 * one:.0f}" for one in figures(found))) for way, found in starts.items()],
    )
    promise = Target(
        "CPU seconds to the first answer, as in README.md",
        statistics.median(one.answered_cpu for one in list(starts.values())[1]),
        "<=",
        MOST_CPU_SECONDS,
    )
    if not print_targets([promise]):
        raise SystemExit(1)


def figures(starts: Sequence[Start]) -> tuple[float, ...]:
    """Return one line of the table."""
    wall, cpu = [one.answered for one in starts], [one.answered_cpu for one in starts]
    connected = statistics.median(one.connected_cpu for one in starts)
    return statistics.median(wall), min(wall), statistics.median(cpu), min(cpu), connected


def launched_version() -> str:
    """Return what the launcher would run."""
    run = subprocess.run([LAUNCHER, "--version"], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def write(directory: Path, text: str, files: CertificateFiles, upstream_port: int) -> tuple[Path, int]:
    """Write a configuration for the next start; return it and the port of its listener."""
    path, port = directory / "dohproxy.toml", free_port()
    values = {"certificate": files.certificate, "key": files.key, "admin": directory / "admin.sock"}
    text = text.format(host=HOST, port=port, upstream=upstream_port, metrics=free_port(), **values)
    path.write_text(text, encoding="utf-8")
    return path, port


def start_once(written: tuple[Path, int], context: ssl.SSLContext, label: str) -> Start:
    """Start the program, ask for a name with this label, and end it."""
    path, port = written
    began = time.monotonic()
    process = subprocess.Popen(
        [LAUNCHER, "serve", "--config", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with connect(process, port) as connection:
            connected, connected_cpu = time.monotonic() - began, cpu_seconds(process.pid)
            ask(context.wrap_socket(connection, server_hostname="localhost"), label)
            answered, answered_cpu = time.monotonic() - began, cpu_seconds(process.pid)
    finally:
        process.terminate()
        process.wait(END_SECONDS)
    return Start(connected, answered, connected_cpu, answered_cpu)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and all its threads, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | PROCESS_CLOCK)


def connect(process: subprocess.Popen[bytes], port: int) -> socket.socket:
    """Return a connection, as soon as there is one to be had."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            return socket.create_connection((HOST, port), timeout=START_SECONDS)
        except ConnectionRefusedError:
            time.sleep(POLL_SECONDS)
    raise SystemExit("dohproxy serve does not serve; its own words: see `dohproxy check`")


def ask(connection: ssl.SSLSocket, label: str) -> None:
    """Post a question over HTTP/1.1 and read the answer."""
    question = query(f"{label}.example.com", A)
    head = (
        "POST /dns-query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dns-message\r\n"
        f"Content-Length: {len(question)}\r\n\r\n"
    )
    connection.sendall(head.encode("ascii") + question)
    answer = connection.recv(65_536)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"no answer: {answer!r}")


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    """Answer over UDP from a thread; give the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HOST, 0))
        thread = threading.Thread(target=answer_all, args=[one], name="upstream")
        thread.start()
        try:
            yield one.getsockname()[1]
        finally:
            one.sendto(b"", one.getsockname())
            thread.join()


def answer_all(one: socket.socket) -> None:
    """Answer until there is a datagram with nothing in it."""
    while True:
        data, sender = one.recvfrom(4_096)
        if not data:
            return
        one.sendto(answer_to(data), sender)


if __name__ == "__main__":
    main()

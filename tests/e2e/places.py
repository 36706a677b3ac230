"""All places where a running service writes or says something, and what it has written and said there."""

import http.client
import json
import re
import socket
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

from dohproxy.control.client import send
from dohproxy.control.commands import COMMANDS
from dohproxy.control.console.application import COOKIE, EVENTS
from dohproxy.control.console.guard import HEADER
from dohproxy.control.console.static_files import FILES
from dohproxy.frontends.router import PATHS
from dohproxy.jobs.state_codec import decode
from dohproxy.jobs.state_key import open_key
from tests.e2e.markers import Evidence
from tests.e2e.processes import LOOPBACK
from tests.e2e.proxy import Proxy, run_dohproxy
from tests.e2e.traffic import Door, head, read_response

OUR_OWN: Final = frozenset({"dohproxy.toml", "tell"})
"""Files that the test has written, and the service has not."""
NEUTRAL: Final = {"name": "www.example.net", "client": "192.0.2.1"}
"""What is typed where a command wants a name and an address, and nobody has asked for or come from."""
TYPED: Final[Mapping[str, Mapping[str, str]]] = {"explain": NEUTRAL, "top": {"for": "1s"}}
"""Arguments of commands that only look."""
ALSO_LOOKING: Final = ("mode", "limit", "announce")
"""Commands that only look where they are told nothing."""
REFUSED_ALONE: Final = ("/v1/nodes",)
"""What a service refuses that shares nothing with others; what it says then is looked at all the same."""
DOCTOR: Final = ("doctor", "--json", "--offline")
"""A verb that looks at more than one command tells. Those that give a command say what it says."""
REPORT: Final = ("report", "--since", "2h", "--format", "html")


@dataclass(slots=True)
class Overheard:
    """What is said to others who listen by themselves: the receiver of alerts, systemd, who looks at the console."""

    heard: list[Evidence] = field(default_factory=list)
    webhook_port: int = 0
    messages: threading.Event = field(default_factory=threading.Event)

    def add(self, place: str, content: bytes) -> None:
        """Note what was said."""
        self.heard.append(Evidence(place, content))


@contextmanager
def overhearing(notify_socket: Path) -> Iterator[Overheard]:
    """Receive alerts at a port, and what systemd is told at a socket."""
    overheard = Overheard()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            overheard.add("the webhook", self.requestline.encode() + bytes(self.headers) + body)
            overheard.messages.set()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    def listen(manager: socket.socket) -> None:
        while said := manager.recv(65_536):
            overheard.add("what systemd is told", said)

    with HTTPServer((LOOPBACK, 0), Receiver) as server, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        overheard.webhook_port = server.server_port
        manager.bind(str(notify_socket))
        threads = [
            threading.Thread(target=server.serve_forever, args=(0.05,)),
            threading.Thread(target=listen, args=(manager,)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield overheard
        finally:
            server.shutdown()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", str(notify_socket))
            for thread in threads:
                thread.join()


@contextmanager
def watching_the_console(overheard: Overheard, admin: Path) -> Iterator[None]:
    """Look at the operator's page all the while."""
    received: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(admin))
        connection.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

        def read() -> None:
            with suppress(OSError):
                while part := connection.recv(65_536):
                    received.append(part)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            thread.join()
            content = b"".join(received)
            assert content.count(b"data:") > 1, content
            overheard.add(f"GET {EVENTS}", content)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def fetch(
    connection: http.client.HTTPConnection, target: str, fields: Mapping[str, str], body: bytes | None = None
) -> tuple[int, bytes]:
    """Return the status and all that comes back."""
    with closing(connection):
        connection.request("GET" if body is None else "POST", target, body, dict(fields))
        response = connection.getresponse()
        return response.status, bytes(response.headers) + response.read()


# --- At one moment ---


def look_everywhere(proxy: Proxy, door: Door, admin: Path, console_port: int) -> Iterator[Evidence]:
    """Yield what commands, pages and figures say now."""
    yield from commands_say(admin)
    yield from _pages_say(door)
    yield from _figures_say(proxy)
    yield from _console_says(admin, console_port)
    yield from _process_shows(proxy.child.pid)


def commands_say(admin: Path) -> Iterator[Evidence]:
    """Yield what each command says that changes nothing. One that has to be told something fails until it stands in
    `TYPED`."""
    for command in COMMANDS:
        if not command.changes or command.name in ALSO_LOOKING:
            yield ask(admin, command.path, TYPED.get(command.name, {}))
    for target in ("/v1/unknown", "/unknown"):
        yield Evidence(f"GET {target}", fetch(_UnixConnection(admin), target, {})[1])
    status, content = fetch(_UnixConnection(admin), "/status", {})
    assert status == 200
    yield Evidence("GET /status", content)


def ask(admin: Path, target: str, arguments: Mapping[str, str], place: str = "") -> Evidence:
    """Give a command at the socket."""
    answer = send(admin, target, arguments, 30.0)
    assert answer.status == 200 or (target in REFUSED_ALONE and answer.status == 409), answer
    return Evidence(place or f"POST {target}", json.dumps(answer.body, ensure_ascii=False, indent=1).encode())


def _pages_say(door: Door) -> Iterator[Evidence]:
    client = door.clients()[0]
    for target in (*PATHS, "/setup", "/nothing"):
        with door.connect(client) as connection:
            connection.sendall(head("GET", target, (*door.fields(client), ("Accept-Language", "fr, en;q=0.5"))))
            said = read_response(connection)
            # The picture by which `/setup` tells whether it works is under its own name alone.
            is_absent = target == "/nothing" or target.endswith("/proof.svg")
            assert said.split()[1] == (b"404" if is_absent else b"200"), said
            yield Evidence(f"GET {target}", said)


def _figures_say(proxy: Proxy) -> Iterator[Evidence]:
    for accepted in ("text/plain", "application/openmetrics-text"):
        connection = http.client.HTTPConnection(LOOPBACK, proxy.metrics_port, timeout=10)
        status, content = fetch(connection, "/metrics", {"Accept": accepted})
        assert (status, len(content) > 20_000) == (200, True)
        yield Evidence("GET /metrics", content)


def _console_says(admin: Path, port: int) -> Iterator[Evidence]:
    for target in FILES:
        yield Evidence(f"GET {target} (console)", fetch(_UnixConnection(admin), target, {})[1])
    link = json.loads(ask(admin, "/v1/console", {}).content)["url"]
    origin = {"Origin": f"http://{LOOPBACK}:{port}", HEADER: "1", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    token = json.dumps({"token": link.partition("#")[2]}).encode()
    _, content = fetch(connection, "/console/login", origin, token)
    [cookie] = re.findall(rf"{COOKIE}=[^;]+", content.decode())
    yield Evidence("POST /console/login", content)
    status, content = fetch(connection, "/v1/status", {**origin, "Cookie": cookie}, b"{}")
    assert status == 200
    yield Evidence("POST /v1/status (console)", content)


def _process_shows(pid: int) -> Iterator[Evidence]:
    """Yield what the process shows to everybody on the machine, and which files it has open."""
    for path in (
        *Path(f"/proc/{pid}").glob("task/*/comm"),
        *(Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ")),
    ):
        with suppress(OSError):
            yield Evidence("the process table", path.read_bytes())
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            yield Evidence("the names of open files", str(path.readlink()).encode())


def bother_the_management(proxy: Proxy, admin: Path, console_port: int, door: Door, said: str) -> Iterator[Evidence]:
    """Send to the listeners of those on duty what is no request of theirs; yield what comes back."""
    sent = (
        f"\0{said}\r\n\r\n",
        f"GET /{said} HTTP/1.1\r\nHost: {said}\r\nX-Forwarded-For: {door.markers.ipv4[4]}\r\nConnection: close\r\n\r\n",
        f"POST /v1/{said} HTTP/1.1\r\nHost: {said}\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n{said}",
        f"POST /console/login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://{said}\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n",
        f"GET / HTTP/1.1\r\nX {said}: {said}\r\n\r\n",
        f"GET / HTTP/1.1\r\nX: {said * 2_000}\r\n\r\n",
    )
    for one in sent:
        for port in (proxy.metrics_port, console_port):
            source = (str(door.markers.ipv4[4]), 0)
            with suppress(OSError), socket.create_connection((LOOPBACK, port), 1.0, source) as connection:
                connection.sendall(one.encode())
                yield Evidence("an error of metrics or console", read_response(connection))
        with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(admin))
            connection.sendall(one.encode())
            yield Evidence("an error of the admin socket", read_response(connection))


def verb_says(file: Path, verb: tuple[str, ...]) -> Evidence:
    """Return what a verb of the command line says."""
    run = run_dohproxy(*verb, "--config", str(file))
    assert "Traceback" not in run.stderr
    assert run.stdout, run
    return Evidence(f"dohproxy {verb[0]}", f"{run.stdout}{run.stderr}".encode())


# --- When it has ended ---


def files_hold(directory: Path) -> Iterator[Evidence]:
    """Yield what stands in each file below a directory that the service has written, and each file's name."""
    for path in sorted(directory.rglob("*")):
        place = str(path.relative_to(directory))
        if not path.is_file() or place in OUR_OWN:
            continue
        yield Evidence(place, path.read_bytes())
        yield Evidence("the names of files", place.encode())
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as database:
                yield Evidence(place, "\n".join(database.iterdump()).encode())
        if path.name == "state" and path.parent.name == "state":
            state = decode(path.read_bytes(), open_key(path.parent))
            yield Evidence(place, json.dumps(state.values, ensure_ascii=False).encode())
            for table in state.tables.values():
                yield from (Evidence(place, bytes(piece).replace(bytes(8), b"")) for piece in table.pieces)

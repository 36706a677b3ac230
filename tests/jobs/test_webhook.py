"""The webhook: a message arrives whole, or it is said why not."""

import http.server
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dohproxy.jobs import webhook
from tests.e2e.processes import free_port

MESSAGE = json.dumps({"text": "é"}).encode()


class Received:
    """What a server was sent."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.requests: list[tuple[str, str, str | None, bytes]] = []


@contextmanager
def server(received: Received) -> Iterator[str]:
    """An HTTP server on loopback; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.requests.append((self.command, self.path, self.headers["Content-Type"], body))
            self.send_response(received.status)
            if received.status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    made = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}"
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


@pytest.mark.parametrize("status", [200, 204])
def test_a_message_arrives_as_it_is(status: int) -> None:
    received = Received(status)
    with server(received) as address:
        assert webhook.send(f"{address}/hook/secret", MESSAGE, 5.0) == ""
    assert received.requests == [("POST", "/hook/secret", "application/json", MESSAGE)]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_whatever_is_no_success_is_said_and_nobody_else_is_asked(status: int) -> None:
    received = Received(status)
    with server(received) as address:
        assert webhook.send(address, MESSAGE, 5.0) == f"the server says {status}"
    assert len(received.requests) == 1


def test_a_server_that_is_not_there_is_said() -> None:
    assert "refused" in webhook.send(f"http://127.0.0.1:{free_port()}", MESSAGE, 5.0)


def test_what_is_no_http_is_said_and_a_url_that_is_none_is_not_repeated() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=lambda: _say(listening, b"220 mail ready\r\n"), daemon=True)
        answering.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert webhook.send(url, MESSAGE, 5.0) == "the server answers with what is no HTTP"
        answering.join(5.0)
    assert webhook.send("http://127.0.0.1/secret path", MESSAGE, 5.0) == "the URL is none"


def _say(listening: socket.socket, words: bytes) -> None:
    with listening.accept()[0] as accepted:
        accepted.recv(65_536)
        accepted.sendall(words)


def test_no_file_is_read_and_nothing_else_is_spoken() -> None:
    assert webhook.send("file:///etc/passwd", MESSAGE, 5.0) == "the URL is neither http:// nor https://"


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    received = Received(200)
    with server(received) as address:
        assert webhook.send(address, MESSAGE, 5.0) == ""


def test_it_runs_as_a_program_of_its_own() -> None:
    received = Received(200)
    program = [sys.executable, "-I", str(Path(webhook.__file__))]
    with server(received) as address:
        environment = {webhook.URL: address, webhook.SECONDS: "5"}
        run = subprocess.run(program, input=MESSAGE, env=environment, capture_output=True, check=False)
        assert (run.returncode, run.stderr) == (0, b"")
        received.status = 500
        run = subprocess.run(program, input=MESSAGE, env=environment, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (1, b"the server says 500\n")
    assert [body for *_, body in received.requests] == [MESSAGE, MESSAGE]

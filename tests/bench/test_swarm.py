"""The swarm against a server that is told what to say: what it counts, and how it uses connections."""

import socketserver
import threading
from collections.abc import Iterator

import pytest

from bench.callers import Asked, Caller, Tally, result_of
from bench.questions import A, get, post, query
from bench.swarm import Swarm

ANSWER = bytes.fromhex("0000818000010000000000000377777700000100010000")
SERVFAIL = bytes.fromhex("000081820001000000000000") + ANSWER[12:]


def response(status: str = "200 OK", body: bytes = ANSWER, fields: str = "") -> bytes:
    """Return a response as the proxy writes it."""
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Server(socketserver.ThreadingTCPServer):
    """Answers each request with the next line of its script, the last one for ever."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *script: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = list(script)
        self.peers: list[str] = []
        self.requests: list[bytes] = []
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def next_line(self) -> bytes:
        """Return what comes next."""
        with self.lock:
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.peers.append(self.client_address[0])
        while request := self.request.recv(65536):
            server.requests.append(request)
            line = server.next_line()
            if not line:
                return
            # In two pieces, as a network may cut it.
            self.request.sendall(line[:20])
            self.request.sendall(line[20:])


@pytest.fixture
def serve() -> Iterator[list[Server]]:
    """Servers that a test puts here are ended after it."""
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


def start(servers: list[Server], *script: bytes) -> Server:
    """Start a server with a script."""
    server = Server(*script)
    servers.append(server)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


def run(server: Server, plan: list[Asked], patience: float = 5.0) -> dict[str, Tally]:
    """Carry out a plan."""
    swarm = Swarm(server.port, patience=patience)
    swarm.run(plan)
    swarm.close()
    return swarm.tallies


REQUEST = post(query("www.example.net", A))


def test_each_caller_comes_from_its_own_address(serve: list[Server]) -> None:
    server = start(serve, response())
    plan = [Asked(0.0, Caller(f"127.1.2.{number}"), REQUEST, "probe") for number in range(1, 21)]
    tallies = run(server, plan)
    assert (tallies["probe"].asked, tallies["probe"].success) == (20, 1.0)
    assert sorted(server.peers) == sorted(f"127.1.2.{number}" for number in range(1, 21))


def test_one_after_the_other_over_one_connection_that_is_closed_at_the_end(serve: list[Server]) -> None:
    server = start(serve, response())
    caller = Caller("127.1.2.3")
    run(server, [Asked(0.0, caller, get(query(f"{number}.example.net", A)), "probe") for number in range(5)])
    assert (len(server.peers), len(server.requests), caller.open) == (1, 5, 0)


def test_a_keeper_opens_as_many_connections_as_it_may_and_uses_them_again(serve: list[Server]) -> None:
    server = start(serve, response())
    swarm = Swarm(server.port)
    caller = Caller("127.1.2.3", most=3, keeps=True)
    for _ in range(2):
        swarm.run([Asked(0.0, caller, REQUEST, "member") for _ in range(9)])
    assert (caller.open, len(server.peers), swarm.tallies["member"].asked) == (3, 3, 18)
    swarm.close()
    assert caller.open == 0


def test_what_came_back_is_counted_by_kind_and_word(serve: list[Server]) -> None:
    server = start(serve, response(), response(body=SERVFAIL), response("429 Too Many Requests", b""))
    caller = Caller("127.1.2.3")
    tallies = run(server, [Asked(0.0, caller, REQUEST, kind) for kind in ("first", "second", "second")])
    assert tallies["first"].results == {"answered": 1}
    assert tallies["second"].results == {"servfail": 1, "429": 1}
    assert (tallies["second"].success, len(tallies["first"].latencies)) == (0.0, 1)


def test_a_kept_connection_that_was_closed_meanwhile_costs_a_second_try_and_no_failure(serve: list[Server]) -> None:
    server = start(serve, response(), b"", response())
    caller = Caller("127.1.2.3", keeps=True)
    tallies = run(server, [Asked(0.0, caller, REQUEST, "member"), Asked(0.1, caller, REQUEST, "member")])
    assert tallies["member"].results == {"answered": 2}
    assert len(server.peers) == 2


def test_a_new_connection_that_is_closed_is_a_failure(serve: list[Server]) -> None:
    server = start(serve, b"")
    assert run(server, [Asked(0.0, Caller("127.1.2.3"), REQUEST, "probe")])["probe"].results == {"lost": 1}


def test_what_is_not_answered_in_time_is_a_failure_and_frees_its_connection(serve: list[Server]) -> None:
    server = start(serve, b"HTTP/1.1 200 OK\r\n", response())
    caller = Caller("127.1.2.3", keeps=True)
    plan = [Asked(0.0, caller, REQUEST, "member"), Asked(0.5, caller, REQUEST, "member")]
    assert run(server, plan, patience=0.3)["member"].results == {"timeout": 1, "answered": 1}


def test_a_server_that_closes_politely_is_come_back_to(serve: list[Server]) -> None:
    server = start(serve, response(fields="Connection: close\r\n"), response())
    caller = Caller("127.1.2.3")
    tallies = run(server, [Asked(0.0, caller, REQUEST, "probe") for _ in range(3)])
    assert (tallies["probe"].success, len(server.peers)) == (1.0, 2)


def test_a_port_where_nobody_listens() -> None:
    swarm = Swarm(1)
    swarm.run([Asked(0.0, Caller("127.1.2.3"), REQUEST, "probe")])
    swarm.close()
    assert swarm.tallies["probe"].results == {"no connection": 1}


@pytest.mark.parametrize(
    ("head", "body", "word"),
    [
        (b"http/1.1 200 ok", ANSWER, "answered"),
        (b"http/1.1 200 ok", b"\x00\x00\x81\x83" + bytes(8), "answered"),
        (b"http/1.1 200 ok", b"\x00\x00\x81\x85" + bytes(8), "refused"),
        (b"http/1.1 200 ok", b"", "no message"),
        (b"http/1.1 503 busy", b"", "503"),
    ],
    ids=["NOERROR", "NXDOMAIN", "REFUSED", "an empty body", "another status"],
)
def test_one_word_for_each_response(head: bytes, body: bytes, word: str) -> None:
    assert result_of(head, body) == word


def test_percentiles_are_of_those_that_were_answered() -> None:
    tally = Tally()
    assert (tally.percentile(0.5), tally.success) == (0.0, 1.0)
    tally.latencies.extend(number / 100 for number in range(100))
    assert (tally.percentile(0.5), tally.percentile(0.99), tally.percentile(1.0)) == (0.5, 0.99, 0.99)

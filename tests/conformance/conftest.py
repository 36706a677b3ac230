"""The service under test, and the frontends it is tried through."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.conformance.dot import DotClient
from tests.conformance.exchange import Client
from tests.conformance.http1 import Http1Client
from tests.conformance.http2 import Http2Client
from tests.fakes.conformance import RunningServer, Setup, serving

Connect = Callable[..., Client]
StartServer = Callable[[Setup], AbstractContextManager[RunningServer]]


@pytest.fixture(scope="session", params=["http1", "http2"])
def frontend(request: pytest.FixtureRequest) -> str:
    """Through which frontend the requests go; those of HTTP obey the same rules, and where there is a `dot` among the
    parameters of a module it is tried through that one too."""
    return str(request.param)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunningServer]]:
    """A service with ample limits for each frontend: what one has learnt would change what the other does."""
    with contextlib.ExitStack() as stack:
        yield {
            frontend: stack.enter_context(serving(tmp_path_factory.mktemp("server"), Setup()))
            for frontend in ("http1", "http2", "dot")
        }


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: dict[str, RunningServer]) -> RunningServer:
    """The service that all tests of a frontend share which do not need another."""
    return servers[str(request.getfixturevalue("frontend")) if "frontend" in request.fixturenames else "http1"]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> StartServer:
    """Start a service of one's own."""

    @contextmanager
    def start_one(setup: Setup) -> Iterator[RunningServer]:
        with serving(tmp_path_factory.mktemp("server"), setup) as running:
            yield running

    return start_one


@pytest.fixture
def connect(frontend: str) -> Iterator[Connect]:
    """Connect to a service through the frontend, over TLS if asked; closed when the test ends."""
    opened: list[Client] = []

    def connect_one(server: RunningServer, *, over_tls: bool = False) -> Client:
        client = connect_through(frontend, server, over_tls=over_tls)
        opened.append(client)
        return client

    yield connect_one
    for client in opened:
        client.close()


def connect_through(frontend: str, server: RunningServer, *, over_tls: bool = False) -> Client:
    """A connection to a service through one of its frontends; that for DoT is behind what ends TLS."""
    if frontend == "dot":
        return DotClient(server.dot_port)
    port = server.tls_port if over_tls else server.port
    trust = server.trust[frontend] if over_tls else None
    return Http2Client(port, trust) if frontend == "http2" else Http1Client(port, trust)


@pytest.fixture
def client(server: RunningServer, connect: Connect) -> Client:
    """A connection to the shared service."""
    return connect(server)


@pytest.fixture
def http1(server: RunningServer) -> Iterator[Http1Client]:
    """An HTTP/1.1 connection to the shared service, for what only that version has."""
    with Http1Client(server.port) as opened:
        yield opened


@pytest.fixture
def http2(server: RunningServer) -> Iterator[Http2Client]:
    """An HTTP/2 connection to the shared service, likewise."""
    with Http2Client(server.port) as opened:
        yield opened

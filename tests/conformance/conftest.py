"""The service under test, and the doors it is tried through."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.conformance.exchange import Client
from tests.conformance.http1 import Http1Client
from tests.fakes.conformance import RunningServer, Setup, serving

Connect = Callable[..., Client]
StartServer = Callable[[Setup], AbstractContextManager[RunningServer]]


@pytest.fixture(scope="session", params=["http1"])
def door(request: pytest.FixtureRequest) -> str:
    """Through which frontend the requests go; all of them obey the same rules."""
    return str(request.param)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service with ample limits that all tests share which do not need another."""
    with serving(tmp_path_factory.mktemp("server"), Setup()) as running:
        yield running


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> StartServer:
    """Start a service of one's own."""

    @contextmanager
    def start_one(setup: Setup) -> Iterator[RunningServer]:
        with serving(tmp_path_factory.mktemp("server"), setup) as running:
            yield running

    return start_one


@pytest.fixture
def connect(door: str) -> Iterator[Connect]:
    """Connect to a service through the door, over TLS if asked; closed when the test ends."""
    opened: list[Client] = []

    def connect_one(server: RunningServer, *, over_tls: bool = False) -> Client:
        assert door == "http1"
        client = Http1Client(server.tls_port, server.trust) if over_tls else Http1Client(server.port)
        opened.append(client)
        return client

    yield connect_one
    for client in opened:
        client.close()


@pytest.fixture
def client(server: RunningServer, connect: Connect) -> Client:
    """A connection to the shared service."""
    return connect(server)


@pytest.fixture
def http1(server: RunningServer) -> Iterator[Http1Client]:
    """An HTTP/1.1 connection to the shared service, for what only that version has."""
    with Http1Client(server.port) as opened:
        yield opened

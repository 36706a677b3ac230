"""Every asynchronous test of the doors runs on both event loops: production has uvloop, some platforms do not."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from dohproxy.frontends.throwaway import write_throwaway_certificate
from tests.frontends.door import Certificate


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test once on each."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for localhost and the loopback addresses, made by the code under test."""
    return Certificate(*write_throwaway_certificate(tmp_path_factory.mktemp("certificate"), "localhost"))

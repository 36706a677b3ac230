"""Every asynchronous test here runs on both event loops."""

from tests.loops import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories

"""What one node shares, wired."""

import asyncio
import time
from pathlib import Path

import pytest

from dohproxy.config import NodesConfig
from dohproxy.config.store_address import StoreAddress
from dohproxy.sharing import sharing as module
from dohproxy.sharing.sharing import Sharing
from tests.fakes.store import SECRET


@pytest.fixture
def config(tmp_path: Path) -> NodesConfig:
    """Of a node whose store is not there."""
    (tmp_path / "key").write_bytes(SECRET)
    return NodesConfig(StoreAddress("unix", path=str(tmp_path / "store.sock")), tmp_path / "key", name="paris-1")


def test_a_node_without_a_name_has_that_of_its_machine(config: NodesConfig) -> None:
    assert Sharing(config, time.monotonic).name == "paris-1"
    unnamed = NodesConfig(config.store, config.key_file)
    assert Sharing(unnamed, time.monotonic).name


def test_two_runs_of_one_node_can_be_told_apart(config: NodesConfig) -> None:
    assert Sharing(config, time.monotonic).instance != Sharing(config, time.monotonic).instance


async def test_a_bug_in_one_part_ends_nothing_else(config: NodesConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    begun: list[str] = []
    again = asyncio.Event()

    class Faulty:
        async def run(self) -> None:
            begun.append("faulty")
            if begun.count("faulty") == 2:
                again.set()
                await asyncio.sleep(60)
            raise RuntimeError("a bug")

    sharing = Sharing(config, time.monotonic)
    sharing.parts.append(Faulty())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sharing.run())
        async with asyncio.timeout(5):
            await again.wait()
        assert not running.done()
        running.cancel()

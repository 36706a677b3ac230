"""What is shown of the store."""

import time
from pathlib import Path

from dohproxy.config.store_address import StoreAddress
from dohproxy.observability.figures import FigureRegistry, plain
from dohproxy.sharing.connecting import StoreSettings
from dohproxy.sharing.store import Store
from dohproxy.sharing.store_figures import STORE_FIGURES


async def test_the_figures_of_a_store_that_is_not_there(tmp_path: Path) -> None:
    store = Store(StoreSettings(StoreAddress("unix", path=str(tmp_path / "s")), None, None, None), time.monotonic)
    await store.command("PING", seconds=1)
    registry = FigureRegistry()
    registry.add(STORE_FIGURES, store.statistics)
    shown = {reading.figure.name: plain(reading.values) for reading in registry.read()}
    assert shown["store_up"] == 0
    assert shown["store_failures"]["down"] == 1
    assert shown["max_store_commands_under_way"] > 0

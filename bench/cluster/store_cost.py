"""What an operation costs a store, on this machine. How much memory an answer takes is in `bench.shared_cache`."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import valkey

from bench.processes import cpu_seconds
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.sealing import Seal

ANSWER_BYTES: Final = 270
"""A usual answer as it is stored, before it is sealed."""
ENTRIES: Final = 50_000
OPERATIONS: Final = 100_000
ALONE: Final = 20_000
BATCH: Final = 100
"""Commands at once: so many nodes that ask one thing each."""
LIFE_MILLISECONDS: Final = 3_600_000


@contextmanager
def a_store(program: str = "redis-server") -> Iterator[tuple[Any, int]]:
    """Yield a client of a store that ends with the block, and the number of its process."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "store.sock")
        command = [program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                client = valkey.Valkey(unix_socket_path=path)
                _wait(client)
                yield client, process.pid
            finally:
                process.kill()


def _wait(client: Any) -> None:
    for _ in range(500):
        try:
            client.ping()
        except valkey.ConnectionError:
            time.sleep(0.01)
        else:
            return
    raise SystemExit("the store has not begun")


def measure() -> dict[str, float]:
    """Return microseconds of the store's core for one operation of each kind."""
    with a_store() as (client, pid):
        keys = Keys("dohproxy", bytes(32))
        seal = Seal(keys, "answers")
        names = [keys.of_one("answer", b"%d" % number) for number in range(ENTRIES)]
        spent = cpu_seconds(pid)
        for first in range(0, ENTRIES, BATCH):
            batch = client.pipeline(transaction=False)
            for name in names[first : first + BATCH]:
                batch.set(name, seal.seal(bytes(ANSWER_BYTES), name.encode(), 1.8e9), px=LIFE_MILLISECONDS)
            batch.execute()
        stored = cpu_seconds(pid)
        for first in range(0, OPERATIONS, BATCH):
            batch = client.pipeline(transaction=False)
            for number in range(first, first + BATCH):
                batch.get(names[number * 7919 % ENTRIES])
            batch.execute()
        read = cpu_seconds(pid)
        for number in range(ALONE):
            client.get(names[number * 7919 % ENTRIES])
        alone = cpu_seconds(pid)
    return {
        "microseconds a SET": (stored - spent) / ENTRIES * 1e6,
        "microseconds a GET": (read - stored) / OPERATIONS * 1e6,
        "microseconds a GET that comes alone": (alone - read) / ALONE * 1e6,
    }

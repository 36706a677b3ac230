"""A swarm that asks beside something else: in a thread, for as long as the context lasts."""

import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from bench.callers import Asked
from bench.swarm import Swarm


@contextmanager
def asking(port: int, plan: Iterable[Asked], *, context: ssl.SSLContext | None = None) -> Iterator[None]:
    """Carry out a plan, and leave it at the end where it is."""
    is_over = threading.Event()

    def ask() -> None:
        swarm = Swarm(port, context=context)
        swarm.run(plan, is_over.is_set)
        swarm.close()

    thread = threading.Thread(target=ask, name="asking")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()

"""A store in memory, for tests that are about what nodes make of it: the few commands that they use, done at once."""

from collections.abc import Callable
from typing import Any

from dohproxy.sharing.commands import StoreFailure


class MemoryStore:
    """What several nodes see of one store. Nothing in it ends by itself."""

    def __init__(self) -> None:
        self.streams: dict[str, list[tuple[tuple[int, int], bytes]]] = {}
        self.values: dict[str, Any] = {}
        self.milliseconds = 1_000_000
        self.most = 1_000_000
        """Entries of a stream that are kept."""

    def flush(self) -> None:
        """Lose everything."""
        self.streams.clear()
        self.values.clear()

    def add(self, key: str, value: bytes) -> tuple[int, int]:
        """Add an entry to a stream."""
        entries = self.streams.setdefault(key, [])
        self.milliseconds += 1
        place = max((self.milliseconds, 0), (entries[-1][0][0], entries[-1][0][1] + 1) if entries else (0, 0))
        entries.append((place, value))
        del entries[: max(0, len(entries) - self.most)]
        return place


class Link:
    """One node's way to it, which may be cut."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.is_up = True
        self.loses_replies = False
        """What is sent is done, and nobody is told."""
        self.when_up: list[Callable[[], None]] = []
        self.commands: list[tuple[Any, ...]] = []

    async def command(self, *command: Any, seconds: float) -> Any:
        """Do what a node says."""
        assert seconds > 0
        self.commands.append(command)
        if not self.is_up:
            return StoreFailure.DOWN
        name, key, *rest = command
        reply = getattr(self, f"_{name.lower()}")(key, *rest)
        return StoreFailure.SLOW if self.loses_replies else reply

    def _xadd(self, key: str, *rest: Any) -> bytes:
        *_, field, value = rest
        assert field == b"e"
        place = self.store.add(key, value)
        return b"%d-%d" % place

    def _xrange(self, key: str, begin: str, end: str, _: str, count: int) -> list[Any]:
        entries = self.store.streams.get(key, [])
        if begin.startswith("("):
            first, _, second = begin[1:].partition("-")
            entries = [entry for entry in entries if entry[0] > (int(first), int(second))]
        return [_told(entry) for entry in entries[:count]]

    def _xrevrange(self, key: str, end: str, begin: str, _: str, count: int) -> list[Any]:
        return [_told(entry) for entry in self.store.streams.get(key, [])[::-1][:count]]

    def _pexpire(self, key: str, milliseconds: int) -> int:
        return 1

    def _set(self, key: str, value: bytes, *options: Any) -> Any:
        before = self.store.values.get(key)
        if "NX" not in options or before is None:
            self.store.values[key] = value
        return before if "GET" in options else b"OK"

    def _get(self, key: str) -> Any:
        return self.store.values.get(key)

    def _del(self, key: str) -> int:
        return int(self.store.values.pop(key, None) is not None)

    def _hset(self, key: str, field: str, value: bytes) -> int:
        self.store.values.setdefault(key, {})[field] = value
        return 1

    def _hdel(self, key: str, field: str) -> int:
        return int(self.store.values.get(key, {}).pop(field, None) is not None)

    def _hgetall(self, key: str) -> list[bytes]:
        return [part for field, value in self.store.values.get(key, {}).items() for part in (field.encode(), value)]

    def _rpush(self, key: str, value: bytes) -> int:
        self.store.values.setdefault(key, []).append(value)
        return len(self.store.values[key])

    def _lpop(self, key: str, count: int | None = None) -> Any:
        found = self.store.values.get(key, [])
        taken, self.store.values[key] = found[: count or 1], found[count or 1 :]
        if not taken:
            return None
        return taken[0] if count is None else taken


def _told(entry: tuple[tuple[int, int], bytes]) -> list[Any]:
    return [b"%d-%d" % entry[0], [b"e", entry[1]]]

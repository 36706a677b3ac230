"""A store in this process, with a clock of its own: it does what the scripts of the shared cache say."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dohproxy.sharing.commands import Asked, Command, Notify, StoreFailure
from dohproxy.sharing.question_scripts import ANSWERED, LOOK, OURS, REMEMBERED, SETTLE, THEIRS
from tests.fakes.clock import FakeClock


@dataclass(slots=True)
class FakeStore:
    """Replies in the next turn of the event loop, unless it `hangs`; then `go_on` does what was asked."""

    clock: Callable[[], float] = field(default_factory=FakeClock)
    is_up: bool = True
    is_hasty: bool = True
    hangs: bool = False
    failure: StoreFailure | None = None
    """What it says to everything."""
    is_full: bool = False
    values: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    asked: list[Command] = field(default_factory=list)
    waiting: list[tuple[Command, Asked]] = field(default_factory=list)

    def ask(self, command: Command, notify: Notify, *, until: float) -> Asked:
        asked = Asked(notify)
        self.asked.append(command)
        if self.failure is not None:
            asked.end(self.failure)
        elif self.hangs:
            self.waiting.append((command, asked))
        else:
            asyncio.get_running_loop().call_soon(lambda: asked.end(self._do(command)))
        return asked

    def go_on(self) -> None:
        waiting, self.waiting, self.hangs = self.waiting, [], False
        for command, asked in waiting:
            asked.end(self._do(command))

    def get(self, key: str) -> bytes | None:
        value, until = self.values.get(key, (b"", 0.0))
        return value if until > self.clock() else None

    def left(self, key: str) -> int:
        return int((self.values[key][1] - self.clock()) * 1000) if self.get(key) is not None else -2

    def set(self, key: str, value: Any, milliseconds: int) -> None:
        data = value if isinstance(value, bytes) else str(value).encode()
        self.values[key] = (data, self.clock() + milliseconds / 1000)

    def calls_of(self, script: Any) -> int:
        """Return how often a script was run."""
        return sum(command[1] == script.digest for command in self.asked)

    def _do(self, command: Command) -> Any:
        match command:
            case ("EVALSHA", LOOK.digest, 3, answer, failure, asked, least, me, milliseconds):
                return self._look((str(answer), str(failure), str(asked)), int(least), str(me), int(milliseconds))
            case ("EVALSHA", SETTLE.digest, 3, answer, failure, asked, me, kind, value, milliseconds):
                return self._settle((str(answer), str(failure), str(asked)), str(me), kind, value, int(milliseconds))
            case ("PEXPIRE", key, milliseconds):
                held = self.get(str(key))
                if held is not None:
                    self.set(str(key), held, int(milliseconds))
                return int(held is not None)
            case _:
                raise AssertionError(command)

    def _look(self, keys: tuple[str, str, str], least: int, me: str, milliseconds: int) -> list[Any]:
        answer, failure, asked = keys
        value = self.get(answer)
        left = 0 if value is None else self.left(answer)
        if value is not None and len(value) >= 4 and left - int.from_bytes(value[:4]) > least:
            return [0, value, left, None, 0]
        if self.get(failure) is not None:
            return [1, value, left, self.get(failure), self.left(failure)]
        holder = self.get(asked)
        if holder is None:
            if self.is_full:
                return [4, value, left, None, 0]
            self.set(asked, me, milliseconds)
        return [OURS if holder in (None, me.encode()) else THEIRS, value, left, None, 0]

    def _settle(self, keys: tuple[str, str, str], me: str, kind: Any, value: Any, milliseconds: int) -> Any:
        answer, failure, asked = keys
        if kind in (ANSWERED, REMEMBERED) and not self.is_full:
            self.set(answer if kind == ANSWERED else failure, value, milliseconds)
        if kind == ANSWERED:
            self.values.pop(failure, None)
        if self.get(asked) == me.encode():
            del self.values[asked]
        return StoreFailure.FULL if self.is_full and kind != "n" else 1

"""Commands for other nodes, by way of the store: each node has a box there, and looks into it several times a second.

What lies in a box is sealed, so only who has the nodes' key can have put it there, and nobody else reads what is
answered. A request that was copied is not carried out a second time, and none that is old.
"""

import asyncio
import json
import os
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from dohproxy.sharing.commands import StoreFailure
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.sealing import OVERHEAD_BYTES, Seal

if TYPE_CHECKING:
    from dohproxy.sharing.store import Store

NODE: Final = "node"
"""The argument of every command that names the node which is to carry it out."""
ALL: Final = "all"
"""In place of a name: each that is there."""
POLL_SECONDS: Final = 0.2
"""Between two looks into the box."""
ANSWER_POLL_SECONDS: Final = 0.05
"""Between two looks whether there is an answer: somebody waits for it."""
TAKE_UP_SECONDS: Final = 2.0
"""Within which a node that is there takes a command up."""
STORE_SECONDS: Final = 0.5
BOX_SECONDS: Final = 5
"""How long what nobody takes out of a box lies there."""
ANSWER_SECONDS: Final = 60
"""How long an answer does: who has asked for it takes it within moments."""
OLDEST_SECONDS: Final = 30.0
"""What was asked longer ago than this, or is to be asked in the future, is not carried out."""
MOST_REQUEST: Final = 8_192
MOST_ANSWER: Final = 262_144
"""Bytes: a `status` has some 30 KiB. What is longer is to be asked for at the node itself."""
MOST_AT_ONCE: Final = 8
"""Requests that are carried out at once; more wait in the box."""
_MOST_REMEMBERED: Final = 1_024
_ID_BYTES: Final = 16
_TAKEN_UP: Final = b"taken up"

_log = structlog.get_logger("dohproxy.nodes")


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """What a node says to a command."""

    status: int
    """As of HTTP; 504 where it has not answered, 503 where it could not be asked."""
    body: Mapping[str, Any]


CarryOut = Callable[[str, Mapping[str, Any], str], Awaitable[RemoteAnswer]]
"""Carries out the command at a path, with its arguments, for the node of this name."""


class RemoteCommands:
    """Asks other nodes, and answers them. `run` looks into the box."""

    def __init__(
        self,
        store: "Store",
        keys: Keys,
        name: str,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._keys = keys
        self._name = name
        self._clock = clock
        self._wall_clock = wall_clock
        self._requests = Seal(keys, "command")
        self._answers = Seal(keys, "answer")
        self._done: deque[bytes] = deque(maxlen=_MOST_REMEMBERED)
        self._working: set[asyncio.Task[None]] = set()
        self.carry_out: CarryOut | None = None
        """Who carries commands out; None before there is anybody."""

    async def run(self) -> None:
        """Answer others until cancelled."""
        try:
            while True:
                await self.turn()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            for task in self._working:
                task.cancel()

    async def turn(self) -> None:
        """Look into the box once."""
        room = MOST_AT_ONCE - len(self._working)
        if not self._store.is_up or room <= 0 or self.carry_out is None:
            return
        box = self._box(self._name)
        found = await self._store.command("LPOP", box, room, seconds=STORE_SECONDS)
        for sealed in found if isinstance(found, list) else ():
            request = self._read(sealed, box)
            if request is not None:
                task = asyncio.get_running_loop().create_task(self._answer(request))
                self._working.add(task)
                task.add_done_callback(self._working.discard)

    def _read(self, sealed: object, box: str) -> Mapping[str, Any] | None:
        """Return a request that is to be carried out, None if none is."""
        if not isinstance(sealed, bytes) or len(sealed) > MOST_REQUEST + OVERHEAD_BYTES:
            return None
        written = self._requests.open(sealed, box.encode())
        request = None if written is None else _json(written)
        if request is None or not isinstance(request.get("arguments"), dict):
            return None
        if not all(isinstance(request.get(key), str) for key in ("id", "from", "path")):
            return None
        asked_at, mark = request.get("at"), str(request["id"]).encode()
        is_fresh = isinstance(asked_at, int | float) and abs(self._wall_clock() - asked_at) <= OLDEST_SECONDS
        if not is_fresh or mark in self._done:
            _log.warning("a command of another node is not carried out", node=request["from"],
                         why="it was before" if mark in self._done else "it is old, or the clocks differ")  # fmt: skip
            return None
        self._done.append(mark)
        return request

    async def _answer(self, request: Mapping[str, Any]) -> None:
        key = self._answer_key(str(request["id"]))
        if self.carry_out is None:
            return
        await self._put(key, self._answers.seal(_TAKEN_UP, key.encode(), self._wall_clock()), ANSWER_SECONDS)
        answer = await self.carry_out(request["path"], request["arguments"], request["from"])
        written = json.dumps({"status": answer.status, "body": answer.body}, default=str).encode()
        if len(written) > MOST_ANSWER:
            sentence = "The answer is longer than nodes tell each other: ask at the node itself."
            written = json.dumps({"status": 409, "body": {"sentence": sentence, "well": False}}).encode()
        await self._put(key, self._answers.seal(written, key.encode(), self._wall_clock()), ANSWER_SECONDS)

    async def _put(self, key: str, sealed: bytes, seconds: float) -> bool:
        pushed = await self._store.command("RPUSH", key, sealed, seconds=STORE_SECONDS)
        await self._store.command("PEXPIRE", key, round(1_000 * seconds), seconds=STORE_SECONDS)
        return not isinstance(pushed, StoreFailure)

    async def ask(self, name: str, path: str, arguments: Mapping[str, Any], seconds: float) -> RemoteAnswer:
        """Have the node `name` carry out a command, and return what it says within so many seconds."""
        mark = os.urandom(_ID_BYTES).hex()
        request = {"id": mark, "from": self._name, "path": path, "arguments": arguments, "at": self._wall_clock()}
        box, key = self._box(name), self._answer_key(mark)
        written = json.dumps(request, default=str).encode()
        if len(written) > MOST_REQUEST:
            return _none(409, "The arguments are longer than nodes tell each other.")
        if not await self._put(box, self._requests.seal(written, box.encode(), self._wall_clock()), BOX_SECONDS):
            return _none(503, "The store cannot be used, so no other node can be asked.")
        until = self._clock() + TAKE_UP_SECONDS
        is_taken_up = False
        while self._clock() < until:
            found = await self._store.command("LPOP", key, seconds=STORE_SECONDS)
            said = self._answers.open(found, key.encode()) if isinstance(found, bytes) else None
            if said == _TAKEN_UP:
                is_taken_up, until = True, self._clock() + seconds
            elif said is not None:
                return _answer_of(said)
            else:
                await asyncio.sleep(ANSWER_POLL_SECONDS)
        if is_taken_up:
            return _none(504, f"{name} took the command and did not answer within {seconds:.0f} s; it may still do it.")
        return _none(504, f"{name} did not take the command up within {TAKE_UP_SECONDS:.0f} s.")

    def _box(self, name: str) -> str:
        return self._keys.of_one("box", name.encode())

    def _answer_key(self, mark: str) -> str:
        return self._keys.of_one("answer", mark.encode())


def _json(written: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _answer_of(written: bytes) -> RemoteAnswer:
    found = _json(written)
    if found is None or not isinstance(found.get("status"), int) or not isinstance(found.get("body"), dict):
        return _none(504, "What was answered cannot be read: the nodes run different releases.")
    return RemoteAnswer(found["status"], found["body"])


def _none(status: int, sentence: str) -> RemoteAnswer:
    return RemoteAnswer(status, {"sentence": sentence, "well": False})

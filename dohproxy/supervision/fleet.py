"""All workers as one service: what the admin socket, the operator's page and the scrapers see of it."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import structlog

from dohproxy.config import Config
from dohproxy.control.command import Refused, Result
from dohproxy.control.console.sessions import Sessions
from dohproxy.control.console.view import BAD, as_sentence
from dohproxy.control.figure_list import worker_figures
from dohproxy.control.service import OtherNodes
from dohproxy.observability.figures import FigureRegistry, Reading, plain
from dohproxy.supervision.asking import Answer, NoAnswer, ask
from dohproxy.supervision.merged_figures import MergedFigures, read_look
from dohproxy.supervision.restarts import Restarts
from dohproxy.supervision.worker_process import WorkerProcess
from dohproxy.workers.handover import BANS, LOOK, STATE, VIEW

LOOK_SECONDS: Final = 2.0
"""For one worker to tell all of its figures: it takes some milliseconds, more while it has much to do."""
_WORST_LAST: Final = ("closed", "half_open", "open")

STORE_UP: Final = "dohproxy_store_up"
_MOMENT: Final = re.compile(r", since [0-9-]+ [0-9:]+ UTC")

_log = structlog.get_logger("dohproxy.workers")


class Fleet:
    """The workers, asked and told together."""

    def __init__(
        self,
        config: Config,
        workers: Sequence[WorkerProcess],
        restarts: Sequence[Restarts],
        reload: Callable[[], Any],
        drain: Callable[[], Result],
    ) -> None:
        """`reload` has all of them read the configuration again, `drain` begins the end."""
        self.config = config
        self.sessions = Sessions()
        self.peers: OtherNodes | None = None
        """The supervisor is no node; its desk has the workers ask others."""
        self.is_ending = False
        self.merged = MergedFigures(worker_figures())
        self.own = FigureRegistry()
        """The supervisor's own figures."""
        self.problems: list[str] = []
        """What else is wrong, in words that continue a sentence."""
        self._workers = workers
        self._restarts = restarts
        self.reload = reload
        self.drain = drain
        self._looking = asyncio.Lock()
        self._snapshots: dict[int, tuple[Mapping[str, Any], list[str]]] = {}

    @property
    def ready(self) -> list[WorkerProcess]:
        """Those who serve."""
        return [worker for worker in self._workers if worker.ready.is_set()]

    # --- Commands ---

    @property
    def shares(self) -> bool:
        """Whether what is said at one worker is known at all others by their store, as of the last look."""
        return all(self.merged.of(worker.number, STORE_UP) > 0 for worker in self.ready)

    async def tell(self, target: str, values: Mapping[str, Any], seconds: float, *, everybody: bool) -> list[Answer]:
        """Return the answers of all workers, or of one that serves; the first is asked before the others where they
        have to agree, and these only if it has done it. Raises Refused if nobody serves."""
        workers = self.ready
        if not workers:
            raise Refused("No worker serves at this moment; try again in a second.")
        if not everybody:
            return [await self._tell(workers[0], target, values, seconds)]
        if target == "/v1/top":  # All look at the same seconds.
            return list(await asyncio.gather(*(self._tell(one, target, values, seconds) for one in workers)))
        first = await self._tell(workers[0], target, values, seconds)
        if first.status != 200:
            return [first]
        rest = (self._tell(one, target, values, seconds) for one in workers[1:])
        return [first, *await asyncio.gather(*rest)]

    async def _tell(self, worker: WorkerProcess, target: str, values: Mapping[str, Any], seconds: float) -> Answer:
        try:
            return await ask(worker.admin_socket, target, values, seconds=seconds)
        except NoAnswer:
            return Answer(503, {"sentence": f"Worker {worker.number} did not answer; it may have died, or hang."})

    # --- What there is to see ---

    def read(self) -> Iterator[Reading]:
        """Yield all figures as of the last look."""
        yield from self.merged.read()
        yield from self.own.read()

    def died(self, number: int) -> None:
        """A worker has died: what it has counted is kept."""
        self.merged.died(number)
        self._snapshots.pop(number, None)

    async def refresh(self) -> None:
        """Look at all workers; who does not answer in time is seen as before."""
        async with self._looking:
            await asyncio.gather(*(self._look_at(worker) for worker in self.ready))

    async def _look_at(self, worker: WorkerProcess) -> None:
        try:
            answer = await ask(worker.admin_socket, LOOK, seconds=LOOK_SECONDS)
            look, snapshot, told = read_look(answer.body["figures"]), answer.body["snapshot"], answer.body["told"]
        except (NoAnswer, KeyError, TypeError, ValueError):
            return
        if worker.ready.is_set():  # Else it has died meanwhile, and was counted as one who has.
            self.merged.note(worker.number, look)
            self._snapshots[worker.number] = snapshot, told

    async def look(self) -> tuple[dict[str, Any], list[str]]:
        """Return the snapshot of all as of one service, and what is wrong in words. Raises Refused if nobody serves."""
        await self.refresh()
        seen = [self._snapshots[number] for number in sorted(self._snapshots)]
        if not seen:
            raise Refused("No worker serves at this moment; try again in a second.")
        snapshot = together([one for one, _ in seen])
        snapshot["figures"] = {one.figure.sample_name: plain(one.values) for one in self.read()}
        snapshot["workers"] = [self._state_of(worker) for worker in self._workers]
        return snapshot, self._troubles()

    async def snapshot(self) -> dict[str, Any]:
        """Return the snapshot of all as of one service."""
        return (await self.look())[0]

    async def view(self, snapshot: Mapping[str, Any], _now: float, _wall: float) -> dict[str, Any]:
        """Return what the operator's page shows of a snapshot: one worker says it, with what is wrong at any."""
        told = self._troubles()
        plain_snapshot = json.loads(json.dumps(snapshot, default=str))
        (answer,) = await self.tell(VIEW, plain_snapshot, LOOK_SECONDS, everybody=False)
        shown = dict(answer.body)
        if told:
            shown |= {"state": BAD, "sentences": [as_sentence(one) for one in told]}
        return shown

    def _state_of(self, worker: WorkerProcess) -> dict[str, Any]:
        requests = self.merged.of(worker.number, "dohproxy_requests_total")
        restarts = self._restarts[worker.number].count
        state = "serves" if worker.ready.is_set() else "is started" if worker.pid else "is down"
        words = f"worker {worker.number}: {state}, process {worker.pid}, {requests:,.0f} requests"
        if restarts:
            words += f", started again {restarts} times" if restarts > 1 else ", started again once"
        return {"number": worker.number, "pid": worker.pid, "ready": worker.ready.is_set(), "words": words}

    def _troubles(self) -> list[str]:
        """Return what is wrong, in words that continue a sentence: what all workers say, once."""
        told = [words for number in sorted(self._snapshots) for words in self._snapshots[number][1]]
        return [*self._missing(), *self.problems, *once(told)]

    def _missing(self) -> list[str]:
        return [
            f"worker {worker.number} dies again and again soon after its start, and the others serve alone meanwhile;"
            " the log says why"
            for worker, restarts in zip(self._workers, self._restarts, strict=True)
            if restarts.is_failing
        ]

    # --- Between workers ---

    async def state_for(self, number: int, seconds: float) -> dict[str, Any] | None:
        """Return what another worker knows, for one that is about to begin; None if nobody can tell in time."""
        for worker in self.ready:
            if worker.number != number:
                try:
                    return dict((await ask(worker.admin_socket, STATE, seconds=seconds)).body)
                except NoAnswer:
                    continue
        return None

    async def exchange_bans(self) -> None:
        """Fetch the bans by rule that workers have made, and tell them to all others."""
        workers = self.ready
        told = await asyncio.gather(*(self._bans_of(worker) for worker in workers))
        for worker in workers:
            others = [ban for other, bans in zip(workers, told, strict=True) if other is not worker for ban in bans]
            if others:
                await self._tell(worker, BANS, {"bans": others}, LOOK_SECONDS)

    async def _bans_of(self, worker: WorkerProcess) -> list[Any]:
        try:
            return list((await ask(worker.admin_socket, BANS, seconds=LOOK_SECONDS)).body.get("bans", ()))
        except (NoAnswer, TypeError):
            return []


def together(snapshots: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the state in words of several workers as that of one service: what was said by hand is the same in all,
    what is wrong with any of them is wrong with the service."""
    first = dict(snapshots[0])
    for name in ("alerts", "left_out"):
        first[name] = once(words for one in snapshots for words in one[name])
    first["upstreams"] = [
        {**upstream, "breaker": _worst(upstream["name"], snapshots)} for upstream in first["upstreams"]
    ]
    return first


def once(told: Iterable[str]) -> list[str]:
    """Return sentences without those that say the same of another moment: workers notice one thing in turn."""
    said: dict[str, str] = {}
    for words in told:
        said.setdefault(_MOMENT.sub("", words), words)
    return list(said.values())


def _worst(name: str, snapshots: Sequence[Mapping[str, Any]]) -> str:
    found: list[str] = [
        one["breaker"] for snapshot in snapshots for one in snapshot["upstreams"] if one["name"] == name
    ]
    return max(found, key=lambda breaker: _WORST_LAST.index(breaker) if breaker in _WORST_LAST else -1)

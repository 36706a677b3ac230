"""The supervisor of the workers: opens their sockets, starts, watches and replaces them, tells them of reloads one
after the other, and ends them in turn.

It serves nobody who asks for names. What it holds is what must outlive a worker: the listening sockets, the limiters'
tables, the secret that clients are hashed under, and what dead workers have counted.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from dohproxy.adoption import compare
from dohproxy.builders import build_sharing, clock, secret_of_clients, table_sizes
from dohproxy.config import Config, ConfigError, check_files, load_content, located, parse
from dohproxy.control.command import Refused, Result
from dohproxy.frontends.health_listener import HealthListener, LoopDelay
from dohproxy.frontends.opener import Opener
from dohproxy.jobs.periodic import repeat
from dohproxy.observability.worker_figures import WORKER_FIGURES, WorkerStatistics
from dohproxy.persistence import open_state_key
from dohproxy.service_manager.activation import InheritedSockets
from dohproxy.service_manager.notification import ServiceManager
from dohproxy.supervision.asking import NoAnswer, ask
from dohproxy.supervision.fleet import Fleet
from dohproxy.supervision.front_desk import FrontDesk
from dohproxy.supervision.listening_sets import ListeningSets
from dohproxy.supervision.restarts import LONGEST_PAUSE_SECONDS, Restarts
from dohproxy.supervision.store_process import StoreProcess
from dohproxy.supervision.worker_process import StandBy, WorkerProcess
from dohproxy.workers.division import Place
from dohproxy.workers.handover import Handover, key_file_of
from dohproxy.workers.shared_tables import bytes_of

WATCH_SECONDS: Final = 1.0
"""Between two looks at whether a worker hangs."""
BAN_SECONDS: Final = 0.5
"""Between two exchanges of bans: all workers hold to one within a second."""
FIGURE_SECONDS: Final = 5.0
"""Between two looks at all figures while nobody asks for them: what is lost with a worker that dies."""
FIRST_STATE_SECONDS: Final = 10.0
"""For the first worker to tell what it knows at the start: its management comes up when it serves already."""
STATE_SECONDS: Final = 0.5
"""For another worker to tell it to one that takes the place of a dead one: soon, as nobody serves its queue."""
RELOAD_SECONDS: Final = 60.0
"""For one worker to adopt a configuration: large blocklists take some seconds."""
DOWN_SECONDS: Final = 120.0
"""How long a worker may be missing before systemd is given no more signs of life: then the whole is started anew."""
STAGGER_SECONDS: Final = 1.0
"""Between the ends of two workers, if the first has not ended before: so the whole takes hardly longer than one drain,
and systemd waits long enough for it."""
OWN_SECTIONS: Final = ("metrics", "admin")
"""Of the configuration, what the supervisor serves: of it the workers know nothing."""
KEY_BYTES: Final = 32
"""Of the secret under which workers share what they do; as many as `nodes.key_file` must have."""
END_SECONDS: Final = 10.0
"""Beyond the drain for a worker to write what it keeps; then it is killed."""

_log = structlog.get_logger("dohproxy.workers")


class StartFailed(Exception):
    """A worker has ended before the service served for the first time; `status` is its exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"a worker has ended with {status} while it was started")
        self.status = status


class Supervisor:
    """One running service of several workers."""

    def __init__(
        self,
        config: Config,
        file: Path,
        content: bytes,
        count: int,
        sockets: contextlib.ExitStack,
        *,
        manager: ServiceManager,
        inherited: InheritedSockets,
    ) -> None:
        """Open all sockets and make what the workers share; `content` is what `file` held when `config` was read of
        it. What was opened is closed with `sockets`. Raises ConfigError if an address cannot be had."""
        self._config = config
        self._file = file
        self._content = content
        self._count = count
        self._manager = manager
        self._stop = asyncio.Event()
        self._is_up = False
        self._tasks: asyncio.TaskGroup
        self._reloading = asyncio.Lock()
        sockets.callback(inherited.close)
        self.run_directory = make_run_directory(os.environ, sockets)
        self._opener = Opener(inherited, sockets)
        self.sets = ListeningSets(config, count, inherited, sockets)
        self._management = {key: self._opener.open(key, address, config.connections.write_seconds)
                            for key, address in FrontDesk.addresses(config)}  # fmt: skip
        key = open_state_key(config.server.state_directory)
        # With a store that several machines share, all their workers hash clients under one secret.
        self._secret = secret_of_clients(key, build_sharing(config))
        self._tables = make_mapping(bytes_of(table_sizes(config.limits.table_slots)), sockets)
        self._lifeline = make_lifeline(sockets)
        # Who has a store for several machines needs no other one for the workers of this one.
        self._store = StoreProcess(self.run_directory, clock) if config.nodes is None else None
        self._standing_by: StandBy | None = None
        self.workers = [WorkerProcess(number, self.run_directory) for number in range(count)]
        self._restarts = [Restarts() for _ in range(count)]
        self._down_since = [clock()] * count
        self.fleet = Fleet(config, self.workers, self._restarts, self.reload, self.drain)
        self.fleet.own.add(WORKER_FIGURES, self._statistics)
        self._desk = FrontDesk(config, self.fleet)
        self._delay = LoopDelay()
        self._health = HealthListener(lambda: bool(self.fleet.ready), self._delay)
        for warning in self.sets.warnings:
            _log.warning("inherited sockets", why=str(warning))
        if self.sets.shared:
            _log.info(
                "one socket is for all workers, and whoever is free takes the next", at=", ".join(self.sets.shared)
            )

    # --- Running ---

    async def run(self, announce: Callable[[tuple[str, ...]], None]) -> None:
        """Serve until SIGTERM or SIGINT, then end all workers in turn. `announce` is called with the addresses once all
        workers serve. Raises StartFailed if one of them does not come up the first time."""
        self._heed_signals()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                if self._store is not None:
                    make_key(key_file_of(self.run_directory))
                    await self._store.start()
                first, *others = [await self._stand_by() for _ in self.workers]
                keeping = [tasks.create_task(self._keep(self.workers[0], first))]
                await self._until_ready(keeping[0], self.workers[0])
                keeping += [
                    tasks.create_task(self._keep(worker, one))
                    for worker, one in zip(self.workers[1:], others, strict=True)
                ]
                for task, worker in zip(keeping[1:], self.workers[1:], strict=True):
                    await self._until_ready(task, worker)
                if self._stop.is_set():  # Before all of them served.
                    await self._end(keeping)
                    return
                self._is_up = True
                self._standing_by = await self._stand_by()
                jobs = [tasks.create_task(job) for job in self._jobs()]
                await self._health.start(self._config.server.listen[0])
                announce(self.sets.bound)
                self._manager.ready(self._serving)
                await self._desk.start(self._management)
                await self._stop.wait()
                await self._end(keeping)
                for job in jobs:
                    job.cancel()
        finally:
            self._health.stop()
            await self._desk.stop()
            if self._standing_by is not None:
                self._standing_by.dismiss()
            if self._store is not None:
                self._store.stop()
            for worker in self.workers:
                worker.send(signal.SIGKILL)
                worker.close()

    def _heed_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_quietly)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, lambda: None)

    def _jobs(self) -> Any:
        yield self._delay.watch_forever()
        yield repeat("the watch over workers", lambda: WATCH_SECONDS, self._watch)
        yield repeat("the exchange of bans", lambda: BAN_SECONDS, self.fleet.exchange_bans)
        yield repeat("the look at workers' figures", lambda: FIGURE_SECONDS, self.fleet.refresh)
        if self._store is not None:
            yield self._store.keep_forever()
        if self._manager.ping_seconds is not None:
            seconds = self._manager.ping_seconds
            yield repeat("the sign of life", lambda: seconds, self._ping)

    @property
    def _serving(self) -> str:
        return f"{self._count} workers serve on {', '.join(self.sets.bound)}"

    async def _until_ready(self, keeping: "asyncio.Task[None]", worker: WorkerProcess) -> None:
        """Wait until a worker serves for the first time, or ends, or the service is to end."""
        waiting = [self._tasks.create_task(worker.ready.wait()), self._tasks.create_task(self._stop.wait())]
        await asyncio.wait((keeping, *waiting), return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()

    # --- One worker ---

    def _stand_by(self) -> Awaitable[StandBy]:
        """Start a process that is a worker as soon as it is told so."""
        return StandBy.start((self._tables, self._lifeline, *self.sets.descriptors))

    async def _next(self) -> StandBy:
        """Return the process that stands by, or one that is started now; where the system lets us start none, it is
        tried again and again."""
        found, self._standing_by = self._standing_by, None
        while found is None or not found.is_there:
            try:
                found = await self._stand_by()
            except OSError as error:
                _log.error("no process can be started for a worker", error=error.strerror)
                await asyncio.sleep(LONGEST_PAUSE_SECONDS / 10)
        return found

    async def _keep(self, worker: WorkerProcess, process: StandBy) -> None:
        """Keep one worker running until the end, beginning with this process."""
        number, restarts = worker.number, self._restarts[worker.number]
        is_replacement = False
        while not self._stop.is_set():
            saved = None
            if is_replacement or number > 0:
                saved = await self.fleet.state_for(number, STATE_SECONDS if is_replacement else FIRST_STATE_SECONDS)
            restarts.started(clock())
            await worker.begin(process, self._handover(worker, saved, is_replacement=is_replacement))
            status = await self._live(worker)
            self.fleet.died(number)
            self._down_since[number] = clock()
            if self._stop.is_set():
                return
            if not self._is_up:
                raise StartFailed(status)
            pause = restarts.died(clock())
            _log.error("a worker has died, and another one takes its place", worker=number, status=status, after=pause)
            await asyncio.sleep(pause)
            process = await self._next()
            is_replacement = True

    async def _live(self, worker: WorkerProcess) -> int:
        """Wait for the end of a worker. If the configuration has changed while it began, it is told so."""
        ended = self._tasks.create_task(worker.ended())
        ready = self._tasks.create_task(worker.ready.wait())
        await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._is_up and self._standing_by is None and not self._stop.is_set():
            # Not before this one serves: to start another takes a second of a core, for which clients would wait.
            with contextlib.suppress(OSError):
                self._standing_by = await self._stand_by()
        if not ended.done() and worker.content != self._content:
            with contextlib.suppress(NoAnswer):
                await ask(worker.admin_socket, "/v1/reload", {}, seconds=RELOAD_SECONDS)
                worker.content = self._content
        return await ended

    def _handover(self, worker: WorkerProcess, saved: dict[str, Any] | None, *, is_replacement: bool) -> Handover:
        return Handover(
            Place(worker.number, self._count),
            self._secret,
            self.run_directory,
            self._content,
            self._config.limits.table_slots,
            self._tables,
            self._lifeline,
            self.sets.of(worker.number),
            worker.environment,
            self.sets.strange_to(worker.number),
            "" if self._store is None else self._store.socket,
            saved,
            is_replacement,
        )

    # --- Watching ---

    def _watch(self) -> None:
        now = clock()
        for worker, restarts in zip(self.workers, self._restarts, strict=True):
            if worker.ready.is_set():
                restarts.lives(now)
            if worker.hangs(now) and not self._stop.is_set():
                _log.error("a worker hangs and is killed", worker=worker.number)
                worker.send(signal.SIGKILL)
        up = len(self.fleet.ready)
        missing = "" if up == self._count else f"; {self._count - up} of them are being replaced"
        self._manager.tell(f"{self._serving}{missing}")

    def _ping(self) -> None:
        """Give a sign of life, unless a worker is missing for long: then systemd starts the whole anew."""
        now = clock()
        if all(
            worker.ready.is_set() or now - since < DOWN_SECONDS
            for worker, since in zip(self.workers, self._down_since, strict=True)
        ):
            self._manager.ping()

    def _statistics(self) -> WorkerStatistics:
        return WorkerStatistics(
            {str(one.number): one.ready.is_set() for one in self.workers},
            {str(number): one.count for number, one in enumerate(self._restarts)},
            {str(one.number): self.fleet.merged.of(one.number, "dohproxy_requests_total") for one in self.workers},
            has_store=self._store is not None and self._store.is_up,
        )

    # --- Reloads ---

    def _reload_quietly(self) -> None:
        async def reload() -> None:
            # What is wrong has been logged, and there is nobody else to tell.
            with contextlib.suppress(Refused):
                await self.reload()

        self._tasks.create_task(reload())

    async def reload(self) -> Result:
        """Have all workers read the configuration again, each after the one before has adopted it; a bad one is refused
        before anybody changes. Raises Refused."""
        async with self._reloading:
            with self._manager.reloading():
                content, config = self._read_again()
                told: list[Mapping[str, Any]] = []
                for worker in self.fleet.ready:
                    told.append(await self._reload_one(worker, len(told)))
                    worker.content = content
                self._content = content
                self.fleet.config = config
        if not told:
            raise Refused("No worker serves at this moment; try again in a second.")
        first = told[0]
        figures = {name: one for name, one in first.items() if name not in ("sentence", "well", "lines")}
        waiting = [path for path in compare(self._config, config).waiting if path.startswith(OWN_SECTIONS)]
        figures["waiting_for_restart"] = sorted({*figures.get("waiting_for_restart", ()), *waiting})
        lines = [f"by {len(told)} workers, one after the other", *first["lines"]]
        lines += [f"will change with the next restart: {path}" for path in waiting]
        return Result(str(first["sentence"]), figures, lines)

    def _read_again(self) -> tuple[bytes, Config]:
        """Return what the file holds now. Raises Refused."""
        try:
            content = load_content(self._file)
            config = parse(self._file, content)
            problems = check_files(config)
            if problems:
                raise ConfigError(located(problems, config.lines))
        except ConfigError as error:
            _log.error("the configuration is refused, and what held before still holds", problems=str(error))
            told = [str(problem) for problem in error.problems]
            raise Refused("The configuration is refused, and nothing has changed. To be put right:", told) from None
        return content, config

    async def _reload_one(self, worker: WorkerProcess, before: int) -> Mapping[str, Any]:
        try:
            answer = await ask(worker.admin_socket, "/v1/reload", {}, seconds=RELOAD_SECONDS)
        except NoAnswer:
            raise Refused(
                f"Worker {worker.number} did not answer; {before} hold to the file, the others do not."
            ) from None
        if answer.status != 200:
            sentence = str(answer.body.get("sentence", ""))
            if before:
                sentence = (
                    f"Worker {worker.number} refuses it, and {before} hold to it already; reload again. {sentence}"
                )
            raise Refused(sentence, answer.body.get("lines", ()))
        return answer.body

    # --- The end ---

    def drain(self) -> Result:
        """Begin the end in a moment, in which who asks for it is told."""
        asyncio.get_running_loop().call_later(0.1, self._stop.set)
        seconds = self._config.connections.drain_seconds
        return Result(
            f"The {self._count} workers take no new connections, one after the other, and end when what is under way is"
            f" finished, within {seconds + self._count * STAGGER_SECONDS:g} s. To have the service back, start it.",
            {"drain_seconds": seconds},
        )

    async def _end(self, keeping: list["asyncio.Task[None]"]) -> None:
        """End all workers in turn: each takes nothing new from then on, and the next one follows when it has ended, or
        a moment later."""
        self.fleet.is_ending = True
        self._manager.stopping("the workers finish what is under way, and take nothing new")
        _log.info("stopping: the workers end one after the other")
        drain = self._config.connections.drain_seconds
        for worker, task in zip(self.workers, keeping, strict=False):
            self.sets.let_go(worker.number)
            worker.send(signal.SIGTERM)
            await asyncio.wait((task,), timeout=STAGGER_SECONDS)
        _, left = await asyncio.wait(keeping, timeout=drain + END_SECONDS)
        for worker in self.workers if left else ():
            worker.send(signal.SIGKILL)


def make_run_directory(environment: Mapping[str, str], stack: contextlib.ExitStack) -> Path:
    """Return a directory for this user alone, in that which systemd gives where it does; it goes with `stack`."""
    given = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    where = given if given and os.access(given, os.W_OK) else None
    # mkdtemp makes it with mode 0700, whatever the umask.
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dohproxy-", dir=where)))


def make_key(file: Path) -> None:
    """Write a secret for what workers share into a file that this user alone can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(os.urandom(KEY_BYTES))


def make_mapping(size: int, stack: contextlib.ExitStack) -> int:
    """Return the descriptor of zeroed memory that processes can share, to be closed with `stack`."""
    descriptor = os.memfd_create("dohproxy-tables", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    os.ftruncate(descriptor, size)
    return descriptor


def make_lifeline(stack: contextlib.ExitStack) -> int:
    """Return the end of a pipe that workers read; it ends when this process does, however that happens."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    stack.callback(os.close, reading)
    stack.callback(os.close, writing)
    return reading

"""The simulator in a thread, for tests, and as a process of its own, beside the real proxy.

The process takes its behaviour as one JSON argument, says its ports in one line, and then answers one command a line:
`report`, or `signal NAME` (`signal none` for an upstream that is content again).
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final

from bench.ban.books import Report
from bench.ban.signals import Signal
from bench.ban.simulator import Behaviour, Simulator

PROJECT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 10.0


@contextmanager
def simulator_in_thread(behaviour: Behaviour) -> Iterator[Simulator]:
    """Run a simulator in a thread of this process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    simulator = Simulator(behaviour)

    async def act(function: Callable[[], None]) -> None:
        function()

    asyncio.run_coroutine_threadsafe(act(simulator.open), loop).result(START_SECONDS)
    try:
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(act(simulator.close), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_SECONDS)
        loop.close()


class SimulatorProcess:
    """A simulator in a process of its own. Made by `simulator_process`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the simulator was started without pipes")
        self._process = process
        self._commands: IO[str] = process.stdin
        self._answers: IO[str] = process.stdout
        ports = json.loads(self._answers.readline() or "{}")
        if not ports:
            raise RuntimeError("the simulator did not start; see above")
        self.port: int = ports["port"]
        self.tls_port: int = ports["tls_port"]

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def report(self) -> Report:
        """Return the books as they are now."""
        print("report", file=self._commands, flush=True)
        figures = json.loads(self._answers.readline())
        return Report(**{**figures, "by_second": tuple(figures["by_second"])})

    def set_signal(self, signal: Signal | None) -> None:
        """Meet everybody who keeps within the limit in this way from now on."""
        print("signal", "none" if signal is None else signal.value, file=self._commands, flush=True)
        self._answers.readline()


@contextmanager
def simulator_process(behaviour: Behaviour) -> Iterator[SimulatorProcess]:
    """Run a simulator as a process of its own, and end it."""
    argv = [sys.executable, "-m", "bench.ban.process", json.dumps(asdict(behaviour))]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        try:
            yield SimulatorProcess(process)
        finally:
            process.kill()


async def _serve_commands(behaviour: Behaviour) -> None:
    simulator = Simulator(behaviour)
    simulator.open()
    print(json.dumps({"port": simulator.port, "tls_port": simulator.tls_port}), flush=True)
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode("ascii").split():
        if line[0] == "signal":
            simulator.set_signal(None if line[1] == "none" else Signal(line[1]))
        print(json.dumps(asdict(simulator.report())), flush=True)
    simulator.close()


def main() -> None:
    """Run until the end of the standard input."""
    asyncio.run(_serve_commands(Behaviour(**json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()

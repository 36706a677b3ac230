"""An attack as a process of its own, so that those whom the drill measures do not wait for their own attacker.

It takes the attack as one JSON argument, says `ready`, begins when it is told to by a line, and says its figures in one
line when it is over. It ends with its standard input, and by itself some time after the attack should have been over.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.drill.plans import KIND, Requests, planned
from bench.drill.raw import Connections, Opener
from bench.processes import raise_descriptor_limit
from bench.swarm import Swarm

PROJECT: Final = Path(__file__).parents[2]
ATTACKER_NICE: Final = 10
GRACE_SECONDS: Final = 30
"""After the attack's own time: the last answers, and a machine that is busy."""

Attack = Requests | Connections


@dataclass(frozen=True, slots=True)
class Target:
    """What is attacked."""

    port: int
    authority: str = ""
    """The file with the authority that vouches for the server; empty: it speaks in the clear."""
    host6: str = "::1"


@dataclass(frozen=True, slots=True)
class Toll:
    """What became of an attack."""

    results: dict[str, int] = field(default_factory=dict)
    units: int = 0
    """Requests, or connections."""
    most_open: int = 0


class Attacker:
    """One attack, ready to begin. Made by `attacker`."""

    def __init__(self, process: "subprocess.Popen[str]", seconds: float) -> None:
        self._process = process
        self._seconds = seconds

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def begin(self) -> None:
        """Begin the attack."""
        if self._process.stdin is None:
            raise RuntimeError("the attacker was started without pipes")
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def end(self) -> Toll:
        """Wait for its end; return its figures."""
        told, _ = self._process.communicate(timeout=self._seconds + GRACE_SECONDS)
        return Toll(**json.loads(told))


@contextmanager
def attacker(attack: Attack, target: Target) -> Iterator[Attacker]:
    """Start the process, and end it however the drill ends."""
    job = {"kind": type(attack).__name__, "attack": asdict(attack), "target": asdict(target)}
    argv = [sys.executable, "-m", "bench.drill.attacker", json.dumps(job)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the attacker did not start; see above")
            yield Attacker(process, attack.seconds)
        finally:
            process.kill()


def carry_out(attack: Attack, target: Target) -> Toll:
    """Attack from this process."""
    if isinstance(attack, Connections):
        opener = Opener(attack, target.port, target.host6)
        opener.run()
        return Toll(dict(opener.results), opener.results["opened"], opener.most_open)
    context = ssl.create_default_context(cafile=target.authority) if target.authority else None
    swarm = Swarm(target.port, context=context, host6=target.host6)
    swarm.run(planned(attack))
    most_open = swarm.most_open
    swarm.close()
    tally = swarm.tallies.get(KIND)
    return Toll({} if tally is None else dict(tally.results), 0 if tally is None else tally.asked, most_open)


def main() -> None:
    """Wait for the word, attack, tell."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    fields = {**job["attack"], "prefixes": tuple(job["attack"]["prefixes"])}
    attack: Attack = Connections(**fields) if job["kind"] == "Connections" else Requests(**fields)
    raise_descriptor_limit()
    # Members have this core too: what they wait for is to be the service.
    os.nice(ATTACKER_NICE)
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    signal.alarm(round(attack.seconds + GRACE_SECONDS))
    print(json.dumps(asdict(carry_out(attack, Target(**job["target"])))), flush=True)


if __name__ == "__main__":
    main()

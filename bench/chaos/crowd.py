"""Who asks, at each node: members, whose names are popular and end soon, and a flood of names that are all new."""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.callers import Asked, Caller, Tally
from bench.names import Popularity, popular_names
from bench.questions import A, get, query
from bench.swarm import Swarm

MEMBERS_PER_SECOND: Final = 10.0
"""At each node."""
FLOOD_PER_SECOND: Final = 30.0
"""At each node: three nodes' strangers ask for nine times the budget."""
NAMES: Final = 30
"""What members ask for."""
MEMBER_NETWORK: Final = "127.200.0.0/16"
MEMBER: Final = "member"
FLOOD: Final = "flood"
STRANGERS: Final = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """What one node is asked in one act."""

    seconds: float
    seed: int

    def requests(self) -> Iterator[Asked]:
        """Yield all of it, by time."""
        rng = random.Random(self.seed)  # noqa: S311 - the same each time
        popularity = Popularity(popular_names()[:NAMES])
        members = [Caller(f"127.200.{number}.10", 2, keeps=True) for number in range(8)]
        strangers = [Caller(f"127.60.{number}.10", 1) for number in range(STRANGERS)]
        now, total = 0.0, MEMBERS_PER_SECOND + FLOOD_PER_SECOND
        while True:
            now += rng.expovariate(total)
            if now >= self.seconds:
                return
            if rng.random() < MEMBERS_PER_SECOND / total:
                [name] = popularity.draw(rng, 1)
                yield Asked(now, rng.choice(members), get(query(name, A)), MEMBER)
            else:
                name = f"{rng.randbytes(8).hex()}.flood{rng.randrange(500)}.com"
                yield Asked(now, rng.choice(strangers), get(query(name, A)), FLOOD)


class Asking:
    """One node's clients, in a thread of their own."""

    def __init__(self, port: int, plan: Plan) -> None:
        self._swarm = Swarm(port)
        self._plan = plan
        self._thread = threading.Thread(target=self._run, name="clients", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._swarm.run(self._plan.requests())

    def end(self) -> dict[str, Tally]:
        """Wait for the last answer, and return what became of all by their kind."""
        self._thread.join()
        self._swarm.close()
        return self._swarm.tallies

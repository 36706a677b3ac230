"""Random names below one domain, through thousands of addresses: no two the same, so no cache helps (water torture).

Each address asks so seldom that no limit on clients sees it, as an attack through open resolvers looks.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.callers import Asked, Caller
from bench.incident.strangers import address_of
from bench.questions import A, post, query

ADDRESSES: Final = 2_000
KIND: Final = "random name"
VICTIM: Final = "victim.example.net"
PER_SECOND: Final = 500.0
"""A question in four seconds from each address; 50 times the upstream's budget."""
QUESTIONS_PER_CONNECTION: Final = 5
RANDOM_LETTERS: Final = 12
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Torture:
    """How much and how long."""

    addresses: int = ADDRESSES
    per_second: float = PER_SECOND
    seconds: float = 120.0
    seed: int = 53


def random_names(torture: Torture) -> Iterator[Asked]:
    """Yield every request, ordered by when it is due."""
    rng = random.Random(torture.seed)  # noqa: S311 - a replay, the same every time
    connections = round(torture.per_second * torture.seconds / QUESTIONS_PER_CONNECTION)
    for number in range(connections):
        caller = Caller(address_of(rng.randrange(torture.addresses)))
        for _ in range(QUESTIONS_PER_CONNECTION):
            label = "".join(rng.choices(_LETTERS, k=RANDOM_LETTERS))
            yield Asked(number / connections * torture.seconds, caller, post(query(f"{label}.{VICTIM}", A)), KIND)

"""The association: people who open a page, read it, and open the next.

A page is a burst of names, each asked for A, AAAA and HTTPS as browsers do: the site itself, most often one of a few
favourites, some hosts of its own, and third parties that half the web has too.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Final

from bench.callers import Asked, Caller
from bench.names import Popularity
from bench.questions import AAAA, HTTPS, A, get, query

MEMBERS: Final = 60
KIND: Final = "member"
THINK_SECONDS: Final = 300.0
"""Between two pages of one member. 60,000 requests a day from 60 people are a page in half an hour on average, and one
in 12 minutes if the busiest hour has a tenth of the day: this is more than twice that hour."""
FAVOURITES: Final = 20
FAVOURITE_SHARE: Final = 0.7
"""Pages of sites that were visited before; 58 to 81 % in studies of how people browse (Tauscher and Greenberg 1997)."""
OWN_HOSTS: Final = ("www", "static", "api")
THIRD_PARTIES: Final = (2, 6)
"""From all to the most of them, on one page."""
CONNECTIONS: Final = 6
"""What browsers open to one server over HTTP/1.1."""
QTYPES: Final = (A, AAAA, HTTPS)


@dataclass(frozen=True, slots=True)
class Browsing:
    """How much and how long."""

    members: int = MEMBERS
    seconds: float = 120.0
    think_seconds: float = THINK_SECONDS
    seed: int = 42


def address_of(number: int) -> str:
    """Return a member's address, alone in its /24 of 127.200.0.0/16."""
    return f"127.200.{number}.10"


def networks(members: int) -> list[str]:
    """Return the members' networks, as an operator would name them."""
    return [f"127.200.{number}.0/24" for number in range(members)]


def callers(members: int) -> list[Caller]:
    """Return the members, to be used for all their plans so that they keep their connections."""
    return [Caller(address_of(number), CONNECTIONS, keeps=True) for number in range(members)]


def browse(
    browsing: Browsing, popularity: Popularity, people: Sequence[Caller], *, phase: int = 0, kind: str = KIND
) -> Iterator[Asked]:
    """Yield every request, ordered by when it is due. The same people have the same favourites in every `phase`."""
    pages = (
        _pages_of(person, number, browsing, popularity, phase, kind)
        for number, person in enumerate(people[: browsing.members])
    )
    yield from merge(*pages, key=lambda asked: asked.due)


def _pages_of(
    person: Caller, number: int, browsing: Browsing, popularity: Popularity, phase: int, kind: str
) -> Iterator[Asked]:
    taste = random.Random(browsing.seed * 1_000 + number)  # noqa: S311 - a replay, the same every time
    favourites = popularity.draw(taste, FAVOURITES)
    rng = random.Random(browsing.seed * 1_000_000 + number * 1_000 + phase)  # noqa: S311 - a replay
    due = rng.expovariate(1 / browsing.think_seconds)
    while due < browsing.seconds:
        for name in _names_of_page(rng, favourites, popularity):
            for qtype in QTYPES:
                yield Asked(due, person, get(query(name, qtype)), kind)
        due += rng.expovariate(1 / browsing.think_seconds)


def _names_of_page(rng: random.Random, favourites: Sequence[str], popularity: Popularity) -> list[str]:
    is_favourite = rng.random() < FAVOURITE_SHARE
    site = rng.choice(favourites) if is_favourite else popularity.draw(rng, 1)[0]
    hosts = [f"{host}.{site}" for host in OWN_HOSTS[: rng.randint(1, len(OWN_HOSTS))]]
    return [site, *hosts, *popularity.draw(rng, rng.randint(*THIRD_PARTIES))]

"""The association during the drill: pages with names that are known here and some that are new.

Beside people who read pages there are two who only measure: one opens a connection for each question, four times a
second, and one asks for a name that is new, once a second. A newcomer, whom nobody knows, is counted apart.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import count
from typing import Final

from bench.callers import Asked, Caller
from bench.names import popular_names
from bench.questions import AAAA, HTTPS, PATH, A, get, query

MEMBERS: Final = 60
THINK_SECONDS: Final = 40.0
"""Between two pages of one member: much busier than an association's busiest hour, so that a short phase has enough."""
SITES: Final = 60
HOSTS: Final = ("", "www.", "static.", "api.")
QTYPES: Final = (A, AAAA, HTTPS)
THIRD_PARTIES: Final = 3
NEW_NAME_SHARE: Final = 0.5
"""Pages with a name that nobody has asked for yet."""
DOOR_PER_SECOND: Final = 4.0
NEW_PER_SECOND: Final = 1.0
NEWCOMERS_PER_SECOND: Final = 1.0

KNOWN: Final = "member"
NEW: Final = "member, new name"
DOOR: Final = "member, new connection"
NEWCOMER: Final = "newcomer, new name"

APART: Final = "127.200"
TOGETHER: Final = "127.201.0.10"
ROAMING: Final = "127.203"
OUTSIDE: Final = "127.202"
"""No members' networks: who asks from there is known by the path alone."""
MEMBER_NETWORKS: Final = ("127.200.0.0/16", "127.201.0.0/24", "127.203.0.0/16")
NEWCOMERS: Final = "127.220"


@dataclass(frozen=True, slots=True)
class Extra:
    """Somebody else who asks during a phase, for what that phase is about."""

    kind: str
    address: str
    per_second: float
    names: str
    """With `{}` for a number that makes each name new."""
    keeps: bool = True


class Crowd:
    """The members; the same people, with the connections they keep, in every plan."""

    def __init__(self, members: int = MEMBERS, paths: Sequence[str] = (), extras: Sequence[Extra] = ()) -> None:
        """`paths`: those of the members who are known by a token, one each."""
        self._rng = random.Random(60)  # noqa: S311 - a drill, the same every time
        self._sites = popular_names()[:SITES]
        self._numbers = count()
        third = members // 3
        self._by_token = [
            (Caller(f"{OUTSIDE}.{number}.10", keeps=True), path.encode("ascii")) for number, path in enumerate(paths)
        ]
        self._apart = [Caller(f"{APART}.{number}.10", keeps=True) for number in range(third - len(paths))]
        self._together = [Caller(TOGETHER, keeps=True) for _ in range(third)]
        self._roaming = members - 2 * third
        self._asks_for_new = Caller(f"{APART}.250.10", most=16, keeps=True)
        self._extras = [(extra, Caller(extra.address, most=8, keeps=extra.keeps)) for extra in extras]

    def arrivals(self) -> Iterator[Asked]:
        """Yield a question of each who is known by a token, as of members who were here some hours ago: from then on
        where they come from is known before TLS."""
        for number, (caller, path) in enumerate(self._by_token):
            yield Asked(number / 50, caller, _at(path, get(query(self._sites[0], A))), "warming: arriving")

    def known_questions(self) -> Iterator[bytes]:
        """Yield a request for everything that members ask for again and again."""
        for site in self._sites:
            for host in HOSTS:
                for qtype in QTYPES:
                    yield get(query(host + site, qtype))

    def plan(self, seconds: float, prefix: str = "") -> Iterator[Asked]:
        """Yield what all of them ask, ordered by when it is due; `prefix` stands before each kind."""
        plans = [self._pages(seconds), self._door(seconds), self._new_names(seconds), self._newcomers(seconds)]
        plans += [_asked_by(extra, caller, seconds, self._numbers) for extra, caller in self._extras]
        for asked in merge(*plans, key=lambda asked: asked.due):
            asked.kind = prefix + asked.kind
            yield asked

    def _pages(self, seconds: float) -> Iterator[Asked]:
        """Page loads: a third of the people apart, by their networks or by tokens, a third behind one address, the rest
        roaming.

        Who roams has another address of the members' for each page and keeps no connection.
        """
        people = [(caller, b"") for caller in (*self._apart, *self._together)] + self._by_token
        due = 0.0
        while (due := due + self._rng.expovariate((len(people) + self._roaming) / THINK_SECONDS)) < seconds:
            person = self._rng.randrange(len(people) + self._roaming)
            caller, path = people[person] if person < len(people) else (self._somewhere(), b"")
            for name in self._names_of_page():
                for qtype in QTYPES:
                    yield Asked(due, caller, _at(path, get(query(name, qtype))), KNOWN)
            if self._rng.random() < NEW_NAME_SHARE:
                yield Asked(due, caller, _at(path, get(query(self._new_name("page"), A))), NEW)

    def _somewhere(self) -> Caller:
        return Caller(f"{ROAMING}.{self._rng.randrange(256)}.{self._rng.randrange(1, 255)}")

    def _names_of_page(self) -> list[str]:
        site, *others = self._rng.sample(self._sites, 1 + THIRD_PARTIES)
        return [*(host + site for host in HOSTS), *others]

    def _door(self, seconds: float) -> Iterator[Asked]:
        for number in range(round(seconds * DOOR_PER_SECOND)):
            request = get(query(self._rng.choice(self._sites), A))
            yield Asked(number / DOOR_PER_SECOND, self._somewhere(), request, DOOR)

    def _new_names(self, seconds: float) -> Iterator[Asked]:
        for number in range(round(seconds * NEW_PER_SECOND)):
            yield Asked(number / NEW_PER_SECOND, self._asks_for_new, get(query(self._new_name("own"), A)), NEW)

    def _newcomers(self, seconds: float) -> Iterator[Asked]:
        for number in range(round(seconds * NEWCOMERS_PER_SECOND)):
            caller = Caller(f"{NEWCOMERS}.{self._rng.randrange(256)}.{self._rng.randrange(1, 255)}")
            yield Asked(number / NEWCOMERS_PER_SECOND, caller, get(query(self._new_name("first"), A)), NEWCOMER)

    def _new_name(self, word: str) -> str:
        return f"www.{word}{next(self._numbers)}-bench.net"


def _at(path: bytes, request: bytes) -> bytes:
    """Return a request for another path; an empty one is the usual."""
    return request.replace(PATH.encode("ascii"), path, 1) if path else request


def _asked_by(extra: Extra, caller: Caller, seconds: float, numbers: Iterator[int]) -> Iterator[Asked]:
    for number in range(round(seconds * extra.per_second)):
        name = extra.names.format(next(numbers))
        yield Asked(number / extra.per_second, caller, get(query(name, A)), extra.kind)

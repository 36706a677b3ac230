"""Attacks that are requests: what is asked by whom and when, made beforehand and carried out by a swarm."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bench.callers import Asked, Caller
from bench.drill.addresses import draw_addresses
from bench.incident.strangers import REQUESTS, TAIL_SHARE, Flood, strangers
from bench.names import Popularity, popular_names
from bench.questions import HOST, MEDIA_TYPE, PATH, A, get, post, query

KIND: Final = "attack"
BLOCKED: Final = "blocked-bench.net"
SHARED: Final = "shared-bench.net"
"""A domain that members need and that random names are asked below."""
SILENT_LABEL: Final = "silent"
DAY_SPEED: Final = 100.0
"""How much faster than it was the day passes in which a public list has found the service."""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Requests:
    """An attack of requests."""

    plan: str
    """One of `PLANS`."""
    per_second: float
    addresses: int
    prefixes: tuple[str, ...]
    seconds: float
    keeps: bool = False
    """Connections are kept; else each request has one of its own."""
    tail: float = TAIL_SHARE
    """Of the day on a public list: how much of it are real questions."""

    @property
    def count(self) -> int:
        """How many requests there are."""
        return round(self.per_second * self.seconds)


def planned(attack: Requests) -> Iterator[Asked]:
    """Yield all of it, ordered by when it is due."""
    if attack.plan == "listed":
        yield from _listed(attack)
        return
    make = PLANS[attack.plan]
    rng = random.Random(attack.plan)  # noqa: S311 - a drill, the same every time
    callers = [Caller(one, keeps=attack.keeps) for one in draw_addresses(attack.prefixes, attack.addresses)]
    for number in range(attack.count):
        caller = callers[number % len(callers)] if attack.keeps else Caller(callers[number % len(callers)].address)
        yield Asked(number / attack.per_second, caller, make(rng, number), KIND)


def _listed(attack: Requests) -> Iterator[Asked]:
    whole = Flood()
    requests = round(REQUESTS * attack.seconds * DAY_SPEED / whole.day_seconds)
    flood = Flood(attack.addresses, requests, attack.seconds, attack.tail)
    for asked in strangers(flood, Popularity(popular_names())):
        asked.kind = KIND
        yield asked


# --- One request of each kind ---


def _random_path(rng: random.Random, _: int) -> bytes:
    path = "/".join(_label(rng, 6) for _ in range(2))
    return f"GET /{path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\n\r\n".encode("ascii")


def _malformed(rng: random.Random, number: int) -> bytes:
    """In turn: no base64, bytes that are no DNS, a name that is cut short."""
    match number % 3:
        case 0:
            target = f"{PATH}?dns=*{_label(rng, 20)}"
            return f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nAccept: {MEDIA_TYPE}\r\n\r\n".encode("ascii")
        case 1:
            return post(rng.randbytes(40))
        case _:
            return post(query(f"{_label(rng, 10)}.example.net", A)[:20])


def _name_below_one(rng: random.Random, _: int) -> bytes:
    return get(query(f"absent{_label(rng, 12)}.{SHARED}", A))


def _blocked(_: random.Random, __: int) -> bytes:
    return get(query(BLOCKED, A))


def _known(_: random.Random, number: int) -> bytes:
    names = popular_names()
    return get(query(names[number % 20], A))


def _silent(rng: random.Random, _: int) -> bytes:
    return get(query(f"www.{SILENT_LABEL}{_label(rng, 10)}-bench.net", A))


def _new(rng: random.Random, _: int) -> bytes:
    return get(query(f"www.{_label(rng, 12)}-bench.net", A))


def _label(rng: random.Random, letters: int) -> str:
    return "".join(rng.choices(_LETTERS, k=letters))


PLANS: Final[dict[str, Callable[[random.Random, int], bytes]]] = {
    "random path": _random_path,
    "malformed": _malformed,
    "names below one": _name_below_one,
    "blocked": _blocked,
    "known": _known,
    "silent": _silent,
    "new": _new,
}
"""Beside "listed", which has stubs and rounds of its own."""

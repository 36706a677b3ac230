"""What a client asks over its kept connections, turn by turn: names that are cached, names that are new, and no names.

Every request is made before the turn that sends it.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

from bench.names import Popularity, popular_names
from bench.peers.speakers import Prepared, Speaker, prepare_name
from bench.questions import PATH

CACHED_NAMES: Final = 500
"""Asked for in turn, over all connections: more than a processor's nearest cache remembers, as with real clients."""
COUNTED_NAMES: Final = 10
"""Under callgrind, where a server does in a second a fiftieth of what it does without: what it does anew for each name
once a second, because TTLs count down, is spread over as many requests as it is in truth."""
DRAWS: Final = 40_000
"""Draws of the 10,000 names."""
SPARE: Final = 20_000
"""New names for one turn; who answers them all before its time is over has a shorter turn."""
MISS_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Asking:
    """One kind of it."""

    turn: Callable[[int, int], Iterator[Prepared]]
    """Gets the number of the turn, and the most requests it has, 0 for as many as there are."""
    warm: Sequence[Prepared] = ()
    """What is asked once before the first turn, so that the turns find it cached."""
    is_answered: bool = True
    """Whether each request gets an address, without which a turn means nothing."""


def asking(kind: str, speaker: Speaker) -> Asking:
    """Return what one kind asks, in a speaker's words."""
    return KINDS[kind](speaker)


def new_name(kind: str, turn: int, number: int) -> str:
    """Return a name that nobody has asked for in another turn; it has a domain of its own, for limits on domains."""
    return f"{kind}{turn}x{number}-bench.net"


def _again_and_again(warm: Sequence[Prepared], *, is_answered: bool = True) -> Asking:
    endless = cycle(warm)
    return Asking(
        lambda _, most: islice(endless, most) if most else endless,
        warm if is_answered else (),
        is_answered,
    )


def _cached(count: int) -> Callable[[Speaker], Asking]:
    def made(speaker: Speaker) -> Asking:
        return _again_and_again([prepare_name(speaker, name) for name in popular_names()[:count]])

    return made


def _popular(speaker: Speaker) -> Asking:
    names = Popularity(popular_names()).draw(random.Random(7), DRAWS)  # noqa: S311 - the same names for every server
    prepared = {name: prepare_name(speaker, name) for name in set(names)}
    return _again_and_again([prepared[name] for name in names])


def _new(kind: str) -> Callable[[Speaker], Asking]:
    def made(speaker: Speaker) -> Asking:
        def turn(number: int, most: int) -> Iterator[Prepared]:
            names = (new_name(kind, number, place) for place in range(most or SPARE))
            return iter([prepare_name(speaker, name) for name in names])

        return Asking(turn)

    return made


def _mixed(speaker: Speaker) -> Asking:
    popularity = Popularity(popular_names())

    def turn(number: int, most: int) -> Iterator[Prepared]:
        rng = random.Random(number)  # noqa: S311 - the same names for every server
        count = most or SPARE
        names = popularity.draw(rng, round(count * (1 - MISS_SHARE)))
        names += [new_name("mixed", number, place) for place in range(count - len(names))]
        rng.shuffle(names)
        return iter([prepare_name(speaker, name) for name in names])

    return Asking(turn, [prepare_name(speaker, name) for name in popular_names()])


def _malformed(encoded: str) -> Callable[[Speaker], Asking]:
    def made(speaker: Speaker) -> Asking:
        return _again_and_again([speaker.prepare(f"{PATH}?dns={encoded}", b"")], is_answered=False)

    return made


def _limited(speaker: Speaker) -> Asking:
    return _again_and_again(_cached(CACHED_NAMES)(speaker).warm, is_answered=False)


KINDS: Final[Mapping[str, Callable[[Speaker], Asking]]] = {
    "cached": _cached(CACHED_NAMES),
    "counted": _cached(COUNTED_NAMES),
    "popular": _popular,
    "miss": _new("miss"),
    "mixed": _mixed,
    "fill": _new("fill"),
    "three-bytes": _malformed("AAAA"),
    "no-base64": _malformed("!!!!"),
    "limited": _limited,
}

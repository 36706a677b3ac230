"""The command `flush`: forget what is cached about a name, all below it, or everything."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from dohproxy.cache import Cache
from dohproxy.control.command import Result, WrongArguments
from dohproxy.jobs.turns import Turns
from dohproxy.wire.name import from_text, suffixes


class HasCaches(Protocol):
    """A service that keeps answers."""

    def caches(self) -> Sequence[Cache]:
        """Return the general cache and those of all routes."""

    def forget_shared(self, is_meant: Callable[[bytes], bool]) -> None:
        """Take no answer about a name that is meant from another node, if it was stored before now."""


async def flush(service: HasCaches, values: Mapping[str, Any]) -> Result:
    """Forget it, in slices between which everybody else is served."""
    name, below, everything = values["name"], values["below"], values["all"]
    if everything and (name is not None or below):
        raise WrongArguments("--all is everything: leave out the name and --below.")
    if not everything and name is None:
        raise WrongArguments("Name what to forget: flush NAME, flush NAME --below, or flush --all.")
    caches = service.caches()
    wire = b"" if name is None else from_text(name)
    gone = 0 if everything else sum(cache.forget_usual(wire) for cache in caches)
    is_meant = everything_there_is if everything else below_of(wire) if below else wire.__eq__
    service.forget_shared(is_meant)
    turns = Turns()
    for cache in caches:
        for step in cache.forget(is_meant):
            gone += step
            await turns.give_way()
    what = "about everything" if everything else f"about {name}" + (" and all names below it" if below else "")
    return Result(f"{told_forgotten(gone)} {what}.", {"forgotten": gone})


def everything_there_is(_: bytes) -> bool:
    """Mean every name."""
    return True


def below_of(name: bytes) -> Callable[[bytes], bool]:
    """Return what tells whether a name (wire, lower case) is this one or below it."""

    def is_meant(other: bytes) -> bool:
        # The bytes of the one may stand at the end of the other without being labels of it.
        return other.endswith(name) and (other == name or len(name) == 1 or name in suffixes(other))

    return is_meant


def told_forgotten(gone: int) -> str:
    """Return how much was forgotten, in words that begin a sentence."""
    match gone:
        case 0:
            return "Nothing was known"
        case 1:
            return "Forgotten: 1 answer or failure"
        case _:
            return f"Forgotten: {gone:,} answers and failures"

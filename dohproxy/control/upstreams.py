"""The commands `upstream pause` and `upstream resume`: leave one alone, and ask it again."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from dohproxy.config import Config
from dohproxy.config.keys import Text, find_nearest, show
from dohproxy.config.presets import parse_upstream_name
from dohproxy.control.command import Result, WrongArguments
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.resolvers import Resolvers
from dohproxy.upstream.statistics import UpstreamStatistics

UPSTREAM: Final = Text(parse_upstream_name, "a name", "ns0", "The upstream, by its name in the configuration.")


class HasUpstreams(Protocol):
    """A service that asks upstreams."""

    config: Config

    def resolvers(self) -> Resolvers:
        """Return the general upstreams and those of all routes."""


async def pause(service: HasUpstreams, values: Mapping[str, Any]) -> Result:
    """Leave an upstream alone."""
    resolvers, name = service.resolvers(), values["name"]
    found = _find(resolvers, name)
    if found.is_paused:
        return Result(f"{name} is paused already.", {"upstream": name, "left": _left(resolvers, name)})
    resolvers.pause(name)
    left = _left(resolvers, name)
    is_kept = service.config.server.state_directory is not None
    return Result(paused_sentence(name, found.in_flight, left, is_kept=is_kept), {"upstream": name, "left": left})


async def resume(service: HasUpstreams, values: Mapping[str, Any]) -> Result:
    """Ask an upstream again."""
    resolvers, name = service.resolvers(), values["name"]
    if not _find(resolvers, name).is_paused:
        return Result(f"{name} was not paused.", {"upstream": name})
    resolvers.resume(name)
    return Result(f"{name} is asked again: little at first, and all of its budget by and by.", {"upstream": name})


def paused_sentence(name: str, in_flight: int, left: Sequence[str], *, is_kept: bool) -> str:
    """Return what it means that an upstream is left alone; `left`: those that are asked in its place; `is_kept`: the
    next process will know."""
    end = ", over restarts too" if is_kept else " or a restart"
    under_way = f" {in_flight} queries under way are finished." if in_flight else ""
    said = f"{name} is paused: it is asked nothing, not even a probe, until `upstream resume {name}`{end}."
    if left:
        return f"{said}{under_way} Asked in its place: {', '.join(left)}."
    return (
        f"{said}{under_way} It was the last one: what is not in the cache is answered from old answers, or not at all,"
        " until one is asked again."
    )


def _find(resolvers: Resolvers, name: str) -> UpstreamStatistics:
    upstreams = resolvers.statistics(time.monotonic()).upstreams
    for one in upstreams:
        if one.name == name:
            return one
    names = [one.name for one in upstreams]
    nearest = find_nearest(name, names)
    advice = f"did you mean {nearest}?" if nearest is not None else f"there are {', '.join(names)}."
    raise WrongArguments(f"No upstream is called {show(name)}; {advice}")


def _left(resolvers: Resolvers, name: str) -> list[str]:
    """Return those that are asked about the same names; of several routes, where there are fewest."""
    lists = [
        [one.name for one in colleagues if not one.is_paused and one.breaker is not BreakerState.OPEN]
        for colleagues in resolvers.colleagues(name, time.monotonic())
    ]
    return min(lists, key=len)

"""The commands `nodes` and `nodes forget`: who shares with this node, and who is not to be counted on any more."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dohproxy.config.keys import Text, find_nearest
from dohproxy.config.schema.nodes import parse_node_name
from dohproxy.control.command import Argument, Refused, Result
from dohproxy.control.durations import moment
from dohproxy.control.service import OtherNodes, Service
from dohproxy.durations import in_words
from dohproxy.sharing.roster import CLOCK_SECONDS, NodeNow

BEHIND_SECONDS: Final = 2.0
"""A node that knows nothing of the last so many seconds is behind; less is on its way."""


def parse_name(text: str, directory: Path) -> str:
    """Read the name of a node."""
    return parse_node_name(text, directory)


NAME: Final = Argument(
    "name", Text(parse_name, "a name", "paris-2", "What the node was called (nodes.name)."), is_required=True
)


async def nodes(service: Service, _: Mapping[str, Any]) -> Result:
    """Tell which nodes there are."""
    peers = _peers(service)
    found, configuration = peers.nodes(), peers.configuration
    told = [_tell(one, configuration) for one in found]
    there = [one for one in told if one["is_there"]]
    gone = len(told) - len(there)
    sentence = "1 node is there" if len(there) == 1 else f"{len(there)} nodes are there"
    sentence += f", {gone} were within a day." if gone else "."
    wrong = peers.store_in_words
    if wrong:
        sentence += f" The store {wrong}, so nothing is heard of the others; each goes on alone."
    figures = {"nodes": told, "store": wrong}
    return Result(sentence, figures, [_line(one) for one in told], is_well=_is_well(told, wrong))


def seen(peers: OtherNodes | None) -> list[dict[str, Any]]:
    """Return what `status` tells of all nodes, ready for JSON; nothing where there is one."""
    return [] if peers is None else [_tell(one, peers.configuration) for one in peers.nodes()]


def lines(told: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line about all nodes, and one for each with which something is amiss."""
    if not told:
        return
    there = [one["name"] for one in told if one["is_there"]]
    gone = [one["name"] for one in told if not one["is_there"]]
    yield f"nodes: {', '.join(there)}" + (f"; gone: {', '.join(gone)}" if gone else "")
    for one in told:
        if one["is_there"] and one["remarks"]:
            yield f"node {one['name']}: {'; '.join(one['remarks'])}"


def _is_well(told: Sequence[Mapping[str, Any]], wrong: str) -> bool:
    return not wrong and all(not one["remarks"] for one in told if one["is_there"])


def _tell(one: NodeNow, configuration: str) -> dict[str, Any]:
    report = one.report
    return {
        "name": report.name,
        "is_this": one.is_self,
        "is_there": one.is_there,
        "since": report.since,
        "silent_seconds": round(one.silent_seconds, 1),
        "version": report.version,
        "configuration": report.configuration,
        "behind_seconds": round(report.behind, 1),
        "clock_ahead_seconds": round(one.clock_ahead, 1),
        "remarks": list(_remarks(one, configuration)),
    }


def _remarks(one: NodeNow, configuration: str) -> list[str]:
    found = []
    if one.report.configuration != configuration:
        found.append("it runs another configuration: reload the older one")
    if one.report.behind > BEHIND_SECONDS:
        found.append(f"it has not heard what was said in the last {in_words(one.report.behind)}")
    if not one.is_self and abs(one.clock_ahead) > CLOCK_SECONDS:
        how = "ahead" if one.clock_ahead > 0 else "behind"
        found.append(f"its clock is {in_words(abs(one.clock_ahead))} {how}: see to its NTP")
    return found


def _line(one: Mapping[str, Any]) -> str:
    this = " (this one)" if one["is_this"] else ""
    if not one["is_there"]:
        return f"{one['name']}: silent for {in_words(one['silent_seconds'])}"
    remarks = "".join(f"; {remark}" for remark in one["remarks"])
    return (
        f"{one['name']}{this}: since {moment(one['since'])}, version {one['version']}, configuration"
        f" {one['configuration']}{remarks}"
    )


async def forget(service: Service, values: Mapping[str, Any]) -> Result:
    """Count on a node no longer."""
    peers, name = _peers(service), values["name"]
    known = {one.report.name: one for one in peers.nodes()}
    one = known.get(name)
    if one is not None and one.is_there:
        raise Refused(f"{name} is there. Stop it first: what is forgotten of a node that runs is known again at once.")
    if not await peers.forget(name):
        why = peers.store_in_words or "does not answer"
        raise Refused(f"The store {why}, so the others would not know. Try later.")
    nearest = None if one is not None else find_nearest(name, list(known))
    advice = "" if one is not None else " It was not known here" + (f"; did you mean {nearest}?" if nearest else ".")
    return Result(f"{name} is forgotten, and its part of every budget is the others'.{advice}", {"name": name})


def _peers(service: Service) -> OtherNodes:
    if service.peers is None:
        raise Refused(
            "This service shares nothing with other nodes: there is no [nodes] section. docs/nodes.md says how."
        )
    return service.peers

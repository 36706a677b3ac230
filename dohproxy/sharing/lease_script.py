"""How the script that keeps the ledger of leases is told something, and what it says: plain values and JSON.

Parts of a budget are fractions of it, from 0.0 to 1.0. A base is told by its denominator: `k` nodes have 1/k each, and
with 0 there is none.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TEXT: Final = (Path(__file__).parent / "lease.lua").read_text(encoding="utf-8")
"""What the store runs."""
MOST_REPLY_BYTES: Final = 1_048_576
"""A roster of a thousand nodes; a reply to a call has some 30 bytes for each budget."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a node says of one budget with each call."""

    digest: str
    """Tells the budget from others, to those who have the secret."""
    units: int
    """Into how many parts it can be divided: as many queries as may be in a burst, and in flight."""
    used: float
    """The most that the node may use of it until the reply to this call has come."""
    members: float
    """What its members want a second, as a part of the whole rate."""
    others: float
    """What others want, likewise."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a node tells the ledger when it asks what it may use."""

    node: str
    instance: str
    """Of this run of the node."""
    succeeds: str
    """The run before this one, if that is known to have ended; empty if not."""
    number: int
    """Of this call among those of this run."""
    nonce: str
    """The name of the epoch, should a new one begin with this call."""
    epoch: str
    """That of the last reply; empty if there was none."""
    seq: int
    """Of the call whose reply is the last that the node has adopted; 0: none."""
    memory: int
    """The same as `seq` if the node's base may be lent on the strength of this call; else 0."""
    fresh: int
    """The oldest call of its own that is recent: who has called since then, and before, is at work."""
    over: int
    """The youngest call of its own that is so long ago that a lease from before it is over."""
    k: int
    expected: int
    """The most nodes there are, as the operator says."""
    most: int
    """The most nodes that were seen in the last day."""
    wants: tuple[Want, ...]
    about: str = ""
    """What is told of the node to who asks for the roster; empty: as before."""
    news: tuple[tuple[str, str], ...] = ()
    """What upstreams have shown to this node, by their digests."""
    probes: tuple[str, ...] = ()
    """Which upstreams this node would like to probe for all."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a node may use of one budget, in units."""

    granted: int
    units: int

    @property
    def part(self) -> float:
        """As a fraction."""
        return self.granted / self.units


@dataclass(frozen=True, slots=True)
class Granted:
    """The reply to a call: what may be used from now on until some time after the call was sent."""

    epoch: str
    seq: int
    k: int
    """The base that the node is to have: as soon as it can if it is less, at once if it is more."""
    known: int
    """How many nodes have called in the last day."""
    forgotten: int
    """How many nodes the operator has said will not come back."""
    grants: tuple[Grant, ...]
    """In the order of the call's wants."""
    news: tuple[tuple[str, str, float], ...] = ()
    """What upstreams have shown to others: their digests, what it is, and how many seconds ago that was told."""
    probes: tuple[bool, ...] = ()
    """Whether this node may probe, in the order of the call's."""
    is_taken: bool = False
    """Another run of a node of this name is at work, or was a moment ago: nothing is granted."""


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One node, as the ledger knows it."""

    node: str
    about: str
    """What it has said of itself."""
    silent_seconds: float
    has_left: bool
    """It has ended in order."""
    k: int
    parts: dict[str, float]
    """What it may use of each budget, by its digest."""


def call_arguments(call: Call) -> tuple[str, str]:
    """Return the arguments with which the script takes a call."""
    told: dict[str, Any] = {
        "id": call.node,
        "instance": call.instance,
        "succeeds": call.succeeds,
        "number": call.number,
        "nonce": call.nonce,
        "epoch": call.epoch,
        "seq": call.seq,
        "memory": call.memory,
        "fresh": call.fresh,
        "over": call.over,
        "k": call.k,
        "expected": call.expected,
        "most": call.most,
        "budgets": [(one.digest, one.units, one.used, one.members, one.others) for one in call.wants],
    }
    # Of a reply that was not adopted nothing was heard.
    told["heard"] = call.seq
    if call.about:
        told["about"] = call.about
    if call.news:
        told["news"] = call.news
    if call.probes:
        told["probes"] = call.probes
    return "call", json.dumps(told, separators=(",", ":"))


def leave_arguments(call: Call) -> tuple[str, str]:
    """Return the arguments with which a node says that it has ended: those of its last call, so to speak."""
    told = {"id": call.node, "instance": call.instance, "number": call.number, "nonce": call.nonce}
    return "leave", json.dumps(told)


def forget_arguments(node: str, nonce: str, silent_seconds: float) -> tuple[str, str]:
    """Return the arguments with which a node is forgotten that has been silent for so long."""
    return "forget", json.dumps({"id": node, "nonce": nonce, "silent": silent_seconds})


def roster_arguments(nonce: str) -> tuple[str, str]:
    """Return the arguments with which the script names all nodes."""
    return "roster", json.dumps({"nonce": nonce})


def read_granted(reply: object, wants: tuple[Want, ...]) -> Granted | None:
    """Return what the script says to a call; None if it is no such reply, or if the call came too late to count."""
    told = _read(reply)
    try:
        if told is None or told.get("old"):
            return None
        is_taken = bool(told.get("taken"))
        pairs = () if is_taken else _list(told["grants"])
        grants = tuple(_grant(pair) for pair in pairs)
        if not is_taken and len(grants) != len(wants):
            return None
        counts = (int(told["seq"]), int(told["k"]), int(told["known"]), int(told["forgotten"]))
        news = tuple((str(one[0]), str(one[1]), max(0.0, float(one[2]))) for one in _list(told.get("news")))
        probes = tuple(one is True for one in _list(told.get("probes")))
        return Granted(str(told["epoch"]), *counts, grants, news, probes, is_taken)
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def read_roster(reply: object) -> tuple[RosterRow, ...]:
    """Return all nodes, by their names' digests; none if that is no such reply."""
    told = _read(reply) or {}
    try:
        rows = [
            RosterRow(
                str(row["id"]),
                str(row.get("about", "")),
                float(row["silent"]),
                bool(row["left"]),
                int(row["k"]),
                {str(digest): float(part) for digest, part in dict(row["parts"]).items()},
            )
            for row in _list(told.get("nodes", ()))
        ]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(sorted(rows, key=lambda row: row.node))


def read_forgotten(reply: object) -> bool | None:
    """Return whether a node has been forgotten; False: it is at work, None: there is none of this name."""
    told = _read(reply) or {}
    return None if not told.get("known") else not told.get("alive")


def _read(reply: object) -> dict[str, Any] | None:
    if not isinstance(reply, bytes) or len(reply) > MOST_REPLY_BYTES:
        return None
    try:
        told = json.loads(reply)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _list(value: Any) -> list[Any]:
    # The script's language does not tell an empty list from an empty table.
    return value if isinstance(value, list) else []


def _grant(pair: Any) -> Grant:
    granted, units = int(pair[0]), int(pair[1])
    if not 0 <= granted <= units or units < 1:
        raise ValueError
    return Grant(granted, units)

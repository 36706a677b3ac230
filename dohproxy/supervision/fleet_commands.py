"""The table of commands as the supervisor carries it out: what changes something is told to all workers, what is a sum
is asked of all and put together, and the rest is answered by one."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol, cast

from dohproxy.control import audit, top
from dohproxy.control.command import Command, Refused, Result, WrongArguments
from dohproxy.control.commands import COMMANDS
from dohproxy.control.console.login import console
from dohproxy.control.desk import Desk, Said, say
from dohproxy.control.flush import told_forgotten
from dohproxy.control.service import Service
from dohproxy.control.status import lines, sentence
from dohproxy.sharing.remote_commands import NODE
from dohproxy.supervision.asking import Answer

OF_ONE: Final = ("member add", "member revoke")
"""Commands that change a file which all workers read: one of them writes it."""
SHARED: Final = ("ban", "unban", "block", "unblock", "allow", "disallow", "mode", "announce", "limit")
"""Commands that workers tell each other by their store, within a second; while they cannot, each is told."""


class Fleet(Protocol):
    """All workers."""

    @property
    def shares(self) -> bool:
        """Whether what is said at one worker is known at all others by their store."""

    async def tell(self, target: str, values: Mapping[str, Any], seconds: float, *, everybody: bool) -> list[Answer]:
        """Return the answers of all workers, or of one that serves; the first is asked before the others, who are asked
        only if it has done it. Raises Refused if nobody serves."""

    async def look(self) -> tuple[dict[str, Any], list[str]]:
        """Return the snapshot of all as of one service, and what is wrong in words."""

    async def reload(self) -> Result:
        """Have all workers read the configuration again, one after the other. Raises Refused."""

    def drain(self) -> Result:
        """Begin the end, in a moment."""


@dataclass(frozen=True, slots=True)
class Forwarded(Command[Any]):
    """A command whose arguments go on as they were given: the worker reads them once more."""

    def read(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return the arguments as they are. Raises WrongArguments if they cannot be read."""
        Command.read(self, given)
        return dict(given)


Handler = Callable[[Any, Mapping[str, Any]], Awaitable[Result]]


def fleet_commands(commands: Sequence[Command[Any]] = COMMANDS) -> tuple[Command[Any], ...]:
    """Return the table for the supervisor."""
    return tuple(_for_fleet(command) for command in commands)


def _for_fleet(command: Command[Any]) -> Command[Any]:
    kept = {field.name: getattr(command, field.name) for field in fields(command)}
    return Forwarded(**kept | {"handler": _SPECIAL.get(command.name) or _forwarding(command)})


def _forwarding(command: Command[Any]) -> Handler:
    everybody = bool(command.changes) and command.name not in OF_ONE

    async def forward(fleet: Fleet, values: Mapping[str, Any]) -> Result:
        of_one = command.name in SHARED and fleet.shares
        return result_of(await fleet.tell(command.path, values, command.seconds, everybody=everybody and not of_one))

    return forward


def result_of(answers: Sequence[Answer]) -> Result:
    """Return what the first worker says, and which of the others says anything else. Raises what it has raised."""
    first = answers[0]
    if first.status == 400:
        raise WrongArguments(str(first.body.get("sentence", "")))
    if first.status != 200:
        raise Refused(str(first.body.get("sentence", "")), first.body.get("lines", ()))
    figures = {name: one for name, one in first.body.items() if name not in ("sentence", "well", "lines")}
    told = [*first.body.get("lines", ())]
    odd = [answer for answer in answers[1:] if answer.status != 200]
    told += [f"not in one of {len(answers)} workers: {answer.body.get('sentence', '')}" for answer in odd]
    return Result(str(first.body.get("sentence", "")), figures, told, bool(first.body.get("well", True)) and not odd)


# --- Those that are put together ---


async def _status(fleet: Fleet, _: Mapping[str, Any]) -> Result:
    snapshot, told = await fleet.look()
    shown = [worker["words"] for worker in snapshot["workers"]]
    return Result(sentence(snapshot, told), snapshot, [*lines(snapshot), *shown], is_well=not told)


async def _top(fleet: Fleet, values: Mapping[str, Any]) -> Result:
    answers = await fleet.tell("/v1/top", values, 90.0, everybody=True)
    first = result_of(answers)
    rows = together([answer.body["top"] for answer in answers if answer.status == 200])
    total = sum(answer.body["total"] for answer in answers if answer.status == 200)
    for row in rows:
        row["share"] = round(100.0 * row["count"] / total, 1) if total else 0.0
    by, seconds = first.figures["by"], first.figures["seconds"]
    figures = {**first.figures, "total": total, "top": rows}
    return Result(top.sentence(total, seconds), figures, list(top.table(by, rows)))


def together(tables: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the rows of several tables of `top` as one, the most first: counts add up, and how far off they may be."""
    rows: dict[str, dict[str, Any]] = {}
    for row in (row for table in tables for row in table):
        held = rows.setdefault(row["what"], {**row, "count": 0, "error": 0, "reasons": {}})
        held["count"] += row["count"]
        held["error"] += row["error"]
        held["reasons"] = dict((Counter(held["reasons"]) + Counter(row.get("reasons", {}))).most_common())
    return sorted(rows.values(), key=lambda row: row["count"], reverse=True)[: top.MOST_SHOWN]


async def _flush(fleet: Fleet, values: Mapping[str, Any]) -> Result:
    answers = await fleet.tell("/v1/flush", values, 120.0, everybody=True)
    first = result_of(answers)
    gone = sum(answer.body.get("forgotten", 0) for answer in answers if answer.status == 200)
    before = told_forgotten(first.figures["forgotten"])
    return Result(first.sentence.replace(before, told_forgotten(gone), 1), {"forgotten": gone}, first.lines)


async def _reload(fleet: Fleet, _: Mapping[str, Any]) -> Result:
    return await fleet.reload()


async def _drain(fleet: Fleet, _: Mapping[str, Any]) -> Result:
    await asyncio.sleep(0)
    return fleet.drain()


async def _console(fleet: Any, values: Mapping[str, Any]) -> Result:
    return await console(fleet, values)


_SPECIAL: Final[Mapping[str, Handler]] = {
    "status": _status,
    "top": _top,
    "flush": _flush,
    "reload": _reload,
    "drain": _drain,
    "console": _console,
}


class FleetDesk(Desk):
    """Carries commands out at all workers, and has one of them carry out what is for other nodes."""

    def __init__(self, fleet: Fleet, commands: Sequence[Command[Any]]) -> None:
        # It has of a service what these commands ask of it.
        super().__init__(cast(Service, fleet), commands)
        self._fleet = fleet

    async def _carry_out_at(
        self,
        node: str,
        command: Command[Any],
        given: Mapping[str, Any],
        values: Mapping[str, Any],
        giver: audit.Giver | None,
    ) -> Said:
        """Have one worker ask other nodes; each worker is one of them."""
        if command.changes:
            audit.note(command.name, command.repeatable(values), giver, "begun")
        try:
            [answer] = await self._fleet.tell(command.path, {**given, NODE: node}, command.seconds, everybody=False)
        except Refused as refused:
            return say(409, refused.sentence, refused.lines)
        return Said(answer.status, answer.body)

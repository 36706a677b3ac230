"""Where commands are carried out, whoever gives them: those that change something one after another; here or, if that
is asked for, at other nodes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from dohproxy.control import audit
from dohproxy.control.command import Command, Refused, WrongArguments, advise, find
from dohproxy.control.service import Service
from dohproxy.sharing.remote_commands import ALL, NODE, RemoteAnswer

BUSY_SECONDS: Final = 2.0
"""How long a command waits for another one that changes something: most take milliseconds, and a person rather tries
again than wonders."""

_log = structlog.get_logger("dohproxy.control")


@dataclass(frozen=True, slots=True)
class Said:
    """What is answered to a command."""

    status: int
    """As of HTTP; `control/server.py` has what each means."""
    body: Mapping[str, Any]


class Desk:
    """One for all who give commands to a service, so that they do not mix."""

    def __init__(
        self, service: Service, commands: Sequence[Command[Service]], note: audit.Noting | None = None
    ) -> None:
        """`note` writes down who has given what; without it all of that is."""
        self._note = note
        self._service = service
        self._commands = commands
        self._changing = asyncio.Lock()
        self._under_way = ""

    def find(self, path: str) -> Command[Service] | None:
        """Return the command at a path."""
        return find(self._commands, path)

    def advise(self, path: str) -> str:
        """Return a sentence for who asks for a command that there is not."""
        return advise(self._commands, path)

    async def carry_out(
        self, command: Command[Service], given: Mapping[str, object], giver: audit.Giver | None
    ) -> Said:
        """Carry a command out with what was given for it, at the node that is named in it."""
        given = dict(given)
        node = given.pop(NODE, None)
        try:
            values = command.read(given)
        except WrongArguments as error:
            return say(400, str(error))
        if node is None:
            return await self._carry_out_here(command, values, giver)
        if not isinstance(node, str):
            return say(400, f'{NODE} is the name of a node, or "{ALL}".')
        return await self._carry_out_at(node, command, given, values, giver)

    async def carry_out_for(self, path: str, given: Mapping[str, Any], node: str) -> RemoteAnswer:
        """Carry a command out that another node was given."""
        command = self.find(path)
        if command is None:
            said = say(404, self.advise(path))
        elif command.is_local:
            said = say(409, _only_here(command))
        else:
            given = {name: value for name, value in given.items() if name != NODE}
            said = await self.carry_out(command, given, audit.Node(node))
        return RemoteAnswer(said.status, said.body)

    async def _carry_out_at(
        self,
        node: str,
        command: Command[Service],
        given: Mapping[str, Any],
        values: Mapping[str, Any],
        giver: audit.Giver | None,
    ) -> Said:
        peers = self._service.peers
        if peers is None:
            return say(409, "This service shares nothing with other nodes: there is no [nodes] section.")
        names = peers.names_there() if node == ALL else [node]
        if names != [peers.name] and command.is_local:
            return say(409, _only_here(command))
        if node == ALL and command.is_for_one:
            return say(409, f"{command.name} is for one node after the other: name one with --node NAME.")
        unknown = [name for name in names if name != peers.name and name not in peers.names_there()]
        if unknown:
            return say(409, f"There is no node {unknown[0]}; there are {', '.join(peers.names_there())}.")

        async def at(name: str) -> Said:
            if name == peers.name:
                return await self._carry_out_here(command, values, giver)
            answer = await peers.ask(name, command.path, given, command.seconds)
            return Said(answer.status, answer.body)

        said = dict(zip(names, await asyncio.gather(*(at(name) for name in names)), strict=True))
        return said_by_one(names[0], said[names[0]]) if node != ALL else said_by_all(said)

    async def _carry_out_here(
        self, command: Command[Service], values: Mapping[str, Any], giver: audit.Giver | None
    ) -> Said:
        if not command.changes:
            if command.is_noted:
                (self._note or audit.note)(command.name, command.repeatable(values), giver, "begun")
            return (await self._try(command, values))[0]
        if not command.is_exclusive:
            said, result = await self._try(command, values)
        elif not await self._may_change():
            return say(503, f"The service is busy with {self._under_way}; try again in a moment.")
        else:
            self._under_way = command.name
            try:
                said, result = await self._try(command, values)
            finally:
                self._changing.release()
        (self._note or audit.note)(command.name, command.repeatable(values), giver, result)
        return said

    async def _may_change(self) -> bool:
        """Wait until nobody else changes anything, but not for long; True must be followed by a release."""
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._changing.acquire()
        except TimeoutError:
            return False
        return True

    async def _try(self, command: Command[Service], values: Mapping[str, Any]) -> tuple[Said, str]:
        """Return what to answer, and what became of it in a word."""
        try:
            result = await command.handler(self._service, values)
        except WrongArguments as error:
            return say(400, str(error)), "refused"
        except Refused as refused:
            return say(409, refused.sentence, refused.lines), "refused"
        except Exception:
            _log.exception("a command met a bug", command=command.name)
            sentence = f"A bug kept {command.name} from being carried out; the log says where. Please report it."
            return say(500, sentence), "bug"
        body = {"sentence": result.sentence, "well": result.is_well, "lines": result.lines, **result.figures}
        return Said(200, body), "done"


def say(status: int, sentence: str, lines: Sequence[str] = ()) -> Said:
    """Return an answer that is no more than a sentence, and of something that was not done."""
    return Said(status, {"sentence": sentence, "well": False, "lines": lines})


def said_by_one(name: str, said: Said) -> Said:
    """Return what another node has said, with its name."""
    body = dict(said.body)
    return Said(said.status, body | {"sentence": f"{name}: {body.get('sentence', '')}", NODE: name})


def said_by_all(said: Mapping[str, Said]) -> Said:
    """Return what all nodes have said, as one answer: what each has said in a line, and whole by its name."""
    failed = [name for name, one in said.items() if one.status != 200]
    lines = []
    for name, one in said.items():
        lines.append(f"{name}: {one.body.get('sentence', '')}")
        lines += [f"{name}:   {line}" for line in one.body.get("lines", ())]
    count = "1 node" if len(said) == 1 else f"{len(said)} nodes"
    sentence = f"{count} have answered." if not failed else f"Of {count} not done: {', '.join(failed)}."
    is_well = all(one.status == 200 and one.body.get("well") is True for one in said.values())
    status = 200 if not failed else max(one.status for one in said.values())
    nodes = {name: {**one.body, "status": one.status} for name, one in said.items()}
    return Said(status, {"sentence": sentence, "well": is_well, "lines": lines, "nodes": nodes})


def _only_here(command: Command[Service]) -> str:
    return f"{command.name} is for the node itself: give it there, without --node."

"""Commands that need no running service: carried out on its files by whoever has its configuration."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dohproxy.config import Config, ConfigError, load, render
from dohproxy.control.client import Answer
from dohproxy.control.command import Command, Refused, Result, WrongArguments
from dohproxy.control.members import MemberBook
from dohproxy.doh.path_token import Invitation
from dohproxy.jobs.member_file import MemberRefusal, NotWritten, read_members, write_members
from dohproxy.policy.members import Members
from dohproxy.tools.invitations import invitation_for


class OfflineMemberBook:
    """The list of members as it lies on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.members = Members()

    @property
    def refusal(self) -> str:
        """Nothing: what cannot be used is told by `poll`."""
        return ""

    async def poll(self, now: float) -> None:
        """Read the file. Raises NotWritten if it cannot be used."""
        found = read_members(self._path)
        if isinstance(found, MemberRefusal):
            raise NotWritten(f"{found.sentence} Put it right, or delete it, first.")
        self.members = found

    async def change(self, make: Callable[[Members], Members], now: float) -> None:
        """Replace the file; a service that is started meanwhile sees it within a second. Raises NotWritten, and what
        `make` raises."""
        await self.poll(now)
        wanted = make(self.members)
        write_members(self._path, wanted)
        self.members = wanted


class OfflineService:
    """What there is of a service that does not run: its configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def member_book(self) -> MemberBook | None:
        """Return the list of members with URLs of their own, None if no file for it is configured."""
        path = self.config.clients.member_file
        return None if path is None else OfflineMemberBook(path)

    def invitation(self, token: str) -> Invitation:
        """Return what a member with this token is given."""
        return invitation_for(self.config, token)


def carry_out(command: Command[Any], file: Path, given: Mapping[str, Any]) -> Answer:
    """Carry out a command that needs no service, and return what a service would have said."""
    try:
        config = load(file)
        if config.nodes is not None and command.changes:
            raise Refused(_OTHERS)
        service: Any = OfflineService(config)
        result = asyncio.run(_handle(command, service, given))
    except WrongArguments as error:
        return _refusal(400, str(error))
    except Refused as refused:
        return _refusal(409, refused.sentence)
    except ConfigError as error:
        return _refusal(409, render(error))
    return Answer(
        200, {"sentence": result.sentence, "well": result.is_well, "lines": list(result.lines), **result.figures}
    )


_OTHERS: Final = (
    "This service shares its members with other nodes, which would not know of it, and this one would take it back from"
    " them when it is started: give the command at a node that runs."
)


async def _handle(command: Command[Any], service: Any, given: Mapping[str, Any]) -> Result:
    return await command.handler(service, command.read(given))


def _refusal(status: int, sentence: str) -> Answer:
    return Answer(status, {"sentence": sentence, "well": False, "lines": []})

"""What a command is: its name, its arguments, what it may change, and who carries it out.

Each is declared once, in `commands`. The admin socket's server and the command line's verbs are made from the
declarations, so that neither can know what the other does not.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from dohproxy.config.addresses import Unusable
from dohproxy.config.keys import Choice, Duration, Integer, Switch, Text, find_nearest, show, show_key

Service = TypeVar("Service", contravariant=True)

_NOWHERE: Final = Path("/")
"""Keys read file names from a directory; no argument of a command is one."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One thing that a command is told."""

    name: str
    key: Integer | Duration | Choice | Switch | Text
    """What it may be; its `why` is its help."""
    is_option: bool = False
    """It is written as --NAME at a terminal; else it stands in its place."""
    default: object = None
    """What it is where it is left out; None where it has to be given, or then is nothing."""
    is_required: bool = False
    is_private: bool = False
    """It may be what a client asked for, or where from: the audit log does not repeat it."""
    completes: str = ""
    """What a shell may offer for it: "upstreams", "limits", or nothing."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command."""

    sentence: str
    """For a person, whole."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """For a program, ready for JSON."""
    lines: Sequence[str] = ()
    """For a person again: what the sentence leaves out."""
    is_well: bool = True
    """False: what was asked about is not as it should be."""


class Refused(Exception):
    """A command was not carried out, and nothing has changed; the text is a sentence for the operator."""

    def __init__(self, sentence: str, lines: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.lines = lines


class WrongArguments(Exception):
    """A command was told what it cannot be told; the text is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Command(Generic[Service]):
    """One command."""

    name: str
    """Words in small letters, "upstream pause"."""
    help: str
    """One line, then what else is to be known."""
    changes: str
    """What it may change, for the operator; "" for one that only looks."""
    handler: Callable[[Service, Mapping[str, Any]], Awaitable[Result]]
    arguments: tuple[Argument, ...] = ()
    seconds: float = 30.0
    """How long who asks waits for it."""
    is_exclusive: bool = True
    """It may not be carried out while another that changes something is; False for one that takes long and is in
    nobody's way."""
    is_noted: bool = False
    """The audit log has it although it changes nothing: it shows who asks, or about what."""
    ends_with_asker: bool = False
    """It looks for a while, and no longer than somebody waits for what it sees."""
    is_local: bool = False
    """It is not carried out for another node: what it says or does is of use there alone."""
    is_for_one: bool = False
    """It is not carried out at all nodes at once."""
    needs_service: bool = True
    """False: while no service runs, who has its configuration carries it out on the files."""

    @property
    def path(self) -> str:
        """Where the admin socket has it."""
        return "/v1/" + self.name.replace(" ", "/")

    def read(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return the value of each argument, defaults for the rest. Raises WrongArguments."""
        known = {argument.name: argument for argument in self.arguments}
        for name in given:
            if name not in known:
                raise WrongArguments(_unknown(name, tuple(known)))
        return {name: self._read(argument, given.get(name)) for name, argument in known.items()}

    def repeatable(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as they may be written down: what is private is only said to have been given."""
        private = {argument.name for argument in self.arguments if argument.is_private}
        return {
            name: "(not written)" if name in private else value for name, value in values.items() if value is not None
        }

    def _read(self, argument: Argument, value: object) -> Any:
        if value is None:
            if argument.is_required:
                raise WrongArguments(f"{argument.name.upper()} is missing: {argument.key.why}")
            return argument.default
        try:
            return argument.key.read(value, _NOWHERE)
        except Unusable as error:
            raise WrongArguments(f"{argument.name} {error}") from None


def _unknown(name: str, known: Sequence[str]) -> str:
    nearest = find_nearest(name, known)
    if nearest is not None:
        return f"{show_key(name)} is no argument of this command; did you mean {nearest}?"
    told = f"there are {', '.join(known)}" if known else "it takes none"
    return f"{show_key(name)} is no argument of this command; {told}."


def find(commands: Sequence[Command[Service]], path: str) -> Command[Service] | None:
    """Return the command at a path of the admin socket."""
    return next((command for command in commands if command.path == path), None)


def advise(commands: Sequence[Command[Service]], path: str) -> str:
    """Return a sentence for who asks for a command that there is not."""
    name = path.removeprefix("/v1/").replace("/", " ")
    names = [command.name for command in commands]
    nearest = find_nearest(name, names)
    meant = f"did you mean {nearest}?" if nearest is not None else f"there are {', '.join(names)}."
    return f"{show(name)} is no command of this service; {meant}"

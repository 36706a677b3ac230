"""The verbs that the table of commands makes: each asks the running service at its admin socket."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from dohproxy.adoption import FROM_START
from dohproxy.cli.offline import carry_out
from dohproxy.cli.qr_code import qr_code
from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE, fail, say
from dohproxy.config import ConfigError, find_admin_socket, render
from dohproxy.config.keys import Choice, Duration, Integer, Switch
from dohproxy.config.overlay import spellings
from dohproxy.config.schema.admin import ADMIN_SOCKET
from dohproxy.control.client import Answer, Unreachable, send
from dohproxy.control.command import Argument, Command
from dohproxy.control.commands import COMMANDS
from dohproxy.control.service import Service
from dohproxy.durations import in_units

_OPTIONS = (
    click.Option(
        ["--config", "file"],
        type=click.Path(path_type=Path, dir_okay=False),
        help="The service's configuration, which names its admin socket.",
    ),
    click.Option(
        ["--socket", "socket"],
        type=click.Path(path_type=Path),
        help=f"The admin socket itself; without this and --config {ADMIN_SOCKET}, where the systemd unit has it.",
    ),
    click.Option(
        ["--node", "node"],
        metavar="NAME",
        help='Have another node carry it out, by way of this one; "all": each that is there.',
    ),
    click.Option(["--json", "is_json"], is_flag=True, help="Write what the service says as JSON, for programs."),
)

NODE: Final = "node"
"""The argument of every command that names the node."""
NODE_SECONDS: Final = 5.0
"""How much longer another node may take: two seconds to take the command up, and as long again for the way."""
COMPLETION_SECONDS: Final = 1.0
"""Somebody has pressed Tab and waits."""


class NoSocket(Exception):
    """The configuration names no admin socket; the text is a sentence with what to do."""


GROUPS = {
    "member": "Say who is a member by a URL of their own.",
    "config": "Look at the configuration that holds, and at what it may be.",
    "upstream": "Look at the configured upstreams, and leave one alone for a while.",
}
"""What a first word means that several commands share."""


def add_verbs(main: click.Group) -> None:
    """Add a verb for each command, those of two words within a group."""
    names = [command.name for command in COMMANDS]
    for command in COMMANDS:
        first, _, second = command.name.partition(" ")
        home = main if not second else group_of(main, first)
        is_group = any(name.startswith(f"{command.name} ") for name in names)
        home.add_command(make_verb(command, second or first, is_group=is_group))


def group_of(main: click.Group, name: str) -> click.Group:
    """Return the group of verbs that begin with this word."""
    found = main.commands.get(name)
    if isinstance(found, click.Group):
        return found
    group = click.Group(name, help=GROUPS[name])
    main.add_command(group)
    return group


def make_verb(command: Command[Service], name: str, *, is_group: bool = False) -> click.Command:
    """Return the verb that sends a command; `is_group`: others begin with its name, and it is what that alone means."""

    def callback(file: Path | None, socket: Path | None, is_json: bool, **given: Any) -> None:
        if is_group and click.get_current_context().invoked_subcommand is not None:
            return
        try:
            path = find_socket(file, socket)
        except NoSocket as error:
            if command.needs_service or file is None or given.get(NODE) is not None:
                _end(str(error), EXIT_CONFIG, is_json=is_json)
            # A service without a socket for commands sees what is written to its files.
            _finish(carry_out(command, file, _given(given)), is_json=is_json)
        ask(command, path, given, is_json=is_json, file=file)

    parameters = [_parameter(argument) for argument in command.arguments]
    text = command.help if not command.changes else f"{command.help}\n\nMay change: {command.changes}."
    if is_group:
        return click.Group(
            name, callback=callback, params=[*parameters, *_OPTIONS], help=text, invoke_without_command=True
        )
    return click.Command(name, callback=callback, params=[*parameters, *_OPTIONS], help=text)


def _parameter(argument: Argument) -> click.Parameter:
    key = argument.key
    kind: Any = str
    match key:
        case Choice():
            kind = click.Choice(key.choices)
        case Integer():
            kind = click.IntRange(key.minimum, key.maximum)
        case _:
            pass
    if not argument.is_option:
        complete = {"upstreams": _upstream_names, "limits": _limit_keys}.get(argument.completes)
        return click.Argument([argument.name], type=kind, required=argument.is_required, shell_complete=complete)
    if isinstance(key, Switch):
        return click.Option([f"--{argument.name}"], is_flag=True, help=key.why)
    default = (
        in_units(argument.default)
        if isinstance(argument.default, int) and isinstance(key, Duration)
        else argument.default
    )
    told = key.why if default is None else f"{key.why} {default} by default."
    return click.Option([f"--{argument.name}"], type=kind, metavar=argument.name.upper(), help=told)


def _upstream_names(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Return the upstreams of the running service for a shell to offer; none if it cannot be asked."""
    try:
        path = find_socket(context.params.get("file"), context.params.get("socket"))
        upstreams = send(path, "/v1/status", {}, COMPLETION_SECONDS).body.get("upstreams", ())
    except (NoSocket, Unreachable):
        return []
    return [one["name"] for one in upstreams if one["name"].startswith(begun)]


def _limit_keys(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Return the keys that can be changed by hand, those of upstreams if the service can be asked for their names."""
    found = spellings(_upstream_names(context, parameter, "")) if begun.startswith("up") else spellings(())
    return [one for one in found if one.startswith(begun) and one not in FROM_START]


def find_socket(file: Path | None, socket: Path | None) -> Path:
    """Return the admin socket that the command line means. Raises NoSocket."""
    if socket is not None:
        return socket
    if file is None:
        return ADMIN_SOCKET
    try:
        found = find_admin_socket(file)
    except ConfigError as error:
        raise NoSocket(render(error)) from None
    if found is None:
        raise NoSocket(
            f"{file} has no [admin] section, so the service has no socket for commands. Write [admin] into it and start"
            " the service again."
        )
    return found


def ask(
    command: Command[Service], path: Path, given: Mapping[str, Any], *, is_json: bool, file: Path | None = None
) -> None:
    """Send a command, say what came back, and end with its exit code. One that needs no service is carried out with its
    configuration `file` where none runs."""
    arguments = _given(given)
    try:
        # What another node is asked for takes as much longer as it may take to reach it.
        spare = 0.0 if NODE not in arguments else NODE_SECONDS
        answer = send(path, command.path, arguments, command.seconds + spare)
    except Unreachable as error:
        if command.needs_service or file is None or not error.is_absent or NODE in arguments:
            _end(str(error), EXIT_UNREACHABLE, is_json=is_json)
        answer = carry_out(command, file, arguments)
    _finish(answer, is_json=is_json)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value is not False}


def _finish(answer: Answer, *, is_json: bool) -> NoReturn:
    show(answer, is_json=is_json)
    sys.exit(exit_code(answer))


def _end(sentence: str, code: int, *, is_json: bool) -> NoReturn:
    """End before anything was asked."""
    if not is_json:
        fail(sentence, code)
    say(json.dumps({"sentence": sentence, "well": False}, indent=1))
    sys.exit(code)


def show(answer: Answer, *, is_json: bool) -> None:
    """Write an answer: JSON as it is but for what is said twice, or the sentence and its lines."""
    if is_json:
        say(json.dumps({name: value for name, value in answer.body.items() if name != "lines"}, indent=1))
        return
    if answer.status == 200 and "url" in answer.body:
        click.echo(qr_code(answer.body["url"]))
    text = "\n".join((answer.sentence, *(f"  {line}" for line in answer.body.get("lines", ()))))
    click.echo(text, err=answer.status != 200)


def exit_code(answer: Answer) -> int:
    """Return 0 if it was done and all is well, 2 for what cannot be understood, else 1."""
    if answer.status == 400:
        return EXIT_USAGE
    return 0 if answer.status == 200 and answer.body.get("well") is True else EXIT_FAILED

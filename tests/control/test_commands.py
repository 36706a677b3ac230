"""The table as a whole: every row can be found, understood and typed."""

import re
from pathlib import Path

import pytest

from dohproxy.control.command import Command, find
from dohproxy.control.commands import COMMANDS
from dohproxy.control.service import Service

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
BY_NAME = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


def test_no_two_commands_have_one_name() -> None:
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)


@BY_NAME
def test_a_command_is_found_at_its_path(command: Command[Service]) -> None:
    assert find(COMMANDS, command.path) is command


@BY_NAME
def test_a_command_and_all_its_arguments_are_explained(command: Command[Service]) -> None:
    first = command.help.partition("\n\n")[0]
    assert re.fullmatch(r"[A-Z].{10,100}\.", first)
    assert all(argument.key.why.endswith(".") for argument in command.arguments)


@BY_NAME
def test_a_command_can_be_typed(command: Command[Service]) -> None:
    assert re.fullmatch(r"[a-z-]+( [a-z-]+)?", command.name)
    assert all(re.fullmatch(r"[a-z]+", argument.name) for argument in command.arguments)


@BY_NAME
def test_nobody_waits_for_ever(command: Command[Service]) -> None:
    assert 0 < command.seconds <= 600


@BY_NAME
def test_a_command_and_its_arguments_stand_on_the_page_for_operators(command: Command[Service]) -> None:
    begins = re.compile(rf"\| `{command.name}(`| [^a-z])")
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if begins.match(line)]
    assert len(rows) == 1
    for argument in command.arguments:
        assert (f"--{argument.name}" if argument.is_option else argument.name.upper()) in rows[0]
    assert rows[0].endswith("| |") is (not command.changes)

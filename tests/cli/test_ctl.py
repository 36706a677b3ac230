"""Verbs made from the table: what is sent, what is said, and with which exit code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import click.testing
import pytest
from click.shell_completion import ShellComplete

from dohproxy.cli import ctl, main
from dohproxy.cli.ctl import make_verb
from dohproxy.config.schema.admin import ADMIN_SOCKET
from dohproxy.control.client import Answer, Unreachable
from dohproxy.control.commands import COMMANDS
from tests.cli.running import run, write
from tests.control.command_samples import Handlers, commands

DONE = Answer(200, {"sentence": "Done.", "well": True, "lines": ["a line"], "count": 1})
Sent = list[tuple[Path, str, dict[str, Any]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What verbs send; the service says that it is done."""
    return answering(monkeypatch, DONE)


def answering(monkeypatch: pytest.MonkeyPatch, answer: Answer | Unreachable) -> Sent:
    noted: Sent = []

    def send(path: Path, target: str, arguments: Mapping[str, Any], _: float) -> Answer:
        noted.append((path, target, dict(arguments)))
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    monkeypatch.setattr(ctl, "send", send)
    return noted


def type_(command: int, *arguments: str) -> click.testing.Result:
    """Type a command of the samples."""
    verb = make_verb(commands(Handlers())[command], "verb")
    return click.testing.CliRunner().invoke(verb, list(arguments), catch_exceptions=False)


def test_arguments_are_sent_by_their_names_and_what_is_left_out_is_not(sent: Sent) -> None:
    type_(0, "ns0", "--socket", "/s")
    type_(0, "ns0", "--minutes", "7", "--mode", "b", "--below", "--socket", "/s")
    assert sent == [
        (Path("/s"), "/v1/change", {"name": "ns0"}),
        (Path("/s"), "/v1/change", {"name": "ns0", "minutes": 7, "mode": "b", "below": True}),
    ]


@pytest.mark.parametrize(
    "arguments", [[], ["a", "b"], ["a", "--minutes", "0"], ["a", "--minutes", "x"], ["a", "--mode", "c"], ["a", "-x"]]
)
def test_a_wrong_argument_is_2_and_nothing_is_sent(sent: Sent, arguments: list[str]) -> None:
    assert type_(0, *arguments, "--socket", "/s").exit_code == 2
    assert sent == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (DONE, 0),
        (Answer(200, {"sentence": "Not well.", "well": False}), 1),
        (Answer(409, {"sentence": "No."}), 1),
        (Answer(400, {"sentence": "What?"}), 2),
        (Answer(500, {"sentence": "A bug."}), 1),
        (Answer(503, {"sentence": "Busy."}), 1),
    ],
    ids=["done", "not well", "refused", "not understood", "a bug", "busy"],
)
def test_the_exit_code_says_what_became_of_it(monkeypatch: pytest.MonkeyPatch, answer: Answer, code: int) -> None:
    answering(monkeypatch, answer)
    told = type_(2, "--socket", "/s")
    assert told.exit_code == code
    assert answer.sentence in (told.stdout if answer.status == 200 else told.stderr)


def test_a_service_that_cannot_be_reached_is_3_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, Unreachable("Nobody there."))
    told = type_(2, "--socket", "/s")
    assert (told.exit_code, told.stdout, told.stderr) == (3, "", "Nobody there.\n")
    told = type_(2, "--socket", "/s", "--json")
    assert (told.exit_code, json.loads(told.stdout)) == (3, {"sentence": "Nobody there.", "well": False})


def test_people_get_sentences_and_programs_json(sent: Sent) -> None:
    assert type_(2, "--socket", "/s").stdout == "Done.\n  a line\n"
    assert json.loads(type_(2, "--socket", "/s", "--json").stdout) == {"sentence": "Done.", "well": True, "count": 1}
    assert len(sent) == 2


def test_the_configuration_names_the_socket_even_where_the_rest_of_it_is_wrong(sent: Sent, directory: Path) -> None:
    run("status", "--config", write(directory, '[admin]\nsocket = "a.sock"\n[limits]\nwrong = 1\n'))
    run("status", "--config", write(directory, "[admin]\n"))
    run("status")
    assert [path for path, *_ in sent] == [directory / "a.sock", ADMIN_SOCKET, ADMIN_SOCKET]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no [admin] section"),
        ("[admin\n", "is not TOML"),
        ('[admin]\nsocket = "@a"\n', "abstract socket"),
        ("[admin]\nsocket = 1\n", "must be a string"),
        ("admin = 1\n", "must be a section"),
    ],
)
def test_a_configuration_that_names_no_socket_is_78_with_what_to_do(
    sent: Sent, directory: Path, text: str, told: str
) -> None:
    ended = run("status", "--config", write(directory, text))
    assert (ended.exit_code, told in ended.stderr) == (78, True), ended.stderr
    assert sent == []


def test_that_there_is_no_socket_is_json_too(sent: Sent, directory: Path) -> None:
    ended = run("status", "--json", "--config", write(directory, ""))
    assert (ended.exit_code, json.loads(ended.stdout)["well"], sent) == (78, False, [])


@pytest.mark.parametrize(("begun", "offered"), [("", ["ns0", "ns1"]), ("ns1", ["ns1"]), ("x", [])])
def test_the_names_of_upstreams_are_offered_to_shells(
    monkeypatch: pytest.MonkeyPatch, begun: str, offered: list[str]
) -> None:
    answering(monkeypatch, Answer(200, {"upstreams": [{"name": "ns0"}, {"name": "ns1"}]}))
    assert complete(begun) == offered


def test_a_service_that_cannot_be_asked_offers_nothing_to_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, Unreachable("Nobody there."))
    assert complete("") == []


def complete(begun: str) -> list[str]:
    """Return what a shell is offered after `upstream pause`."""
    shell = ShellComplete(main, {}, "dohproxy", "_DOHPROXY_COMPLETE")
    return [item.value for item in shell.get_completions(["upstream", "pause"], begun)]


def test_a_configuration_that_is_not_there_is_78(sent: Sent, tmp_path: Path) -> None:
    ended = run("status", "--config", str(tmp_path / "absent"))
    assert (ended.exit_code, "does not exist" in ended.stderr, sent) == (78, True, [])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_is_a_verb_with_help_that_says_what_it_may_change(command: Any) -> None:
    ended = run(*command.name.split(), "--help")
    assert ended.exit_code == 0
    assert ended.stdout.startswith(f"Usage: main {command.name} ")
    assert ("May change:" in ended.stdout) is bool(command.changes)
    assert "--json" in ended.stdout
    assert isinstance(main, click.Group)


def test_another_node_is_an_argument_like_any_other(sent: Sent) -> None:
    type_(0, "ns0", "--node", "lyon", "--socket", "/s")
    assert sent == [(Path("/s"), "/v1/change", {"name": "ns0", "node": "lyon"})]


def test_a_verb_that_others_begin_with_is_one_by_itself(sent: Sent) -> None:
    assert run("nodes", "--socket", "/s").exit_code == 0
    assert run("nodes", "forget", "lyon", "--socket", "/s").exit_code == 0
    assert [one[1:] for one in sent] == [("/v1/nodes", {}), ("/v1/nodes/forget", {"name": "lyon"})]

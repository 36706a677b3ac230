"""The runbook has a paragraph for each alert and no other, and names commands, files and pages that exist."""

import re
from pathlib import Path

import click
import pytest

from dohproxy.cli import main
from tests.packaging.alert_rules import SAMPLES, rules

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
PARTS = ["What it means", "What it does by itself", "What you can do", "When it is over"]
PARAGRAPHS = dict(re.findall(r"^## (Dohproxy\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = sorted({" ".join(words.split()) for words in re.findall(r"`(dohproxy\s[^`]+)`", PAGE)})
PLACES = {"NAME": "ns0"}
"""What stands in commands for what the reader has to fill in."""


def wrong_with(command: str) -> str:
    """Return why a command cannot be typed; "" if it can."""
    verb: click.Command | None = main
    words = [PLACES.get(word, word) for word in command.split()[1:]]
    with click.Context(main, **main.context_settings) as context:
        while isinstance(verb, click.Group):
            verb = verb.get_command(context, words.pop(0)) if words else None
        if verb is None:
            return "there is no such verb"
        try:
            verb.make_context("verb", words, parent=context)  # Or click would keep a help option of its own with it.
        except click.UsageError as error:
            return error.format_message()
    return ""


def test_every_alert_has_a_paragraph_and_every_paragraph_an_alert() -> None:
    assert list(PARAGRAPHS) == [rule.alert for rule in rules()]
    assert [rule.runbook for rule in rules()] == [f"docs/runbook.md#{name.lower()}" for name in PARAGRAPHS]


@pytest.mark.parametrize("paragraph", PARAGRAPHS.values(), ids=PARAGRAPHS)
def test_a_paragraph_has_its_four_parts_in_order(paragraph: str) -> None:
    assert re.findall(r"^\*\*([^*]+)\.\*\* \S", paragraph, re.MULTILINE) == PARTS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_can_be_typed(command: str) -> None:
    assert wrong_with(command) == ""


@pytest.mark.parametrize(
    "command",
    ["dohproxy fly", "dohproxy mode members --until 1h", "dohproxy upstream", "dohproxy ban", "dohproxy status now"],
)
def test_one_that_cannot_be_typed_is_found(command: str) -> None:
    assert wrong_with(command)


def test_many_commands_are_named() -> None:
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https)([^)]+)\)", PAGE))))
def test_a_link_leads_somewhere(link: str) -> None:
    file, _, anchor = link.partition("#")
    found = ROOT / "docs" / file
    assert found.exists()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\bconf/[\w./-]*\w", PAGE))))
def test_a_file_to_copy_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(dohproxy_\w+)`", PAGE))))
def test_a_figure_that_is_named_exists(name: str) -> None:
    assert name in SAMPLES

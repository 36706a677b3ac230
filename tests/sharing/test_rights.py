"""The rights of a node at the store: all that is asked of it, and what is shipped says the same."""

import re
from pathlib import Path

import pytest

from dohproxy.config import NodesConfig
from dohproxy.sharing.rights import COMMANDS, acl_rules

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "dohproxy"
_ASKED = re.compile(r"""\(\s*"([A-Z]{3,16})"\s*[,)]|redis\.p?call\(\s*['"]([A-Za-z]+)['"]""")


def asked() -> list[str]:
    """Return the name of every command in this room, in Python and in Lua, and in the doctor's look."""
    files = [path for path in (PACKAGE / "sharing").rglob("*") if path.suffix in (".py", ".lua")]
    texts = [path.read_text(encoding="utf-8") for path in (*files, PACKAGE / "tools" / "doctor" / "store.py")]
    found = {(one or other).lower() for text in texts for one, other in _ASKED.findall(text)}
    return sorted(found - {"config"})  # Which the doctor does without.


def test_commands_are_found() -> None:
    assert {"ping", "hello", "evalsha", "eval", "get", "xadd"} <= set(asked())


@pytest.mark.parametrize("command", asked())
def test_what_is_asked_of_the_store_is_among_the_rights(command: str) -> None:
    assert command in COMMANDS


def test_no_right_stands_there_twice() -> None:
    assert len(set(COMMANDS)) == len(COMMANDS)


def test_the_shipped_file_has_these_rights_and_lets_nobody_in_by_itself() -> None:
    default, user = (ROOT / "conf" / "nodes" / "dohproxy-store.acl").read_text(encoding="utf-8").splitlines()
    assert default == "user default off"
    assert user == f"user dohproxy on #{'0' * 64} {acl_rules('dohproxy')}"
    assert NodesConfig.__dataclass_fields__["prefix"].default == "dohproxy"


def test_the_page_has_the_same_commands() -> None:
    page = (ROOT / "docs" / "nodes.md").read_text(encoding="utf-8")
    [row] = re.findall(r"^Commands of a node: (.*?)\.$", page, re.MULTILINE | re.DOTALL)
    assert re.findall(r"`([A-Z]+)`", row) == [one.upper() for one in COMMANDS]

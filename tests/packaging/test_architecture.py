"""docs/architecture.md names files, rooms and functions: each of them exists, and no room is left out."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "dohproxy"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`([\w./]+(?:/|\.(?:py|md|toml)))`", PAGE)))
TERMS = re.findall(r"^\| ([\w ,]+) \|", PAGE.partition("## The words")[2].partition("## The life")[0], re.MULTILINE)
LIFE = PAGE.partition("## The life of a query")[2].partition("## Where do I add")[0]
STEPS = re.findall(r"^\| (?!what happens)[^|]+ \| ([^|]+) \| ([^|]+) \|$", LIFE, re.MULTILINE)
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if path.name[:1] != "_" and path.name != "py.typed")


def found(path: str) -> Path:
    """The file or directory that a path of the page means."""
    return next((base / path for base in (ROOT, PACKAGE) if (base / path).exists()), ROOT / path)


def test_the_page_names_many_files_words_and_steps() -> None:
    assert len(PATHS) > 80
    assert len(TERMS) > 35
    assert len(STEPS) > 20


@pytest.mark.parametrize("path", PATHS)
def test_a_named_file_exists(path: str) -> None:
    assert found(path).is_dir() if path.endswith("/") else found(path).is_file()


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_stands_in_the_picture(room: str) -> None:
    picture = PAGE.split("```")[1]
    assert re.search(rf"(?<![\w/]){room.removesuffix('.py')}(/|\.py|\b)", picture)


def test_the_floors_of_the_picture_are_those_that_imports_are_held_to() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    floors = [room for floor in settings["contracts"][0]["layers"] for room in floor.split(" | ")]
    named = re.findall(r"(?:^| )(?:(\w+)(?:/|\.py)|(cli))(?= |$)", PAGE.split("```")[1], re.MULTILINE)
    assert [room or command for room, command in named] == floors


@pytest.mark.parametrize(("files", "functions"), STEPS)
def test_the_functions_of_a_step_stand_in_its_files(files: str, functions: str) -> None:
    text = "".join(found(path).read_text(encoding="utf-8") for path in re.findall(r"`([^`]+)`", files))
    names = re.findall(r"`(\w+)`", functions)
    assert names
    assert [name for name in names if not re.search(rf"(def |self\.){name}\b", text)] == []


def test_the_words_stand_in_the_order_of_the_alphabet() -> None:
    words = [term.split(",")[0].lower() for term in TERMS[1:]]
    assert words == sorted(words)

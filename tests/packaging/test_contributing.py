"""What contributors are given: their page names what exists, and their hooks run what `make check` runs."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`([\w.]+/[\w./]*|\w+\.(?:py|toml|md)|Containerfile)`", PAGE)))
LINKS = sorted(set(re.findall(r"\]\((?!https)([^)#]+)", PAGE)))
TARGETS = sorted(set(re.findall(r"`make ([a-z-]+)", PAGE)))
HOOK_KEYS = {"id", "name", "entry", "language", "always_run", "pass_filenames"}


def hooks() -> list[dict[str, str]]:
    """The hooks of the only repository that the file names, which is this one.

    The file keeps to lines of `key: value`, so that no YAML reader is needed for it.
    """
    lines = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8").splitlines()
    head: list[str] = []
    body: list[str] = []
    for line in lines:
        if line and not line.startswith("#"):
            (body if line.startswith("      ") else head).append(line)
    assert head == ["repos:", "  - repo: local", "    hooks:"]
    found: list[dict[str, str]] = []
    for line in body:
        entry = re.fullmatch(r" {6}(- | {2})(\w+): ([^:#]+)", line)
        assert entry, line
        if entry[1] == "- ":
            found.append({})
        assert entry[2] not in found[-1], line
        found[-1][entry[2]] = entry[3]
    return found


@pytest.mark.parametrize("path", [*PATHS, *LINKS])
def test_a_named_file_exists(path: str) -> None:
    if path.partition("/")[0] not in (".venv", "dist", "__init__.py"):
        assert (ROOT / path).exists()


@pytest.mark.parametrize("target", TARGETS)
def test_a_named_target_is_in_the_makefile(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_the_hooks_run_what_make_check_runs_with_the_same_tools() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    first, *others = (hook["entry"] for hook in hooks())
    assert first == "make --silent dev"
    assert others == commands


def test_no_hook_fetches_anything() -> None:
    for hook in hooks():
        assert set(hook) == HOOK_KEYS
        assert hook["language"] == "system"
        assert (hook["always_run"], hook["pass_filenames"]) == ("true", "false")


def test_editors_are_told_the_width_of_the_linter_and_the_tabs_of_make() -> None:
    settings = ConfigParser()
    settings.read_string("[top]\n" + (ROOT / ".editorconfig").read_text(encoding="utf-8"))
    width = re.search(r"^line-length = (\d+)$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert width
    assert settings["*"]["max_line_length"] == width[1]
    assert settings["Makefile"]["indent_style"] == "tab"
    assert settings["top"]["root"] == "true"

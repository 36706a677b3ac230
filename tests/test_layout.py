"""The tree keeps its own rules: each module has its test, each shipped file loads, nothing strays in."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dohproxy
from dohproxy.config import load

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dohproxy"
TESTS = ROOT / "tests"

UNMIRRORED_MODULES = {
    "__init__": "says what a package is for and re-exports names, nothing to test",
    "__main__": "calls the command line; every end-to-end test runs it",
    "limits": "the limits of http1 and http2, each attacked in the test of what enforces it; policy/limits has a test",
    "errors": "codes and exceptions of http1 and http2, raised in every test of them",
    "events": "values of http2, compared in every test of it",
}
UNMIRRORED_TESTS = {
    "bench": "the arithmetic of the instruments in bench/, which is no part of the package",
    "conformance": "one suite of requests, run against every frontend",
    "data": "what tests run on, made up, and whether it is what it should be",
    "e2e": "whole processes",
    "fakes": "stand-ins that tests share, not tests",
    "fuzz": "the fuzz targets, which are no part of the package",
    "packaging": "files outside the package",
    "scenarios": "stories of a caching client, our own and foreign ones",
}
TESTS_OF_A_WHOLE_PACKAGE = {
    "config/test_schema": "the sections together, which is what the package itself holds",
    "wire/test_oracle": "what wire reads, against what dnspython reads",
    "wire/test_cost": "what the worst packets cost",
}

LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-native.lock", "requirements-fuzz.lock"]
TOP_LEVEL = {
    *(".ci", ".editorconfig", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("Containerfile", "LICENSE", "Makefile", "README.md", "SECURITY.md", "native.py", "pyproject.toml"),
    *LOCKS,
    *("bench", "conf", "docs", "dohproxy", "fuzz", "tests"),
}
MADE_BY_TOOLS = {
    *(".git", ".venv", ".native", ".fuzz", "build", "dist", "htmlcov", "__pycache__", ".benchmarks", ".hypothesis"),
    *(".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
}

# Each in two pieces, so that this file does not name them.
FOREIGN_ADDRESSES = {
    "a directory of one person's machine": re.compile(r"(?<![\w./])/" + r"(home|root)/"),
    "the address of a package index": re.compile(r"pypi\." + r"org|pythonhosted\." + r"org"),
}


def _modules() -> list[str]:
    found = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(str(module) for module in found if module.name not in UNMIRRORED_MODULES)


def _unit_tests() -> list[str]:
    found = (path.relative_to(TESTS).with_suffix("") for path in TESTS.rglob("test_*.py"))
    return sorted(
        str(test)
        for test in found
        if test.parts[0] not in UNMIRRORED_TESTS
        and test.name != Path(__file__).stem
        and str(test) not in TESTS_OF_A_WHOLE_PACKAGE
    )


def _is_about(test: str, module: str) -> bool:
    """Tell whether x/test_y, or x/test_y_when_something, is about the module x/y."""
    named = str(Path(module).with_name(f"test_{Path(module).name}"))
    return test == named or test.startswith(f"{named}_")


@pytest.mark.parametrize("module", _modules())
def test_every_module_has_a_test_of_its_name(module: str) -> None:
    assert any(_is_about(test, module) for test in _unit_tests())


@pytest.mark.parametrize("test", _unit_tests())
def test_every_unit_test_is_about_a_module_that_exists(test: str) -> None:
    everything = (str(path.relative_to(PACKAGE).with_suffix("")) for path in PACKAGE.rglob("*.py"))
    assert any(_is_about(test, module) for module in everything)


@pytest.mark.parametrize("directory", sorted(TESTS.iterdir()), ids=lambda path: str(path.name))
def test_every_test_directory_mirrors_a_package_or_is_a_known_exception(directory: Path) -> None:
    if directory.is_dir() and directory.name != "__pycache__":
        assert directory.name in UNMIRRORED_TESTS or (PACKAGE / directory.name).is_dir()


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.toml")), ids=lambda path: str(path.name))
def test_every_shipped_configuration_loads(path: Path) -> None:
    assert load(path).server.path.startswith("/")


def test_a_reference_configuration_is_shipped() -> None:
    assert (ROOT / "conf" / "dohproxy.toml").is_file()


def _is_from_a_tool(entry: str) -> bool:
    return entry in MADE_BY_TOOLS or entry.startswith(".coverage")


def test_the_top_level_holds_only_what_the_layout_names() -> None:
    entries = {path.name for path in ROOT.iterdir()}
    assert {entry for entry in entries - TOP_LEVEL if not _is_from_a_tool(entry)} == set()


def _shipped_texts() -> Iterator[tuple[Path, str]]:
    for entry in sorted(TOP_LEVEL):
        top = ROOT / entry
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file() and MADE_BY_TOOLS.isdisjoint(path.parts):
                yield path.relative_to(ROOT), path.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize(("what", "pattern"), FOREIGN_ADDRESSES.items(), ids=FOREIGN_ADDRESSES)
def test_no_file_speaks_of(what: str, pattern: re.Pattern[str]) -> None:
    assert [str(path) for path, text in _shipped_texts() if pattern.search(text)] == [], what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("see /home" + "/somebody/x", "a directory of one person's machine"),
        ("https://pypi" + ".org/simple", "the address of a package index"),
    ],
    ids=lambda value: str(value),
)
def test_a_foreign_address_is_recognised(text: str, what: str) -> None:
    assert FOREIGN_ADDRESSES[what].search(text)


# ---------------------------------------------------------------- what is installed


def _pins(lock: str) -> dict[str, str]:
    """Return name → version of each pinned requirement; every one must carry hashes."""
    logical_lines = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    pins: dict[str, str] = {}
    for line in logical_lines:
        if line and not line.lstrip().startswith("#"):
            requirement, _, hashes = line.partition("--hash=")
            assert hashes.startswith("sha256:"), f"{lock}: not locked by hash: {line}"
            parsed = Requirement(requirement.strip())
            pins[canonicalize_name(parsed.name)] = str(parsed.specifier).removeprefix("==")
    return pins


def _declared(*extras: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared: list[str] = list(project["dependencies"])
    for extra in extras:
        declared += project["optional-dependencies"][extra]
    return declared


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ()),
        ("requirements-dev.lock", ("dev",)),
        ("requirements-native.lock", ("native",)),
        ("requirements-fuzz.lock", ("fuzz",)),
    ],
    ids=LOCKS,
)
def test_the_lock_satisfies_every_declared_dependency(lock: str, extras: tuple[str, ...]) -> None:
    pins = _pins(lock)
    unsatisfied = [
        text
        for text in _declared(*extras)
        if pins.get(canonicalize_name(Requirement(text).name), "0") not in Requirement(text).specifier
    ]
    assert unsatisfied == []


def test_tests_run_on_exactly_the_versions_that_are_deployed() -> None:
    deployed, tested = _pins("requirements.lock"), _pins("requirements-dev.lock")
    assert {name: tested.get(name) for name in deployed} == deployed


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_no_index_and_no_path(lock: str) -> None:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "://" in line or "/" in line or line.startswith("-")] == []


def test_the_version_is_one_that_an_installer_can_order() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", dohproxy.__version__)

"""What compiling makes of the source, and what the source must be for it. What was compiled has `make test-native`."""

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import native

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "dohproxy"
MODULES = native.compiled_modules(PACKAGE)

SOURCE = '''\
from dohproxy.value import value

ONE = 1


@value
class Pair:
    """Two of a kind."""

    first: int
    second: str = "b"
    """A default."""

    def both(self) -> str:
        return f"{self.first}{self.second}"


class Other:
    pass


@value
class Made:
    parts: list[int] = field(default_factory=list)
'''


def _executed(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(source.replace("field(default_factory=list)", "None"), names)  # noqa: S102  # a source of this file
    return names


def test_a_value_gets_its_constructor_written_out() -> None:
    written = native.with_native_values(SOURCE)
    assert "def __init__(self, first: int, second: str = 'b') -> None:" in written
    assert "dohproxy.value" not in written
    pair = _executed(written)["Pair"]
    assert [item.name for item in fields(pair)] == ["first", "second"]
    assert (pair(1), pair(1, "c").both(), hash(pair(1, second="b"))) == (pair(1, "b"), "1c", hash(pair(1)))
    assert replace(pair(1), first=2) == pair(2)


def test_a_value_whose_default_is_made_anew_keeps_the_constructor_of_dataclass() -> None:
    written = ast.parse(native.with_native_values(SOURCE))
    made = next(node for node in written.body if isinstance(node, ast.ClassDef) and node.name == "Made")
    assert not [node for node in made.body if isinstance(node, ast.FunctionDef)]
    assert ast.unparse(made.decorator_list[0]) == "dataclass(init=True, unsafe_hash=True)"


def test_a_module_without_values_stays_as_it_is() -> None:
    assert native.with_native_values("class Other:\n    pass\n") == "class Other:\n    pass\n"


def test_what_is_named_exists() -> None:
    named = {*native.SINGLE, *native.INTERPRETED}
    assert {name for name in named if not (PACKAGE / name).is_file()} == set()
    assert {name for name in native.WHOLE if not (PACKAGE / name).is_dir()} == set()
    assert not {module.relative_to(PACKAGE).as_posix() for module in MODULES} & native.INTERPRETED


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert any("apt-get install gcc" in sentence for sentence in native.missing_tools())


def _caught(function: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name is not None and node.type is not None:
            yield node.name, ast.unparse(node.type)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.relative_to(PACKAGE).as_posix())
def test_a_function_catches_each_kind_of_our_own_exceptions_by_another_name(module: Path) -> None:
    """The compiler gives a name in a function one type for good, that of the first exception it was caught as."""
    for function in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            kinds = defaultdict(set)
            for name, kind in _caught(function):
                if "." not in kind and not hasattr(builtins, kind):
                    kinds[name].add(kind)
            assert [name for name, caught in kinds.items() if len(caught) > 1] == []

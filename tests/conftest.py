"""Fixtures for every test: the public corpora beside the project, and the programs it is tried with."""

import gc
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from dohproxy import pipeline
from dohproxy.tls.throwaway import write_throwaway_certificate
from tests.frontends.served import Certificate

# Other tests run at the same time, so that a time limit on an example would tell of them; `wire/test_cost.py` counts
# looks and not seconds. For ten times as many examples: make test ARGS=--hypothesis-profile=long
settings.register_profile("usual", deadline=None)
settings.register_profile("long", deadline=None, max_examples=1_000)
settings.load_profile("usual")

FindProgram = Callable[[str, str], str]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, where the package is compiled, what replaces a name in a module, derives from a class or looks into
    it: compiled code has bound its names and laid out its classes for good."""
    if Path(pipeline.__file__).suffix == ".py":
        return
    inside = [item for item in items if item.get_closest_marker("interpreted") or "monkeypatch" in _fixtures_of(item)]
    config.hook.pytest_deselected(items=inside)
    items[:] = [item for item in items if item not in inside]


def _fixtures_of(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


def pytest_collection_finish() -> None:
    """Leave what was collected out of every later look for garbage.

    Ten thousand tests are so many objects that a full look lasts 0.3 s, as long as the shortest deadlines at the
    frontends.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The directory of data that nobody in this project made; see its own README for sources and licences."""
    default = Path(__file__).parents[2] / "shared" / "corpora"
    directory = Path(os.environ.get("DOHPROXY_CORPORA", default))
    if not directory.is_dir():
        pytest.skip(f"no corpora at {directory}; set DOHPROXY_CORPORA to where they are")
    return directory


@pytest.fixture(scope="session")
def find_program() -> FindProgram:
    """Find a program by name, or skip the test naming the Debian package that has it (in CI: fail)."""

    def find(name: str, debian_package: str) -> str:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if found is not None:
            return found
        message = f"{name} is not installed; on Debian: apt-get install {debian_package}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    return find


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for localhost and the loopback addresses, made by the code under test."""
    return Certificate(*write_throwaway_certificate(tmp_path_factory.mktemp("certificate"), "localhost"))

"""Fixtures for every test: foreign corpora where there are any, and the programs it is tried with."""

import asyncio
import gc
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import uvloop
from hypothesis import settings

from dohproxy import pipeline
from dohproxy.runtime import Runtime
from dohproxy.tls.throwaway import write_throwaway_certificate
from tests.data import corpora as foreign
from tests.frontends.served import Certificate
from tests.interpreted import reason

# Other tests run at the same time, so that a time limit on an example would tell of them; `wire/test_cost.py` counts
# looks and not seconds. For ten times as many examples: make test ARGS=--hypothesis-profile=long
settings.register_profile("usual", deadline=None)
settings.register_profile("long", deadline=None, max_examples=1_000)
settings.load_profile("usual")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
FindProgram = Callable[[str, str], str]


SOURCES: Final = Path(pipeline.__file__).parents[1]
IS_COMPILED: Final = Path(pipeline.__file__).suffix != ".py"


def pytest_configure(config: pytest.Config) -> None:
    """Say what the mark means that stands at some parameters; a test that takes `corpora` needs none. Have what tests
    start run the same form of the package as the tests."""
    config.addinivalue_line("markers", "foreign: repeats on foreign corpora what is tried on our own data")
    if IS_COMPILED:
        os.environ["PYTHONPATH"] = os.pathsep.join((str(SOURCES), str(Path(__file__).parents[1])))
        os.environ["PYTHONSAFEPATH"] = "1"  # Else the directory it is started in is searched before these.


def pytest_report_header() -> list[str]:
    """Say where foreign corpora come from, or that there are none."""
    found = f"foreign corpora: {foreign.directory()}"
    return [found if foreign.are_present() else f"foreign corpora: {foreign.what_is_missing()}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot be run here.

    Where the package is compiled, that is what `interpreted.py` lists. Where there are no foreign corpora, it is what
    repeats on them what is tried on our own data; but in CI, or if somebody has said where they are, that fails.
    """
    wants_corpora = foreign.are_wanted()
    run: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        cannot_run = (IS_COMPILED and reason(item.nodeid) is not None) or (_is_foreign(item) and not wants_corpora)
        (left_out if cannot_run else run).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = run


def _is_foreign(item: pytest.Item) -> bool:
    return item.get_closest_marker("foreign") is not None or "corpora" in _fixtures_of(item)


def _fixtures_of(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


def pytest_collection_finish() -> None:
    """Leave what was collected out of every later look for garbage.

    Ten thousand tests are so many objects that a full look lasts 0.3 s, as long as the shortest deadlines at the
    frontends.
    """
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests have measured on the way, with `record_property`."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The directory of data that nobody in this project made; see its own README for sources and licences."""
    if not foreign.are_present():
        pytest.fail(foreign.what_is_missing())
    return foreign.directory()


@pytest.fixture(scope="session")
def find_program() -> FindProgram:
    """Find a program by name, or skip the test naming the Debian package that has it (in CI: fail)."""

    def find(name: str, debian_package: str) -> str:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/lib/systemd")
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


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    """Both event loops."""
    factory: LoopFactory = request.param
    return factory


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Leave logging as it was, as each service that runs in this process configures it."""
    root, asyncio_logger = logging.getLogger(), logging.getLogger("asyncio")
    before = root.handlers, root.level, asyncio_logger.level
    yield
    root.handlers, root.level = before[0], before[1]
    asyncio_logger.setLevel(before[2])


@pytest.fixture
def runtimes(monkeypatch: pytest.MonkeyPatch) -> list[Runtime]:
    """Every runtime that the test has built."""
    built: list[Runtime] = []
    build = Runtime.__init__

    def noted(self: Runtime, *arguments: Any, **named: Any) -> None:
        build(self, *arguments, **named)
        built.append(self)

    monkeypatch.setattr(Runtime, "__init__", noted)
    return built

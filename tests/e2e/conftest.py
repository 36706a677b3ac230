"""What the end-to-end tests of one session share: the authority, the names and one Unbound."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import FindProgram
from tests.data import corpora as foreign
from tests.data.names import asked_names
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.unbound import Unbound, UnboundPrograms

NAME_COUNT = 2000
AXE: Final = "axe-core@4.14.1"
"""The package of npm that knows the rules of WCAG; it is run in the tests alone."""


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """Who signs every certificate of this session."""
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def names() -> tuple[str, ...]:
    """2,000 names of every kind that is asked for."""
    return asked_names(NAME_COUNT)


@pytest.fixture(scope="session")
def foreign_names(corpora: Path) -> tuple[str, ...]:
    """The 2,000 most popular names of a public list."""
    assert corpora.is_dir()
    return foreign.popular_names()[:NAME_COUNT]


@pytest.fixture(scope="session")
def served_names(request: pytest.FixtureRequest, names: tuple[str, ...]) -> tuple[str, ...]:
    """What has a record: our own names, and foreign ones where there are any."""
    if not foreign.are_present():
        return names
    popular: tuple[str, ...] = request.getfixturevalue("foreign_names")
    return tuple(dict.fromkeys((*names, *popular)))


@pytest.fixture(scope="session")
def unbound_programs(find_program: FindProgram) -> UnboundPrograms:
    """The programs of the package `unbound`."""
    return UnboundPrograms(find_program("unbound", "unbound"), find_program("unbound-control", "unbound"))


@pytest.fixture(scope="session")
def unbound_directory() -> Iterator[Path]:
    """A directory with a short path: the control socket's must fit in 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="unbound-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def unbound(
    unbound_directory: Path,
    unbound_programs: UnboundPrograms,
    authority: CertificateAuthority,
    served_names: tuple[str, ...],
) -> Iterator[Unbound]:
    """The Unbound that every test of this session asks; a test that kills it starts it again."""
    server = Unbound(unbound_directory, unbound_programs, authority, served_names)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, or skip the test naming it (in CI: fail, where there is npm)."""
    npm = shutil.which("npm")
    directory = tmp_path_factory.mktemp("axe")
    if npm is None:
        pytest.skip("npm is not installed; on Debian: apt-get install npm")
    fetched = subprocess.run(
        [npm, "pack", AXE, "--silent"], cwd=directory, capture_output=True, text=True, timeout=120, check=False
    )
    if fetched.returncode:
        message = f"{AXE} cannot be had from npm: {fetched.stderr.strip()[-300:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    (package,) = directory.glob("*.tgz")
    shutil.unpack_archive(package, directory, filter="data")
    return (directory / "package" / "axe.min.js").read_text(encoding="utf-8")

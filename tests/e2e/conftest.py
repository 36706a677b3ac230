"""What the end-to-end tests of one session share: the authority, the names and one Unbound."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.unbound import Unbound, UnboundPrograms

NAME_COUNT = 2000


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """Who signs every certificate of this session."""
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def names(corpora: Path) -> tuple[str, ...]:
    """The 2,000 most popular names of a public list, most popular first."""
    lines = (corpora / "names" / "opendns-top-domains.txt").read_text(encoding="ascii").split()
    assert len(lines) >= NAME_COUNT
    return tuple(lines[:NAME_COUNT])


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
    names: tuple[str, ...],
) -> Iterator[Unbound]:
    """The Unbound that every test of this session asks; a test that kills it starts it again."""
    server = Unbound(unbound_directory, unbound_programs, authority, names)
    try:
        server.start()
        yield server
    finally:
        server.stop()

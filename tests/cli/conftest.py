"""What tests of verbs are given."""

from pathlib import Path

import pytest

from dohproxy.tls.throwaway import write_throwaway_certificate


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a certificate and its key."""
    write_throwaway_certificate(tmp_path, "localhost")
    return tmp_path

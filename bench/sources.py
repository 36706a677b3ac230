"""Which of the package's two forms is measured: the source, or what was compiled of it."""

import os
from pathlib import Path
from typing import Final

from tests.e2e.proxy import PROJECT, environment

NATIVE: Final = PROJECT / ".native"
"""What `make native` makes."""


def sources() -> Path:
    """Return where the package lies that an operator would run: compiled, if it is, and of the source that is here."""
    stamp = NATIVE / "stamp"
    if not stamp.exists():
        return PROJECT
    newest = max(path.stat().st_mtime for path in (PROJECT / "dohproxy").rglob("*.py"))
    return NATIVE if newest <= stamp.stat().st_mtime else PROJECT


def with_ours() -> dict[str, str]:
    """Return an environment in which Python finds this package, and the project."""
    return environment() | {"PYTHONPATH": os.pathsep.join((str(sources()), str(PROJECT)))}

"""Imports aiohttp without what only its HTTP client needs; there is none in this program.

It serves metrics and commands, so it comes in when there is a listener for these, and nobody else waits for it: it is a
quarter of all that a start imports.

When it is imported, aiohttp makes two TLS contexts for that client, and each reads all authorities of the system: a
tenth of the start, and 2 MiB for good. OpenSSL finds their file and directory by two environment variables, which name
nothing meanwhile. The contexts that are left trust nobody, so a client that somebody adds fails at once.
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

AUTHORITIES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""SSL_CTX_set_default_verify_paths(3)."""


def import_aiohttp() -> None:
    """Do so; without effect once anything has imported it."""
    with _without_authorities():
        importlib.import_module("aiohttp")


@contextmanager
def _without_authorities() -> Iterator[None]:
    kept = {name: os.environ.get(name) for name in AUTHORITIES}
    os.environ.update(dict.fromkeys(AUTHORITIES, os.devnull))
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

"""aiohttp comes in without the authorities of the system, and what is read afterwards finds them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dohproxy.control.aiohttp_adapter import AUTHORITIES
from dohproxy.tls.throwaway import write_throwaway_certificate

TOLD = """
import json, os, ssl, sys
from dohproxy.control.aiohttp_adapter import AUTHORITIES, import_aiohttp
before = [os.environ.get(name) for name in AUTHORITIES]
early = "aiohttp" in sys.modules
import_aiohttp()
from aiohttp import connector
print(json.dumps({
    "early": early,
    "client": connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509"],
    "verifies": connector._SSL_CONTEXT_VERIFIED.verify_mode == ssl.CERT_REQUIRED,
    "later": ssl.create_default_context().cert_store_stats()["x509"],
    "same": before == [os.environ.get(name) for name in AUTHORITIES],
}))
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one certificate, in place of the system's."""
    return write_throwaway_certificate(tmp_path_factory.mktemp("authority"), "localhost")[0]


@pytest.mark.parametrize("names", [AUTHORITIES, AUTHORITIES[:1]], ids=["both are set", "one is set"])
def test_the_client_of_aiohttp_trusts_nobody_and_all_others_whom_they_should(
    authority: Path, names: tuple[str, ...]
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in AUTHORITIES}
    environment |= {name: str(authority) for name in names}
    told = subprocess.run(
        [sys.executable, "-c", TOLD], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert json.loads(told.stdout) == {"early": False, "client": 0, "verifies": True, "later": 1, "same": True}

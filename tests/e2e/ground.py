"""What real clients are tried on, and what is told of each."""

import base64
import hashlib
import importlib.metadata
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dns.message
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.conftest import FindProgram
from tests.e2e import zones
from tests.e2e.answers import A, says
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.proxy import Proxy, environment
from tests.e2e.unbound import Unbound
from tests.e2e.ways import addresses_said

QNAME = f"www.{zones.ORIGIN}"
RUN_SECONDS = 60
VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+[0-9A-Za-z.~-]*")
PROTOCOLS = {"http1": "HTTP/1.1", "http2": "HTTP/2", "dot": "DoT"}


@dataclass(frozen=True, slots=True)
class Ground:
    """What a client is tried on."""

    encrypted: Proxy
    plain: Proxy
    unbound: Unbound
    authority: CertificateAuthority
    certificate: CertificateFiles
    """What `encrypted` shows."""
    directory: Path
    """For the client's own files."""
    find_program: FindProgram

    def expected(self) -> set[str]:
        """The addresses that QNAME has."""
        return addresses_said([says(self.unbound.ask(QNAME, A))])

    def certificate_pin(self) -> str:
        """The SHA-256 of the public key that `encrypted` shows, in base64 (RFC 7858 section 4.2)."""
        certificate = x509.load_pem_x509_certificate(self.certificate.certificate.read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")

    def run(self, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a client to its end, with these environment variables besides."""
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=RUN_SECONDS, check=False, env=self.environment() | variables
        )

    def mounting(self) -> str:
        """Return the program that lets another see other directories; or skip the test (in CI: fail)."""
        unshare = self.find_program("unshare", "util-linux")
        if self.run(unshare, "--mount", "true").returncode != 0:
            message = "directories may not be mounted here; run the tests as root, with CAP_SYS_ADMIN"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        return unshare

    def environment(self) -> dict[str, str]:
        """That of the tests, with a home of its own."""
        return {**environment(), "HOME": str(self.directory)}


@dataclass(frozen=True, slots=True)
class Program:
    """A client, and where to have it."""

    command: str
    """Or the name of a Python package."""
    package: str = ""
    """Debian's; none for a Python package."""
    version: tuple[str, ...] = ("--version",)

    def version_on(self, ground: Ground) -> str:
        """Which version is here; skips the test if none is."""
        if not self.package:
            return importlib.metadata.version(self.command)
        run = ground.run(ground.find_program(self.command, self.package), *self.version)
        found = VERSION.search(run.stdout + run.stderr)
        assert found is not None, run
        return found[0]


Act = Callable[[Ground, Proxy, "Way"], str]


@dataclass(frozen=True, slots=True)
class Way:
    """One client by one frontend and method."""

    program: Program
    options: str
    frontend: str
    method: str
    act: Act
    """Asks, sees that the answer is right, and says what came of it."""
    tls: bool = True
    arguments: tuple[str, ...] = ()
    requests: int = 1
    """That come of it at least."""

    @property
    def row(self) -> tuple[str, str, str]:
        """Client, frontend and method as the table has them."""
        where = "" if self.frontend == "dot" else " over TLS" if self.tls else " in the clear"
        return f"{self.program.command} {self.options}".strip(), f"{PROTOCOLS[self.frontend]}{where}", self.method

    @property
    def dialect(self) -> str:
        """The name under which its requests are counted."""
        return "dot" if self.frontend == "dot" else f"rfc-{self.method.lower()}"

    def proxy(self, ground: Ground) -> Proxy:
        """Which proxy it asks."""
        return ground.encrypted if self.tls else ground.plain


def target(wire: bytes) -> str:
    """Return what stands behind the path of a GET for this query."""
    return "?dns=" + base64.urlsafe_b64encode(wire).rstrip(b"=").decode("ascii")


def query_file(ground: Ground, wire: bytes) -> Path:
    """Return a file with this query."""
    file = ground.directory / "query"
    file.write_bytes(wire)
    return file


def check_reply(ground: Ground, query: dns.message.Message, wire: bytes) -> None:
    """Raise AssertionError unless these bytes answer the query as they should."""
    reply = dns.message.from_wire(wire)
    assert query.is_response(reply)
    assert addresses_said([says(reply)]) == ground.expected()

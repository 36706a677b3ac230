"""A certificate chain and its key as they were at one moment, and the way into a TLS context."""

import hashlib
import math
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from dohproxy.config import ConfigError, Problem, TlsConfig
from dohproxy.regular_file import read_regular
from dohproxy.tls.certificates import MAX_FILE_BYTES, Chain, read_chain
from dohproxy.tls.pair_faults import fault_of_pair
from dohproxy.tls.policy import bare_context
from dohproxy.x509 import UnreadableCertificate

MISMATCHES: Final = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""What OpenSSL calls a key that is not the certificate's; the last one if it is of another kind."""


class PairResult(StrEnum):
    """How an attempt to take a new pair ended; metric label."""

    LOADED = "loaded"
    UNREADABLE = "unreadable"
    UNUSABLE = "unusable"
    MISMATCH = "mismatch"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_HOST = "wrong_host"
    INCOMPLETE = "incomplete"


class PairRefused(Exception):
    """A pair is not taken; the message is a sentence for the operator."""

    def __init__(
        self, result: PairResult, sentence: str, key: str = "tls.certificate", *, good_from: float = math.inf
    ) -> None:
        """`key` is what the operator has to look at; `good_from`: Unix seconds from which the same pair may be judged
        otherwise."""
        super().__init__(sentence)
        self.result = result
        self.problem = Problem(key, sentence)
        self.good_from = good_from


@dataclass(frozen=True, slots=True)
class Pair:
    """The bytes of both files, and what the certificates say. Not known to belong together until loaded."""

    files: TlsConfig
    """Where they were read."""
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    chain: Chain

    @property
    def digest(self) -> bytes:
        """What tells this pair from another; says nothing about the key."""
        return hashlib.sha256(hashlib.sha256(self.certificate).digest() + self.key).digest()

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let a context's handshakes show this pair from now on.

        Raises PairRefused if OpenSSL does not take it. The context may then have a certificate and no key: try a pair
        in a context of its own before a live one.
        """
        with _as_file(self.certificate) as certificate, _as_file(self.key) as key:
            try:
                # A password prompt would hang a service: an empty one turns an encrypted key into an error.
                context.load_cert_chain(certificate, key, password="")
            except (ssl.SSLError, OSError) as error:
                raise self._refusal(error) from None

    def _refusal(self, error: ssl.SSLError | OSError) -> PairRefused:
        files = self.files
        fault = fault_of_pair(self.certificate, self.key)
        if fault is not None:
            result = PairResult.MISMATCH if fault.is_mismatch else PairResult.UNUSABLE
            key, file = ("tls.key", files.key) if fault.is_of_key else ("tls.certificate", files.certificate)
            return PairRefused(result, f"{file} {fault.sentence}", key)
        if isinstance(error, ssl.SSLError) and error.reason in MISMATCHES:
            sentence = f"{files.key} is not the key of {files.certificate}; give the pair that belongs together"
            return PairRefused(PairResult.MISMATCH, sentence, "tls.key")
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        detail = f" ({reason})" if reason else ""
        return PairRefused(
            PairResult.UNUSABLE,
            f"{files.certificate} and {files.key} cannot be used{detail}; both must be PEM, the key without a password,"
            " the server's certificate first in its file",
        )


def server_context(tls: TlsConfig) -> ssl.SSLContext:
    """Return a context of our policy that shows this pair. Raises ConfigError if the pair cannot be used."""
    context = bare_context()
    try:
        read_pair(tls).load_into(context)
    except PairRefused as refusal:
        raise ConfigError((refusal.problem,)) from None
    return context


def read_pair(tls: TlsConfig) -> Pair:
    """Read both files, once: what is judged is what is loaded, even while somebody writes. Raises PairRefused."""
    certificate, key = _read("tls.certificate", tls.certificate), _read("tls.key", tls.key)
    try:
        chain = read_chain(certificate)
    except UnreadableCertificate as error:
        raise PairRefused(PairResult.UNUSABLE, f"{tls.certificate} cannot be used: it {error}") from None
    return Pair(tls, certificate, key, chain)


def _read(key: str, path: Path) -> bytes:
    try:
        content = read_regular(path, MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PairRefused(PairResult.UNREADABLE, f"{path} cannot be read ({error.strerror})", key) from None
    if len(content) > MAX_FILE_BYTES:
        sentence = f"{path} is longer than {MAX_FILE_BYTES} bytes, so hardly a certificate or key"
        raise PairRefused(PairResult.UNUSABLE, sentence, key)
    return content


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Give bytes a file name, as OpenSSL takes nothing else: in memory where the system can, for this user alone."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("certificate"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as temporary:
            temporary.write(content)
            temporary.flush()
            yield temporary.name

"""The certificate for trying things out."""

import datetime
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from dohproxy.tls.throwaway import VALID_DAYS, tbs_hash, write_throwaway_certificate


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for doh.example.net, and its key."""
    return write_throwaway_certificate(tmp_path, "doh.example.net")


def test_it_is_for_the_host_and_loopback_and_for_a_week(written: tuple[Path, Path]) -> None:
    certificate = x509.load_pem_x509_certificate(written[0].read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["doh.example.net"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert datetime.timedelta(days=VALID_DAYS) <= lifetime < datetime.timedelta(days=VALID_DAYS + 1)
    # hardening 4.1: fifteen times cheaper to sign with than RSA
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_only_its_owner_reads_the_key(written: tuple[Path, Path]) -> None:
    assert written[1].stat().st_mode & 0o777 == 0o600


def test_client_and_server_agree_on_it(written: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*written)
    assert ssl.create_default_context(cafile=str(written[0])).cert_store_stats()["x509"] == 1


def test_no_two_are_the_same(tmp_path: Path) -> None:
    pairs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pairs.append([file.read_bytes() for file in write_throwaway_certificate(tmp_path / name, "localhost")])
    assert pairs[0][0] != pairs[1][0]
    assert pairs[0][1] != pairs[1][1]


def test_the_hash_of_a_stamp_is_that_of_the_signed_part(written: tuple[Path, Path]) -> None:
    der = ssl.PEM_cert_to_DER_cert(written[0].read_text())
    signed = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    assert tbs_hash(written[0]) == hashlib.sha256(signed).digest()
    assert tbs_hash(written[0]) != hashlib.sha256(der).digest()

"""A signature is verified by OpenSSL, as a device does it, against the authority alone; the key is nowhere in it."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from dohproxy.config import TlsConfig
from dohproxy.tls.certificate_pair import Pair, read_pair
from dohproxy.tools.signing import CannotSign, signed
from tests.conftest import FindProgram
from tests.frontends.issuer import INTERMEDIATE, ROOT, Files, Issued, issue

CONTENT = b"<?xml version='1.0'?>\n<plist>lines\r\nof both kinds\n</plist>\n"


def _pair(directory: Path, issued: Issued, key: Issued | None = None) -> Pair:
    files = Files(directory / "fullchain.pem", directory / "privkey.pem")
    files.write(issued)
    if key is not None:
        files.key.write_bytes(key.key_pem)
    return read_pair(TlsConfig(files.certificate, files.key))


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_openssl_finds_the_content_signed_by_the_service(find_program: FindProgram, tmp_path: Path, kind: str) -> None:
    openssl = find_program("openssl", "openssl")
    issued = issue(INTERMEDIATE, ("doh.example.net",), kind=kind)
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    (tmp_path / "profile").write_bytes(signed(CONTENT, _pair(tmp_path, issued)))
    argv = [openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", "profile", "-purpose", "any"]
    argv += ["-CAfile", "root.pem", "-signer", "signer.pem", "-out", "content"]
    run = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "content").read_bytes() == CONTENT
    assert (tmp_path / "signer.pem").read_bytes() == issued.pem


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_nothing_of_the_key_is_in_it(tmp_path: Path, kind: str) -> None:
    issued = issue(INTERMEDIATE, ("doh.example.net",), kind=kind)
    profile = signed(CONTENT, _pair(tmp_path, issued))
    numbers = issued.key.private_numbers()  # type: ignore[union-attr]
    secrets = [getattr(numbers, name) for name in ("private_value", "d", "p", "q") if hasattr(numbers, name)]
    assert secrets
    for secret in secrets:
        assert secret.to_bytes((secret.bit_length() + 7) // 8, "big") not in profile


def test_a_key_of_a_kind_that_devices_do_not_verify_signs_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotSign, match="neither an ECDSA nor an RSA key"):
        signed(CONTENT, _pair(tmp_path, issue(INTERMEDIATE, ("doh.example.net",), kind="Ed25519")))


def test_another_certificates_key_signs_nothing(tmp_path: Path) -> None:
    pair = _pair(tmp_path, issue(INTERMEDIATE, ("doh.example.net",)), issue(INTERMEDIATE, ("doh.example.net",)))
    with pytest.raises(CannotSign, match="is not the key of"):
        signed(CONTENT, pair)


def test_a_key_with_a_password_signs_nothing(tmp_path: Path) -> None:
    issued = issue(INTERMEDIATE, ("doh.example.net",))
    pair = _pair(tmp_path, issued)
    encrypted = issued.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
    )
    with pytest.raises(CannotSign, match="is encrypted"):
        signed(CONTENT, Pair(pair.files, pair.certificate, encrypted, pair.chain))

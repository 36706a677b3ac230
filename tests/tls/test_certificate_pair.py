"""Reading both files once, and loading what was read."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from dohproxy.config import ConfigError, TlsConfig
from dohproxy.tls.certificate_pair import PairRefused, PairResult, read_pair, server_context
from dohproxy.tls.certificates import MAX_FILE_BYTES, Fault
from dohproxy.tls.policy import bare_context
from tests.frontends.issuer import INTERMEDIATE, Files, issue

GOOD = issue(INTERMEDIATE)
OTHER = issue(INTERMEDIATE)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A good pair."""
    found = Files(tmp_path / "fullchain.pem", tmp_path / "privkey.pem")
    found.write(GOOD)
    return found


def tls_of(files: Files) -> TlsConfig:
    return TlsConfig(files.certificate, files.key)


def test_a_pair_is_what_the_files_held(files: Files) -> None:
    pair = read_pair(tls_of(files))
    files.certificate.unlink()
    files.key.unlink()
    context = bare_context()
    pair.load_into(context)
    assert [one.subject for one in pair.chain.certificates] == ["CN=localhost", "CN=intermediate"]
    assert b"PRIVATE KEY" not in repr(pair).encode()


def test_one_file_may_hold_both(files: Files) -> None:
    files.certificate.write_bytes(GOOD.key_pem + GOOD.pem + INTERMEDIATE.pem)
    read_pair(TlsConfig(files.certificate, files.certificate)).load_into(bare_context())


def test_nothing_stays_open_and_nothing_is_left_on_the_disk(files: Files, tmp_path: Path) -> None:
    pair = read_pair(tls_of(files))
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - descriptors, not files
    for _ in range(10):
        pair.load_into(bare_context())
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208
    assert {path.name for path in tmp_path.iterdir()} == {"fullchain.pem", "privkey.pem"}


def test_it_works_where_there_are_no_files_in_memory(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    read_pair(tls_of(files)).load_into(bare_context())


def test_two_pairs_are_told_apart_by_either_file(files: Files) -> None:
    digests = {read_pair(tls_of(files)).digest}
    files.key.write_bytes(OTHER.key_pem)
    digests.add(read_pair(tls_of(files)).digest)
    files.write(OTHER)
    digests.add(read_pair(tls_of(files)).digest)
    assert len(digests) == 3
    files.write(GOOD)
    assert read_pair(tls_of(files)).digest in digests


LOCKED = GOOD.key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
)
WEAK = issue(INTERMEDIATE, kind="RSA-1024")


@pytest.mark.parametrize(
    ("certificate", "key", "result", "sentence"),
    [
        pytest.param(None, GOOD.key_pem, PairResult.UNREADABLE, "fullchain.pem cannot be read", id="no certificate"),
        pytest.param(GOOD.pem, None, PairResult.UNREADABLE, "privkey.pem cannot be read", id="no key"),
        pytest.param(b"", GOOD.key_pem, PairResult.UNUSABLE, "damaged one", id="an empty certificate file"),
        pytest.param(GOOD.pem[:-100], GOOD.key_pem, PairResult.UNUSABLE, "damaged one", id="half a certificate"),
        pytest.param(GOOD.pem, b"", PairResult.UNUSABLE, "no private key in PEM form", id="an empty key file"),
        pytest.param(GOOD.pem, GOOD.key_pem[:-60], PairResult.UNUSABLE, "or a damaged one", id="half a key"),
        pytest.param(GOOD.pem, LOCKED, PairResult.UNUSABLE, "without a password", id="a key with a password"),
        pytest.param(GOOD.pem, OTHER.key_pem, PairResult.MISMATCH, "is not the key of", id="another pair's key"),
        pytest.param(
            GOOD.pem,
            issue(None, kind="RSA").key_pem,
            PairResult.MISMATCH,
            "is not the key of",
            id="another kind's key",
        ),
        pytest.param(
            INTERMEDIATE.pem + GOOD.pem,
            GOOD.key_pem,
            PairResult.MISMATCH,
            "has the server's certificate in place 2",
            id="the authority first",
        ),
        pytest.param(WEAK.pem, WEAK.key_pem, PairResult.UNUSABLE, "EE_KEY_TOO_SMALL", id="a key that can be broken"),
        pytest.param(GOOD.pem, b" " * (MAX_FILE_BYTES + 1), PairResult.UNUSABLE, "longer than", id="a key without end"),
    ],
)
def test_a_pair_that_cannot_be_used_is_told_why(
    files: Files, certificate: bytes | None, key: bytes | None, result: PairResult, sentence: str
) -> None:
    for file, content in ((files.certificate, certificate), (files.key, key)):
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
    with pytest.raises(PairRefused, match=sentence) as caught:
        read_pair(tls_of(files)).load_into(bare_context())
    assert caught.value.result is result
    # What the operator has to look at is named, and nobody is told of a file that is right.
    wrong = "tls.certificate" if certificate != GOOD.pem else "tls.key"
    assert caught.value.problem.path == wrong
    with pytest.raises(ConfigError, match=sentence):
        server_context(tls_of(files))


def test_an_endless_device_is_not_read_to_its_end() -> None:
    with pytest.raises(PairRefused, match="Not a regular file"):
        read_pair(TlsConfig(Path("/dev/zero"), Path("/dev/zero")))


def test_every_result_has_a_label_of_its_own() -> None:
    assert len({result.value for result in PairResult}) == len(PairResult)
    assert {fault.value for fault in Fault} <= {result.value for result in PairResult}


def test_what_is_not_said_by_openssl_is_said_by_the_system(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", refuse)
    with pytest.raises(PairRefused, match="Input/output error"):
        read_pair(tls_of(files)).load_into(bare_context())

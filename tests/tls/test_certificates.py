"""What a chain says, what clients will refuse, and what the operator is told."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import TlsConfig
from dohproxy.tls.certificates import (
    MAX_CERTIFICATES,
    Fault,
    KeyKind,
    certificate_problems,
    certificate_warnings,
    faults_of,
    key_warnings,
    read_chain,
    read_chain_file,
)
from dohproxy.x509 import UnreadableCertificate
from tests.conftest import FindProgram
from tests.frontends.issuer import DAY, INTERMEDIATE, NOW, ROOT, Issued, issue

HOST = "doh.example.net"


def leaf(*names: str, **how: object) -> Issued:
    return issue(INTERMEDIATE, names or (HOST,), **how)  # type: ignore[arg-type]


# --- Reading ---


def test_a_chain_says_what_matters() -> None:
    issued = leaf("DOH.example.net", "*.example.org", "192.0.2.1", "2001:db8::1", days=(-1, 60))
    chain = read_chain(issued.pem + INTERMEDIATE.pem)
    server = chain.server
    assert (server.subject, server.issuer) == ("CN=DOH.example.net", "CN=intermediate")
    assert (server.not_before, server.not_after) == (NOW - DAY, NOW + 60 * DAY)
    assert server.names == ("doh.example.net", "*.example.org")
    assert list(map(str, server.addresses)) == ["192.0.2.1", "2001:db8::1"]
    assert (server.key_kind, server.is_self_signed, chain.is_in_order) == (KeyKind.ECDSA, False, True)
    assert server.tbs_hash == hashlib.sha256(issued.certificate.tbs_certificate_bytes).digest()


@pytest.mark.parametrize(("kind", "expected"), [("RSA", KeyKind.RSA), ("Ed25519", KeyKind.ED25519)])
def test_the_kind_of_key_is_told(kind: str, expected: KeyKind) -> None:
    assert read_chain(leaf(kind=kind).pem).server.key_kind is expected


def test_a_certificate_without_names_matches_nothing() -> None:
    server = read_chain(issue(None, (), subject=HOST).pem).server
    assert (server.names, server.addresses) == ((), ())
    # RFC 9525 section 2: the common name has not been a host name for long.
    assert not server.matches(HOST)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(leaf().key_pem, id="a key"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", id="no certificate in it"),
        pytest.param(leaf().pem[:-200], id="half of it"),
        pytest.param(leaf().pem + INTERMEDIATE.pem[:-200], id="half of the intermediate one"),
    ],
)
def test_what_is_no_certificate_is_told(content: bytes) -> None:
    with pytest.raises(UnreadableCertificate, match="no certificate in PEM form, or a damaged one"):
        read_chain(content)


def test_a_bundle_of_all_roots_is_no_chain() -> None:
    assert len(read_chain(ROOT.pem * MAX_CERTIFICATES).certificates) == MAX_CERTIFICATES
    with pytest.raises(UnreadableCertificate, match="17 certificates"):
        read_chain(ROOT.pem * (MAX_CERTIFICATES + 1))


@pytest.mark.parametrize(
    ("chain", "pinned", "is_in_order"),
    [
        pytest.param([leaf(), INTERMEDIATE], INTERMEDIATE, True, id="as it should be: the intermediate one"),
        pytest.param([leaf(), INTERMEDIATE, ROOT], INTERMEDIATE, True, id="with the root: still the intermediate one"),
        pytest.param([lonely := leaf()], lonely, True, id="alone: itself"),
        pytest.param([own := issue(None, (HOST,))], own, True, id="self-signed: itself"),
        pytest.param([leaf(), ROOT, INTERMEDIATE], INTERMEDIATE, False, id="in disorder"),
        pytest.param([leaf(), ROOT], None, False, id="with a gap: itself"),
    ],
)
def test_stamps_pin_the_topmost_certificate_below_the_root(
    chain: list[Issued], pinned: Issued | None, *, is_in_order: bool
) -> None:
    found = read_chain(b"".join(one.pem for one in chain))
    expected = (pinned or chain[0]).certificate.tbs_certificate_bytes
    assert found.pinned.tbs_hash == hashlib.sha256(expected).digest()
    assert found.is_in_order is is_in_order


def test_an_issuer_of_the_same_name_and_another_key_is_not_the_issuer() -> None:
    impostor = issue(ROOT, (), subject="intermediate", is_authority=True)
    assert not read_chain(leaf().pem + impostor.pem).is_in_order


def test_the_hash_is_the_one_that_openssl_computes(tmp_path: Path, find_program: FindProgram) -> None:
    file = tmp_path / "certificate.pem"
    file.write_bytes(INTERMEDIATE.pem)
    openssl = find_program("openssl", "openssl")
    signed = tmp_path / "signed"
    subprocess.run(
        [openssl, "asn1parse", "-in", str(file), "-noout", "-out", str(signed), "-strparse", "4"],
        check=True,
        capture_output=True,
    )
    assert read_chain_file(file).server.tbs_hash == hashlib.sha256(signed.read_bytes()).digest()


# --- Names ---


@pytest.mark.parametrize(
    ("name", "host", "expected"),
    [
        ("doh.example.net", "doh.example.net", True),
        ("doh.example.net", "DOH.Example.NET", True),
        ("doh.example.net", "example.net", False),
        ("example.net", "doh.example.net", False),
        ("*.example.net", "doh.example.net", True),
        ("*.example.net", "example.net", False),
        ("*.example.net", "a.doh.example.net", False),
        ("*.example.net", ".example.net", False),
        ("d*.example.net", "doh.example.net", False),
        ("*oh.example.net", "doh.example.net", False),
        ("doh.*.net", "doh.example.net", False),
        ("*.*.net", "doh.example.net", False),
        ("*", "localhost", False),
        ("*.net", "example.net", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8:0::1", True),
        ("*.0.2.1", "192.0.2.1", False),
    ],
)
def test_a_name_matches_as_clients_compare_it(name: str, host: str, *, expected: bool) -> None:
    assert read_chain(issue(None, (name,)).pem).server.matches(host) is expected


def test_a_dns_name_that_looks_like_an_address_is_not_one() -> None:
    server = replace(read_chain(leaf().pem).server, names=("192.0.2.1",))
    assert not server.matches("192.0.2.1")


# --- Time ---


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW - DAY - 1, {Fault.NOT_YET_VALID}),
        (NOW - DAY, set()),
        (NOW + 60 * DAY - 1, set()),
        (NOW + 60 * DAY, {Fault.EXPIRED}),
    ],
    ids=["a second early", "from its first second", "to its last", "a second late"],
)
def test_a_certificate_is_good_between_two_instants(now: float, expected: set[Fault]) -> None:
    assert faults_of(read_chain(leaf().pem + INTERMEDIATE.pem), HOST, now) == expected


@pytest.mark.parametrize(
    ("days", "left", "expected"),
    [
        ((-83, 7.01), 7.01, False),
        ((-83, 6.99), 6.99, True),
        ((-4, 2.01), 2.01, False),
        ((-4, 1.99), 1.99, True),
        ((-3.01, 6.99), 6.99, True),
    ],
    ids=["90 days, 7 left", "90 days, less left", "6 days, 2 left", "6 days, less left", "10 days are no short life"],
)
def test_it_is_time_to_worry(days: tuple[float, float], left: float, *, expected: bool) -> None:
    chain = read_chain(leaf(days=days).pem + INTERMEDIATE.pem)
    assert chain.server.not_after == pytest.approx(NOW + left * DAY, abs=2)
    assert chain.server.expires_soon(NOW) is expected
    told = [warning.sentence for warning in certificate_warnings(chain, NOW)]
    assert ["should have been renewed" in sentence for sentence in told] == [True] * expected


# --- What is told ---


@pytest.mark.parametrize(
    ("names", "days", "sentences"),
    [
        ((HOST,), (-1, 60), []),
        ((HOST,), (-61, -1), ["expired on "]),
        ((HOST,), (1, 61), ["is the clock of this machine right?"]),
        (("a.example.net", "192.0.2.1"), (-1, 60), [f"is for a.example.net, 192.0.2.1 and not for {HOST}"]),
        (tuple("abcdef"), (-61, -1), ["expired on ", "is for a, b, c, d and 2 more and not for"]),
        ((), (-1, 60), ["is for no name and not for"]),
    ],
    ids=["nothing wrong", "expired", "not yet valid", "another host", "two things at once", "no name"],
)
def test_what_clients_refuse_is_told(names: tuple[str, ...], days: tuple[float, float], sentences: list[str]) -> None:
    chain = read_chain(issue(INTERMEDIATE, names, days=days, subject="x").pem + INTERMEDIATE.pem)
    problems = certificate_problems(chain, HOST, NOW)
    assert {problem.path for problem in problems} <= {"tls.certificate"}
    assert len(problems) == len(sentences)
    assert all(text in problem.sentence for problem, text in zip(problems, sentences, strict=True))


@pytest.mark.parametrize(
    ("chain", "sentences"),
    [
        pytest.param([leaf(), INTERMEDIATE], [], id="nothing to say"),
        pytest.param([leaf(), INTERMEDIATE, ROOT], [], id="a root sent in vain"),
        pytest.param([issue(None, (HOST,))], [], id="self-signed, so complete"),
        pytest.param([leaf(kind="RSA"), INTERMEDIATE], ["has an RSA key"], id="RSA"),
        pytest.param([leaf()], ["is alone in its file", "CN=intermediate"], id="no intermediate certificate"),
        pytest.param([leaf(), ROOT, INTERMEDIATE], ["in this order"], id="in disorder"),
        pytest.param([leaf(days=(-61, -1)), INTERMEDIATE], [], id="expired, which is a problem and no warning"),
    ],
)
def test_what_clients_accept_and_the_operator_should_know(chain: list[Issued], sentences: list[str]) -> None:
    told = " ".join(
        problem.sentence for problem in certificate_warnings(read_chain(b"".join(one.pem for one in chain)), NOW)
    )
    assert all(sentence in told for sentence in sentences)
    assert bool(told) is bool(sentences)


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)], ids=oct)
def test_a_key_that_everybody_may_read_is_told(tmp_path: Path, mode: int, *, is_told: bool) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    key.chmod(mode)
    link = tmp_path / "privkey.pem"
    link.symlink_to(key)
    warnings = key_warnings(TlsConfig(tmp_path / "certificate.pem", link))
    assert [warning.path for warning in warnings] == (["tls.key"] if is_told else [])


def test_a_key_that_is_not_there_is_told_by_who_loads_it(tmp_path: Path) -> None:
    assert key_warnings(TlsConfig(tmp_path / "certificate.pem", tmp_path / "key.pem")) == ()

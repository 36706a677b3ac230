"""Certificates from bytes: read in one way, whoever asks, and refused with one word."""

import datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dohproxy.x509 import (
    AlternativeNames,
    UnreadableCertificate,
    alternative_names,
    is_authority,
    public_key_info,
    read_der,
    read_pem,
)

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Nobody.example")])


def certificate(*extensions: x509.ExtensionType) -> x509.Certificate:
    """A certificate with these extensions."""
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, now, now + datetime.timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256())


def pem(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.PEM)


NAMED = certificate(
    x509.SubjectAlternativeName(
        [
            x509.DNSName("DOH.Example.net"),
            x509.IPAddress(ip_address("192.0.2.1")),
            x509.RFC822Name("somebody@example.net"),
            x509.DNSName("*.example.net"),
            x509.IPAddress(ip_address("2001:db8::1")),
        ]
    )
)


def test_a_file_gives_its_certificates_in_their_order() -> None:
    other = certificate()
    assert read_pem(b"Some words.\n" + pem(NAMED) + pem(other)) == [NAMED, other]


@pytest.mark.parametrize(
    "content",
    [b"", b"words", pem(NAMED)[:-30], pem(NAMED) + pem(NAMED)[:-30], NAMED.public_bytes(serialization.Encoding.DER)],
    ids=["nothing", "words", "half of one", "one and a half", "DER"],
)
def test_a_file_without_a_whole_certificate_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableCertificate, match="holds no certificate in PEM form, or a damaged one"):
        read_pem(content)


def test_what_a_handshake_shows_is_read_or_refused() -> None:
    assert read_der(NAMED.public_bytes(serialization.Encoding.DER)) == NAMED
    for damaged in (b"", b"\x30\x82", NAMED.public_bytes(serialization.Encoding.DER)[:-1]):
        with pytest.raises(UnreadableCertificate, match="cannot be understood"):
            read_der(damaged)


def test_a_certificate_is_for_the_names_and_addresses_of_its_extension_alone() -> None:
    names = alternative_names(NAMED)
    assert names.names == ("doh.example.net", "*.example.net")
    assert names.addresses == (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
    assert names.texts == ("doh.example.net", "*.example.net", "192.0.2.1", "2001:db8::1")
    assert alternative_names(certificate()) == AlternativeNames()


def test_an_extension_that_cannot_be_read_is_refused_and_makes_nobody_an_authority() -> None:
    damaged = certificate(
        x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x82"),
        x509.UnrecognizedExtension(x509.BasicConstraints.oid, b"\x30\x82"),
    )
    with pytest.raises(UnreadableCertificate, match="cannot be understood"):
        alternative_names(damaged)
    assert not is_authority(damaged)


@pytest.mark.parametrize("ca", [True, False])
def test_an_authority_says_that_it_is_one(ca: bool) -> None:  # from parametrize
    assert is_authority(certificate(x509.BasicConstraints(ca=ca, path_length=None))) is ca
    assert not is_authority(certificate())


def test_the_key_is_told_as_pins_are_made_of_it() -> None:
    der, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    assert public_key_info(NAMED) == KEY.public_key().public_bytes(der, form)

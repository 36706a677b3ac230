"""What a stranger's first message may cost is proved at the start, on the context that strangers will meet."""

import ssl

import pytest

from dohproxy.tls import native_context
from dohproxy.tls.groups import SUITES_1_2
from dohproxy.tls.policy import bare_context
from dohproxy.tls.self_check import LimitsNotInForce, check_groups, handshake_seconds
from tests.frontends.served import Certificate


def _context(certificate: Certificate, groups: str) -> ssl.SSLContext:
    context = certificate.server_context()
    assert native_context.set_groups(context, groups)
    return context


def test_the_groups_that_are_named_are_in_force(certificate: Certificate) -> None:
    assert check_groups(certificate.server_context())


@pytest.mark.parametrize("group", ["ffdhe2048", "ffdhe8192", "P-384", "P-521", "X448"])
def test_a_group_that_is_dear_is_found(certificate: Certificate, group: str) -> None:
    with pytest.raises(LimitsNotInForce, match=group):
        check_groups(_context(certificate, f"X25519:P-256:{group}"))


def test_what_openssl_has_by_default_is_found(certificate: Certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    context.set_ciphers(SUITES_1_2)
    with pytest.raises(LimitsNotInForce, match="ffdhe2048"):
        check_groups(context)


def test_a_context_without_the_curve_of_everybody_is_found(certificate: Certificate) -> None:
    with pytest.raises(LimitsNotInForce, match="P-256"):
        check_groups(_context(certificate, "X25519"))


def test_one_group_alone_serves_and_costs_a_round_trip(certificate: Certificate) -> None:
    context = bare_context()
    context.load_cert_chain(certificate.file, certificate.key)
    context.set_ecdh_curve("prime256v1")
    assert not check_groups(context)
    assert handshake_seconds(context) > 0


def test_a_handshake_has_a_price(certificate: Certificate) -> None:
    assert 0 < handshake_seconds(certificate.server_context()) < 1

"""Why a certificate and its key are not taken, in an operator's words."""

import pytest
from cryptography.hazmat.primitives import serialization

from dohproxy.tls.pair_faults import fault_of_pair
from tests.frontends.issuer import INTERMEDIATE, ROOT, issue

GOOD = issue(INTERMEDIATE)
OTHER = issue(INTERMEDIATE)
ALONE = issue(None, is_authority=True)
CHAIN = GOOD.pem + INTERMEDIATE.pem


def _locked(form: serialization.PrivateFormat) -> bytes:
    return GOOD.key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret"))


SSH = GOOD.key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        pytest.param(CHAIN, _locked(serialization.PrivateFormat.PKCS8), "is encrypted", id="an encrypted key"),
        pytest.param(
            CHAIN, _locked(serialization.PrivateFormat.TraditionalOpenSSL), "is encrypted", id="an old encrypted key"
        ),
        pytest.param(CHAIN, SSH, "is an SSH key", id="an SSH key"),
        pytest.param(CHAIN, GOOD.key_pem[:60], "no private key in PEM form", id="half a key"),
        pytest.param(CHAIN, b"garbage", "no private key in PEM form", id="garbage"),
        pytest.param(CHAIN, b"", "no private key in PEM form", id="nothing"),
        pytest.param(b"garbage", GOOD.key_pem, "no certificate in PEM form", id="a garbage certificate"),
        pytest.param(
            INTERMEDIATE.pem + GOOD.pem, GOOD.key_pem, "in place 2, behind that of CN=intermediate", id="a CA first"
        ),
        pytest.param(
            ROOT.pem + INTERMEDIATE.pem + GOOD.pem, GOOD.key_pem, "in place 3, behind that of CN=root", id="upside down"
        ),
        pytest.param(INTERMEDIATE.pem, GOOD.key_pem, "of authorities alone", id="the CA alone"),
        pytest.param(INTERMEDIATE.pem + ROOT.pem, GOOD.key_pem, "of authorities alone", id="the CAs alone"),
    ],
)
def test_what_has_to_change_is_told(certificate: bytes, key: bytes, sentence: str) -> None:
    fault = fault_of_pair(certificate, key)
    assert fault is not None
    assert sentence in fault.sentence
    assert fault.is_of_key == ("key" in sentence or "encrypted" in sentence)


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        pytest.param(CHAIN, GOOD.key_pem, id="a good pair"),
        pytest.param(CHAIN, OTHER.key_pem, id="another certificate's key"),
        pytest.param(ALONE.pem, OTHER.key_pem, id="another key than a self-signed certificate's"),
        pytest.param(CHAIN, issue(None, kind="RSA").key_pem, id="a key of another kind"),
    ],
)
def test_of_files_that_are_what_they_should_be_nothing_is_told(certificate: bytes, key: bytes) -> None:
    assert fault_of_pair(certificate, key) is None

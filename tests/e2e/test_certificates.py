"""May a certificate be issued while servers use others of the same name?"""

from tests.e2e.certificates import CertificateAuthority


def test_what_is_issued_later_leaves_the_files_of_what_was_issued_before(authority: CertificateAuthority) -> None:
    first = authority.issue(["twice.example.net"])
    before = first.certificate.read_bytes(), first.key.read_bytes()
    second = authority.issue(["twice.example.net"])
    assert {first.certificate, first.key}.isdisjoint({second.certificate, second.key})
    assert (first.certificate.read_bytes(), first.key.read_bytes()) == before

"""Whether those who ask the service, and nobody else, can see the picture that proves it."""

from dataclasses import replace

import pytest

from dohproxy.config import PagesConfig
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.doctor.proof import domain_of, judge, judge_certificate, questions_of
from dohproxy.tools.doctor.published import Lookup, LookupStatus
from dohproxy.wire.numbers import Qtype
from tests.fakes.pages import CONFIG

DOMAIN = "check.doh.example.net"
NAME = f"proof-0000000000000000.{DOMAIN}."
NONE = Lookup(LookupStatus.NONE)
UNKNOWN = Lookup(LookupStatus.UNKNOWN, why="does not answer (SERVFAIL)")
FOUND = Lookup(LookupStatus.FOUND, (bytes([192, 0, 2, 1]),))


def judged(v4: Lookup, v6: Lookup) -> Finding:
    (found,) = judge(DOMAIN, {(NAME, Qtype.A): v4, (NAME, Qtype.AAAA): v6})
    assert found.subject == "proof"
    return found


def test_there_is_a_domain_where_there_are_pages() -> None:
    pages = PagesConfig(enabled=True, proof_domain=DOMAIN)
    assert domain_of(replace(CONFIG, pages=pages)) == DOMAIN
    assert domain_of(replace(CONFIG, pages=PagesConfig(proof_domain=DOMAIN))) is None
    assert domain_of(CONFIG) is None


def test_it_is_asked_for_a_name_that_must_not_be_found() -> None:
    assert questions_of(DOMAIN) == [(NAME, Qtype.A), (NAME, Qtype.AAAA)]


def test_nobody_else_knows_it() -> None:
    assert judged(NONE, NONE).severity is Severity.OK


@pytest.mark.parametrize(("v4", "v6"), [(FOUND, NONE), (FOUND, UNKNOWN)])
def test_a_wildcard_record_is_a_warning_with_its_remedy(v4: Lookup, v6: Lookup) -> None:
    finding = judged(v4, v6)
    assert finding.severity is Severity.WARNING
    assert "192.0.2.1" in finding.what
    assert "everybody finds the picture" in finding.what
    assert "pages.proof_domain" in finding.remedy


@pytest.mark.parametrize(("v4", "v6"), [(UNKNOWN, UNKNOWN), (NONE, UNKNOWN)])
def test_what_nobody_has_said_is_a_note(v4: Lookup, v6: Lookup) -> None:
    finding = judged(v4, v6)
    assert finding.severity is Severity.NOTE
    assert "the resolver does not answer (SERVFAIL)" in finding.what


def test_a_certificate_that_is_not_for_such_names_is_a_warning() -> None:
    assert list(judge_certificate(DOMAIN, lambda host: f"{host}." == NAME)) == []
    (finding,) = judge_certificate(DOMAIN, lambda host: host == DOMAIN)
    assert finding.severity is Severity.WARNING
    assert f"*.{DOMAIN}" in finding.what

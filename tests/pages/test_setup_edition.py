"""All documents by which devices are told to ask the service."""

from dataclasses import replace

import pytest

from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.qr_drawing import qr_drawing
from dohproxy.pages.setup_edition import setup_documents
from dohproxy.pages.setup_paths import MEMBERS, TOKEN_MARK, setup_target
from dohproxy.pages.systems import System
from dohproxy.pages.texts import texts_in
from dohproxy.profiles.kinds import KINDS, find_kind, missing
from dohproxy.profiles.offer import NO_WISHES
from tests.pages.reading import read
from tests.profiles.offers import FULL

MEMBERS_OFFER = replace(FULL, url=f"{FULL.url}/{TOKEN_MARK}")
DOCUMENTS = list(setup_documents(FULL, MEMBERS_OFFER))
OWN = [one for one in DOCUMENTS if one.variant.startswith(MEMBERS)]
PAGES = [one for one in DOCUMENTS if one.kind is Kind.SETUP]
EACH_PAGE = pytest.mark.parametrize("document", PAGES, ids=lambda one: f"{one.variant} {one.language}")


def test_each_system_has_a_page_in_each_language_and_members_have_theirs() -> None:
    found = [(one.variant, one.language) for one in PAGES]
    expected = [(f"{who}{system}", language) for who in ("", MEMBERS) for system in System for language in Language]
    assert sorted(map(str, found)) == sorted(map(str, expected))


def test_without_members_there_are_everybodys_alone() -> None:
    assert not [one for one in setup_documents(FULL, None) if one.variant.startswith(MEMBERS)]


@EACH_PAGE
def test_every_link_leads_somewhere(document: Document) -> None:
    known = {(one.kind, one.variant) for one in DOCUMENTS}
    for link in read(document.body).links:
        target = setup_target(link)
        if target is not None and target.file:
            assert (Kind.PROFILE, f"{target.prefix}{target.file}") in known, link
            assert target.token == (TOKEN_MARK if document in OWN else ""), link
        else:
            assert target is not None or link in {
                "/en", "/fr", "/en/policy", "/fr/policy", "/en/incidents.atom", "/fr/incidents.atom", "/status.json",
            }, link  # fmt: skip


@EACH_PAGE
def test_who_has_a_page_of_his_own_stays_on_it_in_the_other_language(document: Document) -> None:
    links = [target for link in read(document.body).links if (target := setup_target(link)) and not target.file]
    assert {target.language for target in links} == set(Language)
    assert {target.token for target in links} == {TOKEN_MARK if document in OWN else ""}


def test_members_documents_have_the_mark_and_everybodys_have_none() -> None:
    for document in DOCUMENTS:
        assert (TOKEN_MARK.encode() in document.body) is (document in OWN), document.variant


def test_what_a_token_cannot_be_put_into_is_in_no_members_document() -> None:
    files = {one.variant.removeprefix(MEMBERS) for one in OWN if one.kind is Kind.PROFILE}
    over_https = {kind.file for kind in KINDS if not kind.wants_tls} - {"dnscrypt-proxy.toml", "dnsmasq.conf"}
    assert files == over_https
    for document in OWN:
        assert b"sdns://" not in document.body


def test_a_members_page_says_that_it_is_secret() -> None:
    for document in PAGES:
        assert document.language is not None
        secret = texts_in(document.language).say("setup", "secret")
        assert (secret in read(document.body).text) is (document in OWN)


def test_the_code_leads_a_telephone_to_this_page() -> None:
    expected = qr_drawing("https://doh.example.net/setup")(texts_in(Language.ENGLISH).say("setup", "code_about"))
    for document in PAGES:
        if document.language is Language.ENGLISH:
            assert (expected.encode() in document.body) is (document not in OWN)


def test_the_files_are_those_of_the_command() -> None:
    found = {one.variant: one.body for one in DOCUMENTS if one.kind is Kind.PROFILE and one not in OWN}
    assert found == {kind.file: kind.make(FULL, NO_WISHES) for kind in KINDS if not missing(kind, FULL)}
    firefox = find_kind("firefox")
    assert firefox is not None
    assert found["policies.json"] == firefox.make(FULL, NO_WISHES)

"""All documents by which devices are told to ask the service."""

import re
import time
from dataclasses import replace

import pytest

from dohproxy.doh.stamp import Protocol, Stamp
from dohproxy.doh.stamp_codec import decode, encode
from dohproxy.frontends.router import PATHS
from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.pages.document import MOST_BYTES, Document, Kind, Language
from dohproxy.pages.proof import proof_at
from dohproxy.pages.qr_family import qr_code
from dohproxy.pages.setup_edition import setup_documents
from dohproxy.pages.setup_paths import MEMBERS, TOKEN_MARK, setup_target
from dohproxy.pages.systems import System
from dohproxy.pages.texts import texts_in
from dohproxy.profiles.kinds import KINDS, find_kind, missing
from dohproxy.profiles.offer import NO_WISHES
from tests.pages.reading import read
from tests.profiles.offers import FULL

TOKEN = token_of(bytes(range(TOKEN_BYTES)))
PROOF = proof_at("check.doh.example.net", 443)


def stamps_for(token: str) -> tuple[str, ...]:
    return tuple(
        encode(Stamp(Protocol.DOH, address=one, host="doh.example.net", path=f"/dns-query/{token}"))
        for one in ("192.0.2.1", "192.0.2.2", "[2001:db8::1]", "[2001:db8:1::]")
    )


MEMBERS_OFFER = replace(FULL, url=f"{FULL.url}/{TOKEN_MARK}", stamps=stamps_for(TOKEN_MARK))
DOCUMENTS = list(setup_documents(FULL, MEMBERS_OFFER, PROOF))
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
        if link.startswith(("sdns://", f"{PROOF.origin}/")):
            continue
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


def filled(document: Document, token: str) -> bytes:
    """What a member is sent."""
    body = document.body
    for blank in document.blanks:
        body = body.replace(blank.mark, blank.fill(token))
    return body.replace(TOKEN_MARK.encode(), token.encode())


def test_members_documents_have_marks_for_all_that_is_theirs_and_everybodys_have_none() -> None:
    for document in DOCUMENTS:
        is_personal = filled(document, TOKEN) != document.body
        assert is_personal is (document in OWN and document.variant != f"{MEMBERS}dnsmasq.conf"), document.variant
        assert len(filled(document, TOKEN)) == len(document.body)
        if document not in OWN:
            assert document.blanks == ()


def test_a_members_documents_are_what_they_would_be_if_they_were_made_for_him() -> None:
    own = replace(MEMBERS_OFFER, url=f"{FULL.url}/{TOKEN}", stamps=stamps_for(TOKEN), dot=None)
    files = {one.variant.removeprefix(MEMBERS): filled(one, TOKEN) for one in OWN if one.kind is Kind.PROFILE}
    expected = {kind.file: kind.make(own, NO_WISHES) for kind in KINDS if not missing(kind, own)}
    # Its identifiers are the same for all members: a new one takes the place of an old one all the same.
    uuid = re.compile(rb"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")
    files["dns.mobileconfig"], expected["dns.mobileconfig"] = (
        uuid.sub(b"", one["dns.mobileconfig"]) for one in (files, expected)
    )
    assert files == expected
    assert set(files) == {kind.file for kind in KINDS if not kind.wants_tls}
    for document in OWN:
        if document.kind is Kind.SETUP:
            found = [link for link in read(filled(document, TOKEN)).links if link.startswith("sdns://")]
            assert found == list(stamps_for(TOKEN))
            assert {decode(one).path for one in found} == {f"/dns-query/{TOKEN}"}


def test_no_page_is_longer_than_a_view_may_cost() -> None:
    eight = tuple(f"2001:db8:ffff:ffff:ffff:ffff:ffff:{number:x}" for number in range(8))
    host = ".".join(["a" * 60] * 3) + ".example.net"
    stamps = tuple(encode(Stamp(Protocol.DOH, address=f"[{one}]", host=host, path=f"/{TOKEN_MARK}")) for one in eight)
    longest = replace(FULL, host=host, url=f"https://{host}/{TOKEN_MARK}", stamps=stamps, addresses=eight)
    assert max(len(one.body) for one in setup_documents(longest, longest, PROOF)) < MOST_BYTES


@pytest.mark.parametrize("language", Language)
def test_each_member_has_codes_of_his_own_page_and_stamp(language: Language) -> None:
    (document,) = [one for one in PAGES if (one.variant, one.language) == (f"{MEMBERS}other", language)]
    texts = texts_in(language)
    codes = [one for tag, one in read(filled(document, TOKEN)).elements if tag == "img" and one.get("class") == "code"]
    assert [one["alt"] for one in codes] == [texts.say("setup", "code_about"), texts.say("setup", "stamp_about")]
    others = read(filled(document, TOKEN[::-1])).elements
    for code in codes:
        assert str(code["src"]).startswith("data:image/png;base64,")
        assert ("img", code) not in others


def test_a_members_page_says_that_it_is_secret() -> None:
    for document in PAGES:
        assert document.language is not None
        secret = texts_in(document.language).say("setup", "secret")
        assert (secret in read(document.body).text) is (document in OWN)


def test_the_codes_lead_a_telephone_to_this_page_and_to_the_stamp() -> None:
    for text in ("https://doh.example.net/setup", FULL.stamps[0]):
        address = qr_code(text).address.encode()
        for document in PAGES:
            assert (address in document.body) is (document not in OWN)
    assert not [one for one in setup_documents(replace(FULL, stamps=()), None) if FULL.stamps[0].encode() in one.body]


def test_every_page_has_the_picture_that_proves_whom_a_browser_asks_and_no_other_from_elsewhere() -> None:
    for document in PAGES:
        sources = [str(one["src"]) for tag, one in read(document.body).elements if tag == "img"]
        (source,) = [one for one in sources if not one.startswith("data:")]
        assert document.picture_origin == PROOF.origin
        assert source.startswith(f"{PROOF.origin}/")
        assert PATHS[source.removeprefix(PROOF.origin)] == (Kind.PROOF, document.language)
    assert {one.language for one in DOCUMENTS if one.kind is Kind.PROOF} == set(Language)
    without = list(setup_documents(FULL, MEMBERS_OFFER))
    assert not [one for one in without if one.kind is Kind.PROOF or one.picture_origin or b"<img src" in one.body]


def test_others_have_their_turn_while_members_documents_are_made() -> None:
    turns: list[None] = []
    list(setup_documents(FULL, MEMBERS_OFFER, None, lambda: turns.append(None)))
    assert len(turns) > len(TOKEN_MARK)


def test_the_files_are_those_of_the_command() -> None:
    found = {one.variant: one.body for one in DOCUMENTS if one.kind is Kind.PROFILE and one not in OWN}
    assert found == {kind.file: kind.make(FULL, NO_WISHES) for kind in KINDS if not missing(kind, FULL)}
    firefox = find_kind("firefox")
    assert firefox is not None
    assert found["policies.json"] == firefox.make(FULL, NO_WISHES)


def test_what_is_made_for_a_view_takes_a_fraction_of_a_millisecond() -> None:
    page = next(one for one in OWN if one.kind is Kind.SETUP)
    seconds = []
    for number in range(20):
        token = token_of(number.to_bytes(TOKEN_BYTES))
        began = time.process_time()
        filled(page, token)
        seconds.append(time.process_time() - began)
    # One code that is made anew takes several milliseconds.
    assert min(seconds) < 0.001

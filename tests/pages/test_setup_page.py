"""How devices are told to ask the service, as people read it."""

from dataclasses import replace

import pytest

from dohproxy.pages.document import Kind, Language
from dohproxy.pages.proof import proof_at
from dohproxy.pages.setup_edition import setup_documents
from dohproxy.pages.setup_page import ORDER, REMEDIES
from dohproxy.pages.systems import System
from dohproxy.pages.texts import texts_in
from dohproxy.profiles.kinds import KINDS
from dohproxy.profiles.offer import Offer
from tests.pages.reading import Page, read
from tests.profiles.offers import FULL, LEAST

EN = texts_in(Language.ENGLISH)


def shown(offer: Offer, system: System = System.OTHER, language: Language = Language.ENGLISH) -> Page:
    """Read everybody's page."""
    (body,) = [one.body for one in setup_documents(offer, None) if (one.language, one.variant) == (language, system)]
    return read(body)


def headings(page: Page) -> list[System]:
    names = {EN.say("setup", system): system for system in ORDER}
    return [names[heading] for heading in page.headings if heading in names]


@pytest.mark.parametrize("system", System)
def test_the_visitors_own_system_comes_first_and_the_others_follow(system: System) -> None:
    page = shown(FULL, system)
    found = headings(page)
    assert sorted(found) == sorted(ORDER)
    assert found[0] is (System.APPLE if system is System.OTHER else system)
    # Whoever runs something else has use for a browser before all.
    browsers = page.headings.index(EN.say("setup", "browsers"))
    assert (browsers < page.headings.index(EN.say("setup", found[0]))) is (system is System.OTHER)


@pytest.mark.parametrize("language", Language)
def test_it_leads_to_every_file_that_there_is_and_to_no_other(language: Language) -> None:
    links = shown(FULL, language=language).links
    files = {f"/setup/{kind.file}" for kind in KINDS if kind.name != "android"}
    assert {link for link in links if link.startswith("/setup/")} == files
    least = {link for link in shown(LEAST).links if link.startswith("/setup/")}
    assert least == {
        f"/setup/{name}"
        for name in ("dns.mobileconfig", "policies.json", "dohproxy.json", "dns.reg", "https-dns-proxy", "curlrc")
    }


@pytest.mark.parametrize("language", Language)
def test_what_is_typed_by_hand_is_on_it(language: Language) -> None:
    text = shown(FULL, language=language).text
    for typed in (FULL.url, f"{FULL.url}{{?dns}}", FULL.over_tls().name, *FULL.addresses, *FULL.stamps):
        assert typed in text


def test_what_cannot_be_done_is_said() -> None:
    text = shown(LEAST).text
    assert EN.say("setup", "android_none") in text
    assert EN.say("setup", "windows_none") in text
    assert EN.say("setup", "linux_none") in text
    assert EN.say("setup", "linux_about") in shown(FULL).text
    assert EN.say("setup", "android_none") not in shown(FULL).text


def test_another_port_leaves_android_out() -> None:
    text = shown(replace(FULL, dot=replace(FULL.over_tls(), port=8853))).text
    assert EN.say("setup", "android_none") in text


def test_everybodys_page_speaks_of_no_secret_and_has_a_code_for_telephones() -> None:
    page = shown(FULL)
    assert EN.say("setup", "secret") not in page.text
    assert [attributes["alt"] for tag, attributes in page.elements if tag == "img"] == [
        EN.say("setup", "code_about"),
        EN.say("setup", "stamp_about"),
    ]


def test_nothing_is_run_and_nothing_is_fetched() -> None:
    page = shown(FULL)
    assert not {"script", "iframe", "form", "object", "base"} & {tag for tag, _ in page.elements}
    sources = [str(attributes["src"]) for tag, attributes in page.elements if tag == "img"]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not [attributes for _, attributes in page.elements if "style" in attributes]


@pytest.mark.parametrize("language", Language)
def test_whether_it_works_is_said_by_a_picture_and_by_words_that_are_true_in_any_case(language: Language) -> None:
    texts, proof = texts_in(language), proof_at("check.doh.example.net", 443)
    found = setup_documents(LEAST, None, proof)
    page = read(next(one.body for one in found if one.kind is Kind.SETUP and one.language is language))
    assert page.headings[1] == texts.say("proof", "heading")
    (picture,) = [one for tag, one in page.elements if tag == "img" and one.get("class") != "code"]
    assert picture["src"] == proof.picture(language)
    assert picture["alt"] == texts.say("proof", "no")
    # Who sees no pictures has the same as a link, and everybody what to do.
    assert page.links.count(proof.picture(language)) == 1
    for key in ("link", "if_not", *REMEDIES):
        assert texts.say("proof", key) in page.text
    assert [link for link in page.links if link == f"/{language}"]


def test_where_there_is_no_picture_nothing_is_said_of_it() -> None:
    assert EN.say("proof", "heading") not in shown(FULL).text
    assert EN.say("proof", "if_not") not in shown(FULL).text


def test_a_stamp_is_a_link_for_programs_that_open_such() -> None:
    assert [link for link in shown(FULL).links if link.startswith("sdns://")] == list(FULL.stamps)

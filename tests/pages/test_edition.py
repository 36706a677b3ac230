"""All documents of one moment."""

from dataclasses import replace

import pytest

from dohproxy.config import PagesConfig
from dohproxy.frontends.router import PATHS
from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.edition import STALE_FACTOR, Edition, make_edition
from dohproxy.pages.setup_paths import setup_target
from tests.fakes.pages import AT, CONFIG, DISTURBED, LIMITED, facts
from tests.pages.reading import read


def test_the_host_has_each_kind_in_each_language() -> None:
    found = [(one.kind, one.language) for one in Edition(CONFIG).on_host(facts())]
    languages = [(kind, language) for kind in (Kind.STATUS, Kind.POLICY, Kind.FEED) for language in Language]
    assert sorted(map(str, found)) == sorted(map(str, [*languages, (Kind.JSON, None)]))


@pytest.mark.parametrize("told", [facts(), LIMITED, DISTURBED], ids=["well", "limited", "disturbed"])
def test_every_link_of_the_host_leads_to_a_page_or_away(told: object) -> None:
    for document in Edition(CONFIG).on_host(told):  # type: ignore[arg-type]  # they are facts
        if document.kind in (Kind.STATUS, Kind.POLICY):
            for link in read(document.body).links:
                assert link in PATHS or setup_target(link) or link.startswith(("https://example.org/", "mailto:"))


def test_how_to_use_the_service_is_on_the_host_and_not_in_the_folder() -> None:
    setup = Document(Kind.SETUP, Language.FRENCH, b"x", "other")
    edition = make_edition(CONFIG, b"", (setup,))
    assert setup in list(edition.on_host(facts()))
    assert all(document is not setup and b"/setup" not in document.body for _, document in edition.in_folder(facts()))


def test_every_link_of_the_folder_leads_to_a_file_in_it() -> None:
    files = dict(Edition(CONFIG).in_folder(facts()))
    assert {"index.html", "status.fr.html", "policy.en.html", "incidents.fr.atom", "status.json"} <= set(files)
    for document in files.values():
        if document.kind in (Kind.STATUS, Kind.POLICY):
            for link in read(document.body).links:
                assert link in files or link.startswith(("https://example.org/", "mailto:"))


@pytest.mark.parametrize("language", Language)
def test_the_index_is_in_the_operators_language(language: Language) -> None:
    config = replace(CONFIG, pages=replace(CONFIG.pages, language=language.value))
    files = dict(Edition(config).in_folder(facts()))
    assert files["index.html"].body == files[f"status.{language}.html"].body


def test_a_copy_is_marked_with_its_end() -> None:
    config = replace(CONFIG, pages=PagesConfig(folder_seconds=600))
    files = dict(Edition(config).in_folder(facts()))
    assert "This is a copy, renewed every 600 seconds. If it is past 1 March 2027, 14:35 UTC" in (
        read(files["status.en.html"].body).text
    )
    assert STALE_FACTOR * 600 == 1_800
    assert AT % 60 == 20
    assert not any(b"This is a copy" in one.body for one in Edition(CONFIG).on_host(facts()))


def test_the_operators_paragraphs_are_in_it_or_it_is_told_why_not() -> None:
    [page] = [one for one in make_edition(CONFIG, b"Be kind.").on_host(facts()) if one.kind is Kind.POLICY][:1]
    assert "Be kind." in read(page.body).text
    with pytest.raises(ValueError, match="UTF-8"):
        make_edition(CONFIG, b"\xff")

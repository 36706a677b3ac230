"""What both pages have around their content."""

import pytest

from dohproxy.pages.document import Kind, Language
from dohproxy.pages.facts import Place
from dohproxy.pages.frame import filled, link, page, timestamp
from dohproxy.pages.markup import element
from dohproxy.pages.texts import texts_in
from tests.fakes.pages import AT, PLACE
from tests.pages.reading import read


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", [Kind.STATUS, Kind.POLICY])
def test_a_page_leads_to_all_others_and_says_of_when_it_is(kind: Kind, language: Language) -> None:
    body = page(kind, texts_in(language), PLACE, "doh.example.org", "title", element("h1", "x"), at=AT)
    found = read(body)
    other = next(one for one in Language if one is not language)
    others = (f"setup.{language}", f"feed.{language}", "status.json")
    for target in (f"status.{language}", f"policy.{language}", f"{kind}.{other}", *others):
        assert PLACE.links[target] in found.links
    assert ("time", {"datetime": "2027-03-01T14:05:20Z"}) in found.elements
    assert ("html", {"lang": language.value}) in found.elements
    current = [attributes["href"] for _, attributes in found.elements if attributes.get("aria-current") == "page"]
    assert current == [PLACE.links[f"{kind}.{language}"]]


def test_a_page_that_does_not_change_with_the_hour_says_none() -> None:
    found = read(page(Kind.SETUP, texts_in(Language.ENGLISH), PLACE, "doh.example.org", "title"))
    assert "time" not in {tag for tag, _ in found.elements}
    assert PLACE.links["feed.en"] in found.links


def test_a_copy_says_until_when_it_is_to_be_believed() -> None:
    place = Place(PLACE.links, AT + 180, 60)
    found = read(page(Kind.STATUS, texts_in(Language.ENGLISH), place, "h", "t", at=AT))
    assert "This is a copy, renewed every 60 seconds" in found.text
    assert ("time", {"datetime": "2027-03-01T14:08:20Z"}) in found.elements


def test_nothing_is_run_and_nothing_is_fetched() -> None:
    found = read(page(Kind.STATUS, texts_in(Language.ENGLISH), PLACE, "h", "t", at=AT))
    assert not {"script", "img", "iframe", "form", "object", "base"} & {tag for tag, _ in found.elements}
    for _, attributes in found.elements:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]


def test_mail_addresses_and_urls_lead_there() -> None:
    assert link("dns@example.org") == '<a href="mailto:dns@example.org">dns@example.org</a>'
    assert link("https://example.org/@dns", "x") == '<a href="https://example.org/@dns">x</a>'


def test_values_are_put_into_a_text_and_the_text_is_escaped() -> None:
    assert filled("a & {b} c", b=element("b", "<")) == "a &amp; <b>&lt;</b> c"
    with pytest.raises(KeyError):
        filled("{other}")


def test_a_timestamp_is_that_of_rfc_3339() -> None:
    assert timestamp(0.9) == "1970-01-01T00:00:00Z"

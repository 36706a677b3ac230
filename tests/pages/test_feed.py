"""The feed and the JSON, as their readers read them."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from dohproxy.config import AboutConfig
from dohproxy.pages.document import MOST_BYTES, Language
from dohproxy.pages.facts import Facts, Place, WithheldList
from dohproxy.pages.feed import MOST_ENTRIES, feed, status_json
from dohproxy.pages.incidents import Incident, IncidentKind
from tests.fakes.pages import AT, DISTURBED, HOUR, LIMITED, PLACE, Note, facts

EN = Language.ENGLISH
ATOM = "{http://www.w3.org/2005/Atom}"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NONE = facts(incidents=(), announcements=())


def parsed(told: Facts, language: Language = EN) -> ET.Element:
    return ET.fromstring(feed(told, language, PLACE).body)  # noqa: S314 - it is ours


def text(element: ET.Element, name: str) -> str:
    found = element.findall(ATOM + name)
    assert len(found) == 1, (name, len(found))
    return found[0].text or ""


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("told", [NONE, facts(), LIMITED, DISTURBED], ids=["none", "well", "limited", "disturbed"])
def test_it_has_what_rfc_4287_requires(told: Facts, language: Language) -> None:
    # Sections 4.1.1 and 4.1.2: exactly one id, title and updated each; an author; a link to itself.
    found = parsed(told, language)
    assert found.tag == ATOM + "feed"
    for one in (found, *found.findall(ATOM + "entry")):
        assert text(one, "id").startswith("https://doh.example.org/")
        assert text(one, "title")
        assert INSTANT.fullmatch(text(one, "updated"))
        links = [(link.get("rel"), link.get("type")) for link in one.findall(ATOM + "link")]
        assert len(set(links)) == len(links)
    author = found.find(ATOM + "author")
    assert author is not None
    assert text(author, "name")
    [itself] = [link for link in found.findall(ATOM + "link") if link.get("rel") == "self"]
    assert itself.get("href") == f"https://doh.example.org/{language}/feed"
    entries = found.findall(ATOM + "entry")
    assert len({text(one, "id") for one in entries}) == len(entries) == len(told.incidents) + len(told.announcements)
    for one in entries:
        assert text(one, "content")
        assert INSTANT.fullmatch(text(one, "published"))


def test_an_entry_keeps_its_identifier_when_the_incident_ends() -> None:
    going_on = parsed(facts(incidents=(Incident(IncidentKind.FLOOD, AT - 100),)))
    over = parsed(facts(incidents=(Incident(IncidentKind.FLOOD, AT - 100, AT),)))
    before, after = (found.find(ATOM + "entry") for found in (going_on, over))
    assert before is not None
    assert after is not None
    assert text(before, "id") == text(after, "id")
    assert text(before, "updated") < text(after, "updated")
    assert "It is over." in text(after, "content")


def test_it_does_not_change_while_nothing_happens() -> None:
    assert feed(facts(), EN, PLACE).etag == feed(facts(at=AT + 600), EN, PLACE).etag


def test_what_changed_last_stands_first_and_the_oldest_are_left_out() -> None:
    many = tuple(Incident(IncidentKind.FLOOD, AT - n * HOUR, AT - n * HOUR + 60) for n in range(40))
    entries = parsed(facts(incidents=many)).findall(ATOM + "entry")
    stamps = [text(one, "updated") for one in entries]
    assert len(entries) == MOST_ENTRIES
    assert stamps == sorted(stamps, reverse=True)


def test_markup_in_an_announcement_is_text() -> None:
    found = parsed(facts(announcements=(Note(1, "<b>&amp;</b>", AT),)))
    entry = found.find(ATOM + "entry")
    assert entry is not None
    assert text(entry, "content") == "<b>&amp;</b>"


def test_a_copy_names_its_own_files() -> None:
    links = {key: f"{key}.html" for key in PLACE.links}
    found = ET.fromstring(feed(facts(), EN, Place(links, AT + 1, 1)).body)  # noqa: S314 - it is ours
    assert {link.get("href") for link in found.findall(ATOM + "link")} == {"feed.en.html", "status.en.html"}


def test_the_fullest_feed_and_json_fit() -> None:
    told = facts(
        incidents=tuple(Incident(kind, AT - n, AT) for n, kind in enumerate(5 * tuple(IncidentKind)))[:40],
        announcements=tuple(Note(number, 300 * '"', AT) for number in range(8)),
        withheld=tuple(WithheldList(80 * "é", "law", 10**6, 5, AT) for _ in range(16)),
        about=AboutConfig(name=300 * "n", contact="a@" + 290 * "b" + ".c"),
    )
    for language in Language:
        assert len(feed(told, language, PLACE).body) < MOST_BYTES
    assert len(status_json(told, PLACE).body) < MOST_BYTES


def test_the_same_as_json() -> None:
    found = json.loads(status_json(LIMITED, PLACE).body)
    assert (found["level"], found["generated"], found["stale_after"]) == ("limited", "2027-03-01T14:05:20Z", None)
    assert found["restriction"] == {"members_only": True, "members_first": False, "until": "2027-03-01T15:05:20Z"}
    assert [one["kind"] for one in found["incidents"]] == ["listed", "flood"]
    assert found["day"]["questions"] == LIMITED.day.answered
    assert 0.15 < found["day"]["asked_upstream_share"] < 0.25
    assert found["orders"] == [
        {"text": "gambling-2027: TJ Paris, 27/01234", "names": 118, "until": "2027-05-23T22:05:20Z"}
    ]
    assert found["announcements"][0]["number"] == 3


def test_a_copy_says_in_json_until_when_it_holds() -> None:
    place = Place(PLACE.links, AT + 180, 60)
    assert json.loads(status_json(facts(), place).body)["stale_after"] == "2027-03-01T14:08:20Z"


def test_a_day_without_questions_is_null_and_no_error() -> None:
    day = json.loads(status_json(facts(quarters=()), PLACE).body)["day"]
    assert day == {
        "questions": 0,
        "per_second": None,
        "asked_upstream": 0,
        "asked_upstream_share": None,
        "median_seconds": None,
        "p95_seconds": None,
    }

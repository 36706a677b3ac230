"""The status page: true sentences for each state, and nothing in it that is not for everybody."""

from dataclasses import replace

import pytest

from dohproxy.config import AboutConfig
from dohproxy.pages.day import Counts
from dohproxy.pages.document import MOST_BYTES, Language
from dohproxy.pages.facts import Facts, Restriction, WithheldList
from dohproxy.pages.incidents import MOST_INCIDENTS, Incident, IncidentKind, Level
from dohproxy.pages.status_page import MOST_SHOWN, status_page
from tests.fakes.pages import ABOUT, AT, DISTURBED, HOUR, LIMITED, PLACE, Note, facts
from tests.pages.reading import read

EN, FR = Language.ENGLISH, Language.FRENCH
HOSTILE = "<script>alert(1)</script>"


def text_of(told: Facts, language: Language = EN) -> str:
    return " ".join(read(status_page(told, language, PLACE).body).text.split())


@pytest.mark.parametrize(
    ("told", "english", "french"),
    [
        (facts(), "The service is well", "Le service fonctionne bien"),
        (LIMITED, "The service is limited", "Le service est limité"),
        (DISTURBED, "The service is disturbed", "Le service est perturbé"),
    ],
    ids=["well", "limited", "disturbed"],
)
def test_the_state_is_a_sentence_with_since_when(told: Facts, english: str, french: str) -> None:
    for language, words in ((EN, english), (FR, french)):
        found = read(status_page(told, language, PLACE).body)
        assert found.headings[0] == words
        assert ("div", {"class": f"state {told.level.word}"}) in found.elements
    assert "since" in text_of(told)


def test_why_it_is_so_stands_beside_the_state() -> None:
    assert "A public list names this service" in text_of(LIMITED)
    assert "No upstream resolver could be reached" in text_of(DISTURBED)


def test_what_harms_nobody_who_asks_is_an_incident_and_no_state() -> None:
    told = facts(incidents=(Incident(IncidentKind.UPSTREAM, AT - 60),))
    state = text_of(told).partition("What is limited")[0]
    assert "One of the upstream resolvers" not in state
    assert "One of the upstream resolvers did not answer as it should" in text_of(told)


def test_the_day_in_figures() -> None:
    quarters = (Counts(90_000, 18_000, (90_000,) + 13 * (0,), 900.0),)
    found = text_of(facts(quarters=quarters))
    assert "Questions answered 90,000" in found
    assert "On average 100 a second" in found
    assert "Asked of the upstream resolvers 20 %" in found
    assert "Half of the answers within 0.05 ms" in found
    assert "90\u202f000" in read(status_page(facts(quarters=quarters), FR, PLACE).body).text


@pytest.mark.parametrize("quarters", [(), (None,) * 96], ids=["none", "unknown"])
def test_a_day_without_questions_is_told_as_that(quarters: tuple[None, ...]) -> None:
    assert "Nothing has been asked yet" in text_of(facts(quarters=quarters))


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (Restriction(), "Nothing beyond the limits that always hold"),
        (Restriction(members_only=True), "Only members are answered for the time being"),
        (Restriction(members_only=True, until=AT + HOUR), "until 1 March 2027, 15:05 UTC at the latest"),
        (Restriction(members_first=True), "Members are answered first"),
    ],
    ids=["nothing", "members", "members until", "members first"],
)
def test_what_is_limited_is_told_without_a_number(held: Restriction, words: str) -> None:
    assert words in text_of(facts(restriction=held))


def test_what_the_law_withholds_is_told_with_its_order_and_where_to_object() -> None:
    found = read(status_page(facts(), EN, PLACE).body)
    assert "gambling-2027: TJ Paris, 27/01234 (118 names), until 23 May 2027" in found.text
    assert "https://example.org/blocks" in found.links


def test_without_an_own_place_to_object_it_is_the_contact() -> None:
    told = facts(about=replace(ABOUT, object_to=None))
    assert "ask for the reason: dns@example.org" in text_of(told)


def test_other_names_are_counted_by_reason() -> None:
    told = facts(withheld=(WithheldList("a", "harm", 5_000, 0, None),), by_hand=1)
    assert "by our own decision: 1 name. Because they do harm: 5,000 names." in text_of(told)
    assert "No name is withheld because of a law" in text_of(told)


def test_announcements_stand_above_everything_but_the_state() -> None:
    found = text_of(LIMITED)
    assert found.index("Maintenance on Sunday") < found.index("What is limited")
    assert "until 3 March 2027, 06:05 UTC" in found


@pytest.mark.parametrize("until", [None, float("inf")])
def test_an_announcement_without_an_end_has_none(until: float | None) -> None:
    assert "until" not in text_of(facts(announcements=(Note(1, "Hello.", AT, until),), withheld=()))


def test_who_runs_it() -> None:
    assert "It is run by Example Association." in text_of(facts())
    assert "have not given a name" in text_of(facts(about=AboutConfig()))


def test_privacy_in_a_line_that_follows_the_settings() -> None:
    assert "Neither who asks nor what is asked is written down." in text_of(facts())
    assert "Neither who asks" not in text_of(facts(keeps_addresses=True))


def test_what_operators_and_lists_say_is_text_and_no_markup() -> None:
    told = facts(
        about=AboutConfig(name=HOSTILE, imprint=HOSTILE),
        announcements=(Note(1, HOSTILE, AT),),
        withheld=(WithheldList(HOSTILE, "law", 1, 0, None),),
        host=HOSTILE,
    )
    for language in Language:
        assert b"<script" not in status_page(told, language, PLACE).body


@pytest.mark.parametrize("language", Language)
def test_the_fullest_page_fits(language: Language) -> None:
    long = 80 * "é"
    told = facts(
        about=AboutConfig(
            name=long, url="https://example.org/" + 280 * "a", imprint=long, contact="https://a.b/" + 280 * "c"
        ),
        level=Level.DISTURBED,
        incidents=tuple(Incident(kind, AT - n) for n, kind in enumerate(5 * tuple(IncidentKind)))[:MOST_INCIDENTS],
        announcements=tuple(Note(number, 300 * '"', AT, AT + HOUR) for number in range(8)),
        withheld=tuple(WithheldList(long, "law", 10**6, 5, AT) for _ in range(16)),
        by_hand=10_000,
    )
    assert len(status_page(told, language, PLACE).body) < MOST_BYTES


def test_no_more_incidents_are_shown_than_can_be_read() -> None:
    told = facts(incidents=tuple(Incident(IncidentKind.FLOOD, AT - n * HOUR, AT - n) for n in range(40)), withheld=())
    assert status_page(told, EN, PLACE).body.count(b"<li>") == MOST_SHOWN

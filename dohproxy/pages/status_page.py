"""The status page: how the service is, in a sentence and since when, and what there is to know beside."""

import math
from collections.abc import Iterator
from typing import Final

from dohproxy.pages.chart import bars, curve
from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.facts import Facts, Place, WithheldList
from dohproxy.pages.frame import filled, link, moment, page
from dohproxy.pages.incidents import LEVELS, Incident, Level
from dohproxy.pages.markup import Markup, element, empty, join
from dohproxy.pages.texts import Texts, texts_in

MOST_SHOWN: Final = 8
"""Incidents and lists on the page; the feed and the JSON have all."""
MOST_ANNOUNCEMENTS: Final = 8
"""As many as there can be."""

_SHAPES: Final = {
    Level.WELL: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-1.5 14.5-4.3-4.3 1.6-1.6 2.7 2.7 5.7-5.7 1.6 1.6z",
    Level.LIMITED: "M12 2 1 21.5h22zm-1.2 7h2.4v6.5h-2.4zm0 8h2.4v2.4h-2.4z",
    Level.DISTURBED: "M7.5 2h9L22 7.5v9L16.5 22h-9L2 16.5v-9zm.9 4.8L6.8 8.4l3.6 3.6-3.6 3.6 1.6 1.6 3.6-3.6"
    " 3.6 3.6 1.6-1.6-3.6-3.6 3.6-3.6-1.6-1.6-3.6 3.6z",
}
"""A tick in a circle, a mark in a triangle, a cross in an octagon: none needs its colour."""


def status_page(facts: Facts, language: Language, place: Place) -> Document:
    """Return the page. Raises TooLong."""
    texts = texts_in(language)
    headline = texts.say("level", facts.level.word)
    title = texts.say("page", "title", host=facts.host, headline=headline)
    body = page(
        Kind.STATUS,
        texts,
        place,
        facts.host,
        title,
        _state(facts, texts),
        *_announcements(facts, texts),
        *_limited(facts, texts),
        *_day(facts, texts),
        *_incidents(facts, texts),
        *_blocks(facts, texts),
        *_about(facts, texts, place),
        at=facts.at,
    )
    return Document(Kind.STATUS, language, body)


def _state(facts: Facts, texts: Texts) -> Markup:
    word = facts.level.word
    shape = element(
        "svg", empty("path", fill="currentColor", fill_rule="evenodd", d=_SHAPES[facts.level]), viewBox="0 0 24 24",
        aria_hidden="true",
    )  # fmt: skip
    since = texts.say("level", f"{word}_since", moment="{moment}")
    reasons = [
        element("p", texts.say("incident", one.kind))
        for one in facts.incidents
        if one.until is None and LEVELS[one.kind] is not Level.WELL
    ]
    said = element(
        "div",
        element("h1", texts.say("level", word)),
        element("p", filled(since, moment=moment(texts, facts.level_since))),
        *reasons,
    )
    return element("div", shape, said, class_=f"state {word}")


def _announcements(facts: Facts, texts: Texts) -> Iterator[Markup]:
    if not facts.announcements:
        return
    yield element("h2", texts.say("announcements", "heading"))
    newest = sorted(facts.announcements, key=lambda one: one.since, reverse=True)
    for one in newest[:MOST_ANNOUNCEMENTS]:
        when = moment(texts, one.since)
        if one.until is not None and math.isfinite(one.until):
            until = filled(texts.say("announcements", "until", moment="{moment}"), moment=moment(texts, one.until))
            when = join(when, ", ", until)
        yield element("p", element("strong", one.text), Markup("<br>"), element("span", when, class_="dim"))


def _limited(facts: Facts, texts: Texts) -> Iterator[Markup]:
    yield element("h2", texts.say("limited", "heading"))
    held = facts.restriction
    if held.members_only and held.until is not None:
        words = texts.say("limited", "members_only_until", moment="{moment}")
        yield element("p", filled(words, moment=moment(texts, held.until)))
    elif held.members_only:
        yield element("p", texts.say("limited", "members_only"))
    elif held.members_first:
        yield element("p", texts.say("limited", "members_first"))
    else:
        yield element("p", texts.say("limited", "nothing"))


def _day(facts: Facts, texts: Texts) -> Iterator[Markup]:
    yield element("h2", texts.say("day", "heading"))
    day = facts.day
    if not day.answered:
        yield element("p", texts.say("day", "nothing"))
        return
    mean = day.per_second or 0.0
    yield element(
        "dl",
        _figure(texts, "load", texts.number(day.answered)),
        _figure(texts, "rate", texts.say("form", "per_second", number=texts.figures(mean))),
        _figure(texts, "asked", texts.percent(day.asked / day.answered)),
        _figure(texts, "median", texts.seconds(day.quantile(0.5))),
        _figure(texts, "late", texts.seconds(day.quantile(0.95))),
    )
    loads = [None if one is None else one.per_second for one in facts.quarters]
    known = [load for load in loads if load is not None] or [0.0]
    about = texts.say(
        "day", "load_about", least=texts.figures(min(known)), most=texts.figures(max(known)), mean=texts.figures(mean)
    )
    yield _chart(texts, "load_chart", about, bars(loads, texts.say("day", "load_chart"), about))
    times = [None if one is None else one.quantile(0.95) for one in facts.quarters]
    taken = [time for time in times if time is not None]
    about = texts.say("day", "late_about", least=texts.seconds(min(taken)), most=texts.seconds(max(taken)))
    yield _chart(texts, "late_chart", about, curve(times, texts.say("day", "late_chart"), about))
    yield element("p", texts.say("day", "note"), class_="dim")


def _figure(texts: Texts, key: str, value: str) -> Markup:
    return element("div", element("dt", texts.say("day", key)), element("dd", value))


def _chart(texts: Texts, key: str, about: str, drawn: Markup) -> Markup:
    ends = element(
        "div", element("span", texts.say("day", "ago")), element("span", texts.say("day", "now")), class_="ends"
    )
    caption = element("figcaption", f"{texts.say('day', key)}. {about}")
    return element("figure", caption, drawn, ends)


def _incidents(facts: Facts, texts: Texts) -> Iterator[Markup]:
    yield element("h2", texts.say("incident", "heading"))
    if not facts.incidents:
        yield element("p", texts.say("incident", "none"))
        return
    yield element("ul", *(_incident(one, texts) for one in facts.incidents[:MOST_SHOWN]))


def _incident(one: Incident, texts: Texts) -> Markup:
    since = moment(texts, one.since)
    if one.until is None:
        when = filled(texts.say("incident", "ongoing", since="{since}"), since=since)
    else:
        when = filled(
            texts.say("incident", "ended", since="{since}", until="{until}"),
            since=since,
            until=moment(texts, one.until),
        )
    said = texts.say("incident", one.kind)
    return element("li", said, Markup("<br>"), element("span", when, class_="dim"))


def _blocks(facts: Facts, texts: Texts) -> Iterator[Markup]:
    yield element("h2", texts.say("blocks", "heading"))
    lawful = [one for one in facts.withheld if one.reason == "law"]
    if lawful:
        yield element("p", texts.say("blocks", "law"))
        yield element("ul", *(element("li", _lawful(texts, one)) for one in lawful[:MOST_SHOWN]))
    else:
        yield element("p", texts.say("blocks", "law_none"))
    counts = facts.names_withheld()
    if any(count for reason, count in counts.items() if reason != "law"):
        yield element(
            "p",
            texts.say(
                "blocks",
                "others",
                names=texts.count("blocks", "names", counts["operator"]),
                harm=texts.count("blocks", "names", counts["harm"]),
                requested=texts.count("blocks", "names", counts["requested"]),
            ),
        )
    if any(counts.values()):
        yield element("p", texts.say("blocks", "told"))
    where = facts.about.object_to or facts.about.contact
    if where is not None:
        yield element("p", texts.say("blocks", "object"), " ", link(where))


def _lawful(texts: Texts, one: WithheldList) -> str:
    counted = texts.count("blocks", "names", one.names)
    if one.until is None:
        return texts.say("blocks", "law_list", text=one.text, names=counted)
    return texts.say("blocks", "law_until", text=one.text, names=counted, date=texts.date(one.until))


def _about(facts: Facts, texts: Texts, place: Place) -> Iterator[Markup]:
    about = facts.about
    yield element("h2", texts.say("about", "heading"))
    if about.name is None:
        yield element("p", texts.say("about", "unnamed"))
    else:
        name = element("strong", about.name) if about.url is None else link(about.url, about.name)
        yield element("p", filled(texts.say("about", "run_by", name="{name}"), name=name))
    if about.imprint is not None:
        yield element("p", about.imprint)
    if about.contact is not None:
        yield element("p", texts.say("about", "contact"), " ", link(about.contact))
    yield element("p", texts.say("page", "address"), " ", element("code", facts.url))
    yield element("h2", texts.say("privacy", "heading"))
    line = texts.say("privacy", "line_kept" if facts.keeps_addresses else "line")
    yield element("p", line, " ", link(place.links[f"policy.{texts.language}"], texts.say("privacy", "more")), ".")

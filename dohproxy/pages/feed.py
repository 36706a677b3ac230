"""The Atom feed (RFC 4287) of incidents and announcements, and the same with the figures of the day as JSON."""

import json
import math
from dataclasses import dataclass
from typing import Any, Final

from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.facts import Announcement, Facts, Place
from dohproxy.pages.frame import timestamp
from dohproxy.pages.incidents import Incident
from dohproxy.pages.markup import Markup, element, empty
from dohproxy.pages.texts import Texts, texts_in

MOST_ENTRIES: Final = 20
"""Of the feed, those that changed last."""
MOST_ANNOUNCEMENTS: Final = 16
"""Of the JSON, those that were made last."""


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    title: str
    text: str
    since: float
    updated: float


def feed(facts: Facts, language: Language, place: Place) -> Document:
    """Return the feed. Its identifiers are those of the host, so a copy elsewhere is the same feed. Raises TooLong."""
    texts = texts_in(language)
    origin = f"{facts.origin}/{language.value}"
    entries = sorted(
        [
            *(_of_incident(one, texts) for one in facts.incidents),
            *(_of_announcement(one, texts) for one in facts.announcements),
        ],
        key=lambda entry: entry.updated,
        reverse=True,
    )[:MOST_ENTRIES]
    # Nothing is newer than what it tells: a feed that changes with each look would be fetched whole each time.
    updated = max((entry.updated for entry in entries), default=facts.level_since)
    body = element(
        "feed",
        element("id", f"{origin}/incidents.atom"),
        element("title", texts.say("feed", "title", host=facts.host)),
        element("updated", timestamp(updated)),
        element("author", element("name", facts.about.name or facts.host)),
        empty("link", rel="self", type="application/atom+xml", href=_absolute(facts, place.links[f"feed.{language}"])),
        empty("link", rel="alternate", type="text/html", href=_absolute(facts, place.links[f"status.{language}"])),
        *(_entry(one, origin, facts, place, language) for one in entries),
        xmlns="http://www.w3.org/2005/Atom",
        **{"xml:lang": language.value},
    )
    return Document(Kind.FEED, language, f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'.encode())


def _entry(one: _Entry, origin: str, facts: Facts, place: Place, language: Language) -> Markup:
    return element(
        "entry",
        element("id", f"{origin}#{one.key}"),
        element("title", one.title),
        element("published", timestamp(one.since)),
        element("updated", timestamp(one.updated)),
        empty("link", rel="alternate", type="text/html", href=_absolute(facts, place.links[f"status.{language}"])),
        element("content", one.text, type="text"),
    )


def _of_incident(one: Incident, texts: Texts) -> _Entry:
    said = texts.say("incident", one.kind)
    if one.until is None:
        when = texts.say("incident", "ongoing", since=texts.moment(one.since))
        return _Entry(one.key, _first_sentence(said), f"{said} ({when})", one.since, one.since)
    when = texts.say("incident", "ended", since=texts.moment(one.since), until=texts.moment(one.until))
    text = f"{said} {texts.say('feed', 'over')} ({when})"
    return _Entry(one.key, _first_sentence(said), text, one.since, one.until)


def _of_announcement(one: Announcement, texts: Texts) -> _Entry:
    key = f"announcement-{one.number}-{int(one.since)}"
    return _Entry(key, texts.say("feed", "announcement"), one.text, one.since, one.since)


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].removesuffix(".")


def _absolute(facts: Facts, address: str) -> str:
    """Return an address with its host: a reader may take an entry anywhere. Relative ones are a copy's, in a feed."""
    return f"{facts.origin}{address}" if address.startswith("/") else address


def status_json(facts: Facts, place: Place) -> Document:
    """Return the same for programs. Times are those of RFC 3339, in UTC. Raises TooLong."""
    day = facts.day
    told: dict[str, Any] = {
        "host": facts.host,
        "generated": timestamp(facts.at),
        "stale_after": None if place.stale_after is None else timestamp(place.stale_after),
        "level": facts.level.word,
        "since": timestamp(facts.level_since),
        "restriction": {
            "members_only": facts.restriction.members_only,
            "members_first": facts.restriction.members_first,
            "until": _moment(facts.restriction.until),
        },
        "day": {
            "questions": day.answered,
            "per_second": _rounded(day.per_second),
            "asked_upstream": day.asked,
            "asked_upstream_share": _rounded(day.asked / day.answered if day.answered else None),
            "median_seconds": _rounded(day.quantile(0.5)),
            "p95_seconds": _rounded(day.quantile(0.95)),
        },
        "incidents": [
            {"id": one.key, "kind": one.kind.value, "since": timestamp(one.since), "until": _moment(one.until)}
            for one in facts.incidents
        ],
        "announcements": [
            {"number": one.number, "text": one.text, "since": timestamp(one.since), "until": _moment(one.until)}
            for one in sorted(facts.announcements, key=lambda one: one.since, reverse=True)[:MOST_ANNOUNCEMENTS]
        ],
        "names_withheld": dict(facts.names_withheld()),
        "orders": [
            {"text": one.text, "names": one.names, "until": _moment(one.until)}
            for one in facts.withheld
            if one.reason == "law"
        ],
        "run_by": facts.about.name,
        "contact": facts.about.contact,
    }
    return Document(Kind.JSON, None, json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n")


def _moment(at: float | None) -> str | None:
    return None if at is None or not math.isfinite(at) else timestamp(at)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")

"""What both pages have around their content: head, navigation, foot."""

from datetime import UTC, datetime

from dohproxy.pages.document import Kind, Language
from dohproxy.pages.facts import Place
from dohproxy.pages.markup import Markup, element, join
from dohproxy.pages.style import ICON, STYLE
from dohproxy.pages.texts import Texts, texts_in

_STYLE = element("style", Markup(STYLE))


def page(
    kind: Kind, texts: Texts, place: Place, host: str, title: str, *content: str, at: float | None = None
) -> bytes:
    """Return a whole page of one of the kinds that are HTML. `at` is when it was made, in Unix seconds; None for one
    that does not change with the hour."""
    language = texts.language
    head = join(
        Markup('<meta charset="utf-8">'),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("title", title),
        element("meta", name="referrer", content="no-referrer"),
        element("link", rel="icon", href=ICON),
        element(
            "link",
            rel="alternate",
            type="application/atom+xml",
            title=texts.say("page", "feed"),
            href=place.links[f"feed.{language}"],
        ),
        *(
            element("link", rel="alternate", hreflang=other.value, href=place.links[f"{kind}.{other}"])
            for other in Language
        ),
        _STYLE,
    )
    body = join(
        element("header", element("span", host, class_="host"), _navigation(kind, texts, place)),
        element("main", *content),
        _foot(texts, place, at),
    )
    whole = element("html", element("head", head), element("body", body), lang=language.value)
    return f"<!DOCTYPE html>\n{whole}\n".encode()


def moment(texts: Texts, at: float) -> Markup:
    """Return Unix seconds as readers and programs read them."""
    return element("time", texts.moment(at), datetime=timestamp(at))


def timestamp(at: float) -> str:
    """Return Unix seconds as RFC 3339 has them."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def link(address: str, text: str | None = None, **attributes: str | None) -> Markup:
    """Return a link to a page or a mail address, with what it leads to as its text if there is none."""
    target = address if "://" in address or "@" not in address else f"mailto:{address}"
    return element("a", address if text is None else text, href=target, **attributes)


def filled(text: str, **parts: Markup) -> Markup:
    """Return a text in which each `{name}` is that part, which is markup."""
    found: list[str] = []
    rest = text
    while "{" in rest:
        before, _, after = rest.partition("{")
        name, _, rest = after.partition("}")
        found += [before, parts[name]]
    return join(*found, rest)


def _navigation(kind: Kind, texts: Texts, place: Place) -> Markup:
    links = []
    for other in (Kind.STATUS, Kind.SETUP, Kind.POLICY):
        if f"{other}.{texts.language}" not in place.links:
            continue
        current = "page" if other is kind else None
        links.append(
            link(place.links[f"{other}.{texts.language}"], texts.say("page", other.value), aria_current=current)
        )
    for language in Language:
        if language is not texts.language:
            name = texts_in(language).say("form", "language")
            address = place.links[f"{kind}.{language}"]
            links.append(link(address, name, lang=language.value, hreflang=language.value, rel="alternate"))
    return element("nav", *links, aria_label=texts.say("page", "pages"))


def _foot(texts: Texts, place: Place, at: float | None) -> Markup:
    links = element(
        "p",
        link(place.links[f"feed.{texts.language}"], texts.say("page", "feed")),
        Markup(" · "),
        link(place.links["status.json"], texts.say("page", "json")),
    )
    if at is None:
        return element("footer", links)
    as_of = element("p", filled(texts.say("page", "as_of", moment="{moment}"), moment=moment(texts, at)))
    if place.stale_after is None:
        how = element("p", texts.say("page", "renewed"))
    else:
        words = texts.say("page", "copy", seconds=str(place.renewed_seconds), moment="{moment}")
        how = element("p", element("strong", filled(words, moment=moment(texts, place.stale_after))))
    return element("footer", as_of, how, links)

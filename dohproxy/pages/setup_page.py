"""The members' page: how each kind of device is told to ask this service, that of the visitor first.

It is made from what is offered alone, so it changes with the configuration and not with the hour. For a member's own
page it is made once for all of them, with a token that nobody has; whoever shows it puts the member's in its place.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.facts import Place
from dohproxy.pages.frame import link, page
from dohproxy.pages.markup import Markup, element
from dohproxy.pages.qr_drawing import Draw
from dohproxy.pages.systems import System
from dohproxy.pages.texts import Texts, texts_in
from dohproxy.profiles.browsers import template_of
from dohproxy.profiles.kinds import find_kind, missing
from dohproxy.profiles.offer import Offer

ORDER: Final = (System.APPLE, System.ANDROID, System.WINDOWS, System.LINUX)
"""Of what is not the visitor's own."""
_FOR_LINUX: Final = ("systemd-resolved", "networkmanager", "unbound", "stubby", "dnscrypt-proxy", "dnsmasq")


def setup_page(
    offer: Offer, language: Language, system: System, place: Place, code: Draw | None, variant: str
) -> Document:
    """Return the page for visitors with one system. `code` draws the page's own address for a camera; None leaves it
    out. Raises TooLong."""
    texts = texts_in(language)
    title = texts.say("page", "setup_title", host=offer.host)
    first, rest = _ordered(system)
    say = _Sections(offer, texts, place)
    content = (
        element("h1", texts.say("setup", "heading", host=offer.host)),
        element("p", texts.say("setup", "intro")),
        element("p", texts.say("page", "address"), " ", element("code", offer.url)),
        *(say.secret() if variant else ()),
        *(part for one in first for part in say.about(one)),
        *say.browsers(),
        *(part for one in rest for part in say.about(one)),
        *say.others(),
        *_code(texts, code),
        *say.more(),
    )
    body = page(Kind.SETUP, texts, place, offer.host, title, *content)
    return Document(Kind.SETUP, language, body, f"{variant}{system}")


def _ordered(system: System) -> tuple[Sequence[System], Sequence[System]]:
    """Return the visitor's own system, if it is known, and the others."""
    first = () if system is System.OTHER else (system,)
    return first, tuple(one for one in ORDER if one not in first)


class _Sections:
    """What is said of each kind of device."""

    def __init__(self, offer: Offer, texts: Texts, place: Place) -> None:
        self._offer = offer
        self._texts = texts
        self._place = place

    def secret(self) -> Iterator[Markup]:
        """Yield what whoever has an address of his own should know."""
        yield element("p", element("strong", self._say("secret")))

    def about(self, system: System) -> Iterator[Markup]:
        """Yield how one system is told."""
        told: dict[System, Callable[[], Iterator[Markup]]] = {
            System.APPLE: self._apple,
            System.ANDROID: self._android,
            System.WINDOWS: self._windows,
            System.LINUX: self._linux,
        }
        yield element("h2", self._say(system))
        yield from told[system]()

    def browsers(self) -> Iterator[Markup]:
        """Yield how browsers are told, whatever the system."""
        yield element("h2", self._say("browsers"))
        yield element("p", self._say("firefox"), " ", element("code", self._offer.url))
        yield element("p", self._say("chrome"), " ", element("code", template_of(self._offer)))

    def others(self) -> Iterator[Markup]:
        """Yield the files for those who look after more than their own device."""
        yield element("h2", self._say("others"))
        yield self._files("firefox", "chrome", "chrome-windows", "openwrt", "curl")

    def more(self) -> Iterator[Markup]:
        """Yield what remains to be said."""
        if self._offer.stamps:
            yield element("h2", self._say("stamps"))
            yield element("ul", *(element("li", element("code", stamp)) for stamp in self._offer.stamps))

    def _apple(self) -> Iterator[Markup]:
        yield self._files("apple", "apple-dot")
        yield element("p", self._say("apple_install"))

    def _android(self) -> Iterator[Markup]:
        if self._offer.dot is not None and self._has("android"):
            yield element("p", self._say("android_type"), " ", element("code", self._offer.dot.name))
        else:
            yield element("p", self._say("android_none"))

    def _windows(self) -> Iterator[Markup]:
        if not self._has("windows"):
            yield element("p", self._say("windows_none"))
            return
        yield self._files("windows", "windows-dot")
        yield element("p", self._say("windows_then"))
        yield element("ul", *(element("li", element("code", address)) for address in self._offer.addresses))

    def _linux(self) -> Iterator[Markup]:
        names = [name for name in _FOR_LINUX if self._has(name)]
        yield element("p", self._say("linux_about" if names else "linux_none"))
        if names:
            yield self._files(*names)

    def _files(self, *names: str) -> Markup:
        """Return links to the files of those kinds that are offered."""
        found = [kind for kind in map(find_kind, names) if kind is not None and self._has(kind.name)]
        links = (link(self._place.links[f"file.{kind.name}"], kind.file) for kind in found)
        told = zip(links, (self._texts.say("files", kind.name) for kind in found), strict=True)
        return element("ul", *(element("li", shown, " ", about) for shown, about in told))

    def _has(self, name: str) -> bool:
        kind = find_kind(name)
        return kind is not None and f"file.{name}" in self._place.links and not missing(kind, self._offer)

    def _say(self, key: str) -> str:
        return self._texts.say("setup", key)


def _code(texts: Texts, code: Draw | None) -> Iterator[Markup]:
    if code is not None:
        yield element("h2", texts.say("setup", "code"))
        yield element("p", code(texts.say("setup", "code_about")))

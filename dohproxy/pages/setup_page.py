"""The members' page: how each kind of device is told to ask this service, that of the visitor first.

It is made from what is offered alone, so it changes with the configuration and not with the hour. For a member's own
page it is made once for all of them, with a token that nobody has; whoever shows it puts the member's in its place.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.facts import Place
from dohproxy.pages.frame import filled, link, page
from dohproxy.pages.markup import Markup, element
from dohproxy.pages.proof import HEIGHT, WIDTH, Proof
from dohproxy.pages.qr_family import QrCode
from dohproxy.pages.systems import System
from dohproxy.pages.texts import Texts, texts_in
from dohproxy.profiles.browsers import template_of
from dohproxy.profiles.kinds import find_kind, missing
from dohproxy.profiles.offer import Offer

ORDER: Final = (System.APPLE, System.ANDROID, System.WINDOWS, System.LINUX)
"""Of what is not the visitor's own."""
REMEDIES: Final = ("again", "browser", "device", "between")
"""What to look at where it does not work, the likeliest first."""
_MODULE_PIXELS: Final = 5
"""Of one module of a QR code, so that a telephone reads it from a screen."""
_FOR_LINUX: Final = ("systemd-resolved", "networkmanager", "unbound", "stubby", "dnscrypt-proxy", "dnsmasq")


@dataclass(frozen=True, slots=True)
class Codes:
    """What is for cameras."""

    page: QrCode
    """The page's own address."""
    stamp: QrCode | None = None
    """The first stamp, if there is any."""


def setup_page(
    offer: Offer, language: Language, system: System, place: Place, codes: Codes, proof: Proof | None, variant: str
) -> Document:
    """Return the page for visitors with one system. `proof` is where the picture is that proves whom a browser asks;
    without it nothing is said of that. Raises TooLong."""
    texts = texts_in(language)
    title = texts.say("page", "setup_title", host=offer.host)
    first, rest = _ordered(system)
    say = _Sections(offer, texts, place)
    content = (
        element("h1", texts.say("setup", "heading", host=offer.host)),
        element("p", texts.say("setup", "intro")),
        element("p", texts.say("page", "address"), " ", element("code", offer.url)),
        *(say.secret() if variant else ()),
        *(() if proof is None else say.proof(proof)),
        *(part for one in first for part in say.about(one)),
        *say.browsers(),
        *(part for one in rest for part in say.about(one)),
        *say.others(),
        *say.codes(codes),
    )
    body = page(Kind.SETUP, texts, place, offer.host, title, *content)
    return Document(Kind.SETUP, language, body, f"{variant}{system}", "" if proof is None else proof.origin)


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

    def proof(self, proof: Proof) -> Iterator[Markup]:
        """Yield whether this very browser asks the service, and what to do if it does not."""
        say, language = self._texts.say, self._texts.language
        source = proof.picture(language)
        yield element("h2", say("proof", "heading"))
        # The words have to be true of both cases: who has a page read out hears them beside the picture too.
        picture = element("img", src=source, width=str(WIDTH), height=str(HEIGHT), alt=say("proof", "no"))
        yield element("p", picture, class_="proof")
        yield element("p", say("proof", "about"), " ", link(source, say("proof", "link")))
        status = link(self._place.links[f"{Kind.STATUS}.{language}"], say("proof", "status"))
        remedies = (
            *(say("proof", key) for key in REMEDIES),
            filled(say("proof", "disturbed", status="{status}"), status=status),
        )
        yield element(
            "details",
            element("summary", say("proof", "if_not")),
            element("ul", *(element("li", remedy) for remedy in remedies)),
        )

    def codes(self, codes: Codes) -> Iterator[Markup]:
        """Yield what other devices take from a screen, and the stamps."""
        yield element("h2", self._say("code"))
        yield element("p", _shown(codes.page, self._say("code_about")))
        if self._offer.stamps:
            yield element("h2", self._say("stamps"))
            # Some programs open such an address by themselves.
            shown = (link(stamp, None) for stamp in self._offer.stamps)
            yield element("ul", *(element("li", element("code", one)) for one in shown))
        if codes.stamp is not None:
            yield element("p", _shown(codes.stamp, self._say("stamp_about")))

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


def _shown(code: QrCode, name: str) -> Markup:
    """Return the picture of a code, with words for readers who do not see it."""
    pixels = str(_MODULE_PIXELS * code.size)
    return element("img", class_="code", src=code.address, width=pixels, height=pixels, alt=name)

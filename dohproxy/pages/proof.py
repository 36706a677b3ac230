"""The picture that proves that a browser asks this service, and how a page shows it.

It is at a name that nobody else answers (`policy.discovery.proof`): whoever does not ask this service has no picture,
and reads the text in its place. So it needs no script, no cookie, and no memory of who has asked for what.
"""

from dataclasses import dataclass
from typing import Final

from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.markup import element, empty
from dohproxy.pages.setup_paths import PROOF_MARK, proof_path
from dohproxy.pages.texts import texts_in
from dohproxy.policy.discovery.proof import proof_host

WIDTH: Final = 340
HEIGHT: Final = 72
"""Pixels of the picture; the narrowest telephones have 320, less the margins, and show it smaller."""

_INK: Final = "#fff"
_GREEN: Final = "#0a6b3d"


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the picture is, with PROOF_MARK in the name."""

    origin: str
    """Scheme, host and port, as a policy for content names them."""

    def picture(self, language: Language) -> str:
        """Return its URL."""
        return f"{self.origin}{proof_path(language)}"


def proof_at(domain: str, port: int) -> Proof:
    """Return where the picture is, below this domain, with the port of DoH."""
    return Proof(f"https://{proof_host(PROOF_MARK, domain)}{'' if port == 443 else f':{port}'}")


def proof_picture(language: Language) -> Document:
    """Return the picture, the same bytes for everybody."""
    texts = texts_in(language)
    title, words = texts.say("proof", "yes"), texts.say("proof", "yes_about")
    body = element(
        "svg",
        element("title", f"{title} {words}"),
        empty("rect", width=str(WIDTH), height=str(HEIGHT), rx="8", fill=_GREEN),
        empty("path", d="M20 37l11 12 20-25", fill="none", stroke=_INK, stroke_width="6"),
        element("text", title, x="68", y="32", font_size="20", font_weight="700"),
        element("text", words, x="68", y="54", font_size="15"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=str(WIDTH),
        height=str(HEIGHT),
        lang=language.value,
        fill=_INK,
        font_family="system-ui,sans-serif",
    )
    return Document(Kind.PROOF, language, body.encode())

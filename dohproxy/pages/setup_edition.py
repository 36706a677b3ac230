"""All documents by which devices are told to ask this service: the page for each system and language, everybody's and
members', and the files.

Members' are made once, with a token in them that nobody can have; whoever shows them puts the member's in its place. So
no token is known here, and a look at a member's page costs what a look at any other does, and its bytes once more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.facts import Place
from dohproxy.pages.qr_drawing import Draw, qr_drawing
from dohproxy.pages.setup_page import setup_page
from dohproxy.pages.setup_paths import MEMBERS, TOKEN_MARK
from dohproxy.pages.systems import System
from dohproxy.profiles.kinds import KINDS, missing
from dohproxy.profiles.offer import NO_WISHES, Offer


def setup_documents(offer: Offer, members: Offer | None) -> Iterator[Document]:
    """Yield everybody's documents, and if there are any those for `members`, whose offer has TOKEN_MARK for a token.
    Takes some tens of milliseconds. Raises TooLong."""
    # Whoever reads it with a telephone has there what the telephone needs.
    code = qr_drawing(f"{'/'.join(offer.url.split('/', 3)[:3])}/setup")
    yield from _pages(offer, "/setup", code, "")
    yield from _files(offer, "")
    if members is not None:
        # A name that begins with a token is another text, and seen by whoever is on the way; a stamp hides its path.
        personal = replace(members, dot=None, stamps=())
        yield from _pages(personal, f"/setup/{TOKEN_MARK}", None, MEMBERS)
        yield from _files(personal, MEMBERS)


def _pages(offer: Offer, path: str, code: Draw | None, variant: str) -> Iterator[Document]:
    place = Place(_links(path))
    for language in Language:
        for system in System:
            yield setup_page(offer, language, system, place, code, variant)


def _files(offer: Offer, variant: str) -> Iterator[Document]:
    for kind in KINDS:
        if not missing(kind, offer):
            yield Document(Kind.PROFILE, None, kind.make(offer, NO_WISHES), f"{variant}{kind.file}")


def _links(path: str) -> Mapping[str, str]:
    return {
        "status.json": "/status.json",
        **{f"{Kind.STATUS}.{language}": f"/{language}" for language in Language},
        **{f"{Kind.POLICY}.{language}": f"/{language}/policy" for language in Language},
        **{f"{Kind.FEED}.{language}": f"/{language}/incidents.atom" for language in Language},
        **{f"{Kind.SETUP}.{language}": f"/{language}{path}" for language in Language},
        **{f"file.{kind.name}": f"{path}/{kind.file}" for kind in KINDS},
    }

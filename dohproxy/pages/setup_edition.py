"""All documents by which devices are told to ask this service: the page for each system and language, everybody's and
members', and the files.

Members' are made once, with a token in them that nobody can have; whoever shows them puts the member's in its place,
and what is made of it (`pages.blanks`). So no token is known here, and a look at a member's page costs what a look at
any other does, its bytes once more, and a tenth of a millisecond.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from dohproxy.pages.blanks import CodeBlank, blank_text, stamp_text, url_text
from dohproxy.pages.document import Blank, Document, Kind, Language
from dohproxy.pages.facts import Place
from dohproxy.pages.proof import Proof, proof_picture
from dohproxy.pages.qr_family import qr_code
from dohproxy.pages.setup_page import Codes, setup_page
from dohproxy.pages.setup_paths import MEMBERS, TOKEN_MARK
from dohproxy.pages.systems import System
from dohproxy.profiles.kinds import KINDS, missing
from dohproxy.profiles.offer import NO_WISHES, Offer


def setup_documents(
    offer: Offer, members: Offer | None, proof: Proof | None = None, pause: Callable[[], None] = lambda: None
) -> Iterator[Document]:
    """Yield everybody's documents, and if there are any those for `members`, whose offer has TOKEN_MARK for a token;
    with a picture that proves whom a browser asks, if there is a place for it.

    It takes some tens of milliseconds, and with members a fifth of a second: `pause` is called every few milliseconds,
    for others that want to run. Raises TooLong.
    """
    # Whoever reads it with a telephone has there what the telephone needs.
    address = f"{'/'.join(offer.url.split('/', 3)[:3])}/setup"
    codes = Codes(qr_code(address), qr_code(offer.stamps[0]) if offer.stamps else None)
    pause()
    yield from _pages(offer, "/setup", codes, proof)
    yield from _files(offer)
    if proof is not None:
        yield from map(proof_picture, Language)
    if members is not None:
        # A name that begins with a token is another text, and seen by whoever is on the way.
        yield from _members(replace(members, dot=None), f"{address}/{TOKEN_MARK}", proof, pause)


def _members(offer: Offer, address: str, proof: Proof | None, pause: Callable[[], None]) -> Iterator[Document]:
    stamps = [stamp_text(stamp) for stamp in offer.stamps]
    texts = tuple(map(blank_text, stamps))
    page = CodeBlank(url_text(address), pause)
    stamp = CodeBlank(stamps[0], pause) if stamps else None
    codes = Codes(page.code, None if stamp is None else stamp.code)
    blanks = (*texts, page.blank, *(() if stamp is None else (stamp.blank,)))
    yield from _pages(offer, f"/setup/{TOKEN_MARK}", codes, proof, MEMBERS, blanks)
    yield from _files(offer, MEMBERS, texts)


def _pages(
    offer: Offer, path: str, codes: Codes, proof: Proof | None, variant: str = "", blanks: Sequence[Blank] = ()
) -> Iterator[Document]:
    place = Place(_links(path))
    for language in Language:
        for system in System:
            page = setup_page(offer, language, system, place, codes, proof, variant)
            yield replace(page, blanks=tuple(blanks))


def _files(offer: Offer, variant: str = "", blanks: Sequence[Blank] = ()) -> Iterator[Document]:
    for kind in KINDS:
        if not missing(kind, offer):
            body = kind.make(offer, NO_WISHES)
            yield Document(Kind.PROFILE, None, body, f"{variant}{kind.file}", blanks=tuple(blanks))


def _links(path: str) -> Mapping[str, str]:
    return {
        "status.json": "/status.json",
        **{f"{Kind.STATUS}.{language}": f"/{language}" for language in Language},
        **{f"{Kind.POLICY}.{language}": f"/{language}/policy" for language in Language},
        **{f"{Kind.FEED}.{language}": f"/{language}/incidents.atom" for language in Language},
        **{f"{Kind.SETUP}.{language}": f"/{language}{path}" for language in Language},
        **{f"file.{kind.name}": f"{path}/{kind.file}" for kind in KINDS},
    }

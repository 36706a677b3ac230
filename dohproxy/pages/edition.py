"""All documents of one moment, for the service's own host or for a folder that another host publishes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dohproxy.config import Config
from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.facts import Facts, Place
from dohproxy.pages.feed import feed, status_json
from dohproxy.pages.own_text import NOTHING, OwnText, read_own_text
from dohproxy.pages.policy_page import policy_page
from dohproxy.pages.status_page import status_page
from dohproxy.pages.texts import texts_in

STALE_FACTOR: Final = 3
"""Of the time between two renewals of a copy: so old it is not to be believed. One may be late, and be fetched late."""

_ON_HOST: Final = Place({
    "status.json": "/status.json",
    **{f"{Kind.SETUP}.{language}": f"/{language}/setup" for language in Language},
    **{f"{Kind.STATUS}.{language}": f"/{language}" for language in Language},
    **{f"{Kind.POLICY}.{language}": f"/{language}/policy" for language in Language},
    **{f"{Kind.FEED}.{language}": f"/{language}/incidents.atom" for language in Language},
})  # fmt: skip
_FILES: Final[Mapping[tuple[Kind, Language | None], str]] = {
    **{(Kind.STATUS, language): f"status.{language}.html" for language in Language},
    **{(Kind.POLICY, language): f"policy.{language}.html" for language in Language},
    **{(Kind.FEED, language): f"incidents.{language}.atom" for language in Language},
    (Kind.JSON, None): "status.json",
}
"""All in one folder, so that links hold wherever it is published. index.html is the page in the default language."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What makes all documents, with one configuration."""

    config: Config
    own: OwnText = field(default_factory=lambda: NOTHING)
    """The operators' own paragraphs."""
    setup: Sequence[Document] = ()
    """How devices are told to ask this service, and the files for it: the same as long as the configuration holds."""

    def on_host(self, facts: Facts) -> Iterator[Document]:
        """Yield what the service itself shows. Each takes up to two milliseconds, so who asks for it lets others go
        between. Raises TooLong."""
        yield from self._all(facts, _ON_HOST)
        yield from self.setup

    def in_folder(self, facts: Facts) -> Iterator[tuple[str, Document]]:
        """Yield what stands in the folder, each with its file's name. Raises TooLong."""
        pages = self.config.pages
        links = {f"{kind}.{language}" if language else name: name for (kind, language), name in _FILES.items()}
        place = Place(links, facts.at + STALE_FACTOR * pages.folder_seconds, pages.folder_seconds)
        for document in self._all(facts, place):
            yield _FILES[document.kind, document.language], document
            if (document.kind, document.language) == (Kind.STATUS, pages.language):
                yield "index.html", document

    def _all(self, facts: Facts, place: Place) -> Iterator[Document]:
        for language in Language:
            yield status_page(facts, language, place)
            yield policy_page(facts, self.config, self.own, language, place)
            yield feed(facts, language, place)
        yield status_json(facts, place)


def make_edition(config: Config, own: bytes, setup: Sequence[Document] = ()) -> Edition:
    """Return what makes pages with these paragraphs, all texts read. Blocks for some milliseconds. ValueError, with a
    predicate for the operator, if the paragraphs cannot be used."""
    for language in Language:
        texts_in(language)
    return Edition(config, read_own_text(own), setup)

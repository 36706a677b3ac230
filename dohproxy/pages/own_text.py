"""The operators' own paragraphs for the policy page: plain text from a file, read into paragraphs of a language."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dohproxy.pages.document import Language
from dohproxy.pages.frame import link
from dohproxy.pages.markup import Markup, join

MOST_OWN_BYTES: Final = 4_096
"""Of the file: with the page's own text it is within what a document may have."""
MOST_MARKUP_BYTES: Final = 6_144
"""Of its paragraphs in one language as HTML, where a URL stands twice and some characters take five."""
MOST_PARAGRAPHS: Final = 32

OwnText = Mapping[Language, Sequence[str]]

_MARKS: Final = {f"[{language.value}]": language for language in Language}
NOTHING: Final[OwnText] = dict.fromkeys(Language, ())
_URL: Final = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]}']")


def read_own_text(content: bytes) -> OwnText:
    """Return the paragraphs of each language, in their order; what stands before the first mark is for all. ValueError,
    with a predicate for the operator, if it is too long, in too many pieces, or no text."""
    if len(content) > MOST_OWN_BYTES:
        raise ValueError(f"has more than {MOST_OWN_BYTES} bytes; write the rest on a page of yours, with its URL here")
    try:
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    found = _paragraphs(text.splitlines())
    for paragraphs in found.values():
        if len(paragraphs) > MOST_PARAGRAPHS:
            raise ValueError(f"has more than {MOST_PARAGRAPHS} paragraphs for one language; put some together")
        if sum(len(with_links(one).encode()) for one in paragraphs) > MOST_MARKUP_BYTES:
            raise ValueError(
                f"has more than {MOST_MARKUP_BYTES} bytes for one language once URLs are links and signs such as < are"
                " escaped; write fewer of them"
            )
    return found


def with_links(text: str) -> Markup:
    """Return a paragraph in which URLs lead there."""
    parts: list[str] = []
    end = 0
    for found in _URL.finditer(text):
        parts += [text[end : found.start()], link(found[0])]
        end = found.end()
    return join(*parts, text[end:])


def _paragraphs(lines: Iterable[str]) -> dict[Language, list[str]]:
    found: dict[Language, list[str]] = {language: [] for language in Language}
    meant = tuple(Language)
    paragraph: list[str] = []
    for line in (*map(_printable, lines), ""):
        mark = _MARKS.get(line.lower())
        if paragraph and (mark is not None or not line):
            for language in meant:
                found[language].append(" ".join(paragraph))
            paragraph = []
        if mark is not None:
            meant = (mark,)
        elif line:
            paragraph.append(line)
    return found


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else " " for character in line).strip()

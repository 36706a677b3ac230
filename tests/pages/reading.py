"""HTML as a reader has it: its text, its links, and whether its elements are closed in the order they were opened."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "path"}


@dataclass
class Page:
    """What a page says."""

    text: str = ""
    links: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), (tag, attrs)
        self.page.elements.append((tag, found))
        if tag == "a":
            self.page.links.append(found["href"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title", "desc"):
            self.page.text += data + (" " if self.open[-1] in ("p", "li", "dt", "dd") else "")
            if self.open[-1] in ("h1", "h2", "h3"):
                self.page.headings.append(data)


def read(body: bytes) -> Page:
    """Return what a page says. AssertionError if it is no proper HTML."""
    reader = _Reader()
    text = body.decode()
    assert text.startswith("<!DOCTYPE html>\n<html")
    reader.feed(text)
    reader.close()
    assert reader.open == []
    # Of the blanks only plain ones run together: the others are there to be seen.
    reader.page.text = re.sub(r"[ \n]+", " ", reader.page.text)
    return reader.page

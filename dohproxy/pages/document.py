"""One text that is published: its bytes, and how it is told from others."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_BYTES: Final = 40_960
"""Of a document, so that the price of a page view is known. A page has a quarter of it, and nearly all of it where all
lists in it are full."""


class Kind(StrEnum):
    """Which document; metric label."""

    STATUS = "status"
    POLICY = "policy"
    FEED = "feed"
    JSON = "json"
    SETUP = "setup"
    """How devices are told to ask this service."""
    PROFILE = "profile"
    """A file that does it for one kind of client; its language is None, and its variant the file's name."""
    PROOF = "proof"
    """The picture that only who asks this service can see."""


class Language(StrEnum):
    """What a document is written in; the tags of RFC 5646."""

    ENGLISH = "en"
    FRENCH = "fr"


MEDIA_TYPES: Final = {
    Kind.STATUS: "text/html; charset=utf-8",
    Kind.POLICY: "text/html; charset=utf-8",
    Kind.FEED: "application/atom+xml; charset=utf-8",
    Kind.JSON: "application/json",
    Kind.SETUP: "text/html; charset=utf-8",
    Kind.PROOF: "image/svg+xml",
}
FILE_TYPES: Final = {
    "mobileconfig": "application/x-apple-aspen-config",
    "json": "application/json",
    "cmd": "application/octet-stream",
    "reg": "application/octet-stream",
}
"""Of profiles, by what their names end with; all others are text."""


class TooLong(ValueError):
    """A document is longer than MOST_BYTES; the message says which, and by how much."""


@dataclass(frozen=True, slots=True)
class Blank:
    """A place in a document in which something stands that is made of a member's token."""

    mark: bytes
    """What stands there instead, and nowhere else."""
    fill: Callable[[str], bytes]
    """Returns what belongs there, of the same length, for a token; quick, as it is called for each view."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text, ready to be sent. Raises TooLong."""

    kind: Kind
    language: Language | None
    """None for what has no language."""
    body: bytes
    variant: str = ""
    """Which one of several of the same kind and language; there is one alone where it is empty."""
    picture_origin: str = ""
    """From where it may have pictures, with PROOF_MARK in it, as `pages.proof` says; nowhere if empty."""
    blanks: tuple[Blank, ...] = ()
    """What in it depends on a member's token, beside the token itself."""

    def __post_init__(self) -> None:
        if len(self.body) > MOST_BYTES:
            raise TooLong(f"the document {self.kind} has {len(self.body)} bytes, where {MOST_BYTES} are the most")

    @property
    def media_type(self) -> str:
        """What it is, as Content-Type has it."""
        if self.kind is not Kind.PROFILE:
            return MEDIA_TYPES[self.kind]
        return FILE_TYPES.get(self.variant.rpartition(".")[2], "text/plain; charset=utf-8")

    @property
    def etag(self) -> str:
        """Its entity tag (RFC 9110 section 8.8.3): the same for the same bytes alone."""
        return f'"{hashlib.blake2b(self.body, digest_size=12).hexdigest()}"'

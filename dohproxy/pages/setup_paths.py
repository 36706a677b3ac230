"""Which path is the members' page, whose, and which file of it; and what stands in it for what a view brings."""

import re
from dataclasses import dataclass
from typing import Final

from dohproxy.pages.document import Kind, Language
from dohproxy.policy.discovery.proof import UNIQUE_CHARACTERS

TOKEN_MARK: Final = "-" * 22
"""Stands in members' documents where a member's token is to be: as long as one, so that no length changes, and none
that sixteen bytes can make."""
PROOF_MARK: Final = "_" * UNIQUE_CHARACTERS
"""Stands in the name of the picture that proves whom a browser asks (`pages.proof`), where something is to be that no
other view has: as long as that, and nothing that is drawn."""
MEMBERS: Final = "member "
"""Begins the variant of members' documents."""

_LANGUAGES: Final = "|".join(Language)
_PATH: Final = re.compile(
    rf"(?:/(?P<language>{_LANGUAGES}))?/setup(?:/(?P<token>[A-Za-z0-9_-]{{22}}))?(?:/(?P<file>[a-z-]+(?:\.[a-z]+)?))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SetupTarget:
    """What a path below /setup is."""

    kind: Kind
    language: Language | None
    """None if the path says none."""
    token: str
    """A member's, "" on everybody's; nobody has looked whether it is anybody's."""
    file: str
    """A file's name, "" for the page."""

    @property
    def prefix(self) -> str:
        """Begins the variant of the document."""
        return MEMBERS if self.token else ""


def setup_target(path: str) -> SetupTarget | None:
    """Return what a path is; None if it is none of these. A file has no language: it stands below /setup alone."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    language, token, file = found["language"], found["token"] or "", found["file"] or ""
    if file and language:
        return None
    kind = Kind.PROFILE if file else Kind.SETUP
    return SetupTarget(kind, None if language is None else Language(language), token, file)


def proof_path(language: Language) -> str:
    """Return where the picture of one language is, at its name."""
    return f"/{language}/proof.svg"

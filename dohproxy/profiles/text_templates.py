"""Profiles that are text: a template each, as the client has the file, with {places} to be filled."""

from functools import cache
from pathlib import Path
from typing import Final

_TEMPLATES: Final = Path(__file__).parent / "templates"


def fill(name: str, **places: str) -> bytes:
    """Return a template with its places filled. KeyError if one is missing."""
    return _template(name).format_map(places).encode()


@cache
def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")

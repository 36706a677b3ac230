"""HTML and XML, written so that nothing is markup but what says so: every other text is escaped."""

from collections.abc import Mapping
from html import escape
from typing import Final

_VOID: Final = frozenset({"br", "hr", "img", "link", "meta"})
"""Elements of HTML without an end tag."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | None) -> Markup:
    """Return an element. Children that are no Markup are escaped, and so are all attributes; an attribute that is None
    is left out. `class_` is the attribute class, and each other "_" in a name is a "-"."""
    opening = _opening(name, attributes)
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(*children)}</{name}>")


def empty(name: str, /, **attributes: str | None) -> Markup:
    """Return an element of XML that has nothing in it."""
    return Markup(f"<{_opening(name, attributes)}/>")


def join(*parts: str) -> Markup:
    """Return parts one behind the other; those that are no Markup are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def _opening(name: str, attributes: Mapping[str, str | None]) -> str:
    return name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"' for key, text in attributes.items() if text is not None
    )

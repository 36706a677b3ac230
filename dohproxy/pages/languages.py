"""Which language a browser is shown: what its Accept-Language likes best of those that there are."""

import re
from typing import Final

from dohproxy.pages.document import Language

MOST_RANGES: Final = 16
"""Of the field, in its order: browsers send up to ten, and what comes behind them is liked least."""
LONGEST_FIELD: Final = 512
"""Characters looked at."""

_RANGE: Final = re.compile(
    r"[ \t]*(\*|[A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?[ \t]*(?:;[ \t]*[qQ]=([01](?:\.[0-9]{0,3})?))?[ \t]*"
)


def choose(accept_language: str | None, default: Language) -> Language:
    """Return the language with the greatest weight (RFC 9110 section 12.5.4), of equal ones the first that is named;
    `default` where none of ours is wanted, as a page in another language says more than none."""
    if not accept_language:
        return default
    best, weight = default, 0.0
    for text in accept_language[:LONGEST_FIELD].split(",")[:MOST_RANGES]:
        found = _RANGE.fullmatch(text)
        if found is None:
            continue
        wanted, quality = found[1].lower(), float(found[2] or 1.0)
        if wanted == "*":
            language = default
        elif wanted in _KNOWN:
            language = Language(wanted)
        else:
            continue
        if weight < quality <= 1.0:
            best, weight = language, quality
    return best


_KNOWN: Final = frozenset(language.value for language in Language)

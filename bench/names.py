"""The names that people ask for, and how often: a public list, most popular first, drawn by Zipf's law.

Jung et al., "DNS Performance and the Effectiveness of Caching" (2001), found the popularity of names to fall with their
rank to the power of 0.91; later studies have between 0.9 and 1.1.
"""

import os
import random
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

ZIPF_EXPONENT: Final = 1.0
POPULAR_FILE: Final = "opendns-top-domains.txt"


def corpora() -> Path:
    """Return the directory of public data beside the project; exit saying where it was looked for if it is absent."""
    directory = Path(os.environ.get("DOHPROXY_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))
    if not directory.is_dir():
        raise SystemExit(f"no corpora at {directory}; set DOHPROXY_CORPORA to where they are")
    return directory


def popular_names(directory: Path) -> tuple[str, ...]:
    """Return the 10,000 names of the list, most popular first."""
    return tuple((directory / "names" / POPULAR_FILE).read_text(encoding="ascii").split())


class Popularity:
    """Draws names as they are asked for."""

    def __init__(self, names: Sequence[str], exponent: float = ZIPF_EXPONENT) -> None:
        self._names = names
        self._cumulated = list(accumulate(1 / rank**exponent for rank in range(1, len(names) + 1)))

    def draw(self, rng: random.Random, count: int) -> list[str]:
        """Return `count` names, some of them perhaps the same."""
        return rng.choices(self._names, cum_weights=self._cumulated, k=count)

"""The names that people ask for, and how often: made up, most popular first, drawn by Zipf's law.

Jung et al., "DNS Performance and the Effectiveness of Caching" (2001), found the popularity of names to fall with their
rank to the power of 0.91; later studies have between 0.9 and 1.1.
"""

import random
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Final

from tests.data import names

ZIPF_EXPONENT: Final = 1.0
NAMES: Final = 10_000


@cache
def popular_names() -> tuple[str, ...]:
    """Return 10,000 names in the shapes of a public list, most popular first: the same on every machine."""
    return names.popular_names(NAMES)


class Popularity:
    """Draws names as they are asked for."""

    def __init__(self, ranked: Sequence[str], exponent: float = ZIPF_EXPONENT) -> None:
        self._names = ranked
        self._cumulated = list(accumulate(1 / rank**exponent for rank in range(1, len(ranked) + 1)))

    def draw(self, rng: random.Random, count: int) -> list[str]:
        """Return `count` names, some of them perhaps the same."""
        return rng.choices(self._names, cum_weights=self._cumulated, k=count)

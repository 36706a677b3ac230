"""Names as people's programs ask for them, made of a seed: the same ones everywhere, and nobody's.

`popular_names` are such as were registered, in the shapes of a public list; `asked_names` are those and what is asked
for below them: content networks, service labels, trackers, reverse zones and others. Both begin with the most popular.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar

from tests.data import shapes

SEED: Final = 2019
T = TypeVar("T")
_VOWELS: Final = frozenset("aeiouy")
_LONGEST_NAME: Final = 253
_LONGEST_LABEL: Final = 63
_HEXADECIMAL: Final = "0123456789abcdef"
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"


def popular_names(count: int, seed: int = SEED) -> tuple[str, ...]:
    """Return so many different names that could have been registered."""
    make = _Maker(random.Random(seed))  # noqa: S311 - no secret
    return _different(make.popular, count)


def asked_names(count: int, seed: int = SEED) -> tuple[str, ...]:
    """Return so many different names of every kind."""
    make = _Maker(random.Random(seed))  # noqa: S311 - no secret
    return _different(make.asked, count)


def _different(make: Callable[[], str], count: int) -> tuple[str, ...]:
    def fresh() -> Iterator[str]:
        seen = set[str]()
        while True:
            name = make()
            if name not in seen:
                seen.add(name)
                yield name

    return tuple(islice(fresh(), count))


class _Maker:
    """Makes one name after the other."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._kinds: Mapping[str, Callable[[], str]] = {
            "registered": self.popular,
            "www": lambda: f"www.{self.registered()}",
            "service": lambda: f"{self._one_of(shapes.SERVICES)}.{self.registered()}",
            "content network": self._content_network,
            "underscored": lambda: f"{self._one_of(shapes.UNDERSCORED)}.{self.registered()}",
            "tracker": self._tracker,
            "address": self._address,
            "numeric": lambda: f"{self._number(1_000_000)}.{self._number(100)}.{self.registered()}",
            "reverse": self._reverse,
            "international": self._international,
            "long text": lambda: (
                f"{self._drawn(_BASE32, _LONGEST_LABEL)}.{self._one_of('abc')}._txt.{self.registered()}"
            ),
            "longest": self._longest,
        }

    def popular(self) -> str:
        """A name as public lists have it."""
        front = f"{self._word()}." if self._happens(shapes.BELOW_ANOTHER) else ""
        return front + self.registered()

    def asked(self) -> str:
        """A name of any kind."""
        return self._kinds[self._weighted(shapes.KINDS)]()

    def registered(self) -> str:
        """A label under a suffix."""
        return f"{self._word()}.{self._weighted(shapes.SUFFIXES)}"

    def _word(self) -> str:
        length = self._weighted(shapes.LABEL_LENGTHS)
        letters = ""
        for _ in range(length):
            letters += self._letter_after(letters[-2:])
        if length > 1 and self._happens(shapes.WITH_DIGITS):
            digits = str(1 + self._number(99))[: length - 1]
            letters = letters[: length - len(digits)] + digits
        if length > 4 and self._happens(shapes.WITH_HYPHENS):
            place = 1 + self._number(length - 4)
            letters = f"{letters[:place]}-{letters[place + 1 :]}"
        return letters

    def _letter_after(self, before: str) -> str:
        """A letter, as often as it is used, but no third vowel or consonant in a row."""
        while True:
            letter = self._weighted(shapes.LETTERS)
            if len(before) < 2 or len({one in _VOWELS for one in before + letter}) == 2:
                return letter

    def _content_network(self) -> str:
        place = f"{self._word()[:3]}{1 + self._number(9)}"
        fronts = (f"e{self._number(99_999)}.dsc{self._one_of('abgx')}", self._drawn(_BASE32, 14), f"edge-{place}.c")
        return f"{self._one_of(fronts)}.{place}.{self.registered()}"

    def _tracker(self) -> str:
        length = self._one_of((16, 32, 40))
        return f"{self._drawn(_HEXADECIMAL, length)}.t.{self.registered()}"

    def _address(self) -> str:
        return f"{'-'.join(str(self._number(256)) for _ in range(4))}.dyn.{self.registered()}"

    def _reverse(self) -> str:
        """The reverse name of an address that is neither private nor kept for something else."""
        if self._happens(30):
            return ".".join(self._drawn(_HEXADECIMAL, 28)) + ".0.0.a.2.ip6.arpa"
        return f"{'.'.join(str(self._number(256)) for _ in range(3))}.{20 + self._number(80)}.in-addr.arpa"

    def _international(self) -> str:
        script = self._one_of(shapes.SCRIPTS)
        label = self._drawn(script, 2 + self._number(7)).encode("punycode").decode()
        return f"xn--{label}.{self._weighted(shapes.SUFFIXES)}"

    def _longest(self) -> str:
        """As many characters as a name can have, in labels as long as they can be."""
        end = self.registered()
        room = _LONGEST_NAME - len(end) - 1
        text = self._drawn(_BASE32, room)
        labels = [text[start : start + _LONGEST_LABEL] for start in range(0, room, _LONGEST_LABEL + 1)]
        return ".".join((*labels, end))

    def _happens(self, percent: float) -> bool:
        return self._rng.random() * 100 < percent

    def _number(self, below: int) -> int:
        return int(self._rng.random() * below)

    def _one_of(self, choices: Sequence[T]) -> T:
        return choices[self._number(len(choices))]

    def _drawn(self, letters: str, count: int) -> str:
        return "".join(self._rng.choices(letters, k=count))

    def _weighted(self, weights: Mapping[T, float]) -> T:
        return self._rng.choices(list(weights), list(weights.values()))[0]

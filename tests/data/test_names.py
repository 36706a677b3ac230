"""Names that are made up: the same everywhere, valid, of every kind, and in the shapes of a public list."""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import pytest

from dohproxy.wire.name import from_text
from tests.data import corpora as foreign
from tests.data import shapes
from tests.data.names import asked_names, popular_names

ASKED = asked_names(2_000)
POPULAR = popular_names(10_000)


def digest(names: Sequence[str]) -> str:
    return blake2b("\n".join(names).encode(), digest_size=8).hexdigest()


def length_at(names: Sequence[str], percent: int) -> int:
    """The length that so many of a hundred names do not exceed."""
    return sorted(map(len, names))[len(names) * percent // 100]


def under_com(names: Sequence[str]) -> float:
    return sum(name.endswith(".com") for name in names) / len(names)


def test_they_are_the_same_on_every_machine() -> None:
    assert (digest(ASKED), digest(POPULAR)) == ("18a7abcc475270df", "19c51dedc06f7eeb")


def test_more_names_begin_with_the_same() -> None:
    assert asked_names(50) == ASKED[:50]


def test_another_seed_makes_others() -> None:
    assert not set(asked_names(50, seed=1)) & set(ASKED)


@pytest.mark.parametrize("names", [ASKED, POPULAR], ids=["asked for", "popular"])
def test_each_is_a_name_and_there_once(names: Sequence[str]) -> None:
    assert len({from_text(name) for name in names}) == len(names)
    assert all(name == name.lower() and name.isascii() for name in names)


@pytest.mark.parametrize(
    "part",
    ["www.", "_443._tcp.", "_domainkey.", "_txt.", ".in-addr.arpa", ".ip6.arpa", "xn--", ".dyn.", ".t.", ".dsc"],
)
def test_every_kind_is_among_what_is_asked_for(part: str) -> None:
    assert sum(part in name for name in ASKED) >= 2


def test_the_longest_name_and_the_longest_label_are_among_them() -> None:
    assert max(map(len, ASKED)) == 253
    assert max(len(label) for name in ASKED for label in name.split(".")) == 63


def test_popular_ones_have_as_many_labels_as_the_figures_say() -> None:
    labels = Counter(name.count(".") + 1 for name in POPULAR)
    below = sum(share for suffix, share in shapes.SUFFIXES.items() if "." in suffix) + shapes.BELOW_ANOTHER
    assert labels[2] / len(POPULAR) == pytest.approx(1 - below / 100, abs=0.02)


def test_a_public_list_has_the_same_shapes(corpora: Path) -> None:
    assert corpora.is_dir()
    public = foreign.popular_names()
    for percent in (5, 25, 50, 75, 95):
        assert length_at(POPULAR, percent) == pytest.approx(length_at(public, percent), abs=1)
    assert under_com(POPULAR) == pytest.approx(under_com(public), abs=0.02)
    letters, others = (Counter(letter for name in names for letter in name) for names in (POPULAR, public))
    for letter in "etaoinshr":
        assert letters[letter] / letters.total() == pytest.approx(others[letter] / others.total(), abs=0.015)

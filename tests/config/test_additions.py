"""The words for what we add to a query."""

from pathlib import Path

import pytest

from dohproxy.config.additions import ADDITION_NAMES, Addition, parse_addition
from dohproxy.config.addresses import Unusable


@pytest.mark.parametrize("word", ["edns", "cookie", "ad", "case", "padding"])
def test_each_is_a_word_of_the_file(word: str) -> None:
    assert parse_addition(word, Path()) == word


def test_another_word_is_told_which_there_are() -> None:
    with pytest.raises(Unusable, match="must be one of edns, cookie, ad, case, padding"):
        parse_addition("cookies", Path())


def test_the_opt_record_is_tried_before_what_stands_in_it() -> None:
    order = list(Addition)
    assert order.index(Addition.EDNS) < min(order.index(Addition.COOKIE), order.index(Addition.PADDING))


def test_there_is_a_name_for_each() -> None:
    assert set(ADDITION_NAMES) == set(Addition)
